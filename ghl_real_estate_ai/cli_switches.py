"""The commands about switches: list, on, off. Part of ``cli``, which adds them to ``enterprisehub``.

They work on the database alone: also while the gateway is down, and running processes obey at their next act.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.commands.terminal import AsJson, InLocation, out, show, with_memory
from ghl_real_estate_ai.errors import InputError, NotFound
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.switches import SWITCH_WORDS, Switch, SwitchState
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.services.switches import OPERATOR, turn

switch_app = typer.Typer(help="What a location does by itself, turned on and off.", no_args_is_help=True)

Everywhere = Annotated[bool, typer.Option("--all", help="In every location.")]
Which = Annotated[Switch, typer.Argument(help="outgoing stops everything that leaves the house.")]


@switch_app.command("list")
def list_switches(*, location: InLocation = None, as_json: AsJson = False) -> None:
    """How the switches of a location stand."""

    async def go(memory: Memory) -> list[SwitchState]:
        place = await records.the_location(memory, location)
        return await memory.read(lambda uow: uow.switches.all(place))

    states = with_memory(go)
    if as_json:
        show({"switches": [state.model_dump(mode="json") for state in states]}, as_json=True, line="")
        return
    table = Table("switch", "stands", "since", "what it is")
    for state in states:
        since = "" if state.changed_at is None else f"{state.changed_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(state.switch, "on" if state.on else "OFF", since, escape(SWITCH_WORDS[state.switch]))
    out.print(table)


@switch_app.command("on")
def on(
    switch: Which, *, location: InLocation = None, everywhere: Everywhere = False, as_json: AsJson = False
) -> None:
    """Turn a switch on. What waited goes on by itself."""
    _turn(switch, on=True, location=location, everywhere=everywhere, as_json=as_json)


@switch_app.command("off")
def off(
    switch: Which, *, location: InLocation = None, everywhere: Everywhere = False, as_json: AsJson = False
) -> None:
    """Turn a switch off. `enterprisehub switch off outgoing --all` is the kill switch of the whole installation."""
    _turn(switch, on=False, location=location, everywhere=everywhere, as_json=as_json)


def _turn(switch: Switch, *, on: bool, location: str | None, everywhere: bool, as_json: bool) -> None:
    if everywhere and location is not None:
        raise InputError("--all goes over every location; leave --location out")

    async def go(memory: Memory) -> tuple[list[LocationId], list[LocationId]]:
        if everywhere:
            places = [one.location_id for one in await memory.read(lambda uow: uow.tenants.locations())]
        else:
            places = [await records.the_location(memory, location)]
        if not places:
            raise NotFound("no location yet: `enterprisehub location add ID --name NAME`")
        return places, await memory.write(lambda uow: _turned(uow, places, switch, on=on))

    places, turned = with_memory(go)
    word = "on" if on else "off"
    already = "" if len(turned) == len(places) else f" ({len(places) - len(turned)} stood so already)"
    show(
        {"switch": switch, "on": on, "locations": places, "turned": turned},
        as_json=as_json,
        line=f"{switch} is {word} in {', '.join(places)}{already}",
    )


def _turned(uow: UnitOfWork, places: list[LocationId], switch: Switch, *, on: bool) -> list[LocationId]:
    now = SystemClock().now()
    return [place for place in places if turn(uow, place, switch, on=on, by=OPERATOR, now=now) is not None]
