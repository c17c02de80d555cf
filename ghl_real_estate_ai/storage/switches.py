"""What is turned off in each location.

Read by whoever obeys a switch, in the transaction that acts; written by services/switches.py.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.switches import Switch, SwitchState
from ghl_real_estate_ai.storage.schema import on_both, switches

_PUT: Final = on_both(
    lambda insert: (
        (row := insert(switches))
        .on_conflict_do_update(
            index_elements=["location_id", "switch"],
            set_={name: row.excluded[name] for name in ("is_on", "changed_at", "changed_by")},
            where=switches.c.is_on != row.excluded.is_on,
        )
        .returning(switches.c.switch)
    )
)
_IS_ON: Final = sa.select(switches.c.is_on).where(
    switches.c.location_id == sa.bindparam("tenant"), switches.c.switch == sa.bindparam("name")
)


class SqlSwitchStore:
    """``people_ports.SwitchStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def is_on(self, location_id: LocationId, switch: Switch) -> bool:
        """Whether it is on now; one that nobody has turned is."""
        found = self._connection.execute(_IS_ON, {"tenant": location_id, "name": switch.value}).scalar()
        return found is not False

    def all(self, location_id: LocationId) -> list[SwitchState]:
        """Every switch there is, in the order of ``Switch``. Rows of a later release's switches are passed over."""
        query = sa.select(switches).where(switches.c.location_id == location_id)
        turned = {row.switch: row for row in self._connection.execute(query)}
        return [
            SwitchState(
                switch=switch,
                on=turned[switch.value].is_on,
                changed_at=turned[switch.value].changed_at,
                changed_by=turned[switch.value].changed_by,
            )
            if switch.value in turned
            else SwitchState(switch=switch)
            for switch in Switch
        ]

    def put(self, location_id: LocationId, state: SwitchState) -> bool:
        """It stands so from now on; False, and nothing changes, when it did before."""
        if state.on and self.is_on(location_id, state.switch):
            return False
        row = {
            "location_id": location_id,
            "switch": state.switch.value,
            "is_on": state.on,
            "changed_at": state.changed_at,
            "changed_by": state.changed_by,
        }
        return self._connection.execute(_PUT[self._connection.dialect.name], row).first() is not None
