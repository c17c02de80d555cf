"""``enterprisehub switch``: on the database alone, in one location or in all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.settings import load_settings
from tests.test_cli import home, run

__all__ = ["home"]  # the fixture

PLACES = ("loc-a", "loc-b")


def is_on(place: str, switch: Switch = Switch.OUTGOING) -> bool:
    async def go() -> bool:
        async with bootstrap.opened(load_settings()) as memory:
            return await memory.read(lambda uow: uow.switches.is_on(LocationId(place), switch))

    return asyncio.run(go())


@pytest.fixture
def places(home: Path) -> Path:
    for place in PLACES:
        run("location", "add", place)
    return home


def test_off_everywhere_and_on_again_in_one_place(places: Path) -> None:
    done = run("switch", "off", "outgoing", "--all")
    assert done.output.strip() == "outgoing is off in loc-a, loc-b"
    assert [is_on(place) for place in PLACES] == [False, False]
    done = run("switch", "on", "outgoing", "--location", "loc-a", "--json")
    assert json.loads(done.output) == {
        "switch": "outgoing",
        "on": True,
        "locations": ["loc-a"],
        "turned": ["loc-a"],
    }
    assert [is_on(place) for place in PLACES] == [True, False]
    assert "(1 stood so already)" in run("switch", "off", "outgoing", "--all").output


def test_the_list_says_how_each_stands(places: Path) -> None:
    run("switch", "off", "learning", "--location", "loc-a")
    listed = json.loads(run("switch", "list", "--location", "loc-a", "--json").output)["switches"]
    assert [(one["switch"], one["on"]) for one in listed] == [
        (switch.value, switch is not Switch.LEARNING) for switch in Switch
    ]
    assert [one["changed_by"] for one in listed if not one["on"]] == ["operator"]
    assert "OFF" in run("switch", "list", "--location", "loc-a").output


def test_a_mistake_says_how_it_is_done(places: Path) -> None:
    both = run("switch", "off", "outgoing", "--all", "--location", "loc-a")
    assert isinstance(both.exception, InputError)
    assert "--location is needed" in str(run("switch", "off", "outgoing").exception)
    assert run("switch", "off", "lights", "--all").exit_code == 2


def test_without_a_location_there_is_nothing_to_turn(home: Path) -> None:
    assert "no location yet" in str(run("switch", "off", "outgoing", "--all").exception)
