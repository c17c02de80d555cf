"""Every finding in its good and in its bad state, with the fix that it tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ghl_real_estate_ai.models.connections import (
    ConnectionKind,
    ConnectionStatus,
)
from ghl_real_estate_ai.models.crm_account import ApiUse
from ghl_real_estate_ai.models.diagnosis import FindingStatus
from ghl_real_estate_ai.models.events import DeadLetter
from ghl_real_estate_ai.models.identifiers import UserId
from ghl_real_estate_ai.models.switches import Switch, SwitchState
from ghl_real_estate_ai.models.synchronization import (
    ChangeKind,
    ChangeStatus,
    CrmChange,
    RereadRequest,
    SyncSource,
)
from ghl_real_estate_ai.ports import UnitOfWork
from tests.support.crm_bench import Bench
from tests.support.facts import LEAD, LOCATION, NOON

OK, WARNING, FAILURE, UNKNOWN = (
    FindingStatus.OK,
    FindingStatus.WARNING,
    FindingStatus.FAILURE,
    FindingStatus.UNKNOWN,
)

pytestmark = pytest.mark.asyncio


async def test_a_location_without_connection_is_a_failure_and_the_crm_is_not_asked() -> None:
    bench = Bench()
    await bench.expect("connection", FAILURE, says="not connected", fix="enterprisehub connect")
    await bench.expect("token", UNKNOWN)
    await bench.expect("api", UNKNOWN, says="not asked")
    assert bench.account.asked == 0


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({}, OK, "by the app"),
        ({"kind": ConnectionKind.PRIVATE_TOKEN}, OK, "by a private token"),
        ({"simulated": True}, OK, "simulated"),
        ({"status": ConnectionStatus.UNINSTALLED, "access_token": ""}, FAILURE, "uninstalled"),
        ({"status": ConnectionStatus.NEEDS_RECONNECT}, FAILURE, "no longer accepts"),
    ],
)
async def test_a_connection_says_how_and_whether(
    fields: dict[str, object], status: FindingStatus, says: str
) -> None:
    bench = Bench()
    await bench.connected(**fields)
    await bench.expect(
        "connection", status, says=says, fix="enterprisehub connect" if status is FAILURE else None
    )


@pytest.mark.parametrize(
    ("days", "status", "says"),
    [
        (10, OK, "10 days old"),
        (80, WARNING, "is due for rotation"),
        (92, WARNING, "was due for rotation"),
        (120, WARNING, "was due for rotation"),
    ],
)
async def test_a_private_tokens_age_leads_to_its_rotation(
    days: int, status: FindingStatus, says: str
) -> None:
    bench = Bench()
    await bench.connected(
        kind=ConnectionKind.PRIVATE_TOKEN, expires_at=None, obtained_at=NOON - timedelta(days=days)
    )
    await bench.expect("token", status, says=says, fix="Rotate" if status is WARNING else None)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, OK),
        ({"expires_at": None}, OK),
        ({"expires_at": NOON - timedelta(hours=1)}, WARNING),
        ({"expires_at": NOON - timedelta(hours=1), "refresh_token": ""}, FAILURE),
    ],
)
async def test_an_apps_token_renews_itself_or_cannot(
    fields: dict[str, object], status: FindingStatus
) -> None:
    bench = Bench()
    await bench.connected(**fields)
    await bench.expect("token", status)


async def test_an_apps_webhooks_are_missed_when_they_stay_away() -> None:
    bench = Bench()
    await bench.connected()
    await bench.expect("app_webhook", WARNING, says="no app webhook", fix="re-enable")
    await bench.tallied(5, ago=timedelta(days=2))
    await bench.expect("app_webhook", WARNING, says="2 days ago", fix="polling covers the gap")
    await bench.tallied(1)
    await bench.expect("app_webhook", OK, says="5 minutes ago")


async def test_another_locations_webhooks_are_not_this_ones() -> None:
    bench = Bench()
    await bench.connected()
    await bench.tallied(5, location="loc-2")
    await bench.expect("app_webhook", WARNING, says="no app webhook has come in")


async def test_a_private_token_has_no_app_webhooks_to_miss() -> None:
    bench = Bench()
    await bench.connected(kind=ConnectionKind.PRIVATE_TOKEN)
    await bench.expect("app_webhook", UNKNOWN, says="none is expected")
    await bench.tallied(1)
    await bench.expect("app_webhook", OK, says="5 minutes ago")  # what comes in is known all the same


async def test_a_workflows_webhook_is_missed_only_once_it_is_set_up() -> None:
    bench = Bench()
    await bench.connected()
    await bench.expect("workflow_webhook", UNKNOWN, says="no workflow webhook is set up")
    await bench.set_up(workflow_key_hash="0" * 64)
    await bench.expect("workflow_webhook", WARNING, says="yet", fix="Webhook action")
    await bench.tallied(1, source="workflow_webhook", ago=timedelta(hours=3))
    await bench.expect("workflow_webhook", OK, says="3 hours ago")


async def test_the_share_of_failed_deliveries_is_held_against_the_rule_that_pauses() -> None:
    bench = Bench()
    await bench.connected()
    await bench.expect("deliveries", UNKNOWN)
    await bench.tallied(90)
    await bench.expect("deliveries", OK, says="100.0%")
    await bench.tallied(20, outcome="refused", location="")
    await bench.expect("deliveries", WARNING, says="81.8%", fix="401")
    await bench.tallied(9_000)
    await bench.tallied(2_000, outcome="unavailable", location="")
    await bench.expect("deliveries", FAILURE, says="will pause", fix="429")


async def test_a_pace_that_would_reach_the_rule_within_its_window_is_a_failure_already() -> None:
    bench = Bench()
    await bench.connected()
    await bench.tallied(3_000)
    await bench.tallied(1_000, outcome="refused", location="")
    await bench.expect("deliveries", FAILURE, says="75.0%")


async def test_what_failed_before_the_window_counts_no_more() -> None:
    bench = Bench()
    await bench.connected()
    await bench.tallied(90_000, outcome="refused", location="", ago=timedelta(days=4))
    await bench.expect("deliveries", UNKNOWN)


@pytest.mark.parametrize(
    ("ago", "status", "says"),
    [
        (timedelta(minutes=5), OK, "5 minutes ago"),
        (timedelta(hours=3), WARNING, "3 hours ago"),
        (timedelta(days=2), FAILURE, "2 days ago"),
        (None, WARNING, "7 items so far"),
    ],
)
async def test_a_source_that_was_not_read_lately_is_late(
    ago: timedelta | None, status: FindingStatus, says: str
) -> None:
    bench = Bench()
    await bench.connected()
    await bench.expect("sync_contacts", WARNING, says="never read", fix="connect --import")
    await bench.read_to_the_end(SyncSource.CONTACTS, ago)
    await bench.expect("sync_contacts", status, says=says)


@pytest.mark.parametrize(("ago", "status"), [(5, OK), (7, WARNING), (25, FAILURE)])
async def test_what_polling_reads_by_turns_is_given_more_time(ago: int, status: FindingStatus) -> None:
    bench = Bench()
    await bench.connected()
    await bench.read_to_the_end(SyncSource.OPPORTUNITIES, timedelta(hours=ago))
    await bench.expect("sync_opportunities", status)


async def test_a_new_connection_is_given_time() -> None:
    bench = Bench()
    await bench.connected(obtained_at=NOON - timedelta(minutes=10))
    await bench.expect("sync_contacts", UNKNOWN, says="not read yet")
    await bench.expect("app_webhook", UNKNOWN, says="the connection is new")


async def test_only_what_is_set_up_is_expected_to_be_read() -> None:
    bench = Bench()
    await bench.connected()
    names = {one.check for one in (await (await bench.health()).known(LOCATION)).findings}
    assert "sync_appointments" not in names
    await bench.set_up(calendars=("cal-1",), activity_object="custom_objects.visits")
    await bench.expect("sync_appointments", WARNING)
    await bench.expect("sync_activity", WARNING)
    await bench.set_up(polling=False)
    await bench.expect("polling", UNKNOWN, says="switched off")


async def test_events_that_wait_are_told_and_too_many_are_a_warning() -> None:
    bench = Bench(lag=3)
    await bench.expect("bus_lag", OK, says="3 events")
    bench.lag = 5_000
    await bench.expect("bus_lag", WARNING, says="5000 events", fix="enterprisehub serve")


async def test_hints_that_wait_for_a_connection_say_so() -> None:
    bench = Bench()
    request = RereadRequest(location_id=LOCATION, lead_id=LEAD, requested_at=NOON, due_at=NOON)
    await bench.put(lambda uow: uow.sync.request_reread(request))
    await bench.expect("rereads", WARNING, says="1 leads", fix="wait for a connection")
    await bench.connected()
    await bench.expect("rereads", OK, says="1 leads")


async def test_a_kill_switch_that_is_off_is_named_with_the_way_back() -> None:
    bench = Bench()
    await bench.expect("outgoing", OK)
    off = SwitchState(switch=Switch.OUTGOING, on=False, changed_at=NOON, changed_by=UserId("u1"))
    await bench.put(lambda uow: uow.switches.put(LOCATION, off))
    await bench.expect("outgoing", WARNING, says="since 2026-03-02 12:00 UTC", fix="switch on outgoing")
    replies = off.model_copy(update={"switch": Switch.SUGGESTED_REPLIES})
    await bench.put(lambda uow: uow.switches.put(LOCATION, off.model_copy(update={"on": True})))
    await bench.put(lambda uow: uow.switches.put(LOCATION, replies))
    await bench.expect("outgoing", OK)


async def test_failed_changes_and_dead_letters_are_warnings() -> None:
    bench = Bench()
    await bench.expect("changes", OK, says="0 changes")
    await bench.expect("dead_letters", OK)
    change = CrmChange(
        location_id=LOCATION,
        change_id="note:1",
        lead_id=LEAD,
        kind=ChangeKind.NOTE,
        content={},
        due_at=NOON,
        created_at=NOON,
    )
    failed = change.model_copy(update={"status": ChangeStatus.FAILED, "error": "refused"})
    letter = DeadLetter(
        dead_letter_id=0,
        location_id=LOCATION,
        subscriber="inbox",
        delivery_id="d",
        reason="r",
        failed_at=NOON,
    )

    def spoil(uow: UnitOfWork) -> None:
        uow.changes.want(change)
        uow.changes.settle(failed, attempt=0)
        uow.cursors.bury(letter)

    await bench.put(spoil)
    await bench.expect("changes", WARNING, says="1 failed", fix="lead export")
    await bench.expect("dead_letters", WARNING, says="1 deliveries", fix="replay --dead-letters")


async def test_a_key_that_does_not_fit_is_a_failure_and_the_crm_is_not_asked() -> None:
    bench = Bench()
    await bench.expect("encryption_key", UNKNOWN)
    await bench.connected()
    await bench.expect("encryption_key", OK)
    asked, bench.key_fits = bench.account.asked, False
    await bench.expect("encryption_key", FAILURE, says="cannot be opened", fix="ENTERPRISEHUB_ENCRYPTION_KEY")
    await bench.expect("api", UNKNOWN, says="cannot be opened")
    assert bench.account.asked == asked


async def test_what_is_known_is_told_without_asking_anybody() -> None:
    bench = Bench(problem="never knocked")
    await bench.connected()
    bench.account.newest = ApiUse(clock_skew_s=0.0, calls_left_today=5, calls_per_day=10)
    diagnosis = await (await bench.health()).known(LOCATION)
    names = {one.check for one in diagnosis.findings}
    assert bench.account.asked == 0
    assert {"connection", "token", "app_webhook", "deliveries", "api_quota", "clock", "bus_lag"} <= names
    assert "public_url" not in names
