"""What is still to do before a location's screens show anything: each step with the command or page that does it.

Called by api/routes/first_steps.py. Agents are told whom to ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from ghl_real_estate_ai.models.connections import ConnectionStatus
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId
from ghl_real_estate_ai.models.leads import Role, User
from ghl_real_estate_ai.ports import UnitOfWork

_NAMED: Final = 3
"""Admins who are named to an agent."""


class Known(Frozen):
    """What there is of a location."""

    connected: bool
    leads: int
    listings: int
    users: tuple[User, ...]
    stages: bool
    simulated: bool = False


class Step(Frozen):
    """``how``: the command, the page, or whom to ask. ``href``: where a click does it; None: nowhere."""

    name: str
    title: str
    done: bool
    how: str
    href: str | None = None


class FirstSteps(Frozen):
    """In the order in which they are best taken."""

    complete: bool
    leads: int
    listings: int
    steps: tuple[Step, ...]
    simulated: bool = Field(default=False, description="there are leads, and all of them are simulated")


def known_of(uow: UnitOfWork, location_id: LocationId) -> Known:
    """Read in one transaction."""
    connection, setup = uow.connections.get(location_id), uow.connections.setup(location_id)
    return Known(
        connected=connection is not None and connection.status is ConnectionStatus.ACTIVE,
        leads=uow.leads.count(location_id),
        listings=uow.listings.count(location_id),
        users=tuple(uow.tenants.users(location_id)),
        stages=setup is not None and bool(setup.stages),
        simulated=not uow.team.has_real_leads(location_id)
        and uow.leads.newest_simulated(location_id) is not None,
    )


def first_steps(known: Known, *, location_id: LocationId, role: Role, install_url: str | None) -> FirstSteps:
    """For a caller of this role. ``install_url``: where the account's owner gives consent to the app, if there is one."""
    steps = _steps(known, location_id=location_id, install_url=install_url)
    if role is not Role.ADMIN:
        steps = [step.model_copy(update={"how": _ask(known.users), "href": None}) for step in steps]
    complete = all(step.done for step in steps)
    if role is Role.AGENT and not complete:
        steps = [_waiting_for_others(known.users)]
    return FirstSteps(
        complete=complete,
        leads=known.leads,
        listings=known.listings,
        steps=tuple(steps),
        simulated=known.simulated,
    )


def _steps(known: Known, *, location_id: LocationId, install_url: str | None) -> list[Step]:
    connect = f"enterprisehub connect --location {location_id}"
    connected = known.connected or known.leads > 0
    return [
        Step(
            name="connect",
            title="Connect the GoHighLevel account",
            done=connected,
            how=f"On the server: `{connect}`. It asks for what it needs.",
            href=None if connected else install_url,
        ),
        Step(
            name="stages",
            title="Say what the pipeline's stages mean",
            done=known.stages,
            how=f"On the server: `{connect}`, which proposes them; or name each, as in `--stage 'Under contract=won'`.",
        ),
        Step(
            name="history",
            title="Bring in the leads",
            done=known.leads > 0,
            how=f"On the server: `{connect} --import` reads the account's history. Without API access: "
            f"`enterprisehub import contacts.csv --location {location_id}`. New leads come by themselves.",
        ),
        Step(
            name="listings",
            title="Import the homes for sale",
            done=known.listings > 0,
            how="On the page Admin, under Homes: choose a CSV or RESO JSON file. It shows what would change before it is saved.",
        ),
        Step(
            name="team",
            title="Add your team",
            done=len(known.users) > 1,
            how="On the page Admin, under Users; or on the server: "
            f"`enterprisehub user add EMAIL --role agent --location {location_id}`.",
        ),
    ]


def _waiting_for_others(users: Sequence[User]) -> Step:
    """An agent can do nothing about any step: one sentence says it."""
    return Step(name="setup", title="This location is still being set up", done=False, how=_ask(users))


def _ask(users: Sequence[User]) -> str:
    admins = [user.name for user in users if user.role is Role.ADMIN][:_NAMED]
    return f"Ask {' or '.join(admins)} (admin)." if admins else "Ask whoever runs EnterpriseHub for you."
