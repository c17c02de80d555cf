"""What the CRM answers, as findings: good and bad, with the fix that each tells."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.errors import (
    CrmRefused,
    EnterpriseHubError,
    LocationInactive,
    NeedsReconnect,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.models.connections import (
    WriteBackPart,
)
from ghl_real_estate_ai.models.crm_account import ApiUse, CrmAccount, ScopeCheck, ScopeNeed
from ghl_real_estate_ai.models.diagnosis import FindingStatus
from ghl_real_estate_ai.models.write_back import OwnField
from tests.support.crm_bench import Bench

OK, WARNING, FAILURE, UNKNOWN = (
    FindingStatus.OK,
    FindingStatus.WARNING,
    FindingStatus.FAILURE,
    FindingStatus.UNKNOWN,
)
pytestmark = pytest.mark.asyncio


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
        (2.0, OK, "differ by 2 s"),
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
