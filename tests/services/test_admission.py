"""The gate to the log: one fact is stored once, whichever of three doors tells of it, and however often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import (
    Delivery,
    LeadDeleted,
    LeadUpserted,
    MessageReceived,
    MessageSent,
    OpportunityChanged,
    RecordedEvent,
    Source,
)
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, derived_id, fact_id
from ghl_real_estate_ai.models.leads import Lead, StageRole
from ghl_real_estate_ai.models.synchronization import ChangeKind, CrmChange
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.admission import Outcome, Receipt, admit, admit_page
from ghl_real_estate_ai.services.page_knowledge import SAME_MESSAGE_WITHIN
from tests.support.facts import LEAD, LOCATION, NOON
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio
HOOK, POLL = Source.APP_WEBHOOK, Source.POLLING
STORED, DUPLICATE = Outcome.STORED, Outcome.DUPLICATE


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


def state(name: str, kind: type[OpportunityChanged | LeadUpserted | LeadDeleted], **fields: Any) -> Delivery:
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


# --- states: news, or held already ------------------------------------------------------------------------------------


async def handle(memory: FakeMemory) -> None:
    """Apply the whole log to its lead, as the house does a moment after."""
    lead = None
    for recorded in await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=100)):
        lead = apply(lead, recorded)
    if lead is not None:
        await memory.write(lambda uow: uow.leads.put(lead, None))


def deal(name: str, stage: str, *, minute: int, source: Source = POLL) -> Delivery:
    """A deal that came to this stage so many minutes after noon."""
    at = NOON + timedelta(minutes=minute)
    return state(
        name, OpportunityChanged, occurred_at=at, source=source, opportunity_id="o1", pipeline_stage_id=stage
    )


def born(name: str, *, minute: int) -> Delivery:
    """A webhook that tells of a contact's creation: the first one, or that it was restored."""
    event = state(
        name,
        LeadUpserted,
        source=HOOK,
        occurred_at=NOON + timedelta(minutes=minute),
        created=True,
        contact={"name": "Ana"},
    ).event
    named = event.model_copy(update={"event_id": fact_id(LOCATION, "contact", LEAD, "created")})
    return Delivery(delivery_id=name, event=named, received_at=NOON)


def gone(name: str, *, minute: int) -> Delivery:
    """A webhook that tells of a contact's deletion."""
    return state(name, LeadDeleted, source=HOOK, occurred_at=NOON + timedelta(minutes=minute))


async def the_lead(memory: FakeMemory) -> Lead:
    await handle(memory)
    lead = await memory.read(lambda uow: uow.leads.get(LOCATION, LEAD))
    assert lead is not None
    return lead


async def test_what_is_read_by_api_is_not_compared_with_a_lead_that_is_behind_its_log() -> None:
    memory = FakeMemory()
    await outcomes(memory, deal("a", "A", minute=0, source=HOOK))
    await handle(memory)
    told = [deal("b", "B", minute=1, source=HOOK), deal("back", "A", minute=2)]
    assert await outcomes(memory, *told) == [STORED, STORED]
    assert (await the_lead(memory)).opportunities["o1"].pipeline_stage_id == "A"


async def test_a_state_that_holds_for_long_is_stored_again_so_that_a_late_webhook_does_not_win() -> None:
    memory = FakeMemory()
    await outcomes(memory, deal("a", "A", minute=0, source=HOOK))
    await handle(memory)
    soon, later, again = (deal(f"p{minute}", "A", minute=minute) for minute in (1, 50, 51))
    assert await outcomes(memory, soon, later) == [DUPLICATE, STORED]
    await handle(memory)
    assert await outcomes(memory, again, deal("b", "B", minute=30, source=HOOK)) == [DUPLICATE, STORED]
    assert (await the_lead(memory)).opportunities["o1"].pipeline_stage_id == "A"


