"""A suggested reply over HTTP: through the real door, for the caller's own tenant, nothing stored and nothing sent."""

from __future__ import annotations

from typing import Any

import pytest

from ghl_real_estate_ai.models.leads import Role
from tests.support.gateway import AWAY, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT, MANAGER = user_of(Role.AGENT), user_of(Role.MANAGER)


async def asked(gateway: Gateway, name: str, text: str) -> dict[str, Any]:
    """The reply to a lead who has just written."""
    lead_id = await gateway.lead(name)
    await gateway.deliver(
        "InboundMessage",
        contactId=lead_id,
        messageType="SMS",
        direction="inbound",
        body=text,
        conversationId=f"c-{lead_id}",
    )

    async def told() -> bool:
        detail = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()
        return any(message["text"] == text for message in detail["conversation"])

    await eventually(told)
    answer = await gateway.get(f"/v1/leads/{lead_id}/suggested-reply", AGENT)
    assert answer.status_code == 200
    reply: dict[str, Any] = answer.json()
    return {**reply, "lead_id": lead_id}


async def test_a_question_gets_a_signed_draft_that_answers_it(gateway: Gateway) -> None:
    reply = await asked(gateway, "Ana Diaz", "What are the HOA fees?")
    assert set(reply) == {"text", "withheld", "note", "grounds", "answers", "by", "lead_id"}
    assert "I'll check the association's fees and get back to you." in reply["text"]
    assert reply["text"].endswith("- Agent-Loc-Home, loc-home")
    detail = (await gateway.get(f"/v1/leads/{reply['lead_id']}", AGENT)).json()
    (inbound,) = [
        message for message in detail["conversation"] if message["text"] == "What are the HOA fees?"
    ]
    assert reply["answers"] == inbound["event_id"]
    assert [fact["kind"] for fact in inbound["facts"]] == ["question"]
    assert (reply["by"], reply["withheld"]) == ("rules", None)


async def test_asking_changes_nothing_and_sends_nothing(gateway: Gateway) -> None:
    reply = await asked(gateway, "Ben Ode", "can you call me tomorrow?")
    path = f"/v1/leads/{reply['lead_id']}"
    before = (await gateway.get(path, AGENT)).json()
    for _ in range(3):
        again = (await gateway.get(f"{path}/suggested-reply", AGENT)).json()
        assert again["text"] == reply["text"]
    after = (await gateway.get(path, AGENT)).json()
    assert (after["timeline"], after["conversation"]) == (before["timeline"], before["conversation"])


async def test_a_lead_who_asks_to_stop_gets_none_and_the_agent_is_told_what_to_do(gateway: Gateway) -> None:
    reply = await asked(gateway, "Cy Dunn", "please stop texting me")
    assert reply["text"] is None
    assert "set do not disturb in the CRM" in reply["withheld"]


async def test_a_home_that_was_looked_at_is_answered_from_its_listing(gateway: Gateway) -> None:
    listing = {
        "ListingKey": "R1",
        "ListPrice": 512_000,
        "City": "Austin",
        "UnparsedAddress": "31 Juniper Ct, Austin",
    }
    await gateway.post("/v1/listings", MANAGER, {"value": [listing]})
    lead_id = await gateway.lead("Dee Ng")
    await gateway.post(f"/v1/leads/{lead_id}/listings/R1/judgement", AGENT, {"verdict": "like"})
    await gateway.deliver(
        "InboundMessage",
        contactId=lead_id,
        messageType="SMS",
        direction="inbound",
        body="How much is 31 Juniper Court?",
    )

    async def grounded() -> bool:
        reply = (await gateway.get(f"/v1/leads/{lead_id}/suggested-reply", AGENT)).json()
        return {"claim": "listed at $512,000", "source": "listing R1"} in reply["grounds"]

    await eventually(grounded)


async def test_another_tenant_finds_no_such_lead(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Eve Own")
    answer = await gateway.get(f"/v1/leads/{lead_id}/suggested-reply", user_of(Role.ADMIN, AWAY))
    assert answer.status_code == 404
