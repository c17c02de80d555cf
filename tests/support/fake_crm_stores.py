"""The CRM's stores as dicts, for ``FakeMemory``: connections and setups, reading progress, changes to write."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby, islice

from ghl_real_estate_ai.models.connections import Connection, ConnectionStatus, LocationSetup, OwnerKind
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.switches import Switch, SwitchState
from ghl_real_estate_ai.models.synchronization import (
    ChangeKind,
    ChangeStatus,
    CrmChange,
    DeliveryTally,
    RereadRequest,
    SyncProgress,
    SyncSource,
)
from tests.support.fake_people_stores import FakeSwitchStore


@dataclass
class CrmState:
    """Everything that is true of the CRM side."""

    connections: dict[str, Connection] = field(default_factory=dict)
    leases: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    setups: dict[LocationId, LocationSetup] = field(default_factory=dict)
    states: dict[str, datetime] = field(default_factory=dict)
    progress: dict[tuple[LocationId, SyncSource], SyncProgress] = field(default_factory=dict)
    rereads: dict[tuple[LocationId, LeadId], RereadRequest] = field(default_factory=dict)
    tallies: dict[tuple[date, str, str, str], DeliveryTally] = field(default_factory=dict)
    changes: dict[tuple[LocationId, str], CrmChange] = field(default_factory=dict)

    def snapshot(self) -> CrmState:
        """A copy that may be changed and thrown away."""
        return CrmState(**{name: dict(value) for name, value in vars(self).items()})

    def forget(self, location_id: LocationId, lead_id: LeadId) -> None:
        """Drop what is to be read or written of a lead."""
        self.rereads.pop((location_id, lead_id), None)
        for key in [key for key, c in self.changes.items() if (key[0], c.lead_id) == (location_id, lead_id)]:
            del self.changes[key]


class FakeConnectionStore:
    """``ports.ConnectionStore``."""

    def __init__(self, state: CrmState) -> None:
        self._state = state

    def get(self, owner_id: str) -> Connection | None:
        return self._state.connections.get(owner_id)

    def all(self) -> list[Connection]:
        return [connection for _, connection in sorted(self._state.connections.items())]

    def companies(self) -> list[str]:
        return [one.owner_id for one in self.all() if one.owner_kind is OwnerKind.COMPANY]

    def put(self, connection: Connection) -> None:
        self._state.connections[connection.owner_id] = connection
        self._state.leases.pop(connection.owner_id, None)

    def lease(self, owner_id: str, *, generation: int, holder: str, now: datetime, until: datetime) -> bool:
        known = self._state.connections.get(owner_id)
        held_by, held_until = self._state.leases.get(owner_id, (holder, now))
        if known is None or known.generation != generation or (held_by != holder and held_until > now):
            return False
        self._state.leases[owner_id] = (holder, until)
        return True

    def renew(self, connection: Connection, *, holder: str) -> bool:
        known = self._state.connections.get(connection.owner_id)
        held_by, _ = self._state.leases.get(connection.owner_id, ("", None))
        if known is None or known.generation != connection.generation - 1 or held_by != holder:
            return False
        self.put(connection)
        return True

    def release(self, owner_id: str, *, holder: str) -> None:
        if self._state.leases.get(owner_id, ("", None))[0] == holder:
            del self._state.leases[owner_id]

    def setup(self, location_id: LocationId) -> LocationSetup | None:
        return self._state.setups.get(location_id)

    def active_setup(self, location_id: LocationId) -> LocationSetup | None:
        connection = self.get(location_id)
        active = connection is not None and connection.status is ConnectionStatus.ACTIVE
        return self.setup(location_id) if active else None

    def put_setup(self, setup: LocationSetup) -> None:
        self._state.setups[setup.location_id] = setup

    def setup_by_workflow_key(self, key_hash: str) -> LocationSetup | None:
        found = (setup for setup in self._state.setups.values() if setup.workflow_key_hash == key_hash)
        return next(found, None)

    def add_state(self, state_hash: str, *, expires_at: datetime) -> None:
        self._state.states.setdefault(state_hash, expires_at)

    def spend_state(self, state_hash: str, *, now: datetime) -> bool:
        expires_at = self._state.states.pop(state_hash, None)
        return expires_at is not None and expires_at > now


class FakeSyncStore:
    """``ports.SyncStore``."""

    def __init__(self, state: CrmState) -> None:
        self._state = state

    def progress(self, location_id: LocationId, source: SyncSource) -> SyncProgress | None:
        return self._state.progress.get((location_id, source))

    def put_progress(self, progress: SyncProgress) -> None:
        self._state.progress[progress.location_id, progress.source] = progress

    def request_reread(self, request: RereadRequest) -> None:
        self._state.rereads[request.location_id, request.lead_id] = request

    def due_rereads(self, *, now: datetime, limit: int) -> list[RereadRequest]:
        due = [request for request in self._state.rereads.values() if request.due_at <= now]
        due.sort(key=lambda request: (request.location_id, request.due_at, request.lead_id))
        return [
            one
            for _, own in groupby(due, key=lambda request: request.location_id)
            for one in islice(own, limit)
        ]

    def postpone_reread(self, request: RereadRequest) -> None:
        if self._is_newest(request):
            self._state.rereads[request.location_id, request.lead_id] = request

    def finish_reread(self, request: RereadRequest) -> None:
        if self._is_newest(request):
            del self._state.rereads[request.location_id, request.lead_id]

    def rest_rereads(self, location_id: LocationId, *, until: datetime) -> None:
        for key, request in self._state.rereads.items():
            if key[0] == location_id and request.due_at < until:
                self._state.rereads[key] = request.model_copy(update={"due_at": until})

    def drop_rereads(self, location_id: LocationId) -> None:
        for key in [key for key in self._state.rereads if key[0] == location_id]:
            del self._state.rereads[key]

    def waiting_rereads(self, location_id: LocationId) -> int:
        return sum(place == location_id for place, _ in self._state.rereads)

    def reread_of(self, location_id: LocationId, lead_id: LeadId) -> RereadRequest | None:
        return self._state.rereads.get((location_id, lead_id))

    def _is_newest(self, request: RereadRequest) -> bool:
        known = self._state.rereads.get((request.location_id, request.lead_id))
        return known is not None and known.requested_at == request.requested_at

    def add_tallies(self, tallies: Sequence[DeliveryTally]) -> None:
        for tally in tallies:
            key = (tally.day, tally.location_id, tally.source, tally.outcome)
            known = self._state.tallies.get(key)
            count = tally.count + (known.count if known else 0)
            self._state.tallies[key] = tally.model_copy(update={"count": count})

    def tallies(self, location_id: str, *, since: date) -> list[DeliveryTally]:
        own = (tally for tally in self._state.tallies.values() if tally.location_id == location_id)
        return [tally for tally in own if tally.day >= since]

    def delivery_counts(self, *, source: str, since: date) -> dict[tuple[date, str], int]:
        found: dict[tuple[date, str], int] = {}
        for tally in self._state.tallies.values():
            if tally.source == source and tally.day >= since:
                key = (tally.day, tally.outcome)
                found[key] = found.get(key, 0) + tally.count
        return found


class FakeChangeStore:
    """``ports.ChangeStore``. Where OUTGOING is off nothing is due."""

    def __init__(self, state: CrmState, switches: dict[tuple[LocationId, Switch], SwitchState]) -> None:
        self._state = state
        self._switches = FakeSwitchStore(switches)

    def want(self, change: CrmChange) -> bool:
        known = self._state.changes.get((change.location_id, change.change_id))
        if known is not None and known.content == change.content and known.status is not ChangeStatus.FAILED:
            return False
        if known is not None:
            change = change.model_copy(
                update={
                    "version": known.version + 1,
                    "created_at": known.created_at,
                    "remote_id": known.remote_id,
                }
            )
        self._state.changes[change.location_id, change.change_id] = change
        return True

    def get(self, location_id: LocationId, change_id: str) -> CrmChange | None:
        return self._state.changes.get((location_id, change_id))

    def claim(self, change: CrmChange, *, until: datetime) -> bool:
        claimed = change.model_copy(update={"attempts": change.attempts + 1, "due_at": until})
        return self.settle(claimed, attempt=change.attempts)

    def due_locations(self, *, now: datetime, limit: int) -> list[LocationId]:
        oldest: dict[LocationId, datetime] = {}
        for change in self._due(now):
            if not self._switches.is_on(change.location_id, Switch.OUTGOING):
                continue
            oldest[change.location_id] = min(change.due_at, oldest.get(change.location_id, change.due_at))
        return sorted(oldest, key=lambda location_id: (oldest[location_id], location_id))[:limit]

    def due(self, location_id: LocationId, *, now: datetime, limit: int) -> list[CrmChange]:
        own = [change for change in self._due(now) if change.location_id == location_id]
        return sorted(own, key=lambda change: (change.due_at, change.created_at, change.change_id))[:limit]

    def _due(self, now: datetime) -> list[CrmChange]:
        waiting = (c for c in self._state.changes.values() if c.status is ChangeStatus.PENDING)
        return [change for change in waiting if change.due_at <= now]

    def settle(self, change: CrmChange, *, attempt: int) -> bool:
        known = self.get(change.location_id, change.change_id)
        if known is None or known.status is not ChangeStatus.PENDING:
            return False
        if (known.version, known.attempts) != (change.version, attempt):
            return False
        self._state.changes[change.location_id, change.change_id] = change
        return True

    def postpone(self, location_id: LocationId, kinds: Collection[ChangeKind], *, until: datetime) -> None:
        for key, change in self._state.changes.items():
            waits = change.status is ChangeStatus.PENDING and change.due_at < until
            if key[0] == location_id and change.kind in kinds and waits:
                self._state.changes[key] = change.model_copy(update={"due_at": until})

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[CrmChange]:
        own = [
            c
            for (place, _), c in self._state.changes.items()
            if place == location_id and c.lead_id == lead_id
        ]
        return sorted(own, key=lambda change: (change.created_at, change.change_id))

    def of_leads(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> list[CrmChange]:
        found = [change for lead_id in lead_ids for change in self.of_lead(location_id, lead_id)]
        return sorted(found, key=lambda change: (change.created_at, change.change_id))

    def drop_pending(self, location_id: LocationId, *, error: str) -> int:
        waiting = [
            (key, change)
            for key, change in self._state.changes.items()
            if key[0] == location_id and change.status is ChangeStatus.PENDING
        ]
        for key, change in waiting:
            self._state.changes[key] = change.model_copy(
                update={"status": ChangeStatus.FAILED, "error": error}
            )
        return len(waiting)

    def counts(self, location_id: LocationId) -> dict[ChangeStatus, int]:
        found: dict[ChangeStatus, int] = {}
        for (place, _), change in self._state.changes.items():
            if place == location_id:
                found[change.status] = found.get(change.status, 0) + 1
        return found