async def test_a_contact_that_is_seen_to_be_there_is_not_deleted_by_a_late_webhook() -> None:
    memory = FakeMemory()
    held = {"created": False, "contact": {"name": "Ana"}}
    await outcomes(memory, state("a", LeadUpserted, source=HOOK, **held))
    await handle(memory)
    seen = state("p", LeadUpserted, occurred_at=NOON + timedelta(hours=2), **held)
    assert await outcomes(memory, seen, gone("late", minute=60)) == [STORED, STORED]
    assert not (await the_lead(memory)).deleted


@pytest.mark.parametrize("handled", [True, False], ids=["handled", "behind its log"])
async def test_a_contact_that_is_restored_exists_again(handled: bool) -> None:
    memory = FakeMemory()
    assert await outcomes(memory, born("first", minute=0)) == [STORED]
    await handle(memory)
    assert await outcomes(memory, gone("gone", minute=1)) == [STORED]
    if handled:
        await handle(memory)
    assert await outcomes(memory, born("restored", minute=2), born("restored", minute=2)) == [
        STORED,
        DUPLICATE,
    ]
    assert not (await the_lead(memory)).deleted
    log = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=100))
    assert [one.event.created for one in log if isinstance(one.event, LeadUpserted)] == [True, False]


async def test_a_creation_that_is_told_late_or_twice_restores_nothing() -> None:
    memory = FakeMemory()
    await outcomes(memory, born("first", minute=0))
    await handle(memory)
    assert await outcomes(memory, born("twice", minute=3)) == [DUPLICATE]
    await outcomes(memory, gone("gone", minute=2))
    await handle(memory)
    assert await outcomes(memory, born("late", minute=1)) == [DUPLICATE]
    assert (await the_lead(memory)).deleted


async def test_those_admitted_together_are_judged_as_one_by_one_they_would_be() -> None:
    memory = FakeMemory()
    await outcomes(memory, deal("a", "A", minute=0, source=HOOK))
    await handle(memory)
    page = [deal("b", "B", minute=1), deal("b", "B", minute=1), deal("back", "A", minute=2)]
    results = await memory.write(lambda uow: admit_page(uow, page))
    assert [isinstance(one, RecordedEvent) for one in results] == [True, False, True]
    assert (await the_lead(memory)).opportunities["o1"].pipeline_stage_id == "A"


async def test_what_a_person_changed_and_changed_back_is_no_echo_though_both_come_together() -> None:
    memory = FakeMemory()
    phones = ("P", "Q", "P")
    told = [
        state(
            f"w{n}",
            LeadUpserted,
            source=HOOK,
            occurred_at=NOON + timedelta(seconds=n),
            created=False,
            contact={"phone": phone},
        )
        for n, phone in enumerate(phones)
    ]
    await outcomes(memory, told[0])
    await handle(memory)
    ours = CrmChange(
        location_id=LOCATION,
        change_id="f",
        lead_id=LEAD,
        kind=ChangeKind.FIELDS,
        content={},
        due_at=NOON,
        created_at=NOON,
    )
    await memory.write(lambda uow: uow.changes.want(ours))
    results = await memory.write(lambda uow: admit_page(uow, told[1:]))
    assert all(isinstance(one, RecordedEvent) for one in results)
    assert (await the_lead(memory)).contact.phone == "P"


class CountingMemory(FakeMemory):
    """Counts what is asked of each store."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
        return await super().write(lambda uow: change(cast("UnitOfWork", _Counted(uow, self.asked))))


class _Counted:
    """A unit of work, or one of its stores, whose calls are counted."""

    def __init__(self, inner: object, asked: Counter[str]) -> None:
        self._inner, self._asked = inner, asked

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        if not callable(found):
            return _Counted(found, self._asked)
        self._asked[name] += 1
        return found


async def test_a_page_of_many_leads_asks_memory_a_few_times() -> None:
    memory = CountingMemory()
    page = [
        state(f"{n}", LeadUpserted, lead_id=f"lead-{n}", created=False, contact={"name": "Ana"})
        for n in range(100)
    ]
    for _ in range(2):
        memory.asked.clear()
        await memory.write(lambda uow: admit_page(uow, page))
        assert memory.asked.total() <= 6, memory.asked


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
