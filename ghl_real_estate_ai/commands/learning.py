"""Where training events come from: a simulated city through the CRM's translation, or a location's own log.

Called by ``enterprisehub train``. A city's models go into files, to be shipped; a location's into the database, where
``ml/contest.py`` has decided which of them shall answer there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ghl_real_estate_ai.bootstrap import SystemClock, webhook_reader
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.errors import ModelArtifactError
from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole
from ghl_real_estate_ai.ml.artifacts import Card, Model, shipped_model
from ghl_real_estate_ai.ml.contest import Verdict, contest
from ghl_real_estate_ai.ml.history import History
from ghl_real_estate_ai.ml.match_rank import NAME as ORDER
from ghl_real_estate_ai.ml.match_rank import JudgedHomes, MatchRankReport, fit_match_rank
from ghl_real_estate_ai.ml.model_card import TrainingReport
from ghl_real_estate_ai.ml.training import TARGETS, train
from ghl_real_estate_ai.models.events import Delivery, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.intelligence import ModelStamp
from ghl_real_estate_ai.ports import Memory, UnitOfWork, WebhookReader
from ghl_real_estate_ai.services.tenant_models import learned as learned_model
from ghl_real_estate_ai.settings import load_settings
from ghl_real_estate_ai.simulation.city import City

CITY_START = datetime(2026, 1, 5, tzinfo=UTC)
"""First day of the simulated calendar: fixed, so that the same seed gives the same models."""

CITY_LISTINGS = 600
"""Homes on the simulated market."""


def city_events(city: City, reader: WebhookReader) -> Iterator[RecordedEvent]:
    """The city's webhooks as events, translated by the same code as a real delivery."""
    location_id = LocationId("simulated-city")
    position = 0
    for number, happening in enumerate(city.events(), start=1):
        body = {
            **happening.body,
            "type": happening.type,
            "locationId": location_id,
            "webhookId": f"city-{number}",
            "timestamp": happening.at.isoformat(),
        }
        read = reader.translate(
            json.dumps(body), delivery_id=f"city-{number}", received_at=happening.at, simulated=True
        )
        if isinstance(read, Delivery):
            position += 1
            yield RecordedEvent(
                position=position,
                delivery_id=read.delivery_id,
                received_at=happening.at,
                recorded_at=happening.at,
                event=read.event,
            )


def train_on_city(
    *, seed: int, leads: int, days: float, out_dir: Path, progress: Callable[[], None]
) -> TrainingReport:
    """Fit on a simulated city; the models say so."""
    city = City.in_retrospect(seed=seed, leads=leads, listings=CITY_LISTINGS, start=CITY_START, days=days)
    events = _counted(city_events(city, webhook_reader(load_settings())), progress)
    source = f"city simulator, seed {seed}, {leads} leads, {days:g} days"
    return train(events, out_dir=out_dir, fitted_on=source, simulated=True)


@dataclass(frozen=True, slots=True)
class LocationReport:
    """What a location's own history taught."""

    location_id: LocationId
    simulated: bool
    events: int
    leads: int
    seconds: float
    verdicts: tuple[Verdict, ...]
    order: MatchRankReport

    def as_dict(self) -> dict[str, object]:
        """Plain values, for ``--json``."""
        return {
            "location_id": self.location_id,
            "simulated": self.simulated,
            "events": self.events,
            "leads": self.leads,
            "seconds": round(self.seconds, 1),
            "models": [verdict.as_dict() for verdict in self.verdicts],
            "match_order": self.order.as_dict(),
        }

    def table(self) -> str:
        """For people: who answers each question from now on, and why."""
        kind = "simulated events" if self.simulated else "events"
        head = (
            f"location {self.location_id}: {self.events} {kind} of {self.leads} leads in {self.seconds:.0f} s"
        )
        lines = [head, *(line for verdict in self.verdicts for line in ("", *verdict.lines()))]
        return "\n".join([*lines, "", f"order of matches: {self.order.reason}"])


async def train_on_location(
    memory: Memory, location_id: LocationId, *, progress: Callable[[], None]
) -> LocationReport:
    """Learn from a location's own history, and store what shall answer there from now on, and nowhere else.

    A history that is too thin for a fit still moves what ships towards the location's own leads; the report says what is
    missing. Engines that run find the new models within a minute.
    """
    started = time.perf_counter()
    place = await records.the_location(memory, location_id)
    history, judged = History(TARGETS), JudgedHomes()
    async for recorded in records.log_events(memory, place):
        history.add(recorded)
        judged.add(recorded)
        progress()
    verdicts = []
    for number, target in enumerate(TARGETS):
        champion = await _champion(memory, place, target.name)
        shipped = shipped_model(target.name)
        source = f"location {place}" + (" (simulated)" if history.simulated else "")
        verdicts.append(contest(history, number, champion=champion, shipped=shipped, fitted_on=source))
    now = SystemClock().now()
    learned = [model for verdict in verdicts for model in _to_store(verdict, place, now)]
    standing = await memory.read(lambda uow: uow.learned.champion(place, ORDER))
    order = fit_match_rank(judged, place, now=now, champion=standing)
    learned.extend(model for model in (order.model, order.retired) if model is not None)

    def keep(uow: UnitOfWork) -> None:
        for model in learned:
            uow.learned.put(model)

    await memory.write(keep)
    return LocationReport(
        location_id=place,
        simulated=history.simulated,
        events=history.events,
        leads=len(history.outcomes),
        seconds=time.perf_counter() - started,
        verdicts=tuple(verdicts),
        order=order,
    )


async def _champion(memory: Memory, location_id: LocationId, name: str) -> Model | None:
    found = await memory.read(lambda uow: uow.learned.champion(location_id, name))
    try:
        return None if found is None else learned_model(found)
    except ModelArtifactError:
        return None  # of an older version of the house: it could not answer either


def _to_store(verdict: Verdict, location_id: LocationId, now: datetime) -> Iterator[LearnedModel]:
    """The winner, once own leads have said something; and a challenger that lost, to look at."""

    def stored(text: str, card: Card, role: ModelRole) -> LearnedModel:
        stamp = ModelStamp.model_validate(card["stamp"])
        return LearnedModel(
            location_id=location_id,
            name=stamp.name,
            version=stamp.version,
            role=role,
            card=json.dumps(card, sort_keys=True),
            content=text,
            fitted_at=now,
        )

    if verdict.loser is not None:
        yield stored(*verdict.loser, ModelRole.CHALLENGER)
    if verdict.leads or verdict.figures:
        yield stored(verdict.text, verdict.card, ModelRole.CHAMPION)


def _counted(events: Iterator[RecordedEvent], progress: Callable[[], None]) -> Iterator[RecordedEvent]:
    for recorded in events:
        progress()
        yield recorded
