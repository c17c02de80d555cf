"""The append-only log, one per tenant: inbox, outbox, replay and audit at once.

Used by every unit of work: the inbox appends, the bus reads, screens look up a lead's timeline.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from pydantic import ValidationError

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.models.events import Delivery, RecordedEvent, event_from_json
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, LocationId
from ghl_real_estate_ai.storage.schema import event_heads, events, on_both

_log = telemetry.get_logger("event_log")

# Creates the tenant's head or moves it, and locks its row until the commit: the next appender of this tenant, in
# whatever process, waits here. So positions are dense and become visible in order.
_NEXT_POSITION: Final = on_both(
    lambda insert: (
        insert(event_heads)
        .values(location_id=sa.bindparam("location_id"), position=sa.bindparam("rows", type_=sa.BigInteger))
        .on_conflict_do_update(
            index_elements=["location_id"],
            set_={"position": event_heads.c.position + sa.bindparam("rows", type_=sa.BigInteger)},
        )
        .returning(event_heads.c.position)
    )
)
_GIVE_POSITIONS_BACK: Final = (
    sa.update(event_heads)
    .where(event_heads.c.location_id == sa.bindparam("tenant"))
    .values(position=event_heads.c.position - sa.bindparam("rows", type_=sa.BigInteger))
)
# Returns nothing for a duplicate. (psycopg gives no row count for an INSERT.)
_APPEND: Final = on_both(lambda insert: insert(events).on_conflict_do_nothing().returning(events.c.position))
_APPEND_MANY: Final = sa.insert(events)
# Two looks in two indexes: joined by OR, SQLite would walk through the whole log of the tenant.
_KNOWN: Final = sa.union_all(
    sa.select(events.c.delivery_id).where(
        events.c.location_id == sa.bindparam("tenant"),
        events.c.delivery_id.in_(sa.bindparam("deliveries", expanding=True)),
    ),
    sa.select(events.c.event_id).where(
        events.c.location_id == sa.bindparam("tenant"),
        events.c.event_id.in_(sa.bindparam("ids", expanding=True)),
    ),
)
_COLUMNS: Final = (
    events.c.position,
    events.c.delivery_id,
    events.c.received_at,
    events.c.recorded_at,
    events.c.payload,
)
_READ: Final = (
    sa.select(*_COLUMNS)
    .where(
        events.c.location_id == sa.bindparam("tenant"),
        events.c.position > sa.bindparam("after"),
        events.c.payload.is_not(None),
    )
    .order_by(events.c.position)
    .limit(sa.bindparam("rows"))
)
_READ_TYPES: Final[sa.Select[tuple[int, str, datetime, datetime, str]]] = _READ.where(
    events.c.type.in_(sa.bindparam("types", expanding=True))
)
_READ_TYPES_OF_LEAD: Final = _READ_TYPES.where(events.c.lead_id == sa.bindparam("lead"))
_NEWEST: Final = _READ_TYPES.order_by(None).order_by(events.c.position.desc())
_HEADS: Final = sa.select(event_heads.c.location_id, event_heads.c.position)
_OF_LEAD: Final = (
    sa.select(*_COLUMNS)
    .where(
        events.c.location_id == sa.bindparam("tenant"),
        events.c.lead_id == sa.bindparam("lead"),
        events.c.position < sa.bindparam("before"),
        events.c.payload.is_not(None),
    )
    .order_by(events.c.position.desc())
    .limit(sa.bindparam("rows"))
)
_OF_LEAD_BY_TYPE: Final[sa.Select[tuple[int, str, datetime, datetime, str]]] = _OF_LEAD.where(
    events.c.type.in_(sa.bindparam("types", expanding=True))
)
# Sorted by who asks: told to sort by position, SQLite would walk through the whole log of the tenant.
_NEAR: Final = sa.select(*_COLUMNS).where(
    events.c.location_id == sa.bindparam("tenant"),
    events.c.lead_id.in_(sa.bindparam("leads", expanding=True)),
    events.c.occurred_at.between(sa.bindparam("since"), sa.bindparam("until")),
    events.c.payload.is_not(None),
)
_GET: Final = sa.select(*_COLUMNS).where(
    events.c.location_id == sa.bindparam("tenant"),
    events.c.event_id == sa.bindparam("event"),
    events.c.payload.is_not(None),
)
_COUNT: Final = sa.select(sa.func.count()).where(
    events.c.location_id == sa.bindparam("tenant"),
    events.c.position > sa.bindparam("after"),
    events.c.type.in_(sa.bindparam("types", expanding=True)),
    events.c.payload.is_not(None),
)
_ROW: Final = sa.select(*_COLUMNS, events.c.raw).where(
    events.c.location_id == sa.bindparam("tenant"),
    events.c.position == sa.bindparam("place"),
    events.c.payload.is_not(None),
)
_EMPTY_ROW: Final = (
    sa.update(events)
    .where(events.c.location_id == sa.bindparam("tenant"), events.c.position == sa.bindparam("place"))
    .values(
        payload=None,
        raw=None,
        lead_id=None,
        event_id=sa.literal("withdrawn:") + sa.cast(events.c.position, sa.Text),
    )
)
_RAW_OF_LEAD: Final = sa.select(events.c.position, events.c.raw).where(
    events.c.location_id == sa.bindparam("tenant"),
    events.c.lead_id == sa.bindparam("lead"),
    events.c.raw.is_not(None),
)
_HEAD: Final = sa.select(event_heads.c.position).where(event_heads.c.location_id == sa.bindparam("tenant"))
_END_OF_LOG: Final = 2**63 - 1


class SqlEventLog:
    """``ports.EventLog``. Rows of a forgotten lead keep their positions and are passed over by every read."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._next_position = _NEXT_POSITION[connection.dialect.name]
        self._append = _APPEND[connection.dialect.name]

    def append(self, delivery: Delivery) -> RecordedEvent | None:
        """Record it at the tenant's next position; None if its delivery id or its event id is in the log already."""
        location_id = delivery.event.location_id
        position = self._reserve(location_id, 1)
        recorded = _recorded_now(delivery, position)
        if self._connection.execute(self._append, _row(recorded, delivery.raw)).first() is None:
            self._give_back(location_id, 1)
            return None
        return recorded

    def append_page(self, deliveries: Sequence[Delivery]) -> list[RecordedEvent | None]:
        """The same for many of one tenant: what one by one would do, in a few statements."""
        if not deliveries:
            return []
        location_id = deliveries[0].event.location_id
        # First the head's lock, then the look: nobody else appends to this tenant in between.
        position = self._reserve(location_id, len(deliveries)) - len(deliveries)
        known = self.known_ids(location_id, deliveries)
        recorded: list[RecordedEvent | None] = []
        rows = []
        for delivery in deliveries:
            names = {delivery.delivery_id, delivery.event.event_id}
            if known & names:
                recorded.append(None)
                continue
            known |= names
            position += 1
            fact = _recorded_now(delivery, position)
            recorded.append(fact)
            rows.append(_row(fact, delivery.raw))
        if rows:
            self._connection.execute(_APPEND_MANY, rows)
        if len(rows) < len(deliveries):
            self._give_back(location_id, len(deliveries) - len(rows))
        return recorded

    def _reserve(self, location_id: LocationId, count: int) -> int:
        """The last of ``count`` new positions."""
        asked = {"location_id": location_id, "rows": count}
        last: int = self._connection.execute(self._next_position, asked).scalar_one()
        return last

    def _give_back(self, location_id: LocationId, count: int) -> None:
        self._connection.execute(_GIVE_POSITIONS_BACK, {"tenant": location_id, "rows": count})

    def known_ids(self, location_id: LocationId, deliveries: Sequence[Delivery]) -> set[str]:
        """Ids of deliveries and events, among these of one tenant, that are in the log already."""
        asked = {
            "tenant": location_id,
            "deliveries": [delivery.delivery_id for delivery in deliveries],
            "ids": [delivery.event.event_id for delivery in deliveries],
        }
        return set(self._connection.execute(_KNOWN, asked).scalars())

    def read(self, location_id: LocationId, *, after: int, limit: int) -> list[RecordedEvent]:
        """Events at positions > after, in order. A position may be missing: its lead was forgotten."""
        return self._recorded(_READ, {"tenant": location_id, "after": after, "rows": limit})

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
        wanted = {"tenant": location_id, "after": after, "rows": limit, "types": sorted(types)}
        query = _READ_TYPES
        if lead_id is not None:
            query, wanted["lead"] = _READ_TYPES_OF_LEAD, lead_id
        rows = self._connection.execute(query, wanted).all()
        upto: int = rows[-1].position if len(rows) == limit else self.head(location_id)
        return _readable(rows), upto

    def newest(
        self, location_id: LocationId, *, after: int, limit: int, types: frozenset[str]
    ) -> list[RecordedEvent]:
        """The last so many events of these types at positions > after, oldest first. Looks at no row before them."""
        wanted = {"tenant": location_id, "after": after, "rows": limit, "types": sorted(types)}
        return self._recorded(_NEWEST, wanted)[::-1]

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
        end = _END_OF_LOG if before is None else before
        wanted = {"tenant": location_id, "lead": lead_id, "before": end, "rows": limit}
        if types is None:
            return self._recorded(_OF_LEAD, wanted)
        return self._recorded(_OF_LEAD_BY_TYPE, {**wanted, "types": sorted(types)})

    def near(
        self, location_id: LocationId, lead_ids: Collection[LeadId], *, since: datetime, until: datetime
    ) -> list[RecordedEvent]:
        """Events of these leads that happened between two times, both included."""
        wanted = {"tenant": location_id, "leads": sorted(lead_ids), "since": since, "until": until}
        return sorted(self._recorded(_NEAR, wanted), key=lambda recorded: recorded.position)

    def get(self, location_id: LocationId, event_id: EventId) -> RecordedEvent | None:
        """One event by id; None if there is none, or if its lead was forgotten."""
        found = self._recorded(_GET, {"tenant": location_id, "event": event_id})
        return found[0] if found else None

    def raw_of_lead(self, location_id: LocationId, lead_id: LeadId) -> dict[int, str]:
        """The vendor's own texts of a lead's events, by position."""
        rows = self._connection.execute(_RAW_OF_LEAD, {"tenant": location_id, "lead": lead_id})
        return {row.position: row.raw for row in rows}

    def withdraw(self, location_id: LocationId, position: int) -> Delivery | None:
        """Take an event out of its row, to append it anew in the same transaction; None if the row holds nothing."""
        place = {"tenant": location_id, "place": position}
        row = self._connection.execute(_ROW, place).first()
        if row is None:
            return None
        self._connection.execute(_EMPTY_ROW, place)
        return Delivery(
            delivery_id=row.delivery_id,
            event=event_from_json(row.payload),
            raw=row.raw,
            received_at=row.received_at,
        )

    def count(self, location_id: LocationId, *, after: int, types: frozenset[str]) -> int:
        """How many events of these types there are at positions > after."""
        wanted = {"tenant": location_id, "after": after, "types": sorted(types)}
        return self._connection.execute(_COUNT, wanted).scalar_one()

    def head(self, location_id: LocationId) -> int:
        """Newest position; 0 for an empty log."""
        return self._connection.execute(_HEAD, {"tenant": location_id}).scalar() or 0

    def heads(self) -> dict[LocationId, int]:
        """The newest position of every log."""
        return {LocationId(row.location_id): row.position for row in self._connection.execute(_HEADS)}

    def _recorded(
        self, query: sa.Select[tuple[int, str, datetime, datetime, str]], parameters: dict[str, object]
    ) -> list[RecordedEvent]:
        return _readable(self._connection.execute(query, parameters).all())


