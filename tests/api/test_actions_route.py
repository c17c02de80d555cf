"""What an agent does with a next action over HTTP: one fact per click, one screenful of effects, and a way back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.limits import CLICKS_LOOKED_AT, SNOOZE_DAYS, TAKEN_ON_HOURS
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, lead_hash
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.streams import Stream
from tests.support.gateway import AWAY, HOME, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT, MANAGER = user_of(Role.AGENT), user_of(Role.MANAGER)


async def shown(gateway: Gateway, lead_id: str) -> dict[str, Any]:
    detail: dict[str, Any] = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()["intelligence"]
    return detail


async def action_of(gateway: Gateway, lead_id: str) -> str:
    action_id: str = (await shown(gateway, lead_id))["next_action"]["action_id"]
    return action_id


async def until_action(gateway: Gateway, lead_id: str, action_id: str, *, there: bool = True) -> None:
    """Wait until the action is, or is not, what the lead is shown with."""

    async def is_so() -> bool:
        action = (await shown(gateway, lead_id))["next_action"]
        at_hand = action is not None and action["action_id"] == action_id and not action["snoozed_until"]
        return bool(at_hand) is there

    await eventually(is_so)


async def write_again(gateway: Gateway, lead_id: str, text: str) -> None:
    at = gateway.services.clock.now().isoformat()
    message = {"contactId": lead_id, "body": text, "messageType": "SMS", "direction": "inbound"}
    await gateway.deliver(
        "InboundMessage", messageId=f"{lead_id}-again", dateAdded=at, timestamp=at, **message
    )


async def negated(is_so: Callable[[], Awaitable[bool]]) -> bool:
    return not await is_so()


def ahead(gateway: Gateway, **span: float) -> dict[str, str]:
    return {"until": (gateway.services.clock.now() + timedelta(**span)).isoformat()}


async def test_taking_an_action_on_is_one_fact_however_often_it_is_sent(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Acted")
    action_id = await action_of(gateway, lead_id)
    path = f"/v1/leads/{lead_id}/actions/{action_id}/acknowledge"
    answers = await asyncio.gather(
        *(gateway.post(path, user_of(role)) for role in (Role.AGENT, Role.AGENT, Role.MANAGER))
    )
    answers.append(await gateway.post(path, AGENT))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    fact = answers[0].json()
    recorded = await gateway.services.memory.read(lambda uow: uow.events.get(HOME, EventId(fact["event_id"])))
    assert recorded is not None
    assert (recorded.position, recorded.event.type) == (fact["position"], "ActionAcknowledged")

    await until_action(gateway, lead_id, action_id, there=False)
    action = (await shown(gateway, lead_id))["next_action"]
    assert (action["action_id"], action["taken_on"]) == (action_id, True)
    back_in = datetime.fromisoformat(action["snoozed_until"]) - gateway.services.clock.now()
    assert timedelta(hours=TAKEN_ON_HOURS - 1) < back_in <= timedelta(hours=TAKEN_ON_HOURS)
    assert (await gateway.post(path, AGENT)).json() == fact


async def test_taking_an_action_on_brings_nothing_back_of_a_lead_forgotten_meanwhile(
    gateway: Gateway,
) -> None:
    lead_id = LeadId(await gateway.lead("Ana Gone"))
    action_id = await action_of(gateway, lead_id)
    memory = gateway.services.memory
    digest = lead_hash(HOME, lead_id)
    # As if the erasure were committed between the route's look and its write: the lead can still be seen, just once.
    lead, known = await memory.read(
        lambda uow: (uow.leads.get(HOME, lead_id), uow.leads.intelligence(HOME, lead_id))
    )
    assert lead is not None
    await memory.write(lambda uow: uow.leads.forget(HOME, lead_id, lead_hash=digest))
    await memory.write(lambda uow: uow.leads.put(lead, known))
    answer = await gateway.post(f"/v1/leads/{lead_id}/actions/{action_id}/acknowledge", AGENT)
    assert answer.status_code == 404
    assert await memory.read(lambda uow: uow.events.of_lead(HOME, lead_id, before=None, limit=9)) == []


async def test_an_acknowledgement_reaches_the_screens(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Seen")
    action_id = await action_of(gateway, lead_id)
    async with gateway.live(AGENT) as client:
        await client.say({"subscribe": [{"stream": Stream.NEXT_ACTIONS}]})
        await client.hear_until(lambda message: "subscribed" in message)
        await gateway.post(f"/v1/leads/{lead_id}/actions/{action_id}/acknowledge", AGENT)
        message = await client.hear_until(lambda m: m.get("e", {}).get("acknowledged_by") is not None)
        assert (message["e"]["key"], message["e"]["action"]) == (lead_id, None)
        assert message["e"]["acknowledged_by"] == AGENT.user_id


async def test_an_action_that_is_not_open_is_not_found(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Calm")
    for path in (
        f"/v1/leads/{lead_id}/actions/unknown/acknowledge",
        "/v1/leads/nobody/actions/x/acknowledge",
    ):
        assert (await gateway.post(path, AGENT)).status_code == 404


async def test_another_tenants_lead_can_be_neither_seen_nor_acted_on(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Home")
    action_id = await action_of(gateway, lead_id)
    stranger = user_of(Role.ADMIN, AWAY)
    assert (await gateway.get(f"/v1/leads/{lead_id}", stranger)).status_code == 404
    path = f"/v1/leads/{lead_id}/actions/{action_id}/acknowledge"
    assert (await gateway.post(path, stranger)).status_code == 404
    assert await action_of(gateway, lead_id) == action_id


async def test_what_was_taken_on_can_be_taken_back_and_taken_on_again_each_a_fact_of_its_own(
    gateway: Gateway,
) -> None:
    lead_id = await gateway.lead("Ana Undone")
    action_id = await action_of(gateway, lead_id)
    path = f"/v1/leads/{lead_id}/actions/{action_id}"
    facts = []
    for verb, there in (("acknowledge", False), ("reopen", True), ("acknowledge", False), ("reopen", True)):
        first, repeated = [await gateway.post(f"{path}/{verb}", user) for user in (AGENT, MANAGER)]
        assert first.status_code == repeated.status_code == 202, first.text
        assert first.json() == repeated.json()
        facts.append(first.json()["event_id"])
        await until_action(gateway, lead_id, action_id, there=there)
    assert len(set(facts)) == 4


async def test_an_undo_right_after_the_click_is_not_lost(gateway: Gateway) -> None:
    """Both are in the log before the house has looked at the first."""
    lead_id = await gateway.lead("Ana Quick")
    action_id = await action_of(gateway, lead_id)
    path = f"/v1/leads/{lead_id}/actions/{action_id}"
    for verb in ("acknowledge", "reopen", "acknowledge", "reopen"):
        assert (await gateway.post(f"{path}/{verb}", AGENT)).status_code == 202
    await until_action(gateway, lead_id, action_id)


async def test_a_snoozed_action_gives_way_and_an_undo_brings_it_back(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Later")
    action_id = await action_of(gateway, lead_id)
    path = f"/v1/leads/{lead_id}/actions/{action_id}"
    body = ahead(gateway, hours=2)
    first, again = [await gateway.post(f"{path}/snooze", AGENT, body) for _ in range(2)]
    assert first.status_code == 202
    assert first.json() == again.json()
    await until_action(gateway, lead_id, action_id, there=False)
    other = await gateway.post(f"{path}/snooze", AGENT, ahead(gateway, hours=3))
    assert other.json()["event_id"] != first.json()["event_id"]
    assert (await gateway.post(f"{path}/snooze", AGENT, body)).json()["position"] > other.json()["position"]
    await gateway.post(f"{path}/reopen", AGENT)
    await until_action(gateway, lead_id, action_id)


async def test_what_is_marked_as_answered_waits_no_more_until_that_is_taken_back(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Thanks")
    action_id = await action_of(gateway, lead_id)
    path = f"/v1/leads/{lead_id}/actions/{action_id}"
    first, again = [await gateway.post(f"{path}/answered", user) for user in (AGENT, MANAGER)]
    assert first.status_code == 202, first.text
    assert first.json() == again.json()

    async def waits() -> bool:
        action = (await shown(gateway, lead_id))["next_action"]
        return action is not None and action["waiting_since"] is not None

    await eventually(lambda: negated(waits))
    assert (await gateway.post(f"/v1/leads/{lead_id}/actions/unknown/answered", AGENT)).status_code == 404
    assert (await gateway.post(f"{path}/reopen", MANAGER)).status_code == 202
    await until_action(gateway, lead_id, action_id)
    assert await waits()


async def test_answered_never_covers_a_message_that_the_click_has_not_seen(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Crossed")
    action_id = await action_of(gateway, lead_id)
    path = f"/v1/leads/{lead_id}/actions/{action_id}"
    for verb in ("acknowledge", "reopen"):  # something was said of it: it was shown
        assert (await gateway.post(f"{path}/{verb}", AGENT)).status_code == 202
    await until_action(gateway, lead_id, action_id)
    await write_again(gateway, lead_id, "My offer expires tonight")
    await until_action(gateway, lead_id, action_id, there=False)
    assert (await gateway.post(f"{path}/answered", AGENT)).status_code == 404
    assert (await shown(gateway, lead_id))["next_action"]["waiting_since"] is not None


async def test_not_mine_is_taken_back_on_whichever_action_the_lead_has_now(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Returned")
    action_id = await action_of(gateway, lead_id)
    assert (await gateway.post(f"/v1/leads/{lead_id}/actions/{action_id}/not-mine", AGENT)).status_code == 202
    await write_again(gateway, lead_id, "Hello?")
    await until_action(gateway, lead_id, action_id, there=False)
    now_shown = await action_of(gateway, lead_id)
    first, again = [
        await gateway.post(f"/v1/leads/{lead_id}/actions/{now_shown}/reopen", AGENT) for _ in range(2)
    ]
    assert first.status_code == 202, first.text
    assert first.json() == again.json()

    async def is_ours() -> bool:
        return (await shown(gateway, lead_id))["declined_by"] == []

    await eventually(is_ours)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, 422, "until: must be later"),
        ({"until": "2999-01-01T00:00:00Z"}, 422, f"at most {SNOOZE_DAYS} days"),
        ({"until": "2026-11-24T12:00:00"}, 400, "until"),
        ({"until": "tomorrow"}, 400, "until"),
        ({"until": "9999-12-31T23:59:59-14:00"}, 400, "until"),
        ({}, 400, "until"),
    ],
)
async def test_a_time_that_cannot_be_meant_is_refused_by_name(
    gateway: Gateway, body: dict[str, str], status: int, words: str
) -> None:
    lead_id = await gateway.lead("Ana When")
    path = f"/v1/leads/{lead_id}/actions/{await action_of(gateway, lead_id)}/snooze"
    answer = await gateway.post(path, AGENT, body)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


async def test_a_click_on_a_busy_lead_is_a_click_of_its_own(gateway: Gateway) -> None:
    """More has happened since the last click than one look reaches, the house's own conclusions included."""
    lead_id = await gateway.lead("Ana Busy")
    action_id = await action_of(gateway, lead_id)
    path = f"/v1/leads/{lead_id}/actions/{action_id}"
    first = (await gateway.post(f"{path}/acknowledge", AGENT)).json()
    undone = (await gateway.post(f"{path}/reopen", AGENT)).json()
    notes = [
        await gateway.deliver("NoteCreate", id=f"{lead_id}-{number}", contactId=lead_id, body="x")
        for number in range(CLICKS_LOOKED_AT)
    ]
    assert len(notes) == CLICKS_LOOKED_AT
    again = (await gateway.post(f"{path}/acknowledge", AGENT)).json()
    assert again["event_id"] != first["event_id"]
    assert again["position"] > undone["position"] + CLICKS_LOOKED_AT
    await until_action(gateway, lead_id, action_id, there=False)
    assert (await gateway.post(f"{path}/reopen", AGENT)).status_code == 202


