"""Turns a switch of a location: its state and the fact of it, in one transaction.

Called by api/routes/switches.py and ``enterprisehub switch``. Whoever obeys a switch asks ``uow.switches`` itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ghl_real_estate_ai.models.events import Delivery, RecordedEvent, Source, SwitchTurned
from ghl_real_estate_ai.models.identifiers import CorrelationId, LocationId, UserId, new_event_id
from ghl_real_estate_ai.models.switches import Switch, SwitchState
from ghl_real_estate_ai.ports import UnitOfWork

OPERATOR: Final = UserId("operator")
"""Whoever turned it at the command line: no user of the location."""


def turn(
    uow: UnitOfWork, location_id: LocationId, switch: Switch, *, on: bool, by: UserId, now: datetime
) -> RecordedEvent | None:
    """The fact that it was turned; None when it stands so already."""
    state = SwitchState(switch=switch, on=on, changed_at=now, changed_by=by)
    if not uow.switches.put(location_id, state):
        return None
    event_id = new_event_id()
    event = SwitchTurned(
        event_id=event_id,
        location_id=location_id,
        occurred_at=now,
        correlation_id=CorrelationId(event_id),
        source=Source.API,
        switch=switch,
        on=on,
        user_id=by,
    )
    return uow.events.append(Delivery(delivery_id=f"switch:{event_id}", event=event, received_at=now))
