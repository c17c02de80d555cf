"""How far each durable subscriber has come in each tenant's log, and the letters that nobody could use.

The bus moves the cursors, inbox and bus bury letters, ``enterprisehub replay --dead-letters`` revives them.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from ghl_real_estate_ai.errors import Overtaken
from ghl_real_estate_ai.models.events import DeadLetter
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.storage.schema import cursors, dead_letters, events, on_both

_POSITION: Final = sa.select(cursors.c.position).where(
    cursors.c.location_id == sa.bindparam("tenant"), cursors.c.subscriber == sa.bindparam("name")
)
_ADVANCE: Final = on_both(
    lambda insert: (row := insert(cursors)).on_conflict_do_update(
        index_elements=["location_id", "subscriber"],
        set_={"position": row.excluded.position},
        where=cursors.c.position < row.excluded.position,
    )
)
_BEGIN: Final = on_both(lambda insert: insert(cursors).on_conflict_do_nothing().returning(cursors.c.position))
_MOVE: Final = (
    sa.update(cursors)
    .where(
        cursors.c.location_id == sa.bindparam("tenant"),
        cursors.c.subscriber == sa.bindparam("name"),
        cursors.c.position == sa.bindparam("expected"),
    )
    .values(position=sa.bindparam("upto", type_=sa.BigInteger))
    .returning(cursors.c.position)
)
_BURY: Final = on_both(
    lambda insert: (row := insert(dead_letters)).on_conflict_do_update(
        index_elements=["location_id", "subscriber", "delivery_id"],
        set_={"reason": row.excluded.reason, "raw": row.excluded.raw, "failed_at": row.excluded.failed_at},
    )
)
_LEAD_AT: Final = sa.select(events.c.lead_id).where(
    events.c.location_id == sa.bindparam("tenant"), events.c.position == sa.bindparam("at")
)

_REMOVE: Final = (
    sa.delete(dead_letters)
    .where(dead_letters.c.dead_letter_id == sa.bindparam("number"))
    .returning(dead_letters.c.location_id, dead_letters.c.position)
)
_REMOVE_AT: Final = sa.delete(dead_letters).where(
    dead_letters.c.location_id == sa.bindparam("tenant"), dead_letters.c.position == sa.bindparam("at")
)
_COUNT_LETTERS: Final = (
    sa.select(sa.func.count())
    .select_from(dead_letters)
    .where(dead_letters.c.location_id == sa.bindparam("tenant"))
)


class SqlCursorStore:
    """``ports.CursorStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def position(self, location_id: LocationId, subscriber: str) -> int:
        """Newest position that the subscriber has finished; 0 at first."""
        found = self._connection.execute(_POSITION, {"tenant": location_id, "name": subscriber}).scalar()
        return found or 0

    def advance(
        self, location_id: LocationId, subscriber: str, position: int, *, expected: int | None = None
    ) -> None:
        """Finished up to here. A smaller position than the stored one changes nothing.

        ``expected``: move only from there. Raises Overtaken when the cursor is elsewhere: another process has moved it,
        and waiting for its row means waiting for that process's commit.
        """
        dialect = self._connection.dialect.name
        row = {"location_id": location_id, "subscriber": subscriber, "position": position}
        if expected is None:
            self._connection.execute(_ADVANCE[dialect], row)
            return
        move = {"tenant": location_id, "name": subscriber, "expected": expected, "upto": position}
        moved = self._connection.execute(_MOVE, move).first()
        if moved is None and not expected:  # at 0 there may be no row yet
            moved = self._connection.execute(_BEGIN[dialect], row).first()
        if moved is None:
            raise Overtaken(f"the cursor of {subscriber} is not at {expected} any more")

    def bury(self, letter: DeadLetter) -> None:
        """Keep what could not be used. The same delivery buried again updates its letter: deliveries come twice."""
        lead_id = None
        if letter.position is not None:
            at = {"tenant": letter.location_id, "at": letter.position}
            lead_id = self._connection.execute(_LEAD_AT, at).scalar()
        self._connection.execute(
            _BURY[self._connection.dialect.name],
            {
                "location_id": letter.location_id,
                "subscriber": letter.subscriber,
                "delivery_id": _storable(letter.delivery_id),
                "position": letter.position,
                "lead_id": lead_id,
                "reason": _storable(letter.reason),
                "raw": None if letter.raw is None else _storable(letter.raw),
                "simulated": letter.simulated,
                "failed_at": letter.failed_at,
            },
        )

    def dead_letters(
        self, location_id: LocationId | None = None, *, after: int = 0, limit: int = 1_000
    ) -> list[DeadLetter]:
        """Those with ids > after, oldest first; None: of every tenant, and those of no known tenant."""
        number = dead_letters.c.dead_letter_id
        columns = (dead_letters.c[name] for name in DeadLetter.model_fields)
        query = sa.select(*columns).where(number > after).order_by(number).limit(limit)
        if location_id is not None:
            query = query.where(dead_letters.c.location_id == location_id)
        return [DeadLetter.model_validate(dict(row)) for row in self._connection.execute(query).mappings()]

    def dead_letter(self, location_id: LocationId, dead_letter_id: int) -> DeadLetter | None:
        """One of a tenant's own."""
        found = self.dead_letters(location_id, after=dead_letter_id - 1, limit=1)
        return found[0] if found and found[0].dead_letter_id == dead_letter_id else None

    def newest_dead_letters(
        self, location_id: LocationId, *, before: int | None, limit: int
    ) -> list[tuple[DeadLetter, bool]]:
        """Those with ids < before (None: from the end), newest first, without their texts; whether there is a text."""
        number = dead_letters.c.dead_letter_id
        columns = [dead_letters.c[name] for name in DeadLetter.model_fields if name != "raw"]
        has_raw = dead_letters.c.raw.is_not(None).label("has_raw")
        query = sa.select(*columns, has_raw).where(dead_letters.c.location_id == location_id)
        if before is not None:
            query = query.where(number < before)
        rows = self._connection.execute(query.order_by(number.desc()).limit(limit)).mappings()
        return [
            (
                DeadLetter.model_validate({key: row[key] for key in row if key != "has_raw"}),
                bool(row["has_raw"]),
            )
            for row in rows
        ]

    def dead_letter_count(self, location_id: LocationId) -> int:
        """How many there are of a tenant; their texts, up to a megabyte each, are not read."""
        return self._connection.execute(_COUNT_LETTERS, {"tenant": location_id}).scalar_one()

    def revive(self, dead_letter_id: int) -> None:
        """Remove it: it was used after all. So were the letters of other handlers about the same event."""
        used = self._connection.execute(_REMOVE, {"number": dead_letter_id}).first()
        if used is not None and used.position is not None:
            self._connection.execute(_REMOVE_AT, {"tenant": used.location_id, "at": used.position})


def _storable(text: str) -> str:
    """Without NUL, which PostgreSQL's text cannot hold: a poison body must at least be buried."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
