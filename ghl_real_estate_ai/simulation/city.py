"""A brokerage's city: homes, buyers and talks with a hidden truth, as GoHighLevel webhook bodies in time order.

Called by ``enterprisehub simulate`` (through simulation/vendor_servers.py) and ``enterprisehub train``. Everything
comes from the seed: the same seed gives the same bytes, whatever the machine or PYTHONHASHSEED.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from ghl_real_estate_ai.simulation.buyers import (
    DAY,
    LEAD_INITIATED,
    Happening,
    Kind,
    Traits,
    draw_traits,
)
from ghl_real_estate_ai.simulation.homes import Home, build_homes, draw_wishes, meets_amenities, shortlist
from ghl_real_estate_ai.simulation.life import Life
from ghl_real_estate_ai.simulation.scribe import Agent, Body, Scribe

AGENTS: Final = (
    Agent("simAgentAlex00000001", "Alex Rivera"),
    Agent("simAgentBlake0000002", "Blake Chen"),
    Agent("simAgentCasey0000003", "Casey Osei"),
    Agent("simAgentDrew00000004", "Drew Novak"),
)
HORIZON_DAYS: Final = 14.0
_UTC_OFFSET_HOURS: Final = -6.0
"""The city's clock; it keeps no summer time."""


@dataclass(frozen=True, slots=True)
class CityEvent:
    """One thing that GoHighLevel would report. ``body`` lacks only locationId, webhookId and timestamp."""

    at: datetime
    type: str
    body: Body


@dataclass(frozen=True, slots=True)
class LeadTruth:
    """What no event shows. ``died_at``: interest ended (or the home was bought, then equal to ``won_at``)."""

    lead_id: str
    born_at: datetime
    intent: float
    patience_hours: float
    wishes: dict[str, JsonValue]
    died_at: datetime | None
    first_booked_at: datetime | None
    bookings: int
    won_at: datetime | None


@dataclass(frozen=True, slots=True)
class OracleProbabilities:
    """The true chances at an instant: share of ``draws`` futures, each continued from the latent state by other luck."""

    appointment_14d: float
    silent_14d: float
    draws: int


@dataclass(frozen=True, slots=True)
class _Person:
    """One buyer before life begins."""

    number: int
    born: float
    traits: Traits
    wishes: dict[str, JsonValue]
    good: tuple[int, ...]
    poor: tuple[int, ...]
    agent: Agent


