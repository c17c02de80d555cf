"""Every finding in its good and in its bad state, with the fix that it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    CrmRefused,
    EnterpriseHubError,
    LocationInactive,
    NeedsReconnect,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    ConnectionStatus,
    LocationSetup,
    OwnerKind,
    WriteBackPart,
)
from ghl_real_estate_ai.models.crm_account import ApiUse, CrmAccount, ScopeCheck, ScopeNeed
from ghl_real_estate_ai.models.diagnosis import Finding, FindingStatus
from ghl_real_estate_ai.models.events import DeadLetter
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.synchronization import (
    ChangeKind,
    ChangeStatus,
    CrmChange,
    DeliveryTally,
    RereadRequest,
    SyncProgress,
    SyncSource,
)
from ghl_real_estate_ai.models.write_back import OwnField
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.crm_health import CrmHealth
from tests.support.clock import FakeClock
from tests.support.facts import LEAD, LOCATION, NOON
from tests.support.fake_memory import FakeMemory

OK, WARNING, FAILURE, UNKNOWN = (
    FindingStatus.OK,
    FindingStatus.WARNING,
    FindingStatus.FAILURE,
    FindingStatus.UNKNOWN,
)
pytestmark = pytest.mark.asyncio


@dataclass
class ScriptedAccount:
    """``ports.CrmAccountReader``: says what it is told to."""

    account: CrmAccount = field(default_factory=CrmAccount)
    newest: ApiUse = field(default_factory=ApiUse)
    error: EnterpriseHubError | None = None
    asked: int = 0

    async def describe(self, location_id: LocationId, *, stated: Sequence[str]) -> CrmAccount:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.account

    def use(self, location_id: LocationId) -> ApiUse:
        return self.newest


@dataclass
class Bench:
    """A location on the table: everything about it can be set."""

    memory: FakeMemory = field(default_factory=FakeMemory)
    account: ScriptedAccount = field(default_factory=ScriptedAccount)
    gateway_url: str = "https://hub.example.com"
    problem: str | None = None
    lag: int = 0
    key_fits: bool = True

    async def health(self) -> CrmHealth:
        async def lag(_: LocationId) -> int:
            return self.lag

        async def knock(_: str) -> str | None:
            return self.problem

        def unseal(_: Connection) -> None:
            if not self.key_fits:
                raise ConfigurationError("the access token cannot be opened: ENTERPRISEHUB_ENCRYPTION_KEY")

        await self.put(
            lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="Harbour Realty"))
        )
        return CrmHealth(
            memory=self.memory,
            account=self.account,
            unseal=unseal,
            knock=knock,
            lag=lag,
            clock=FakeClock(NOON),
            gateway_url=self.gateway_url,
        )

    async def put(self, change: Any) -> None:
        await self.memory.write(change)

    async def connected(self, **fields: Any) -> None:
        connection = Connection.model_validate(
            {
                "owner_id": LOCATION,
                "owner_kind": OwnerKind.LOCATION,
                "kind": ConnectionKind.OAUTH,
                "access_token": "sealed",
                "refresh_token": "sealed",
                "expires_at": NOON + timedelta(hours=20),
                "obtained_at": NOON - timedelta(days=10),
            }
            | fields
        )
        await self.put(lambda uow: uow.connections.put(connection))

    async def set_up(self, **fields: Any) -> None:
        setup = LocationSetup(location_id=LOCATION, **fields)
        await self.put(lambda uow: uow.connections.put_setup(setup))

    async def tallied(
        self, count: int, *, outcome: str = "stored", source: str = "app_webhook", **fields: Any
    ) -> None:
        at = NOON - fields.pop("ago", timedelta(minutes=5))
        tally = DeliveryTally(
            day=at.date(),
            location_id=fields.pop("location", LOCATION),
            source=source,
            outcome=outcome,
            count=count,
            last_at=at,
        )
        await self.put(lambda uow: uow.sync.add_tallies([tally]))

    async def read_to_the_end(self, source: SyncSource, ago: timedelta | None) -> None:
        progress = SyncProgress(
            location_id=LOCATION,
            source=source,
            items=7,
            caught_up_at=None if ago is None else NOON - ago,
            updated_at=NOON,
        )
        await self.put(lambda uow: uow.sync.put_progress(progress))

    async def finding(self, check: str) -> Finding:
        diagnosis = await (await self.health()).examined(LOCATION)
        found = [one for one in diagnosis.findings if one.check == check]
        assert found, f"no finding {check}: {[one.check for one in diagnosis.findings]}"
        return found[0]

    async def expect(
        self, check: str, status: FindingStatus, *, says: str = "", fix: str | None = None
    ) -> None:
        """One finding, its words and its fix: whatever is bad tells what to do."""
        found = await self.finding(check)
        assert found.status is status, found
        assert says in found.what, found
        if fix is None:
            assert found.fix is None or status is not OK
        else:
            assert fix in (found.fix or ""), found
        if status in {WARNING, FAILURE}:
            assert found.fix


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
        uow.changes.settle(failed)
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


def check(scope: str, need: ScopeNeed, *, granted: bool | None = False) -> ScopeCheck:
    return ScopeCheck(scope=scope, need=need, granted=granted, without="something")


async def test_a_missing_scope_costs_as_much_as_it_is_needed() -> None:
    bench = Bench()
    await bench.connected()
    await bench.expect("scopes", OK)
    bench.account.account = CrmAccount(scopes=(check("x.write", ScopeNeed.WRITE_BACK, granted=None),))
    await bench.expect("scopes", OK, says="only a change would show: x.write")
    bench.account.account = CrmAccount(scopes=(check("users.readonly", ScopeNeed.OPTIONAL),))
    await bench.expect("scopes", WARNING, says="users.readonly", fix="add users.readonly")
    bench.account.account = CrmAccount(scopes=(check("contacts.readonly", ScopeNeed.ALWAYS),))
    await bench.expect("scopes", FAILURE, says="without it: something")
    bench.account.account = CrmAccount(scopes=(check("contacts.write", ScopeNeed.WRITE_BACK),))
    await bench.expect("scopes", OK)
    await bench.set_up(write_back=frozenset({WriteBackPart.TAGS}))
    await bench.expect("scopes", FAILURE, says="contacts.write")


async def test_missing_custom_fields_are_told_when_they_are_to_be_written() -> None:
    bench = Bench()
    await bench.connected()
    await bench.expect("custom_fields", UNKNOWN, says="off")
    await bench.set_up(write_back=frozenset({WriteBackPart.FIELDS}))
    await bench.expect("custom_fields", WARNING, says=OwnField.SCORE.value, fix="next write")
    fields = {f"f{number}": name.value for number, name in enumerate(OwnField)}
    bench.account.account = CrmAccount(fields=fields)
    await bench.expect("custom_fields", OK)


@pytest.mark.parametrize(
    ("use", "status", "says"),
    [
        (ApiUse(), UNKNOWN, "no answer"),
        (ApiUse(calls_left_today=190_000, calls_per_day=200_000), OK, "190000 API calls"),
        (ApiUse(calls_left_today=12), OK, "12 API calls"),
        (ApiUse(calls_left_today=1_000, calls_per_day=200_000), WARNING, "1000 API calls"),
    ],
)
async def test_the_days_calls_are_told(use: ApiUse, status: FindingStatus, says: str) -> None:
    bench = Bench()
    bench.account.newest = use
    await bench.connected()
    await bench.expect("api_quota", status, says=says)


@pytest.mark.parametrize(
    ("skew", "status", "says"),
    [
        (None, UNKNOWN, "no answer"),
        (2.0, OK, "2 s behind"),
        (-90.0, WARNING, "90 s ahead of"),
        (400.0, FAILURE, "400 s behind"),
    ],
)
async def test_a_wrong_clock_is_told(skew: float | None, status: FindingStatus, says: str) -> None:
    bench = Bench()
    bench.account.newest = ApiUse(clock_skew_s=skew)
    await bench.connected()
    await bench.expect("clock", status, says=says, fix="NTP" if status in {WARNING, FAILURE} else None)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (NeedsReconnect("not accepted"), "enterprisehub connect"),
        (LocationInactive("not active"), "reactivates"),
        (TooManyRequests("used up", retry_after_s=9), "9 s"),
        (Unreachable("no answer"), "ENTERPRISEHUB_GHL_API_URL"),
        (CrmRefused("odd", status=422), "GoHighLevel's own"),
    ],
)
async def test_an_api_that_refuses_says_why_and_what_to_do(error: EnterpriseHubError, fix: str) -> None:
    bench = Bench()
    await bench.connected()
    bench.account.error = error
    await bench.expect("api", FAILURE, says=str(error), fix=fix)
    await bench.expect("clock", UNKNOWN)


@pytest.mark.parametrize(
    ("url", "problem", "status", "says"),
    [
        ("https://hub.example.com", None, OK, "answers"),
        ("https://hub.example.com", "no connection", WARNING, "no connection"),
        ("http://hub.example.com", None, WARNING, "not https"),
        ("http://127.0.0.1:8000", None, WARNING, "this machine or network"),
        ("https://10.0.0.5", None, WARNING, "this machine or network"),
        ("http://hub.local", None, WARNING, "this machine or network"),
    ],
)
async def test_the_public_address_is_judged_by_where_it_leads(
    url: str, problem: str | None, status: FindingStatus, says: str
) -> None:
    await Bench(gateway_url=url, problem=problem).expect("public_url", status, says=says)


async def test_what_is_known_is_told_without_asking_anybody() -> None:
    bench = Bench(problem="never knocked")
    await bench.connected()
    bench.account.newest = ApiUse(clock_skew_s=0.0, calls_left_today=5, calls_per_day=10)
    diagnosis = await (await bench.health()).known(LOCATION)
    names = {one.check for one in diagnosis.findings}
    assert bench.account.asked == 0
    assert {"connection", "token", "app_webhook", "deliveries", "api_quota", "clock", "bus_lag"} <= names
    assert "public_url" not in names
