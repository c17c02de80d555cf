"""Every socket to the outside, as a Protocol that speaks our models. ``bootstrap.py`` plugs the adapters in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from ghl_real_estate_ai.learning_ports import LearnedModelStore, RiskTimerStore, TrackRecordStore
from ghl_real_estate_ai.models.connections import Connection, LocationSetup
from ghl_real_estate_ai.models.events import DeadLetter, Delivery, Event, RecordedEvent
from ghl_real_estate_ai.models.identifiers import EventId, Frozen, LeadId, ListingKey, LocationId
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.models.synchronization import (
    ChangeKind,
    ChangeStatus,
    CrmChange,
    DeliveryTally,
    RereadRequest,
    SyncProgress,
    SyncSource,
)
from ghl_real_estate_ai.people_ports import SwitchStore, TenantStore
from ghl_real_estate_ai.team_ports import TeamStore


class Clock(Protocol):
    """Where time comes from. System clock in life, a fake one in tests."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


# --- Memory: one transaction, several stores ----------------------------------------------------------------------


class EventLog(Protocol):
    """One append-only log per tenant: inbox, outbox, replay and audit."""

    def append(self, delivery: Delivery) -> RecordedEvent | None:
        """Record it at the next position of its tenant; None if its delivery id is in the log already."""
        ...

    def read(self, location_id: LocationId, *, after: int, limit: int) -> list[RecordedEvent]:
        """Events at positions > after, in order."""
        ...

    def read_types(
        self,
        location_id: LocationId,
        *,
        after: int,
        limit: int,
        types: frozenset[str],
        lead_id: LeadId | None = None,
    ) -> tuple[list[RecordedEvent], int]:
        """The next events of these types, of one lead if given, and the position up to which there are no others."""
        ...

    def newest(
        self, location_id: LocationId, *, after: int, limit: int, types: frozenset[str]
    ) -> list[RecordedEvent]:
        """The last so many events of these types at positions > after, oldest first."""
        ...

    def of_lead(
        self,
        location_id: LocationId,
        lead_id: LeadId,
        *,
        before: int | None,
        limit: int,
        types: frozenset[str] | None = None,
    ) -> list[RecordedEvent]:
        """A lead's newest events, of these types or of all, at positions < before (None: from the end), newest first."""
        ...

    def append_page(self, deliveries: Sequence[Delivery]) -> list[RecordedEvent | None]:
        """The same for many of one tenant: what one by one would do, in a few statements."""
        ...

    def known_ids(self, location_id: LocationId, deliveries: Sequence[Delivery]) -> set[str]:
        """Ids of deliveries and events, among these of one tenant, that are in the log already."""
        ...

    def near(
        self, location_id: LocationId, lead_ids: Collection[LeadId], *, since: datetime, until: datetime
    ) -> list[RecordedEvent]:
        """Events of these leads that happened between two times, both included."""
        ...

    def get(self, location_id: LocationId, event_id: EventId) -> RecordedEvent | None:
        """One event by id."""
        ...

    def raw_of_lead(self, location_id: LocationId, lead_id: LeadId) -> dict[int, str]:
        """The vendor's own texts of a lead's events, by position."""
        ...

    def withdraw(self, location_id: LocationId, position: int) -> Delivery | None:
        """Take an event out of its row, to append it anew in the same transaction; None if the row holds nothing. The row
        keeps position and delivery id: readers pass it over, a second delivery is still a duplicate. The event's id is free.
        """
        ...

    def count(self, location_id: LocationId, *, after: int, types: frozenset[str]) -> int:
        """How many events of these types there are at positions > after."""
        ...

    def head(self, location_id: LocationId) -> int:
        """Newest position; 0 for an empty log."""
        ...

    def heads(self) -> dict[LocationId, int]:
        """The newest position of every log that holds anything."""
        ...


