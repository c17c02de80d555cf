"""The page "Track record" as Streamlit runs it, against a real gateway that holds a record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.ml.track_report import Asked, target_record
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.streamlit_components import app
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.score_track_record import HELD, month_chart, reliability_chart
from tests.support.dashboard import OFFICE, PASSWORD, LiveGateway, dashboard_settings, live_gateway
from tests.support.dashboard_pages import as_read
from tests.support.said import columns, history, said

APP = Path(app.__file__)
MANAGER, AGENT = "mo@example.com", "dana@example.com"


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        gateway.add_user(email=MANAGER, role=Role.MANAGER)
        gateway.add_user(email=AGENT, role=Role.AGENT)
        rows = [row.model_copy(update={"location_id": OFFICE}) for row in history(150)]
        keep(gateway, *rows, said(target="churn_risk", location=OFFICE, at=datetime.now(UTC)))
        yield gateway


def keep(gateway: LiveGateway, *rows: ScoreRecord) -> None:
    async def add(services: Services) -> None:
        await services.memory.write(lambda uow: uow.record.add(rows))

    gateway.do(add)


def opened(gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch, email: str = MANAGER) -> AppTest:
    """The page, as after a click on "Track record"."""
    monkeypatch.setenv("ENTERPRISEHUB_PORT", str(gateway.settings.port))
    page = AppTest.from_file(str(APP), default_timeout=60)
    page.session_state[app.SESSION] = GatewayClient(gateway.settings.gateway_url).sign_in(email, PASSWORD)
    page.query_params["page"] = "track_record"
    return page.run()


def texts(page: AppTest) -> str:
    shown = [*page.success, *page.info, *page.warning, *page.error, *page.markdown, *page.caption]
    return "\n".join(as_read(str(element.value)) for element in shown)


def test_a_manager_sees_verdict_figures_charts_and_the_card(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(gateway, monkeypatch)
    assert not page.exception
    assert "Better than the recency rule" in texts(page)
    assert [metric.label for metric in page.metric] == [
        "Answers", "Leads", "Came true", "AUC", "Brier", "ECE", "Lift",
    ]  # fmt: skip
    assert page.metric[0].value == "450"
    assert [metric.label for metric in page.expander[0].metric] == [metric.label for metric in page.metric]
    assert re.search(
        r"^Of 450 answers about \d+ leads, which said \d+% on average, \d+% came true\.$", texts(page), re.M
    )
    assert "Models that answered: v1." in texts(page)
    assert "Simulated" not in texts(page)


def test_a_question_without_outcomes_says_when_there_will_be_some(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(gateway, monkeypatch)
    page.session_state["record_question"] = "churn_risk"
    page.run()
    assert "Not enough data: 1 answers wait for their 14 days to end" in texts(page)
    assert not page.metric


def test_a_click_on_the_page_does_not_ask_the_gateway_again(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(gateway, monkeypatch)
    monkeypatch.setenv("ENTERPRISEHUB_PORT", "9")  # nobody answers there
    page.session_state["record_question"] = "won"
    page.run()
    assert not page.error
    assert "Not enough data: nothing was said of a lead yet" in texts(page)
    page.session_state["record_question"] = "lead_score"
    page.run()
    assert page.metric[0].value == "450"


def test_an_agent_who_comes_here_is_told_why_it_is_empty(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(gateway, monkeypatch, AGENT)
    assert "The page Track record is for managers and admins; you are signed in as agent." in texts(page)
    assert not page.metric


def test_a_token_that_the_gateway_refuses_ends_the_session(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTERPRISEHUB_PORT", str(gateway.settings.port))
    page = AppTest.from_file(str(APP), default_timeout=60)
    session = GatewayClient(gateway.settings.gateway_url).sign_in(MANAGER, PASSWORD)
    page.session_state[app.SESSION] = Session(
        access_token="no longer good", expires_at=datetime.now(UTC) + timedelta(hours=1), user=session.user
    )
    page.query_params["page"] = "track_record"
    page.run()
    assert "Your session has expired. Sign in again to go on." in texts(page)


@pytest.mark.parametrize("months", [1, 2])
def test_a_course_by_month_is_drawn_from_two_months_on(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch, months: int
) -> None:
    page = opened(gateway, monkeypatch)
    token, record = page.session_state[HELD]
    assert any(len(target.months) > 1 for target in record.targets)
    cut = [target.model_copy(update={"months": target.months[:months]}) for target in record.targets]
    page.session_state[HELD] = (token, record.model_copy(update={"targets": tuple(cut)}))
    page.run()
    assert not page.exception
    assert ("Brier score by month" in texts(page)) is (months > 1)


def test_the_charts_hold_every_bin_and_month() -> None:
    record = target_record(Asked("lead_score", "P(x)", 14), columns(history(150)))
    _, band, bars, points = reliability_chart(record)["layer"]  # type: ignore[misc]  # reason: Vega-Lite is nested plain data
    for layer in (band, bars, points):
        assert len(layer["data"]["values"]) == len(record.reliability)
    assert band["encoding"]["y2"] == {"field": "said high"}
    months = month_chart(record)["data"]["values"]  # type: ignore[index]  # reason: as above
    assert {value["month"] for value in months} == {month.month for month in record.months}
    assert {value["who"] for value in months} == {"shown", "recency rule", "base rate"}
