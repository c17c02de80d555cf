"""A memory of dicts that implements ``ports.Memory``: for tests of services. Transactions roll back as a whole."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ghl_real_estate_ai.errors import Overtaken, StorageUnavailable
from ghl_real_estate_ai.learning_ports import LearnedModel, RiskTimer, ScoreRecord
from ghl_real_estate_ai.models.events import LEAD_FACTS, DeadLetter, Delivery, RecordedEvent
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, ListingKey, LocationId, lead_hash
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Lead, Location
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.models.switches import Switch, SwitchState
from ghl_real_estate_ai.ports import UnitOfWork
from tests.support.fake_crm_stores import CrmState, FakeChangeStore, FakeConnectionStore, FakeSyncStore
from tests.support.fake_learning_stores import (
    FakeLearnedModelStore,
    FakeRiskTimerStore,
    FakeTrackRecordStore,
)
from tests.support.fake_people_stores import FakeSwitchStore, FakeTenantStore, Users
from tests.support.fake_team_store import FakeTeamStore


@dataclass
class _State:
    """Everything that is true. Values are frozen models, so a shallow copy per container is a snapshot."""

    log: dict[LocationId, list[RecordedEvent]] = field(default_factory=dict)
    cursors: dict[tuple[LocationId, str], int] = field(default_factory=dict)
    letters: dict[int, DeadLetter] = field(default_factory=dict)
    leads: dict[tuple[LocationId, LeadId], Lead] = field(default_factory=dict)
    intelligence: dict[tuple[LocationId, LeadId], LeadIntelligence] = field(default_factory=dict)
    listings: dict[tuple[LocationId, ListingKey], Listing] = field(default_factory=dict)
    locations: dict[LocationId, Location] = field(default_factory=dict)
    users: Users = field(default_factory=dict)
    switches: dict[tuple[LocationId, Switch], SwitchState] = field(default_factory=dict)
    forgotten: set[tuple[LocationId, str]] = field(default_factory=set)
    crm: CrmState = field(default_factory=CrmState)
    learned: dict[tuple[str, str, str], LearnedModel] = field(default_factory=dict)
    timers: dict[tuple[str, str, int], RiskTimer] = field(default_factory=dict)
    record: dict[tuple[str, str, str, datetime], ScoreRecord] = field(default_factory=dict)

    def snapshot(self) -> _State:
        copied = copy.copy(self)
        for name, value in vars(self).items():
            setattr(copied, name, copy.copy(value))
        copied.crm = self.crm.snapshot()
        copied.log = {location_id: list(events) for location_id, events in self.log.items()}
        return copied


class FakeEventLog:
    """One list per tenant."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def append(self, delivery: Delivery) -> RecordedEvent | None:
        log = self._state.log.setdefault(delivery.event.location_id, [])
        if any(
            known.delivery_id == delivery.delivery_id or known.event.event_id == delivery.event.event_id
            for known in log
        ):
            return None
        recorded = RecordedEvent(
            position=len(log) + 1,
            delivery_id=delivery.delivery_id,
            received_at=delivery.received_at,
            recorded_at=delivery.received_at,
            event=delivery.event,
        )
        log.append(recorded)
        return recorded

    def read(self, location_id: LocationId, *, after: int, limit: int) -> list[RecordedEvent]:
        return self._state.log.get(location_id, [])[after : after + limit]

    def read_types(
        self,
        location_id: LocationId,
        *,
        after: int,
        limit: int,
        types: frozenset[str],
        lead_id: LeadId | None = None,
    ) -> tuple[list[RecordedEvent], int]:
        log = self._state.log.get(location_id, [])
        found = [
            r
            for r in log
            if r.position > after and r.event.type in types and lead_id in {None, r.event.lead_id}
        ][:limit]
        return found, found[-1].position if len(found) == limit else len(log)

    def newest(
        self, location_id: LocationId, *, after: int, limit: int, types: frozenset[str]
    ) -> list[RecordedEvent]:
        log = self._state.log.get(location_id, [])
        return [r for r in log if r.position > after and r.event.type in types][-limit:]

    def heads(self) -> dict[LocationId, int]:
        return {location_id: len(log) for location_id, log in self._state.log.items()}

    def of_lead(
        self,
        location_id: LocationId,
        lead_id: LeadId,
        *,
        before: int | None,
        limit: int,
        types: frozenset[str] | None = None,
    ) -> list[RecordedEvent]:
        newest_first = reversed(self._state.log.get(location_id, []))
        return [
            recorded
            for recorded in newest_first
            if recorded.event.lead_id == lead_id
            and (before is None or recorded.position < before)
            and (types is None or recorded.event.type in types)
        ][:limit]

    def append_page(self, deliveries: Sequence[Delivery]) -> list[RecordedEvent | None]:
        return [self.append(delivery) for delivery in deliveries]

    def known_ids(self, location_id: LocationId, deliveries: Sequence[Delivery]) -> set[str]:
        log = self._state.log.get(location_id, [])
        held = {name for known in log for name in (known.delivery_id, known.event.event_id)}
        return held & {name for one in deliveries for name in (one.delivery_id, one.event.event_id)}

    def near(
        self, location_id: LocationId, lead_ids: Collection[LeadId], *, since: datetime, until: datetime
    ) -> list[RecordedEvent]:
        own = (known for known in self._state.log.get(location_id, []) if known.event.lead_id in lead_ids)
        return [known for known in own if since <= known.event.occurred_at <= until]

    def get(self, location_id: LocationId, event_id: EventId) -> RecordedEvent | None:
        log = self._state.log.get(location_id, [])
        return next((recorded for recorded in log if recorded.event.event_id == event_id), None)

    def count(self, location_id: LocationId, *, after: int, types: frozenset[str]) -> int:
        log = self._state.log.get(location_id, [])
        return sum(recorded.position > after and recorded.event.type in types for recorded in log)

    def raw_of_lead(self, location_id: LocationId, lead_id: LeadId) -> dict[int, str]:
        """No raw texts are held here."""
        return {}

    def withdraw(self, location_id: LocationId, position: int) -> Delivery | None:
        """No service does this; the operator's commands are tested on a real database."""
        return None

    def head(self, location_id: LocationId) -> int:
        return len(self._state.log.get(location_id, []))


