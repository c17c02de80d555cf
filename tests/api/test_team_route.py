"""The team over HTTP: names for all, figures for those who lead; automation never stops the clock, by the real door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.identifiers import UserId
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.team import Team, TeamResponse
from tests.support.gateway import AWAY, HOME, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED_AT = datetime.now(UTC) - timedelta(hours=3)


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def _people(gateway: Gateway) -> None:
    """Known before anybody asks: an answer is kept for a minute."""
    ana, zoe = (UserId("crm-ana"), UserId("crm-zoe"))
    people = (
        AccountUser(user_id=zoe, name="Zoe Adams", email="zoe@crm.example.com"),
        AccountUser(user_id=ana, name="Ana Diaz", email=user_of(Role.AGENT).email.upper()),
    )
    setup = LocationSetup(location_id=HOME, crm_users=people, linked_users={user_of(Role.ADMIN).user_id: zoe})
    await gateway.services.memory.write(lambda uow: uow.connections.put_setup(setup))


async def said(gateway: Gateway, lead_id: str, direction: str, after: timedelta, **fields: Any) -> None:
    """A message through the webhook's door, so long after the lead asked."""
    at = (ASKED_AT + after).isoformat()
    await gateway.deliver(
        f"{direction}Message",
        contactId=lead_id,
        conversationId=f"c-{lead_id}",
        messageType="SMS",
        direction=direction.lower(),
        body="Hello",
        dateAdded=at,
        timestamp=at,
        **fields,
    )


async def asks(gateway: Gateway, lead_id: str, **fields: Any) -> None:
    at = ASKED_AT.isoformat()
    await gateway.deliver("ContactCreate", id=lead_id, name=lead_id, timestamp=at, dateAdded=at, **fields)
    await said(gateway, lead_id, "Inbound", timedelta())


async def counted(gateway: Gateway, *, source: str, answered: int, waiting: int, days: int) -> dict[str, Any]:
    """The group of a source, as soon as it has so many leads. ``days``: another answer than those before, not their copy."""
    manager, found = user_of(Role.MANAGER), {}

    async def is_there() -> bool:
        nonlocal found, days
        days += 1
        told = (await gateway.get("/v1/team/response", manager, days=days)).json()
        found = next((one for one in told["by_source"] if one["name"] == source), {})
        return (found.get("answered"), found.get("waiting")) == (answered, waiting)

    await eventually(is_there)
    return found


async def test_automation_does_not_stop_the_clock_and_a_human_does(gateway: Gateway) -> None:
    await asks(gateway, "waits", source="clock")
    minute = timedelta(minutes=1)
    for source in ("workflow", "campaign", "bulk_actions", "api"):
        await said(gateway, "waits", "Outbound", minute, source=source, userId="agent-1")
    await said(gateway, "waits", "Outbound", 2 * minute, source="app")  # without a user: a scheduled send
    await asks(gateway, "second", source="clock")
    await said(gateway, "second", "Outbound", 90 * minute, source="app", userId="agent-1")
    group = await counted(gateway, source="clock", answered=1, waiting=1, days=30)
    assert (group["leads"], group["p50_min"], group["within_5_min"]) == (2, 90.0, 0.0)
    await said(gateway, "waits", "Outbound", 100 * minute, source="app", userId="agent-1")
    group = await counted(gateway, source="clock", answered=2, waiting=0, days=60)
    assert (group["p50_min"], group["p90_min"]) == (90.0, 100.0)


async def test_the_page_is_whole_and_its_hours_are_those_of_the_zone(gateway: Gateway) -> None:
    await asks(gateway, "hourly", source="hours", assignedTo="agent-hourly")
    await counted(gateway, source="hours", answered=0, waiting=1, days=100)
    told = await gateway.get("/v1/team/response", user_of(Role.ADMIN), days=200, zone="Asia/Kolkata")
    page = TeamResponse.model_validate(told.json())
    hour = f"{(ASKED_AT + timedelta(hours=5, minutes=30)).hour:02}"
    assert {one.name for one in page.by_hour if one.leads} == {hour}
    desk = next(one for one in page.load if one.user_id == "agent-hourly")
    assert (desk.name, desk.open_leads, desk.waiting) == ("agent urly", 1, 1)
    assert desk.longest_wait_min == pytest.approx(180, abs=60)  # the tests before it may have taken minutes
    assert (page.days, page.simulated, page.truncated) == (200, False, False)


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "../etc/passwd", "", "America", "x\x00y", "localtime", "posixrules"]
)
async def test_a_zone_that_there_is_not_is_named(gateway: Gateway, zone: str) -> None:
    told = await gateway.get("/v1/team/response", user_of(Role.MANAGER), zone=zone)
    assert told.status_code == 422
    assert told.json()["error"]["code"] == "invalid_input"
    assert told.json()["error"]["message"].startswith("zone: ")


@pytest.mark.parametrize("days", ["0", "366", "many"])
async def test_days_out_of_range_are_refused(gateway: Gateway, days: str) -> None:
    told = await gateway.get("/v1/team/response", user_of(Role.MANAGER), days=days)
    assert told.status_code == 400
    assert "days" in told.json()["error"]["message"]


async def test_an_agent_sees_names_and_no_figures_of_colleagues(gateway: Gateway) -> None:
    agent = user_of(Role.AGENT)
    assert (await gateway.get("/v1/team", agent)).status_code == 200
    assert (await gateway.get("/v1/team/response", agent)).status_code == 403
    assert (await gateway.http.get("/v1/team")).status_code == 401


async def test_another_location_has_figures_and_names_of_its_own(gateway: Gateway) -> None:
    await asks(gateway, "secret", source="isolation", assignedTo="agent-secret")
    await counted(gateway, source="isolation", answered=0, waiting=1, days=150)
    told = (await gateway.get("/v1/team/response", user_of(Role.ADMIN, AWAY))).json()
    assert (told["overall"]["leads"], told["by_source"], told["load"], told["untouched"]) == (0, [], [], [])
    assert (await gateway.get("/v1/team", user_of(Role.AGENT, AWAY))).json() == {"me": None, "members": []}


async def test_the_caller_is_found_among_the_names_by_address_or_by_the_link_that_an_admin_made(
    gateway: Gateway,
) -> None:
    told = Team.model_validate((await gateway.get("/v1/team", user_of(Role.AGENT))).json())
    assert told.me == "crm-ana"
    named = [one.name for one in told.members if not one.name.startswith("agent ")]
    assert named == ["Ana Diaz", "Zoe Adams"]
    assert (await gateway.get("/v1/team", user_of(Role.ADMIN))).json()["me"] == "crm-zoe"
    assert (await gateway.get("/v1/team", user_of(Role.MANAGER))).json()["me"] is None