class CursorStore(Protocol):
    """How far each durable subscriber has come, and what it gave up on."""

    def position(self, location_id: LocationId, subscriber: str) -> int:
        """Newest position that the subscriber has finished; 0 at first."""
        ...

    def advance(
        self, location_id: LocationId, subscriber: str, position: int, *, expected: int | None = None
    ) -> None:
        """Finished up to here. Never moves back.

        ``expected``: move only from there; raises Overtaken when the cursor is at another position by now.
        """
        ...

    def bury(self, letter: DeadLetter) -> None:
        """Keep what could not be used (``dead_letter_id`` is given by the store)."""
        ...

    def dead_letters(
        self, location_id: LocationId | None = None, *, after: int = 0, limit: int = 1_000
    ) -> list[DeadLetter]:
        """Those with ids > after, oldest first."""
        ...

    def dead_letter_count(self, location_id: LocationId) -> int:
        """How many there are of a tenant."""
        ...

    def dead_letter(self, location_id: LocationId, dead_letter_id: int) -> DeadLetter | None:
        """One of a tenant's own."""
        ...

    def newest_dead_letters(
        self, location_id: LocationId, *, before: int | None, limit: int
    ) -> list[tuple[DeadLetter, bool]]:
        """Those with ids < before (None: from the end), newest first, without their texts; whether there is a text."""
        ...

    def revive(self, dead_letter_id: int) -> None:
        """Remove it: it was used after all. With it go the letters of other handlers about the same event."""
        ...