class FakeCursorStore:
    """Positions and dead letters."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def position(self, location_id: LocationId, subscriber: str) -> int:
        return self._state.cursors.get((location_id, subscriber), 0)

    def advance(
        self, location_id: LocationId, subscriber: str, position: int, *, expected: int | None = None
    ) -> None:
        known = self.position(location_id, subscriber)
        if expected is not None and known != expected:
            raise Overtaken(f"the cursor of {subscriber} is not at {expected} any more")
        self._state.cursors[location_id, subscriber] = max(known, position)

    def bury(self, letter: DeadLetter) -> None:
        said_before = (
            number
            for number, known in self._state.letters.items()
            if (known.location_id, known.subscriber, known.delivery_id)
            == (letter.location_id, letter.subscriber, letter.delivery_id)
        )
        number = next(said_before, max(self._state.letters, default=0) + 1)
        self._state.letters[number] = letter.model_copy(update={"dead_letter_id": number})

    def dead_letters(
        self, location_id: LocationId | None = None, *, after: int = 0, limit: int = 1_000
    ) -> list[DeadLetter]:
        letters = [letter for number, letter in self._state.letters.items() if number > after]
        return [letter for letter in letters if location_id in {None, letter.location_id}][:limit]

    def dead_letter(self, location_id: LocationId, dead_letter_id: int) -> DeadLetter | None:
        known = self._state.letters.get(dead_letter_id)
        return known if known is not None and known.location_id == location_id else None

    def newest_dead_letters(
        self, location_id: LocationId, *, before: int | None, limit: int
    ) -> list[tuple[DeadLetter, bool]]:
        own = [letter for letter in self._state.letters.values() if letter.location_id == location_id]
        older = [one for one in own if before is None or one.dead_letter_id < before]
        newest = sorted(older, key=lambda one: one.dead_letter_id, reverse=True)[:limit]
        return [(one.model_copy(update={"raw": None}), one.raw is not None) for one in newest]

    def dead_letter_count(self, location_id: LocationId) -> int:
        return sum(letter.location_id == location_id for letter in self._state.letters.values())

    def revive(self, dead_letter_id: int) -> None:
        used = self._state.letters.pop(dead_letter_id, None)
        if used is not None and used.position is not None:
            for number, one in list(self._state.letters.items()):
                if (one.location_id, one.position) == (used.location_id, used.position):
                    del self._state.letters[number]


class FakeLeadStore:
    """Leads with the intelligence last shown."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def get(self, location_id: LocationId, lead_id: LeadId) -> Lead | None:
        return self._state.leads.get((location_id, lead_id))

    def get_many(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> dict[LeadId, Lead]:
        found = {lead_id: self.get(location_id, lead_id) for lead_id in lead_ids}
        return {lead_id: lead for lead_id, lead in found.items() if lead is not None}

    def unapplied(
        self, location_id: LocationId, lead_ids: Collection[LeadId]
    ) -> dict[LeadId, dict[str, datetime]]:
        found: dict[LeadId, dict[str, datetime]] = {}
        for lead_id, lead in self.get_many(location_id, lead_ids).items():
            for known in self._state.log.get(location_id, [])[lead.position :]:
                event = known.event
                if event.lead_id == lead_id and event.type in LEAD_FACTS:
                    types = found.setdefault(lead_id, {})
                    types[event.type] = max(types.get(event.type, event.occurred_at), event.occurred_at)
        return found

    def put(self, lead: Lead, intelligence: LeadIntelligence | None) -> None:
        key = (lead.location_id, lead.lead_id)
        self._state.leads[key] = lead
        if intelligence is not None:
            self._state.intelligence[key] = intelligence

    def intelligence(self, location_id: LocationId, lead_id: LeadId) -> LeadIntelligence | None:
        return self._state.intelligence.get((location_id, lead_id))

    def newest(
        self, location_id: LocationId, *, limit: int, offset: int = 0, query: str | None = None
    ) -> list[tuple[Lead, LeadIntelligence | None]]:
        found = [
            (lead, self._state.intelligence.get(key))
            for key, lead in self._state.leads.items()
            if key[0] == location_id and (query or "").casefold() in lead.contact.display_name.casefold()
        ]
        found.sort(key=lambda pair: pair[0].position, reverse=True)
        return found[offset : offset + limit]

    def to_show(self, location_id: LocationId, *, newest: int, urgent: int) -> list[LeadId]:
        every = self.newest(location_id, limit=len(self._state.leads))
        found = [
            (-1.0 if known.next_action.snoozed_until else known.next_action.priority, lead, known)
            for lead, known in every
            if known and known.next_action
        ]
        found.sort(key=lambda one: (-one[0], one[1].lead_id))
        first = [lead.lead_id for lead, _ in every[:newest]]
        return list(dict.fromkeys([*first, *(lead.lead_id for _, lead, _ in found[:urgent])]))

    def shown(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> dict[LeadId, LeadIntelligence]:
        found = {lead_id: self.intelligence(location_id, lead_id) for lead_id in lead_ids}
        return {lead_id: known for lead_id, known in found.items() if known is not None}

    def count(self, location_id: LocationId) -> int:
        return sum(place == location_id for place, _ in self._state.leads)

    def newest_simulated(self, location_id: LocationId) -> datetime | None:
        seen = [
            lead.activity
            for key, lead in self._state.leads.items()
            if key[0] == location_id and lead.simulated
        ]
        times = [at for known in seen for at in (known.first_at, known.last_lead_at, known.last_agent_at)]
        return max((at for at in times if at is not None), default=None)

    def forget(self, location_id: LocationId, lead_id: LeadId, *, lead_hash: str) -> int:
        self._state.leads.pop((location_id, lead_id), None)
        self._state.intelligence.pop((location_id, lead_id), None)
        self._state.crm.forget(location_id, lead_id)
        self._state.forgotten.add((location_id, lead_hash))
        return 0


class FakeListingStore:
    """Homes by key."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def put_many(self, location_id: LocationId, listings: Sequence[Listing]) -> None:
        self._state.listings.update({(location_id, home.listing_key): home for home in listings})

    def get(self, location_id: LocationId, listing_key: ListingKey) -> Listing | None:
        return self._state.listings.get((location_id, listing_key))

    def get_many(self, location_id: LocationId, listing_keys: Collection[ListingKey]) -> list[Listing]:
        found = (self.get(location_id, key) for key in listing_keys)
        return [home for home in found if home is not None]

    def count(self, location_id: LocationId) -> int:
        return sum(place == location_id for place, _ in self._state.listings)

    def page(self, location_id: LocationId, *, after: str, limit: int) -> list[Listing]:
        keys = sorted(key for place, key in self._state.listings if place == location_id and key > after)
        return self.get_many(location_id, keys[:limit])


class FakeUnitOfWork:
    """All stores over one state."""

    def __init__(self, state: _State) -> None:
        self.events = FakeEventLog(state)
        self.cursors = FakeCursorStore(state)
        self.leads = FakeLeadStore(state)
        self.listings = FakeListingStore(state)
        self.tenants = FakeTenantStore(state.locations, state.users, state.forgotten)
        self.switches = FakeSwitchStore(state.switches)
        self.connections = FakeConnectionStore(state.crm)
        self.sync = FakeSyncStore(state.crm)
        self.changes = FakeChangeStore(state.crm, state.switches)
        self.learned = FakeLearnedModelStore(state.learned)
        self.timers = FakeRiskTimerStore(state.timers)
        self.record = FakeTrackRecordStore(state.record)
        self.team = FakeTeamStore(leads=state.leads, intelligence=state.intelligence, log=state.log)


class FakeMemory:
    """Implements ``ports.Memory``. ``fail_writes`` many writes fail, as a full disk would. ``reads`` counts reads.

    While it is ``away`` reads fail. ``keep`` and ``go_back``: what was stored in between is lost.
    """

    def __init__(self) -> None:
        self._state = _State()
        self.fail_writes = 0
        self.reads = 0
        self.away = False

    def keep(self) -> _State:
        return self._state.snapshot()

    def go_back(self, state: _State) -> None:
        self._state = state

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        self.reads += 1
        if self.away:
            raise StorageUnavailable("the database does not answer")
        return query(FakeUnitOfWork(self._state.snapshot()))

    async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
        draft = self._state.snapshot()
        result = change(FakeUnitOfWork(draft))
        if self.fail_writes:
            self.fail_writes -= 1
            raise StorageUnavailable("the disk is full; free some space")
        self._state = draft
        return result

    async def derive[T](self, change: Callable[[UnitOfWork], T]) -> T:
        return await self.write(change)

    async def compact(self) -> None:
        """There are no files."""

    async def forget(self, location_id: LocationId, lead_id: LeadId) -> str:
        """Erase a lead as ``lead forget`` does; returns its hash."""
        digest = lead_hash(location_id, lead_id)
        await self.write(lambda uow: uow.leads.forget(location_id, lead_id, lead_hash=digest))
        return digest
