"""The manager's page as Streamlit runs it: figures, tables and chart of a gateway's answer, its age, and what goes wrong."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.models.identifiers import LeadId, UserId
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.team import (
    AgentLoad,
    Direction,
    EarlierResponse,
    ResponseGroup,
    ResponsePoint,
    TeamResponse,
    UntouchedLead,
    WaitingMark,
)
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.streamlit_components import page_frame
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient
from ghl_real_estate_ai.streamlit_components.response_charts import response_chart
from ghl_real_estate_ai.streamlit_components.response_words import curve_in_words
from ghl_real_estate_ai.streamlit_components.team_response import load_csv, response_csv
from tests.support.dashboard import OFFICE, WAIT_S, LiveGateway, dashboard_settings, live_gateway
from tests.support.dashboard_pages import add_everybody, as_read, html, opened, session_of, told
from tests.support.facts import LEAD, contact, message

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ALEX = UserId("crm-alex-1234")
CURVE = tuple(
    ResponsePoint(minutes=minutes, answered=share, low=share / 2, high=min(1.0, share * 1.2), still_waiting=3)
    for minutes, share in ((0.0, 0.2), (4.0, 0.5), (300.0, 0.7))
)


def group(
    name: str, *, leads: int = 10, waiting: int = 3, curve: tuple[ResponsePoint, ...] = ()
) -> ResponseGroup:
    return ResponseGroup(
        name=name, leads=leads, answered=leads - waiting, waiting=waiting,
        p50_min=4.0, p90_min=None, within_5_min=0.5, within_60_min=0.55,
        within_1440_min=None if name == "new" else 0.7, curve=curve,
        watched_min=900.0 if curve else None,
        marks=(WaitingMark(minutes=600.0, answered=0.7, leads=waiting),) if curve and waiting else (),
    )  # fmt: skip


def desk(
    user_id: UserId | None, name: str, *, why: str = "", waiting: int = 2, behind: bool = False
) -> AgentLoad:
    return AgentLoad(
        user_id=user_id, name=name, open_leads=40, waiting=waiting, longest_wait_min=540.0, open_actions=5,
        at_risk=1, overloaded=bool(why), behind=behind, why=why,
    )  # fmt: skip


ANSWER = TeamResponse(
    days=30,
    now=NOW,
    simulated=True,
    overall=group("all", curve=CURVE),
    by_source=(group("=zillow"), group("")),
    by_hour=(group("09"), group("10", leads=0, waiting=0)),
    by_agent=(group(ALEX, curve=CURVE), group("crm-unknown-9876")),
    load=(desk(ALEX, "Alex Rivera", why="9 leads wait, the team's median is 3"), desk(None, "")),
    untouched=(
        UntouchedLead(
            lead_id=LeadId("l/1"), name="Ada <b>", assigned_to=ALEX, source=None, score=0.62,
            untouched_since=NOW - timedelta(days=3), never_touched=True, simulated=True,
        ),
    ),
)  # fmt: skip


EARLIER = EarlierResponse(
    leads=40, waiting=9, p50_min=90.0, within_5_min=0.25,
    p50_is=Direction.BETTER, within_5_is=Direction.SAME, waiting_is=Direction.WORSE,
)  # fmt: skip


def script(client: object, session: object) -> None:
    """The page alone."""
    from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
    from ghl_real_estate_ai.streamlit_components.team_response import show_team

    assert isinstance(client, GatewayClient)
    assert isinstance(session, Session)
    show_team(session, client)


class Vendor:
    """A gateway that answers as a test wishes."""

    def __init__(self, answer: TeamResponse = ANSWER) -> None:
        self.answer = answer
        self.status = 200
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked.append(str(request.url).removeprefix("http://gateway"))
        if self.status != 200:
            return httpx.Response(self.status, json={"error": {"code": "x", "message": "because of it"}})
        if request.url.path == "/v1/team/response":
            return httpx.Response(200, content=self.answer.model_dump_json())
        return httpx.Response(200, json={"location_id": OFFICE, "as_of": NOW.isoformat(), "targets": []})


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        add_everybody(gateway)
        yield gateway


@pytest.fixture(name="vendor")
def _vendor() -> Vendor:
    return Vendor()


@pytest.fixture(name="page")
def _page(gateway: LiveGateway, vendor: Vendor) -> AppTest:
    client = GatewayClient("http://gateway", transport=httpx.MockTransport(vendor))
    session = session_of(gateway.settings.gateway_url, Role.MANAGER)
    page = AppTest.from_function(script, kwargs={"client": client, "session": session}, default_timeout=60)
    page.run()
    assert not page.exception
    return page


def test_the_figures_and_the_curve_are_told_in_words(page: AppTest) -> None:
    shown = html(page)
    for figure in ("<dd>50%</dd>", "<dd>4 min</dd>", "<dd>3</dd>", "fewer than 9 of 10 were answered"):
        assert figure in shown
    assert (
        "Answered: 50% within 5 min, 55% within 1 h, 70% within 1 day. 3 of 10 have no first answer yet"
        in (told(page))
    )
    new = group("new", curve=CURVE)
    assert curve_in_words(new).startswith("Answered: 50% within 5 min, 55% within 1 h. 3 of 10")
    assert "<dt>No first answer yet</dt>" in shown
    assert "simulated, and so are the answers" in shown


def test_each_figure_says_how_it_compares_with_the_days_before_in_words(
    page: AppTest, vendor: Vendor
) -> None:
    vendor.answer = ANSWER.model_copy(update={"earlier": EARLIER})
    page.run()
    shown = html(page)
    for words in (
        "by a human<br>30 days before: 25%, no clear difference",
        "<br>30 days before: 1.5 h, better now",
        "of 10 leads that came in (30%)<br>30 days before: 9 of 40 (22%), worse now",
    ):
        assert words in shown
    assert "Compared with the 40 leads of the 30 days before" in told(page)


def test_without_enough_leads_before_the_page_says_why_it_compares_nothing(
    page: AppTest, vendor: Vendor
) -> None:
    why = "12 leads came in the 30 days before, and 20 are needed"
    vendor.answer = ANSWER.model_copy(update={"no_earlier": why})
    page.run()
    assert f"No comparison with the 30 days before: {why}." in told(page)
    assert "30 days before: " not in html(page)


def test_leads_marked_as_answered_are_told_beside_those_that_wait_and_only_then(
    page: AppTest, vendor: Vendor
) -> None:
    assert "arked as answered" not in html(page) + told(page)
    overall = ANSWER.overall.model_copy(update={"marked": 2})
    source = ANSWER.by_source[0].model_copy(update={"marked": 2})
    vendor.answer = ANSWER.model_copy(update={"overall": overall, "by_source": (source,)})
    page.run()
    assert "<br>marked as answered: 2" in html(page)
    assert '<th scope="col" class="number">Marked as answered</th>' in html(page)
    assert "such a lead counts as neither" in told(page)


def test_leads_are_compared_by_source_hour_and_agent_by_name(page: AppTest) -> None:
    assert '<th scope="row">Not known</th>' in html(page)
    page.session_state["team_cut"] = "hour"
    page.run()
    assert '<th scope="row">09:00</th>' in html(page)
    assert "10:00" not in html(page)
    page.session_state["team_cut"] = "agent"
    page.run()
    assert f'agent={ALEX}">Alex Rivera</a></th>' in html(page)
    assert 'agent=crm-unknown-9876">agent 9876</a></th>' in html(page)


def test_an_agents_name_leads_to_their_leads_on_the_live_screen(page: AppTest) -> None:
    assert f'href="?page=now&amp;agent={ALEX}">Alex Rivera</a>' in html(page)


def test_who_has_too_much_is_told_by_word_and_sign(page: AppTest) -> None:
    assert (
        '<span class="mark mark-warning">Too much: 9 leads wait, the team&#x27;s median is 3</span>'
        in html(page)
    )
    assert "Assigned to nobody" in html(page)
    assert "Nobody&#x27;s: assign them" in html(page)


def test_a_desk_is_fine_only_where_nothing_is_late(page: AppTest, vendor: Vendor) -> None:
    late = desk(UserId("crm-late"), "Blake", waiting=31, behind=True)
    load = (late, desk(UserId("crm-good"), "Casey", waiting=1), desk(UserId("crm-free"), "Kim", waiting=0))
    vendor.answer = ANSWER.model_copy(update={"load": load})
    page.run()
    shown = html(page)
    assert '<span class="mark mark-warning">Behind: 31 wait, longest 9.0 h</span>' in shown
    assert shown.count('<span class="mark mark-ok">Fine</span>') == 1
    assert '<span class="mark mark-ok">Nobody waits</span>' in shown
    assert "32 leads wait for an answer of a human" in told(page)


def test_a_hot_lead_that_nobody_touched_links_to_the_live_screen(page: AppTest) -> None:
    assert 'href="?page=now&amp;lead=l%2F1">Ada &lt;b&gt;</a>' in html(page)
    assert "3.0 days, never touched" in html(page)
    assert f'agent={ALEX}">Alex Rivera</a></td>' in html(page)
    assert "give it to somebody else in the CRM" in told(page)


def test_the_record_is_told_in_one_line_with_a_link(page: AppTest) -> None:
    assert "Were the scores right?</strong> Nothing was said of a lead yet." in html(page)
    assert 'href="?page=track_record">Track record</a>' in html(page)


def test_the_period_is_asked_for_and_the_record_only_once(page: AppTest, vendor: Vendor) -> None:
    page.session_state["team_days"] = 90
    page.run()
    asked = [path for path in vendor.asked if "response" in path]
    assert asked == [f"/v1/team/response?days={days}&zone=UTC" for days in (30, 90)]
    assert vendor.asked.count("/v1/track-record") == 1


def test_trouble_keeps_the_old_figures_and_says_how_old_they_are(page: AppTest, vendor: Vendor) -> None:
    vendor.status = 400
    page.run()
    assert "because of it This page asks again every 30 s." in as_read(page.warning[0].value)
    assert " old: " in as_read(page.warning[0].value)
    assert "<dd>50%</dd>" in html(page)
    page.session_state["team_days"] = 7  # of which nothing is held
    page.run()
    assert as_read(page.error[0].value) == "because of it This page asks again every 30 s."
    assert "<dd>50%</dd>" not in html(page)


def test_a_time_without_leads_says_what_to_do(page: AppTest, vendor: Vendor) -> None:
    vendor.answer = ANSWER.model_copy(update={"overall": group("all", leads=0, waiting=0), "untouched": ()})
    page.run()
    assert "No lead came in within 30 days. Choose a longer time" in told(page)
    assert "None: each hot lead has been touched by a human lately." in told(page)


def test_a_lead_that_came_in_waits_on_the_page_of_the_real_gateway(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)

    async def receive(services: Services) -> None:
        await services.inbox.receive(contact("first", location=OFFICE, at=hour_ago))
        await services.inbox.receive(message("asks", location=OFFICE, at=hour_ago))
        async with asyncio.timeout(WAIT_S):
            while not await services.memory.read(has_asked):
                await asyncio.sleep(0.05)

    def has_asked(uow: UnitOfWork) -> bool:
        lead = uow.leads.get(OFFICE, LEAD)
        return lead is not None and lead.last_inbound is not None

    gateway.do(receive)
    page = opened(gateway, monkeypatch, Role.MANAGER, page_frame.TEAM)
    assert not page.exception
    assert "of 1 lead that came in (100%)" in html(page)
    assert "Simulated data" not in html(page)


def test_the_chart_begins_with_nobody_and_ends_level_where_leads_were_watched() -> None:
    chart = response_chart(group("all", curve=CURVE))
    values = chart["data"]["values"]  # type: ignore[index]  # reason: Vega-Lite is nested plain data
    assert [(value["minutes"], value["answered"]) for value in values] == [
        (0.5, 0.0), (0.5, 0.2), (4.0, 0.5), (300.0, 0.7), (900.0, 0.7),
    ]  # fmt: skip
    layers: Any = chart["layer"]
    goal, band, line, strokes, points = layers
    assert band["mark"]["interpolate"] == line["mark"]["interpolate"] == "step-after"
    assert goal["mark"]["strokeDash"]
    assert strokes["data"]["values"] == [
        {"minutes": 600.0, "answered": 0.7, "leads": 3, "for": "about 10.0 h"}
    ]
    assert points["encoding"]["tooltip"]
    assert [value["after"] for value in points["data"]["values"]] == ["0 s", "4 min", "5.0 h"]


def test_the_curves_words_tell_its_strokes_and_its_end() -> None:
    words = curve_in_words(group("all", curve=CURVE))
    assert "3 of 10 have no first answer yet, and are counted as not answered." in words
    assert "rises to the share answered so far and ends at 15.0 h: no lead was watched for longer." in words
    assert "Upright strokes: leads that still wait, by how long so far." in words
    nobody = curve_in_words(group("all", waiting=0, curve=CURVE))
    assert "No lead still waits for its first answer." in nobody
    assert "strokes" not in nobody


def test_a_group_without_a_curve_says_so() -> None:
    assert curve_in_words(group("zillow")).startswith("Too few leads of this group")


def test_the_files_hold_every_row_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(response_csv(ANSWER))))
    assert [row["cut"] for row in rows] == ["all", *["source"] * 2, *["hour"] * 2, *["agent"] * 2]
    assert rows[1]["name"] == "'=zillow"
    assert (rows[0]["waiting"], rows[0]["marked"]) == ("3", "0")
    assert rows[5]["name"] == "Alex Rivera"
    load = list(csv.DictReader(io.StringIO(load_csv(ANSWER))))
    assert load[0]["why"] == "9 leads wait, the team's median is 3"