def _readable(rows: Iterable[sa.Row[tuple[int, str, datetime, datetime, str]]]) -> list[RecordedEvent]:
    return [recorded for row in rows if (recorded := _recorded_event(row)) is not None]


def _recorded_now(delivery: Delivery, position: int) -> RecordedEvent:
    return RecordedEvent(
        position=position,
        delivery_id=delivery.delivery_id,
        received_at=delivery.received_at,
        recorded_at=datetime.now(UTC),
        event=delivery.event,
    )


def _row(recorded: RecordedEvent, raw: str | None) -> dict[str, object]:
    event = recorded.event
    return {
        "location_id": event.location_id,
        "position": recorded.position,
        "event_id": event.event_id,
        "delivery_id": recorded.delivery_id,
        "type": event.type,
        "lead_id": event.lead_id,
        "occurred_at": event.occurred_at,
        "received_at": recorded.received_at,
        "recorded_at": recorded.recorded_at,
        "source": event.source.value,
        "simulated": event.simulated,
        "payload": event.model_dump_json(),
        "raw": raw,
    }


def _recorded_event(row: sa.Row[tuple[int, str, datetime, datetime, str]]) -> RecordedEvent | None:
    """The row's event. None, loudly, for a row of a newer version or a damaged one: it must not stop every tenant."""
    try:
        event = event_from_json(row.payload)
    except ValidationError as error:
        _log.error("row.unreadable", position=row.position, problems=error.error_count())
        return None
    return RecordedEvent(
        position=row.position,
        delivery_id=row.delivery_id,
        received_at=row.received_at,
        recorded_at=row.recorded_at,
        event=event,
    )
