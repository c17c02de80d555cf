"""Dead letters by the API: the location's own, newest first; what can be used now is replayed, the rest stays and says why."""

from __future__ import annotations

import itertools
import json

import pytest

from ghl_real_estate_ai.models.events import DeadLetter, Delivery, LeadUpserted, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, LeadId, LocationId
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.services.event_inbox import INBOX
from tests.support.facts import NOON
from tests.support.gateway import AWAY, HOME, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = user_of(Role.ADMIN)
_numbers = itertools.count(1)


def readable(location_id: LocationId = HOME) -> tuple[str, str]:
    """A lead, and the text that brings it."""
    lead_id = f"late-{next(_numbers)}"
    return lead_id, json.dumps(
        {"type": "ContactCreate", "locationId": location_id, "id": lead_id, "name": "Lee Late"}
    )


async def bury(gateway: Gateway, raw: str | None, location_id: LocationId = HOME) -> int:
    """A letter; its number."""
    name = f"d-{next(_numbers)}"
    letter = DeadLetter(
        dead_letter_id=0,
        location_id=location_id,
        subscriber=INBOX,
        delivery_id=name,
        reason="an old version could not read it",
        raw=raw,
        failed_at=NOON,
    )
    await gateway.services.memory.write(lambda uow: uow.cursors.bury(letter))
    held = await gateway.services.memory.read(lambda uow: uow.cursors.dead_letters(location_id))
    return next(one.dead_letter_id for one in held if one.delivery_id == name)


async def empty(gateway: Gateway) -> None:
    for letter in await gateway.services.memory.read(lambda uow: uow.cursors.dead_letters()):
        await gateway.services.memory.write(lambda uow, it=letter: uow.cursors.revive(it.dead_letter_id))  # type: ignore[misc]


async def known(gateway: Gateway, lead_id: str) -> bool:
    return (await gateway.get(f"/v1/leads/{lead_id}", ADMIN)).status_code == 200


async def test_they_are_paged_newest_first_without_what_they_hold(gateway: Gateway) -> None:
    await empty(gateway)
    numbers = [await bury(gateway, raw) for raw in ("{", None, '{"name": "Zenobia"}')]
    first = await gateway.get("/v1/dead-letters", ADMIN, limit=2)
    assert [one["dead_letter_id"] for one in first.json()["items"]] == numbers[:0:-1]
    assert [one["has_raw"] for one in first.json()["items"]] == [True, False]
    assert first.json()["total"] == 3
    assert "Zenobia" not in first.text
    rest = await gateway.get("/v1/dead-letters", ADMIN, limit=2, after=numbers[1])
    (last,) = rest.json()["items"]
    assert last == {
        "dead_letter_id": numbers[0],
        "subscriber": INBOX,
        "delivery_id": last["delivery_id"],
        "position": None,
        "reason": "an old version could not read it",
        "failed_at": "2026-03-02T12:00:00Z",
        "simulated": False,
        "has_raw": True,
    }


async def test_one_that_can_be_read_now_becomes_a_lead_and_is_gone(gateway: Gateway) -> None:
    await empty(gateway)
    lead_id, raw = readable()
    number = await bury(gateway, raw)
    answer = await gateway.post(f"/v1/dead-letters/{number}/replay", ADMIN)
    assert answer.json() == {"replayed": 1, "left": 0, "reason": None}
    await eventually(lambda: known(gateway, lead_id))
    again = await gateway.post(f"/v1/dead-letters/{number}/replay", ADMIN)
    assert again.status_code == 404


async def test_one_that_still_cannot_be_read_stays_with_its_new_reason(gateway: Gateway) -> None:
    await empty(gateway)
    number = await bury(gateway, "{")
    answer = (await gateway.post(f"/v1/dead-letters/{number}/replay", ADMIN)).json()
    assert (answer["replayed"], answer["left"]) == (0, 1)
    (item,) = (await gateway.get("/v1/dead-letters", ADMIN)).json()["items"]
    assert item["dead_letter_id"] == number
    assert item["reason"] == answer["reason"] != "an old version could not read it"
    assert item["failed_at"] > "2026-03-02T12:00:00Z"


async def test_one_that_speaks_of_another_tenant_stays(gateway: Gateway) -> None:
    await empty(gateway)
    lead_id, raw = readable(AWAY)
    number = await bury(gateway, raw)
    answer = (await gateway.post(f"/v1/dead-letters/{number}/replay", ADMIN)).json()
    assert "another location" in answer["reason"]
    away = await gateway.get(f"/v1/leads/{lead_id}", user_of(Role.ADMIN, AWAY))
    assert away.status_code == 404


async def test_all_are_tried_and_what_stays_is_counted(gateway: Gateway) -> None:
    await empty(gateway)
    leads = []
    for _ in range(2):
        lead_id, raw = readable()
        leads.append(lead_id)
        await bury(gateway, raw)
    await bury(gateway, "{")
    answer = (await gateway.post("/v1/dead-letters/replay", ADMIN)).json()
    assert (answer["replayed"], answer["left"]) == (2, 1)
    assert answer["reason"].startswith("1 of 3 cannot be used yet")
    for lead_id in leads:
        await eventually(lambda lead_id=lead_id: known(gateway, lead_id))  # type: ignore[misc]
    assert (await gateway.post("/v1/dead-letters/replay", ADMIN)).json()["replayed"] == 0


