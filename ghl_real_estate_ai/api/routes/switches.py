"""What is turned on and off in the caller's location. Everybody may read it; admins turn it. Called by the screens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep, allowed
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UserId, UtcTime
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.models.switches import SWITCH_WORDS, Switch, SwitchState
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.switches import OPERATOR, turn

router = APIRouter(prefix="/v1/switches", tags=["switches"])

_OPERATOR_NAME = "the operator, at the command line"
_LEFT_NAME = "a user who was removed"


class SwitchView(Frozen):
    """A switch, as screens show it. ``changed_at`` None: nobody has ever turned it."""

    switch: Switch
    words: str
    on: bool
    changed_at: UtcTime | None
    changed_by: str | None


class Switches(Frozen):
    """All there are."""

    items: tuple[SwitchView, ...]


class Position(Frozen):
    """What it shall be."""

    on: bool


@router.get("")
async def list_switches(identity: IdentityDep, services: ServicesDep) -> Switches:
    """Every switch of the caller's location, as it stands now."""
    return Switches(items=await services.memory.read(lambda uow: _views(uow, identity.location_id)))


@router.post("/{switch}")
async def turn_switch(
    switch: Switch,
    position: Position,
    identity: Annotated[Identity, Depends(allowed(Role.ADMIN))],
    services: ServicesDep,
) -> SwitchView:
    """Turn it; what is on the wire already is not called back. Turning it to where it stands changes nothing."""
    location_id, now = identity.location_id, services.clock.now()
    fact = await services.memory.write(
        lambda uow: turn(uow, location_id, switch, on=position.on, by=identity.user_id, now=now)
    )
    if fact is not None:
        services.bus.announce([fact])
    views = await services.memory.read(lambda uow: _views(uow, location_id))
    return next(view for view in views if view.switch is switch)


def _views(uow: UnitOfWork, location_id: LocationId) -> tuple[SwitchView, ...]:
    names = {user.user_id: user.name for user in uow.tenants.users(location_id)} | {OPERATOR: _OPERATOR_NAME}
    return tuple(_view(state, names) for state in uow.switches.all(location_id))


def _view(state: SwitchState, names: dict[UserId, str]) -> SwitchView:
    return SwitchView(
        switch=state.switch,
        words=SWITCH_WORDS[state.switch],
        on=state.on,
        changed_at=state.changed_at,
        changed_by=None if state.changed_by is None else names.get(state.changed_by, _LEFT_NAME),
    )