class LeadStore(Protocol):
    """Leads as of the newest applied event, each with the intelligence last shown."""

    def get(self, location_id: LocationId, lead_id: LeadId) -> Lead | None: ...

    def get_many(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> dict[LeadId, Lead]:
        """Those of them that there are, and that can be read."""
        ...

    def unapplied(
        self, location_id: LocationId, lead_ids: Collection[LeadId]
    ) -> dict[LeadId, dict[str, datetime]]:
        """Of leads that are behind their log: the types of facts that they do not hold yet, each with its newest time."""
        ...

    def put(self, lead: Lead, intelligence: LeadIntelligence | None) -> None:
        """Insert or replace. ``intelligence`` None keeps the stored one."""
        ...

    def intelligence(self, location_id: LocationId, lead_id: LeadId) -> LeadIntelligence | None: ...

    def newest(
        self, location_id: LocationId, *, limit: int, offset: int = 0, query: str | None = None
    ) -> list[tuple[Lead, LeadIntelligence | None]]:
        """Leads with the newest activity first; ``query`` filters by name."""
        ...

    def count(self, location_id: LocationId) -> int: ...

    def to_show(self, location_id: LocationId, *, newest: int, urgent: int) -> list[LeadId]:
        """The newest leads, then who else is among those with the most urgent next actions; what was put off comes last."""
        ...

    def shown(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> dict[LeadId, LeadIntelligence]:
        """What was last concluded about them, as far as anything was."""
        ...

    def newest_simulated(self, location_id: LocationId) -> datetime | None:
        """The newest activity of all simulated leads: what time it is on their time line. None: there are none."""
        ...

    def forget(self, location_id: LocationId, lead_id: LeadId, *, lead_hash: str) -> int:
        """Erase the lead and its personal data from every table and the log; returns the number of log rows scrubbed."""
        ...


class ListingStore(Protocol):
    """Homes by RESO ListingKey."""

    def put_many(self, location_id: LocationId, listings: Sequence[Listing]) -> None: ...

    def get(self, location_id: LocationId, listing_key: ListingKey) -> Listing | None: ...

    def get_many(self, location_id: LocationId, listing_keys: Collection[ListingKey]) -> list[Listing]:
        """Those of them that there are, in any order."""
        ...

    def count(self, location_id: LocationId) -> int: ...

    def page(self, location_id: LocationId, *, after: str, limit: int) -> list[Listing]:
        """The next homes in the store's own order of keys; ``after`` is the last key before, '' at the start."""
        ...


class ConnectionStore(Protocol):
    """Access to CRM accounts, by owner (location or company), and the setup of each location. Tokens are sealed."""

    def get(self, owner_id: str) -> Connection | None: ...

    def all(self) -> list[Connection]: ...

    def companies(self) -> list[str]:
        """Owners that are agencies."""
        ...

    def put(self, connection: Connection) -> None:
        """Insert or replace; whoever was renewing the old one no longer may."""
        ...

    def lease(self, owner_id: str, *, generation: int, holder: str, now: datetime, until: datetime) -> bool:
        """Become the one who renews this generation; False when it is renewed already, or somebody else is at it."""
        ...

    def renew(self, connection: Connection, *, holder: str) -> bool:
        """Replace the generation before this one, if ``holder`` still has the lease; gives the lease back."""
        ...

    def release(self, owner_id: str, *, holder: str) -> None:
        """Give the lease back without new tokens."""
        ...

    def setup(self, location_id: LocationId) -> LocationSetup | None: ...

    def active_setup(self, location_id: LocationId) -> LocationSetup | None:
        """The setup of a location whose own connection is active; None for any other."""
        ...

    def put_setup(self, setup: LocationSetup) -> None: ...

    def setup_by_workflow_key(self, key_hash: str) -> LocationSetup | None:
        """Whose workflow webhook URL holds the secret with this hash."""
        ...

    def add_state(self, state_hash: str, *, expires_at: datetime) -> None:
        """An OAuth state was given out."""
        ...

    def spend_state(self, state_hash: str, *, now: datetime) -> bool:
        """Take a state back, once; False for one that is unknown, spent or too old."""
        ...


class SyncStore(Protocol):
    """How far each source of the CRM was read, whom to read again, and the tallies of deliveries."""

    def progress(self, location_id: LocationId, source: SyncSource) -> SyncProgress | None: ...

    def put_progress(self, progress: SyncProgress) -> None: ...

    def request_reread(self, request: RereadRequest) -> None:
        """Ask for a lead to be read again; a second hint makes the request newer."""
        ...

    def due_rereads(self, *, now: datetime, limit: int) -> list[RereadRequest]:
        """Requests whose time has come: of each location at most so many, oldest first, the locations one after the other."""
        ...

    def postpone_reread(self, request: RereadRequest) -> None:
        """Try later, unless a newer hint came meanwhile."""
        ...

    def finish_reread(self, request: RereadRequest) -> None:
        """It was read; a hint that came meanwhile stays."""
        ...

    def rest_rereads(self, location_id: LocationId, *, until: datetime) -> None:
        """None of the location's requests is due before then."""
        ...

    def drop_rereads(self, location_id: LocationId) -> None:
        """Give up on all of the location's requests."""
        ...

    def waiting_rereads(self, location_id: LocationId) -> int: ...

    def reread_of(self, location_id: LocationId, lead_id: LeadId) -> RereadRequest | None:
        """What waits for this lead."""
        ...

    def add_tallies(self, tallies: Sequence[DeliveryTally]) -> None:
        """Add counts to those of the same day, location, source and outcome."""
        ...

    def tallies(self, location_id: str, *, since: date) -> list[DeliveryTally]:
        """Those of one location ('': of nobody known), from this day on."""
        ...

    def delivery_counts(self, *, source: str, since: date) -> dict[tuple[date, str], int]:
        """Of all locations together: how many deliveries of a door had an outcome, by day and outcome."""
        ...


class ChangeStore(Protocol):
    """What is written into the CRM: stored with its idempotency key before it leaves, settled after it."""

    def want(self, change: CrmChange) -> bool:
        """Store it, or its new content; False when this content waits already or is done. A failed one is tried anew."""
        ...

    def get(self, location_id: LocationId, change_id: str) -> CrmChange | None: ...

    def claim(self, change: CrmChange, *, until: datetime) -> bool:
        """Become the one who sends it: counts the attempt, and nobody else finds it due before ``until``.

        False when somebody else did, or a newer version is wanted. Who crashes leaves attempts > 0 behind.
        """
        ...

    def due_locations(self, *, now: datetime, limit: int) -> list[LocationId]:
        """Locations with changes whose time has come, those that wait longest first; none where OUTGOING is off."""
        ...

    def due(self, location_id: LocationId, *, now: datetime, limit: int) -> list[CrmChange]:
        """A location's pending changes whose time has come, oldest first."""
        ...

    def settle(self, change: CrmChange, *, attempt: int) -> bool:
        """Store what became of this version after so many attempts; False when somebody else has moved it since."""
        ...

    def postpone(self, location_id: LocationId, kinds: Collection[ChangeKind], *, until: datetime) -> None:
        """The location's pending changes of these kinds rest until then."""
        ...

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[CrmChange]:
        """Every change about a lead, oldest first."""
        ...

    def of_leads(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> list[CrmChange]:
        """Every change about these leads, oldest first."""
        ...

    def drop_pending(self, location_id: LocationId, *, error: str) -> int:
        """Give up on everything that waits for a location; returns how many."""
        ...

    def counts(self, location_id: LocationId) -> dict[ChangeStatus, int]: ...


class UnitOfWork(Protocol):
    """One transaction: everything in it becomes true together, or not at all."""

    @property
    def events(self) -> EventLog: ...
    @property
    def cursors(self) -> CursorStore: ...
    @property
    def leads(self) -> LeadStore: ...
    @property
    def listings(self) -> ListingStore: ...
    @property
    def tenants(self) -> TenantStore: ...
    @property
    def switches(self) -> SwitchStore: ...
    @property
    def connections(self) -> ConnectionStore: ...
    @property
    def sync(self) -> SyncStore: ...
    @property
    def changes(self) -> ChangeStore: ...
    @property
    def learned(self) -> LearnedModelStore: ...
    @property
    def timers(self) -> RiskTimerStore: ...
    @property
    def record(self) -> TrackRecordStore: ...
    @property
    def team(self) -> TeamStore: ...


class Memory(Protocol):
    """The database, seen from a service. Functions run in the database's own threads: they touch only the unit of work.

    ``write`` shares one commit with other writes that wait at the same time (group commit) and returns after it.
    A change may run twice when a neighbour in its group fails: it must have no effect outside its unit of work.
    """

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        """Run a query on a consistent view."""
        ...

    async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
        """Run a change; returns when it is durable. Raises StorageUnavailable when it is not."""
        ...

    async def derive[T](self, change: Callable[[UnitOfWork], T]) -> T:
        """The same for what can be made again from what is stored: whole and in order, but a power cut may take it."""
        ...

    async def compact(self) -> None:
        """Overwrite the bytes of erased rows in the files too: the last step of forgetting a lead."""
        ...


# --- Windows ------------------------------------------------------------------------------------------------------


class UnreadableDelivery(Frozen):
    """A genuine delivery that could not be translated: kept as a dead letter, with the reason.

    ``lead_ids``: what in it may name a lead; if one of them was forgotten, the delivery is not kept.
    """

    location_id: LocationId | None
    delivery_id: str
    raw: str
    reason: str
    simulated: bool
    lead_ids: tuple[LeadId, ...] = ()


AnyDelivery = Delivery | UnreadableDelivery
"""What a door makes of what came in."""


class WebhookReader(Protocol):
    """A CRM's webhook door. Verification looks at raw bytes only; translation never raises on a genuine delivery."""

    def read(self, body: bytes, headers: Mapping[str, str], *, received_at: datetime) -> AnyDelivery:
        """``headers``: finds a name in any case. Raises SignatureRejected when no known key signed the bytes."""
        ...

    def translate(
        self, raw: str, *, delivery_id: str, received_at: datetime, simulated: bool
    ) -> Delivery | UnreadableDelivery:
        """Translate a body that was verified before (dead-letter replay)."""
        ...

    def hint(
        self, body: bytes, *, location_id: LocationId, received_at: datetime, simulated: bool
    ) -> Delivery:
        """An unsigned body that came to the location's own secret URL: kept, not believed. Raises TranslationError."""
        ...


DurableWork = Callable[[UnitOfWork], Sequence[RecordedEvent]]
"""What a durable handler wants to become true, in the same transaction as its cursor; returns the facts it appended."""


class DurableHandler(Protocol):
    """Handles one event of a tenant, in log order. At least once: must be idempotent by event id."""

    async def __call__(self, recorded: RecordedEvent) -> DurableWork | None:
        """Compute; return what should become true (None: nothing)."""
        ...


__all__ = [
    "ChangeStore",
    "Clock",
    "ConnectionStore",
    "CursorStore",
    "DurableHandler",
    "DurableWork",
    "Event",
    "EventLog",
    "LeadStore",
    "ListingStore",
    "Memory",
    "SyncStore",
    "UnitOfWork",
    "UnreadableDelivery",
    "WebhookReader",
]