async def test_an_event_that_a_handler_gave_up_on_is_heard_again(gateway: Gateway) -> None:
    await empty(gateway)
    lead_id = await gateway.lead("Heard Twice")
    before = await gateway.services.memory.read(
        lambda uow: uow.events.of_lead(HOME, lead_id, before=None, limit=50)  # type: ignore[arg-type]
    )
    said = next(one for one in before if one.event.type == "MessageReceived")
    for handler in ("lead_intelligence", "screens"):  # both gave up on it: it is heard anew by both, once
        letter = DeadLetter(
            dead_letter_id=0,
            location_id=HOME,
            subscriber=handler,
            position=said.position,
            delivery_id=said.delivery_id,
            reason="a bug, mended since",
            failed_at=NOON,
        )
        await gateway.services.memory.write(lambda uow, it=letter: uow.cursors.bury(it))  # type: ignore[misc]
    items = (await gateway.get("/v1/dead-letters", ADMIN)).json()["items"]
    assert [item["position"] for item in items] == [said.position] * 2
    answer = await gateway.post("/v1/dead-letters/replay", ADMIN)
    assert answer.json() == {"replayed": 1, "left": 0, "reason": None}
    assert await gateway.services.memory.read(lambda uow: uow.events.head(HOME)) > said.position


async def test_a_lead_that_had_taken_an_event_in_counts_it_once_when_another_handlers_letter_is_replayed(
    gateway: Gateway,
) -> None:
    await empty(gateway)
    memory, lead_id = gateway.services.memory, LeadId(await gateway.lead("Counted Once"))
    said = next(
        one
        for one in await memory.read(lambda uow: uow.events.of_lead(HOME, lead_id, before=None, limit=50))
        if one.event.type == "MessageReceived"
    )
    before = await memory.read(lambda uow: uow.leads.get(HOME, lead_id))
    letter = DeadLetter(
        dead_letter_id=0,
        location_id=HOME,
        subscriber="screens",
        position=said.position,
        delivery_id=said.delivery_id,
        reason="a bug, mended since",
        failed_at=NOON,
    )
    await memory.write(lambda uow: uow.cursors.bury(letter))
    assert (await gateway.post("/v1/dead-letters/replay", ADMIN)).json()["replayed"] == 1
    moved = await memory.read(lambda uow: uow.events.get(HOME, said.event.event_id))
    assert before is not None
    assert moved is not None
    assert moved.position > said.position, "it keeps its id"

    async def has_come_so_far() -> bool:
        lead = await memory.read(lambda uow: uow.leads.get(HOME, lead_id))
        return lead is not None and lead.position >= moved.position

    await eventually(has_come_so_far)
    after = await memory.read(lambda uow: uow.leads.get(HOME, lead_id))
    assert after == before.model_copy(update={"position": moved.position})


async def test_an_event_that_a_handler_gives_up_on_again_is_not_said_to_be_replayed(gateway: Gateway) -> None:
    await empty(gateway)
    (fact,) = await gateway.services.bus.publish([unusable()])
    assert fact is not None

    async def was_given_up() -> bool:
        return (await gateway.get("/v1/dead-letters", ADMIN)).json()["total"] == 1

    await eventually(was_given_up)
    (item,) = (await gateway.get("/v1/dead-letters", ADMIN)).json()["items"]
    answer = (await gateway.post(f"/v1/dead-letters/{item['dead_letter_id']}/replay", ADMIN)).json()
    assert (answer["replayed"], answer["left"]) == (0, 1)
    assert "shoe_size" in answer["reason"]
    (again,) = (await gateway.get("/v1/dead-letters", ADMIN)).json()["items"]
    assert again["position"] > item["position"]
    _, raw = readable()
    await bury(gateway, raw)
    both = (await gateway.post("/v1/dead-letters/replay", ADMIN)).json()
    assert (both["replayed"], both["left"]) == (1, 1)
    assert both["reason"].startswith("1 of 2 cannot be used yet")
    assert "shoe_size" in both["reason"]


async def test_one_that_no_handler_is_done_with_in_time_says_so(gateway: Gateway) -> None:
    """A handler of notes that never runs; the bus was started without it."""

    async def never(_: RecordedEvent) -> None:
        raise AssertionError

    gateway.services.bus.subscribe_durable("stuck", never, types=frozenset({"NoteAdded"}))
    note = {"type": "NoteCreate", "locationId": AWAY, "id": "note-1", "contactId": "c-1", "body": "Called."}
    number = await bury(gateway, json.dumps(note), AWAY)
    admin = user_of(Role.ADMIN, AWAY)
    answer = (await gateway.post(f"/v1/dead-letters/{number}/replay", admin)).json()
    assert (answer["replayed"], answer["left"]) == (1, 0)
    assert "not yet worked off" in answer["reason"]


def unusable() -> Delivery:
    """A fact that no version of the merge can use."""
    name = f"odd-{next(_numbers)}"
    event = LeadUpserted(
        event_id=EventId(name),
        location_id=HOME,
        occurred_at=NOON,
        correlation_id=CorrelationId(name),
        source=Source.CSV,
        lead_id=LeadId(name),
        created=True,
        contact={"shoe_size": 44},
    )
    return Delivery(delivery_id=name, event=event, received_at=NOON)


async def test_letters_of_another_tenant_and_of_nobody_known_are_not_reached(gateway: Gateway) -> None:
    await empty(gateway)
    for place in (AWAY, LocationId("")):
        _, raw = readable(AWAY)
        number = await bury(gateway, raw, place)
        assert (await gateway.post(f"/v1/dead-letters/{number}/replay", ADMIN)).status_code == 404
        assert (await gateway.post("/v1/dead-letters/replay", ADMIN)).json()["replayed"] == 0
        assert (await gateway.get("/v1/dead-letters", ADMIN)).json() == {"items": [], "total": 0}
        held = await gateway.services.memory.read(lambda uow, place=place: uow.cursors.dead_letters(place))  # type: ignore[misc]
        assert [one.dead_letter_id for one in held] == [number]
