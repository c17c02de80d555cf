"""What every memory promises, on SQLite and on a real PostgreSQL: the log, its order, and the stores beside it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest

from ghl_real_estate_ai.errors import Conflict, Overtaken
from ghl_real_estate_ai.models.events import DeadLetter
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, LocationId, UserId
from ghl_real_estate_ai.models.intelligence import Cause, LeadIntelligence, Part
from ghl_real_estate_ai.models.leads import Contact, Lead, LeadActivity, Location, Role, User
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LEAD, LOCATION, NOON, contact, message

OTHER = LocationId("loc-2")
MANY = 200
pytestmark = pytest.mark.asyncio


def letter(
    name: str, *, location: LocationId = LOCATION, reason: str = "unreadable", **fields: object
) -> DeadLetter:
    return DeadLetter.model_validate(
        {
            "dead_letter_id": 0,
            "location_id": location,
            "subscriber": "inbox",
            "delivery_id": name,
            "reason": reason,
            "failed_at": NOON,
        }
        | fields
    )


def lead(name: str, *, location: LocationId = LOCATION, at: datetime = NOON, **fields: object) -> Lead:
    return Lead(
        location_id=location,
        lead_id=LeadId(name),
        contact=Contact.model_validate({"name": name} | fields),
        activity=LeadActivity(first_at=at),
    )


def intelligence(of: Lead) -> LeadIntelligence:
    return LeadIntelligence(
        lead_id=of.lead_id,
        lead_name=of.contact.display_name,
        assigned_to=None,
        stage=of.stage,
        simulated=False,
        as_of=NOON,
        score=Part(),
        churn=Part(),
        matches=Part(),
        cause=Cause(event_id=EventId("e-1"), event_type="MessageReceived", summary="a message"),
        next_action=None,
    )


def user(email: str, *, name: str = "u-1", location: LocationId = LOCATION) -> User:
    return User(location_id=location, user_id=UserId(name), email=email, name="Agent", role=Role.AGENT)


# --- the log ------------------------------------------------------------------------------------------------------


async def test_a_page_is_appended_as_its_deliveries_one_by_one_would_be(memory: Database) -> None:
    await memory.write(lambda uow: uow.events.append(message("d-2")))
    twin = message("d-5").model_copy(update={"event": message("d-1").event})
    page = [message(f"d-{n}") for n in (1, 2, 3, 3, 4)] + [twin]
    recorded = await memory.write(lambda uow: uow.events.append_page(page))
    assert [one and one.position for one in recorded] == [2, None, 3, None, 4, None]
    (after,) = await memory.write(lambda uow: uow.events.append_page([message("d-6")]))
    assert after is not None
    assert after.position == 5
    log = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=10))
    assert [one.delivery_id for one in log] == ["d-2", "d-1", "d-3", "d-4", "d-6"]
    assert await memory.write(lambda uow: uow.events.append_page([])) == []


async def test_the_log_finds_what_a_lead_did_between_two_times(memory: Database) -> None:
    minute = timedelta(minutes=1)
    told = [message(f"d-{n}", at=NOON + n * minute) for n in range(-3, 4)]
    told += [message("other lead", lead=LeadId("lead-2")), message("other place", location=OTHER)]
    for delivery in told:
        await memory.write(lambda uow, delivery=delivery: uow.events.append(delivery))  # type: ignore[misc]
    found = await memory.read(
        lambda uow: uow.events.near(LOCATION, {LEAD}, since=NOON - minute, until=NOON + 2 * minute)
    )
    assert [recorded.delivery_id for recorded in found] == ["d--1", "d-0", "d-1", "d-2"]


async def test_an_appended_event_reads_back_as_it_was(memory: Database) -> None:
    sent = message("d-1", at=datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5))))

    recorded = await memory.write(lambda uow: uow.events.append(sent))

    assert recorded is not None
    assert (recorded.position, recorded.event, recorded.delivery_id) == (1, sent.event, "d-1")
    assert await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=10)) == [recorded]
    assert await memory.read(lambda uow: uow.events.get(LOCATION, sent.event.event_id)) == recorded
    assert recorded.recorded_at.tzinfo is UTC


async def test_a_delivery_is_recorded_once_and_leaves_no_gap(memory: Database) -> None:
    async def append(name: str) -> int | None:
        recorded = await memory.write(lambda uow: uow.events.append(message(name)))
        return recorded.position if recorded else None

    assert [await append(name) for name in ("a", "a", "b", "a", "c")] == [1, None, 2, None, 3]
    assert await memory.read(lambda uow: uow.events.head(LOCATION)) == 3


async def test_a_fact_under_two_delivery_ids_is_recorded_once(memory: Database) -> None:
    twin = message("a").model_copy(update={"delivery_id": "another"})

    def append_both(uow: UnitOfWork) -> list[bool]:
        return [uow.events.append(message("a")) is None, uow.events.append(twin) is None]

    assert await memory.write(append_both) == [False, True]


async def test_positions_are_dense_under_concurrent_appends(memory: Database) -> None:
    names = [f"d-{number // 2}" for number in range(MANY)]  # each delivered twice

    recorded = await asyncio.gather(
        *(memory.write(lambda uow, name=name: uow.events.append(message(name))) for name in names)
    )

    positions = sorted(fact.position for fact in recorded if fact)
    assert positions == list(range(1, MANY // 2 + 1))
    stored = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=MANY))
    assert [fact.position for fact in stored] == positions


async def test_tenants_have_logs_of_their_own(memory: Database) -> None:
    def append(uow: UnitOfWork) -> None:
        for place in (LOCATION, OTHER, OTHER):
            uow.events.append(message(f"{place}-{uow.events.head(place)}", location=place))

    await memory.write(append)

    heads = [
        await memory.read(lambda uow, p=place: uow.events.head(p)) for place in (LOCATION, OTHER, "none")
    ]
    assert heads == [1, 2, 0]
    assert await memory.read(lambda uow: uow.events.get(OTHER, message("loc-1-0").event.event_id)) is None


async def test_reading_continues_after_a_position(memory: Database) -> None:
    await memory.write(lambda uow: [uow.events.append(message(f"d-{n}")) for n in range(5)])

    read = await memory.read(lambda uow: uow.events.read(LOCATION, after=2, limit=2))

    assert [fact.position for fact in read] == [3, 4]


async def test_a_subscriber_reads_its_types_and_learns_how_far_there_are_no_others(memory: Database) -> None:
    for delivery in (message("m-1"), contact("c-1"), message("m-2"), contact("c-2"), contact("c-3")):
        await memory.write(lambda uow, delivery=delivery: uow.events.append(delivery))  # type: ignore[misc]

    async def read(after: int, limit: int) -> tuple[list[str], int]:
        types = frozenset({"MessageReceived"})
        found, upto = await memory.read(
            lambda uow: uow.events.read_types(LOCATION, after=after, limit=limit, types=types)
        )
        return [recorded.delivery_id for recorded in found], upto

    assert await read(0, 1) == (["m-1"], 1)
    assert await read(1, 1) == (["m-2"], 3)
    assert await read(0, 9) == (["m-1", "m-2"], 5)
    assert await read(3, 9) == ([], 5)
    assert await memory.read(lambda uow: uow.events.heads()) == {LOCATION: 5}


async def test_a_leads_events_come_newest_first(memory: Database) -> None:
    await memory.write(
        lambda uow: [uow.events.append(message(f"d-{n}", lead=LeadId(f"lead-{n % 2}"))) for n in range(6)]
    )

    async def positions(before: int | None, limit: int = 10) -> list[int]:
        found = await memory.read(
            lambda uow: uow.events.of_lead(LOCATION, LeadId("lead-1"), before=before, limit=limit)
        )
        return [fact.position for fact in found]

    assert await positions(None) == [6, 4, 2]
    assert await positions(None, 1) == [6]
    assert await positions(6) == [4, 2]


async def test_a_leads_events_of_one_type_are_found_behind_any_number_of_others(memory: Database) -> None:
    await memory.write(
        lambda uow: [uow.events.append(one) for one in (contact("c"), *(message(f"d-{n}") for n in range(9)))]
    )
    wanted = frozenset({"LeadUpserted"})
    found = await memory.read(
        lambda uow: uow.events.of_lead(LOCATION, LEAD, before=None, limit=2, types=wanted)
    )
    assert [fact.position for fact in found] == [1]


async def test_a_failed_change_leaves_nothing_and_takes_no_position(memory: Database) -> None:
    def fail(uow: UnitOfWork) -> None:
        uow.events.append(message("lost"))
        raise LookupError("of the change itself")

    with pytest.raises(LookupError, match="of the change itself"):
        await memory.write(fail)
    kept = await memory.write(lambda uow: uow.events.append(message("kept")))

    assert kept is not None
    assert kept.position == 1


async def test_a_guilty_change_does_not_take_its_group_along(memory: Database) -> None:
    def change(number: int, uow: UnitOfWork) -> int:
        recorded = uow.events.append(message(f"d-{number}"))
        assert recorded is not None
        if number % 10 == 3:
            raise LookupError(str(number))
        return number

    outcomes = await asyncio.gather(
        *(memory.write(lambda uow, n=number: change(n, uow)) for number in range(40)), return_exceptions=True
    )

    failed = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, LookupError)]
    assert failed == [3, 13, 23, 33]
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [
        n for n in range(40) if n % 10 != 3
    ]
    assert await memory.read(lambda uow: uow.events.head(LOCATION)) == 36


async def test_a_write_returns_when_others_can_see_it(memory: Database, memory_url: str) -> None:
    async with Database(memory_url) as elsewhere:
        for number in range(1, 6):
            await memory.write(lambda uow, n=number: uow.events.append(message(f"d-{n}")))
            assert await elsewhere.read(lambda uow: uow.events.head(LOCATION)) == number


async def test_two_processes_append_to_one_log_without_gap_or_double(
    memory: Database, memory_url: str
) -> None:
    async with Database(memory_url) as elsewhere:
        names = [f"d-{number}" for number in range(MANY // 2)]
        recorded = await asyncio.gather(
            *(
                place.write(lambda uow, name=name: uow.events.append(message(name)))
                for name in names
                for place in (memory, elsewhere)
            )
        )

    assert sorted(fact.position for fact in recorded if fact) == list(range(1, len(names) + 1))
    assert await memory.read(lambda uow: uow.events.head(LOCATION)) == len(names)


async def test_two_processes_that_lock_tenants_in_opposite_order_both_succeed(
    memory: Database, memory_url: str
) -> None:
    async with Database(memory_url) as elsewhere:
        writes = [
            database.write(
                lambda uow, places=places, n=number: [
                    uow.events.append(message(f"{place}-{n}-{places[0]}", location=place)) for place in places
                ]
            )
            for number in range(20)
            for database, places in ((memory, (LOCATION, OTHER)), (elsewhere, (OTHER, LOCATION)))
        ]
        await asyncio.gather(*writes)

    for place in (LOCATION, OTHER):
        assert await memory.read(lambda uow, p=place: uow.events.head(p)) == 40


async def test_a_read_sees_one_moment(memory: Database) -> None:
    loop = asyncio.get_running_loop()

    def head_around_a_write(uow: UnitOfWork) -> tuple[int, int]:
        before = uow.events.head(LOCATION)
        append = memory.write(lambda other: other.events.append(message("meanwhile")))
        asyncio.run_coroutine_threadsafe(append, loop).result()
        return before, uow.events.head(LOCATION)

    assert await memory.read(head_around_a_write) == (0, 0)
    assert await memory.read(lambda uow: uow.events.head(LOCATION)) == 1


# --- cursors and dead letters -------------------------------------------------------------------------------------


async def test_a_cursor_never_moves_back(memory: Database) -> None:
    positions = []
    for position in (5, 3, 9, 9):
        await memory.write(lambda uow, p=position: uow.cursors.advance(LOCATION, "intelligence", p))
        positions.append(await memory.read(lambda uow: uow.cursors.position(LOCATION, "intelligence")))

    assert positions == [5, 5, 9, 9]
    assert await memory.read(lambda uow: uow.cursors.position(OTHER, "intelligence")) == 0


async def test_a_cursor_moves_only_from_where_its_mover_believes_it_is(memory: Database) -> None:
    def move(uow: UnitOfWork, *, expected: int, position: int) -> None:
        uow.events.append(message(f"found at {position}"))
        uow.cursors.advance(LOCATION, "intelligence", position, expected=expected)

    for expected, position in ((0, 3), (3, 4)):
        await memory.write(partial(move, expected=expected, position=position))
    for expected in (0, 3, 9):
        with pytest.raises(Overtaken):
            await memory.write(partial(move, expected=expected, position=7))
    with pytest.raises(Overtaken):  # there is no row, and nobody who saw one
        await memory.write(lambda uow: uow.cursors.advance(OTHER, "intelligence", 7, expected=3))

    def found(uow: UnitOfWork) -> tuple[int, int, int]:
        cursors = uow.cursors
        places = (cursors.position(place, "intelligence") for place in (LOCATION, OTHER))
        return (uow.events.head(LOCATION), *places)

    assert await memory.read(found) == (2, 4, 0), "what was overtaken left nothing behind"


async def test_of_two_processes_that_move_one_cursor_at_once_one_is_overtaken(
    memory: Database, memory_url: str
) -> None:
    async with Database(memory_url) as other:
        moves = [
            one.write(lambda uow: uow.cursors.advance(LOCATION, "intelligence", 1, expected=0))
            for one in (memory, other)
        ]
        outcomes = await asyncio.gather(*moves, return_exceptions=True)
    assert sorted(type(outcome) for outcome in outcomes if outcome is not None) == [Overtaken]


async def test_dead_letters_come_oldest_first_and_leave_when_revived(memory: Database) -> None:
    await memory.write(
        lambda uow: [
            uow.cursors.bury(letter(name, location=place, raw="{"))
            for name, place in (("a", LOCATION), ("b", OTHER))
        ]
    )

    first, second = await memory.read(lambda uow: uow.cursors.dead_letters())
    assert (first.delivery_id, second.delivery_id, first.raw, first.failed_at) == ("a", "b", "{", NOON)
    assert await memory.read(lambda uow: uow.cursors.dead_letters(OTHER)) == [second]
    assert await memory.read(lambda uow: uow.cursors.dead_letters(limit=1)) == [first]
    assert await memory.read(lambda uow: uow.cursors.dead_letters(after=first.dead_letter_id)) == [second]
    assert await memory.read(lambda uow: uow.cursors.dead_letter_count(OTHER)) == 1

    await memory.write(lambda uow: uow.cursors.revive(second.dead_letter_id))
    await memory.write(lambda uow: uow.cursors.bury(letter("c")))
    left = await memory.read(lambda uow: uow.cursors.dead_letters())
    assert [item.delivery_id for item in left] == ["a", "c"]
    assert left[1].dead_letter_id > second.dead_letter_id


async def test_a_delivery_that_comes_twice_is_one_dead_letter(memory: Database) -> None:
    for reason in ("first", "second"):
        await memory.write(lambda uow, why=reason: uow.cursors.bury(letter("a", reason=why)))

    assert [found.reason for found in await memory.read(lambda uow: uow.cursors.dead_letters())] == ["second"]


async def test_a_body_with_a_nul_can_be_buried(memory: Database) -> None:
    await memory.write(lambda uow: uow.cursors.bury(letter("a\x00", raw="{\x00", reason="\x00")))

    (found,) = await memory.read(lambda uow: uow.cursors.dead_letters())
    assert found.raw == "{\N{REPLACEMENT CHARACTER}"


# --- leads --------------------------------------------------------------------------------------------------------


async def test_a_lead_keeps_its_intelligence_until_a_newer_one(memory: Database) -> None:
    stored = lead("Ada")
    newer = intelligence(stored).model_copy(update={"stage": "won"})

    await memory.write(lambda uow: uow.leads.put(stored, intelligence(stored)))
    await memory.write(lambda uow: uow.leads.put(stored.model_copy(update={"position": 7}), None))
    found = await memory.read(lambda uow: uow.leads.get(LOCATION, LeadId("Ada")))
    kept = await memory.read(lambda uow: uow.leads.intelligence(LOCATION, LeadId("Ada")))
    await memory.write(lambda uow: uow.leads.put(stored, newer))

    assert found is not None
    assert (found.position, kept) == (7, intelligence(stored))
    assert await memory.read(lambda uow: uow.leads.intelligence(LOCATION, LeadId("Ada"))) == newer


async def test_an_unknown_lead_is_none(memory: Database) -> None:
    assert await memory.read(lambda uow: uow.leads.get(LOCATION, LEAD)) is None
    assert await memory.read(lambda uow: uow.leads.intelligence(LOCATION, LEAD)) is None


async def test_leads_are_listed_by_newest_activity(memory: Database) -> None:
    def put(uow: UnitOfWork) -> None:
        for day, name in enumerate(("old", "mid", "new")):
            uow.leads.put(lead(name, at=NOON + timedelta(days=day)), None)
        uow.leads.put(Lead(location_id=LOCATION, lead_id=LeadId("silent")), None)
        uow.leads.put(lead("foreign", location=OTHER), None)

    await memory.write(put)

    async def names(limit: int, offset: int = 0) -> list[str]:
        rows = await memory.read(lambda uow: uow.leads.newest(LOCATION, limit=limit, offset=offset))
        return [found.lead_id for found, _ in rows]

    assert await names(10) == ["new", "mid", "old", "silent"]
    assert await names(2, 1) == ["mid", "old"]


async def test_simulated_leads_have_a_time_of_their_own(memory: Database) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.leads.put(lead("real", at=NOON + timedelta(days=9)), None)
        for day in (1, 3, 2):
            simulated = lead(f"sim-{day}", at=NOON + timedelta(days=day))
            uow.leads.put(simulated.model_copy(update={"simulated": True}), None)

    await memory.write(put)
    assert await memory.read(lambda uow: uow.leads.newest_simulated(LOCATION)) == NOON + timedelta(days=3)
    assert await memory.read(lambda uow: uow.leads.newest_simulated(OTHER)) is None


# --- tenants ------------------------------------------------------------------------------------------------------


async def test_a_location_is_renamed_in_place(memory: Database) -> None:
    for name in ("Lakeside", "Lakeside Homes"):
        await memory.write(
            lambda uow, n=name: uow.tenants.put_location(Location(location_id=LOCATION, name=n))
        )

    assert await memory.read(lambda uow: uow.tenants.locations()) == [
        Location(location_id=LOCATION, name="Lakeside Homes")
    ]


async def test_an_email_is_one_user_per_location_in_any_case(memory: Database) -> None:
    await memory.write(lambda uow: uow.tenants.add_user(user("Ann@Example.com"), password_hash="h1"))
    await memory.write(
        lambda uow: uow.tenants.add_user(user("ann@example.com", location=OTHER), password_hash="h2")
    )

    with pytest.raises(Conflict, match="already"):
        await memory.write(
            lambda uow: uow.tenants.add_user(user("ANN@example.com", name="u-2"), password_hash="h3")
        )
    found = await memory.read(lambda uow: uow.tenants.credentials(" ann@EXAMPLE.com "))
    assert [(who.location_id, who.role, password) for who, password in found] == [
        (LOCATION, Role.AGENT, "h1"),
        (OTHER, Role.AGENT, "h2"),
    ]
    assert await memory.read(lambda uow: uow.tenants.credentials("nobody@example.com")) == []


async def test_facts_and_cursor_of_one_change_become_true_together(memory: Database) -> None:
    def work(uow: UnitOfWork) -> None:
        uow.events.append(contact("d-1"))
        uow.leads.put(lead("Ada"), None)
        uow.cursors.advance(LOCATION, "intelligence", 1)
        raise LookupError

    with pytest.raises(LookupError):
        await memory.write(work)

    assert await memory.read(
        lambda uow: (
            uow.events.head(LOCATION),
            uow.cursors.position(LOCATION, "intelligence"),
            uow.leads.newest(LOCATION, limit=1),
        )
    ) == (0, 0, [])