class City:
    """``leads`` buyers with up to ``history_days`` of past at ``start``, and ``arrivals_per_day`` new ones from then on.

    Without a rate given, new ones arrive as fast as the first ones did: ``leads / history_days``.
    """

    def __init__(
        self,
        *,
        seed: int,
        leads: int,
        listings: int,
        start: datetime,
        days: float,
        arrivals_per_day: float | None = None,
        history_days: float = 30.0,
    ) -> None:
        """``start``: aware UTC; ``events`` runs from ``start - history_days`` to ``start + days``."""
        if start.tzinfo is None:
            raise ValueError("start must be an aware datetime, e.g. datetime.now(UTC)")
        self.seed, self.agents = seed, AGENTS
        self.start, self.begin = start, start - timedelta(days=history_days)
        self._end_hour = (history_days + days) * DAY
        self._midnight = (self.begin.hour + self.begin.minute / 60 + _UTC_OFFSET_HOURS) % DAY
        self.listings: list[Home] = build_homes(self._luck("homes"), listings, self.begin)
        towns: dict[str, list[tuple[int, Home]]] = {}
        for index, home in enumerate(self.listings):
            towns.setdefault(str(home["City"]), []).append((index, home))
        if arrivals_per_day is None:
            arrivals_per_day = leads / history_days if history_days else 0.0
        births = self._births(leads, history_days * DAY, arrivals_per_day)
        self._people = [self._person(number, born, towns) for number, born in enumerate(births)]

    @classmethod
    def in_retrospect(cls, *, seed: int, leads: int, listings: int, start: datetime, days: float) -> City:
        """A city that is all past, for training: ``leads`` arrive evenly between ``start`` and ``start + days``."""
        until = start + timedelta(days=days)
        return cls(seed=seed, leads=leads, listings=listings, start=until, days=0, history_days=days)

    def events(self) -> Iterator[CityEvent]:
        """Everything that GHL would report, oldest first, made as it is asked for."""
        return heapq.merge(*(self._reported(person) for person in self._people), key=_at)

    def truth(self) -> Iterator[LeadTruth]:
        """The hidden truth of every lead up to the city's end, in order of arrival."""
        return (self._truth_of(person) for person in self._people)

    def oracle(self, lead_id: str, at: datetime, *, draws: int = 200) -> OracleProbabilities:
        """The true 14-day chances of a lead at ``at``, by Monte Carlo restart from its latent state then.

        The state includes answers and replies already on their way. Raises KeyError for a lead not of this city or
        not yet arrived.
        """
        hour = (at - self.begin) / timedelta(hours=1)
        person = next(
            (p for p in self._people if self._scribe(p).lead_id == lead_id and p.born <= hour), None
        )
        if person is None:
            raise KeyError(f"no lead {lead_id} in this city at {at.isoformat()}")
        standing = self._life_at(person, hour)
        booked = silent = 0
        for draw in range(draws):
            future = standing.fork(self._luck("oracle", person.number, f"{hour:.6f}", draw), hour)
            kinds = {h.kind for h in _live(future, hour + HORIZON_DAYS * DAY)}
            booked += Kind.BOOKED in kinds
            silent += not kinds & LEAD_INITIATED
        return OracleProbabilities(booked / draws, silent / draws, draws)

    # --- building --------------------------------------------------------------------------------------------------

    def _luck(self, *name: object) -> random.Random:
        """A stream of its own per purpose; str seeds are hashed by SHA-512, not by PYTHONHASHSEED."""
        return random.Random(":".join(str(part) for part in (self.seed, *name)))

    def _births(self, leads: int, history: float, per_day: float) -> list[float]:
        luck = self._luck("births")
        births = [luck.uniform(0.0, history) for _ in range(leads)]
        hour = history
        while per_day > 0 and (hour := hour + luck.expovariate(per_day / DAY)) < self._end_hour:
            births.append(hour)
        return sorted(births)

    def _person(self, number: int, born: float, towns: dict[str, list[tuple[int, Home]]]) -> _Person:
        luck = self._luck("person", number)
        traits, wishes = draw_traits(luck), draw_wishes(luck)
        good, poor = shortlist(towns.get(str(wishes["city"]), []), wishes, luck)
        loved = tuple(index for index in good if meets_amenities(self.listings[index], wishes))
        return _Person(number, born, traits, wishes, loved or good, poor, luck.choice(AGENTS))

    def _life(self, person: _Person) -> Life:
        return Life(
            person.traits,
            self._luck("life", person.number),
            born=person.born,
            midnight=self._midnight,
            good=person.good,
            poor=person.poor,
        )

    def _scribe(self, person: _Person) -> Scribe:
        return Scribe(
            self._luck("scribe", person.number), agent=person.agent, wishes=person.wishes, homes=self.listings
        )

    # --- living ----------------------------------------------------------------------------------------------------

    def _time(self, hours: float) -> datetime:
        return self.begin + timedelta(milliseconds=round(hours * 3_600_000))

    def _reported(self, person: _Person) -> Iterator[CityEvent]:
        scribe = self._scribe(person)
        for happening in _live(self._life(person), self._end_hour):
            at = self._time(happening.hours)
            written = scribe.write_down(happening, at)
            if written is not None:
                yield CityEvent(at, *written)

    def _life_at(self, person: _Person, hour: float) -> Life:
        """The life as it stands at ``hour``, before it knows what comes next."""
        life = self._life(person)
        while True:
            before = life.fork(life.rng, life.now)
            happening = life.next(self._end_hour)
            if happening is None or happening.hours > hour:
                return before

    def _truth_of(self, person: _Person) -> LeadTruth:
        times: dict[Kind, list[datetime]] = {}
        for happening in _live(self._life(person), self._end_hour):
            times.setdefault(happening.kind, []).append(self._time(happening.hours))
        won = times.get(Kind.WON, [None])[0]
        return LeadTruth(
            lead_id=self._scribe(person).lead_id,
            born_at=self._time(person.born),
            intent=person.traits.intent,
            patience_hours=person.traits.patience_hours,
            wishes=dict(person.wishes),
            died_at=times.get(Kind.DIED, [won])[0],
            first_booked_at=times.get(Kind.BOOKED, [None])[0],
            bookings=len(times.get(Kind.BOOKED, ())),
            won_at=won,
        )


def _at(event: CityEvent) -> datetime:
    return event.at


def _live(life: Life, until: float) -> Iterator[Happening]:
    while (happening := life.next(until)) is not None:
        yield happening


def write_truth(city: City, path: Path) -> int:
    """Write the hidden truth as JSON lines (times in ISO 8601); returns the number of leads."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for truth in city.truth():
            file.write(json.dumps(asdict(truth), default=lambda value: value.isoformat()) + "\n")
            count += 1
    return count
