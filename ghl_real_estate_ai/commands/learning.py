"""Where training events come from: a simulated city through the CRM's translation, or a location's own log.

Called by ``cli.py train``. Fitting itself is ``ml/training.py``; both paths hand it the same kind of events.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ghl_real_estate_ai.bootstrap import webhook_reader
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.ml.model_card import TrainingReport
from ghl_real_estate_ai.ml.training import train
from ghl_real_estate_ai.models.events import Delivery, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Memory, WebhookReader
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


async def train_on_location(
    memory: Memory, location_id: LocationId, *, out_dir: Path, progress: Callable[[], None]
) -> TrainingReport:
    """Fit on a location's own history. Raises InputError when there is not enough of it."""
    place = await records.the_location(memory, location_id)
    events = [recorded async for recorded in records.log_events(memory, place)]
    simulated = any(recorded.event.simulated for recorded in events)
    source = f"the history of location {place}, {len(events)} events" + (" (simulated)" if simulated else "")
    return train(_counted(iter(events), progress), out_dir=out_dir, fitted_on=source, simulated=simulated)


def _counted(events: Iterator[RecordedEvent], progress: Callable[[], None]) -> Iterator[RecordedEvent]:
    for recorded in events:
        progress()
        yield recorded
