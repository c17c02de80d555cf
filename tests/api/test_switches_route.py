"""Switches by the API: read by everybody, turned by admins, each turn a fact in the log."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.models.identifiers import UserId
from ghl_real_estate_ai.models.leads import Role, User
from ghl_real_estate_ai.models.switches import SWITCH_WORDS, Switch
from ghl_real_estate_ai.services.switches import OPERATOR, turn
from tests.support.facts import NOON
from tests.support.gateway import AWAY, HOME, Gateway, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = user_of(Role.ADMIN)


async def item(gateway: Gateway, switch: Switch, user: User = ADMIN) -> dict[str, object]:
    items = (await gateway.get("/v1/switches", user)).json()["items"]
    assert [one["switch"] for one in items] == [one.value for one in Switch]
    found: dict[str, object] = next(one for one in items if one["switch"] == switch.value)
    return found


@pytest.mark.parametrize("role", Role)
async def test_everybody_reads_them_and_they_are_on_at_first(gateway: Gateway, role: Role) -> None:
    assert await item(gateway, Switch.LEARNING, user_of(role)) == {
        "switch": "learning",
        "words": SWITCH_WORDS[Switch.LEARNING],
        "on": True,
        "changed_at": None,
        "changed_by": None,
    }


async def test_a_turn_is_stored_with_name_and_time_and_as_a_fact_once(gateway: Gateway) -> None:
    for _ in range(2):
        answer = await gateway.post("/v1/switches/outgoing", ADMIN, {"on": False})
        assert answer.status_code == 200
        assert (answer.json()["on"], answer.json()["changed_by"]) == (False, ADMIN.name)
        assert answer.json() == await item(gateway, Switch.OUTGOING)
    assert (await item(gateway, Switch.OUTGOING, user_of(Role.ADMIN, AWAY)))["on"] is True
    await gateway.post("/v1/switches/outgoing", ADMIN, {"on": True})
    facts, _ = await gateway.services.memory.read(
        lambda uow: uow.events.read_types(HOME, after=0, limit=10, types=frozenset({"SwitchTurned"}))
    )
    assert [(getattr(one.event, "switch", None), getattr(one.event, "on", None)) for one in facts] == [
        (Switch.OUTGOING, False),
        (Switch.OUTGOING, True),
    ]


@pytest.mark.parametrize(
    ("by", "name"),
    [(OPERATOR, "the operator, at the command line"), (UserId("u-gone"), "a user who was removed")],
)
async def test_who_is_no_user_here_has_a_name_all_the_same(gateway: Gateway, by: UserId, name: str) -> None:
    for on in (True, False):
        await gateway.services.memory.write(
            lambda uow, on=on: turn(uow, HOME, Switch.SUGGESTED_REPLIES, on=on, by=by, now=NOON)  # type: ignore[misc]
        )
    assert (await item(gateway, Switch.SUGGESTED_REPLIES))["changed_by"] == name


async def test_an_unknown_switch_and_a_body_without_a_position_are_refused(gateway: Gateway) -> None:
    assert (await gateway.post("/v1/switches/lights", ADMIN, {"on": False})).status_code == 400
    assert (await gateway.post("/v1/switches/outgoing", ADMIN, {})).status_code == 400
    assert (await item(gateway, Switch.OUTGOING))["on"] is True
