"""The gate to the log: one fact is stored once, whichever of three doors tells of it, and however often."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import (
    Delivery,
    LeadUpserted,
    MessageReceived,
    MessageSent,
    OpportunityChanged,
    RecordedEvent,
    Source,
)
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, derived_id, fact_id
from ghl_real_estate_ai.models.leads import Lead, StageRole
from ghl_real_estate_ai.services.admission import SAME_MESSAGE_WITHIN, Outcome, Receipt, admit
from tests.support.facts import LEAD, LOCATION, NOON
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio


def said(
    name: str,
    *,
    source: Source,
    message_id: str | None = None,
    kind: type[MessageReceived] | type[MessageSent] = MessageReceived,
    at: datetime = NOON,
    text: str | None = "ok",
    channel: Channel = Channel.SMS,
) -> Delivery:
    """A message, with the vendor's id of it or without."""
    event_id = fact_id(LOCATION, "message", message_id) if message_id else EventId(derived_id(LOCATION, name))
    event = kind(
        event_id=event_id,
        location_id=LOCATION,
        occurred_at=at,
        correlation_id=CorrelationId(name),
        source=source,
        lead_id=LEAD,
        channel=channel,
        text=text,
        message_id=message_id,
    )
    return Delivery(delivery_id=name, event=event, received_at=at)


def state(name: str, kind: type[OpportunityChanged] | type[LeadUpserted], **fields: Any) -> Delivery:
    """How a deal or contact stands, read by API."""
    event = kind.model_validate(
        {
            "event_id": derived_id(LOCATION, name),
            "location_id": LOCATION,
            "occurred_at": NOON,
            "correlation_id": name,
            "source": Source.POLLING,
            "lead_id": LEAD,
            **fields,
        }
    )
    return Delivery(delivery_id=name, event=event, received_at=NOON)


async def outcomes(memory: FakeMemory, *deliveries: Delivery) -> list[Outcome]:
    """What became of each, one after the other."""
    found = []
    for delivery in deliveries:
        result = await memory.write(lambda uow, delivery=delivery: admit(uow, delivery))  # type: ignore[misc]
        found.append(result.outcome if isinstance(result, Receipt) else Outcome.STORED)
    return found


HOOK, POLL = Source.APP_WEBHOOK, Source.POLLING
STORED, DUPLICATE = Outcome.STORED, Outcome.DUPLICATE


@pytest.mark.parametrize("doors", [(HOOK, POLL), (POLL, HOOK), (POLL, POLL)])
async def test_a_message_with_an_id_is_one_fact_whichever_door_comes_first(
    doors: tuple[Source, Source],
) -> None:
    first, second = (said(f"d{n}", source=door, message_id="m1") for n, door in enumerate(doors))
    assert await outcomes(FakeMemory(), first, second) == [STORED, DUPLICATE]


async def test_a_webhook_without_an_id_is_recognised_in_what_was_read_by_api() -> None:
    polled = said("p", source=POLL, message_id="m1")
    hook = said("w", source=HOOK, at=NOON + SAME_MESSAGE_WITHIN)
    assert await outcomes(FakeMemory(), polled, hook) == [STORED, DUPLICATE]


async def test_what_is_read_by_api_is_recognised_in_a_webhook_without_an_id() -> None:
    hook = said("w", source=HOOK, at=NOON + SAME_MESSAGE_WITHIN)
    polled = said("p", source=POLL, message_id="m1")
    assert await outcomes(FakeMemory(), hook, polled) == [STORED, DUPLICATE]


@pytest.mark.parametrize(
    "other",
    [
        {"at": NOON + SAME_MESSAGE_WITHIN + timedelta(seconds=1)},
        {"text": "OK"},
        {"text": None},
        {"channel": Channel.WHATSAPP},
        {"kind": MessageSent},
    ],
    ids=["later", "other words", "no words", "other channel", "other way"],
)
async def test_a_message_that_differs_is_another_one(other: dict[str, Any]) -> None:
    polled = said("p", source=POLL, message_id="m1")
    assert await outcomes(FakeMemory(), polled, said("w", source=HOOK, **other)) == [STORED, STORED]


@pytest.mark.parametrize("order", ["wwpp", "wpwp", "pwwp", "ppww", "pwpw", "wppw"])
async def test_the_same_words_said_twice_stay_two_messages_in_any_order_of_doors(order: str) -> None:
    memory, numbers = FakeMemory(), {"w": 0, "p": 0}
    for door in order:
        numbers[door] += 1
        name, at = f"{door}{numbers[door]}", NOON + timedelta(seconds=numbers[door])
        message_id = f"m{numbers[door]}" if door == "p" else None
        await outcomes(memory, said(name, source=POLL if door == "p" else HOOK, message_id=message_id, at=at))
    assert await memory.read(lambda uow: uow.events.head(LOCATION)) == 2


async def test_two_webhooks_without_ids_are_two_messages_while_nothing_is_polled() -> None:
    first, second = said("w1", source=HOOK), said("w2", source=HOOK, at=NOON + timedelta(seconds=5))
    assert await outcomes(FakeMemory(), first, second) == [STORED, STORED]


async def test_a_state_that_the_lead_holds_already_is_not_stored_again() -> None:
    memory = FakeMemory()
    held = Lead(location_id=LOCATION, lead_id=LEAD)
    held = held.model_copy(update={"contact": held.contact.model_copy(update={"name": "Ana"})})
    await memory.write(lambda uow: uow.leads.put(held, None))
    same = state("same", LeadUpserted, created=False, contact={"name": "Ana"})
    other = state("other", LeadUpserted, created=False, contact={"name": "Ben"})
    created = state("created", LeadUpserted, created=True, contact={"name": "Ana"})
    assert await outcomes(memory, same, other, created) == [DUPLICATE, STORED, STORED]


async def test_a_deal_gets_the_meaning_of_its_stage_from_the_map_of_the_day() -> None:
    memory = FakeMemory()
    deal = {"opportunity_id": "o1", "pipeline_stage_id": "s1"}

    async def role_after(name: str) -> StageRole | None:
        recorded = await memory.write(lambda uow: admit(uow, state(name, OpportunityChanged, **deal)))
        assert isinstance(recorded, RecordedEvent)
        assert isinstance(recorded.event, OpportunityChanged)
        return recorded.event.stage_role

    assert await role_after("without a map") is None
    setup = LocationSetup(location_id=LOCATION, stages={"s1": StageRole.APPOINTMENT})
    await memory.write(lambda uow: uow.connections.put_setup(setup))
    assert await role_after("with a map") is StageRole.APPOINTMENT


async def test_nothing_about_a_forgotten_lead_passes_by_any_door() -> None:
    memory = FakeMemory()
    await memory.forget(LOCATION, LEAD)
    told = [said("w", source=HOOK), said("p", source=POLL, message_id="m1")]
    assert await outcomes(memory, *told) == [Outcome.IGNORED, Outcome.IGNORED]
