"""What every memory promises about people, on SQLite and on PostgreSQL: access, switches, dead letters as a list."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from ghl_real_estate_ai.errors import Conflict
from ghl_real_estate_ai.models.events import DeadLetter
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.models.switches import Switch, SwitchState
from ghl_real_estate_ai.models.synchronization import ChangeKind, CrmChange
from ghl_real_estate_ai.people_ports import UserAccess
from ghl_real_estate_ai.services import switches, user_accounts
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LEAD, LOCATION, NOON

pytestmark = pytest.mark.asyncio

OTHER = LocationId("loc-2")
ANA = User(location_id=LOCATION, user_id=UserId("u-1"), email="ana@example.com", name="Ana", role=Role.ADMIN)
BO = ANA.model_copy(update={"user_id": UserId("u-2"), "email": "bo@example.com", "name": "Bo"})


def off(switch: Switch) -> SwitchState:
    return SwitchState(switch=switch, on=False, changed_at=NOON, changed_by=ANA.user_id)


async def test_access_is_a_user_and_the_end_of_older_sessions(memory: Database) -> None:
    await memory.write(lambda uow: uow.tenants.add_user(ANA, password_hash="x", tokens_valid_after=NOON))
    await memory.write(lambda uow: uow.tenants.add_user(BO, password_hash="x"))
    assert await memory.read(lambda uow: uow.tenants.access(LOCATION)) == [
        UserAccess(user=ANA, tokens_valid_after=NOON),
        UserAccess(user=BO),
    ]
    later = NOON + timedelta(microseconds=1)
    assert await memory.write(lambda uow: uow.tenants.change_user(BO, tokens_valid_after=later))
    assert await memory.write(lambda uow: uow.tenants.change_user(BO)), "None leaves what there is"
    known = await memory.read(lambda uow: uow.tenants.access_of(LOCATION, BO.user_id))
    assert known == UserAccess(user=BO, tokens_valid_after=later)


async def test_a_removed_user_is_gone_from_their_own_location_only(memory: Database) -> None:
    twin = ANA.model_copy(update={"location_id": OTHER})
    for user in (ANA, twin):
        await memory.write(lambda uow, user=user: uow.tenants.add_user(user, password_hash="x"))  # type: ignore[misc]
    assert await memory.write(lambda uow: uow.tenants.remove_user(LOCATION, ANA.user_id))
    assert not await memory.write(lambda uow: uow.tenants.remove_user(LOCATION, ANA.user_id))
    assert await memory.read(lambda uow: uow.tenants.access_of(LOCATION, ANA.user_id)) is None
    assert await memory.read(lambda uow: uow.tenants.users(OTHER)) == [twin]


async def test_two_admins_who_remove_each_other_leave_one(memory: Database, memory_url: str) -> None:
    await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="x")))
    for user in (ANA, BO):
        await memory.write(lambda uow, user=user: uow.tenants.add_user(user, password_hash="x"))  # type: ignore[misc]
    async with Database(memory_url) as second:
        outcomes = await asyncio.gather(
            memory.write(lambda uow: user_accounts.remove(uow, LOCATION, ANA.user_id)),
            second.write(lambda uow: user_accounts.remove(uow, LOCATION, BO.user_id)),
            return_exceptions=True,
        )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1, outcomes
    assert len(await memory.read(lambda uow: uow.tenants.users(LOCATION))) == 1


async def test_a_rename_by_one_admin_leaves_the_demotion_by_another(
    memory: Database, memory_url: str
) -> None:
    """Whichever comes first: each changes what it was asked to, of the user as stored by then."""
    await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="x")))
    for user in (ANA, BO):
        await memory.write(lambda uow, user=user: uow.tenants.add_user(user, password_hash="x"))  # type: ignore[misc]
    async with Database(memory_url) as second:
        (_, ended), (renamed, went_on) = await asyncio.gather(
            memory.write(
                lambda uow: user_accounts.change(uow, LOCATION, BO.user_id, role=Role.AGENT, now=NOON)
            ),
            second.write(lambda uow: user_accounts.change(uow, LOCATION, BO.user_id, name=" Bea ", now=NOON)),
        )
    assert (ended, went_on, renamed.name) == (True, False, "Bea")
    known = await memory.read(lambda uow: uow.tenants.access_of(LOCATION, BO.user_id))
    assert known is not None
    assert (known.user.name, known.user.role, known.tokens_valid_after) == ("Bea", Role.AGENT, NOON)


async def test_a_switch_that_nobody_turned_is_on_and_a_turned_one_stays_in_its_location(
    memory: Database,
) -> None:
    assert await memory.read(lambda uow: uow.switches.is_on(LOCATION, Switch.OUTGOING))
    assert await memory.write(lambda uow: uow.switches.put(LOCATION, off(Switch.OUTGOING)))
    assert not await memory.write(lambda uow: uow.switches.put(LOCATION, off(Switch.OUTGOING)))
    assert not await memory.read(lambda uow: uow.switches.is_on(LOCATION, Switch.OUTGOING))
    assert await memory.read(lambda uow: uow.switches.is_on(OTHER, Switch.OUTGOING))
    assert await memory.read(lambda uow: uow.switches.is_on(LOCATION, Switch.LEARNING))
    states = await memory.read(lambda uow: uow.switches.all(LOCATION))
    assert [state.switch for state in states] == list(Switch)
    assert states[0] == off(Switch.OUTGOING)
    assert states[1] == SwitchState(switch=states[1].switch)
    on = off(Switch.OUTGOING).model_copy(update={"on": True})
    assert await memory.write(lambda uow: uow.switches.put(LOCATION, on))
    assert await memory.read(lambda uow: uow.switches.is_on(LOCATION, Switch.OUTGOING))
    never = off(Switch.LEARNING).model_copy(update={"on": True})
    assert not await memory.write(lambda uow: uow.switches.put(LOCATION, never)), "it is on already"


async def test_a_turned_switch_and_the_fact_of_it_are_one(memory: Database) -> None:
    for on in (False, False, True):
        await memory.write(
            lambda uow, on=on: switches.turn(  # type: ignore[misc]
                uow, LOCATION, Switch.LEARNING, on=on, by=ANA.user_id, now=NOON
            )
        )
    log = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=10))
    assert [(one.event.type, getattr(one.event, "on", None)) for one in log] == [
        ("SwitchTurned", False),
        ("SwitchTurned", True),
    ]


async def test_a_location_whose_outgoing_is_off_has_nothing_due(memory: Database) -> None:
    for place in (LOCATION, OTHER):
        change = CrmChange(
            location_id=place,
            change_id="c",
            lead_id=LEAD,
            kind=ChangeKind.NOTE,
            content={"body": "x"},
            due_at=NOON,
            created_at=NOON,
        )
        await memory.write(lambda uow, change=change: uow.changes.want(change))  # type: ignore[misc]
    await memory.write(lambda uow: uow.switches.put(LOCATION, off(Switch.OUTGOING)))
    await memory.write(lambda uow: uow.switches.put(OTHER, off(Switch.LEARNING)))
    assert await memory.read(lambda uow: uow.changes.due_locations(now=NOON, limit=5)) == [OTHER]


async def test_dead_letters_are_listed_newest_first_without_their_texts(memory: Database) -> None:
    for number, place in enumerate((LOCATION, OTHER, LOCATION, LOCATION)):
        letter = DeadLetter(
            dead_letter_id=0,
            location_id=place,
            subscriber="inbox",
            delivery_id=f"d-{number}",
            reason="unreadable",
            raw=None if number == 3 else "{}",
            failed_at=NOON,
        )
        await memory.write(lambda uow, letter=letter: uow.cursors.bury(letter))  # type: ignore[misc]
    first = await memory.read(lambda uow: uow.cursors.newest_dead_letters(LOCATION, before=None, limit=2))
    assert [(one.delivery_id, one.raw, has_raw) for one, has_raw in first] == [
        ("d-3", None, False),
        ("d-2", None, True),
    ]
    last = first[-1][0].dead_letter_id
    rest = await memory.read(lambda uow: uow.cursors.newest_dead_letters(LOCATION, before=last, limit=2))
    assert [one.delivery_id for one, _ in rest] == ["d-0"]
    known = await memory.read(lambda uow: uow.cursors.dead_letter(LOCATION, last))
    assert known is not None
    assert (known.delivery_id, known.raw) == ("d-2", "{}")
    assert await memory.read(lambda uow: uow.cursors.dead_letter(OTHER, last)) is None


async def test_a_used_letter_takes_those_of_other_handlers_about_the_same_event_along(
    memory: Database,
) -> None:
    for place, handler, position in (
        (LOCATION, "lead_intelligence", 7),
        (LOCATION, "screens", 7),
        (LOCATION, "screens", 8),
        (LOCATION, "inbox", None),
        (OTHER, "screens", 7),
    ):
        letter = DeadLetter(
            dead_letter_id=0,
            location_id=place,
            subscriber=handler,
            position=position,
            delivery_id=f"d-{position}",
            reason="a bug",
            failed_at=NOON,
        )
        await memory.write(lambda uow, letter=letter: uow.cursors.bury(letter))  # type: ignore[misc]
    first, *_ = await memory.read(lambda uow: uow.cursors.dead_letters(LOCATION))
    await memory.write(lambda uow: uow.cursors.revive(first.dead_letter_id))
    left = await memory.read(lambda uow: uow.cursors.dead_letters())
    assert [(one.location_id, one.position) for one in left] == [(LOCATION, 8), (LOCATION, None), (OTHER, 7)]
    inbox = next(one for one in left if one.position is None)
    await memory.write(lambda uow: uow.cursors.revive(inbox.dead_letter_id))
    assert await memory.read(lambda uow: uow.cursors.dead_letter_count(LOCATION)) == 1


async def test_leads_and_listings_are_counted_by_location(memory: Database) -> None:
    counted = await memory.read(lambda uow: (uow.leads.count(LOCATION), uow.listings.count(LOCATION)))
    assert counted == (0, 0)