async def test_not_mine_is_said_for_oneself_and_leaves_the_action_to_the_others(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Other")
    action_id = await action_of(gateway, lead_id)
    path = f"/v1/leads/{lead_id}/actions/{action_id}"
    own, again, others = [await gateway.post(f"{path}/not-mine", user) for user in (AGENT, AGENT, MANAGER)]
    assert own.json() == again.json() != others.json()

    async def declined_by(*users: str) -> bool:
        known = await shown(gateway, lead_id)
        assert known["next_action"]["action_id"] == action_id
        return bool(known["declined_by"] == sorted(users))

    await eventually(lambda: declined_by(AGENT.user_id, MANAGER.user_id))
    undone, undone_again = [await gateway.post(f"{path}/reopen", AGENT) for _ in range(2)]
    assert undone.json() == undone_again.json()
    await eventually(lambda: declined_by(MANAGER.user_id))


async def test_two_who_take_an_action_back_at_once_each_take_their_lead_back(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Both")
    path = f"/v1/leads/{lead_id}/actions/{await action_of(gateway, lead_id)}"
    for verb, user in (("not-mine", AGENT), ("not-mine", MANAGER), ("acknowledge", MANAGER)):
        assert (await gateway.post(f"{path}/{verb}", user)).status_code == 202
    both = await asyncio.gather(*(gateway.post(f"{path}/reopen", user) for user in (AGENT, MANAGER)))
    assert {answer.status_code for answer in both} == {202}

    async def is_everybodys() -> bool:
        return (await shown(gateway, lead_id))["declined_by"] == []

    await eventually(is_everybodys)


async def test_what_nobody_said_cannot_be_taken_back(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Silent")
    path = f"/v1/leads/{lead_id}/actions/{await action_of(gateway, lead_id)}/reopen"
    assert (await gateway.post(path, AGENT)).status_code == 404


@pytest.mark.parametrize("verb", ["acknowledge", "snooze", "not-mine", "reopen"])
async def test_nothing_can_be_said_of_an_action_that_was_never_shown(gateway: Gateway, verb: str) -> None:
    lead_id = await gateway.lead("Ana Unknown")
    for path in (f"/v1/leads/{lead_id}/actions/unknown", "/v1/leads/nobody/actions/x"):
        answer = await gateway.post(f"{path}/{verb}", AGENT, ahead(gateway, hours=1))
        assert answer.status_code == 404
