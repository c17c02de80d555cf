"""The dashboard's pages as Streamlit runs them, against a real gateway that answers sign-ins over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ghl_real_estate_ai.commands import launch
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.streamlit_components import app
from ghl_real_estate_ai.streamlit_components.live_client import Session, SignedIn
from tests.support.dashboard import OFFICE, PASSWORD, LiveGateway, dashboard_settings, live_gateway
from tests.support.dashboard_pages import as_read

APP = Path(app.__file__)


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        gateway.add_user(email="dana@example.com", role=Role.AGENT)
        yield gateway


@pytest.fixture(name="page")
def _page(gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("ENTERPRISEHUB_PORT", str(gateway.settings.port))
    return AppTest.from_file(str(APP), default_timeout=30).run()


def sign_in(page: AppTest, email: str, password: str) -> AppTest:
    page.text_input[0].set_value(email)
    page.text_input[1].set_value(password)
    return page.button[0].click().run()


def mounted(page: AppTest) -> bool:
    """Whether the live screen is open."""
    return any(
        element.type == "bidi_component" and element.proto.component_name.endswith("live_hub")
        for element in page.main
    )


def a_session(*, ends_in: timedelta) -> Session:
    user = SignedIn(
        location_id=OFFICE, user_id=UserId("u1"), email="d@example.com", name="Dana", role=Role.AGENT
    )
    return Session(access_token="t", expires_at=datetime.now(UTC) + ends_in, user=user)


def test_starts_with_the_sign_in_form_and_asks_for_no_location(page: AppTest) -> None:
    assert not page.exception
    assert [field.label for field in page.text_input] == ["Email", "Password"]
    assert not mounted(page)


def test_a_right_password_opens_the_live_screen_and_keeps_the_token_here(page: AppTest) -> None:
    sign_in(page, " Dana@example.com ", PASSWORD)
    assert not page.exception
    assert not page.text_input
    assert mounted(page)
    assert page.session_state[app.SESSION].user.email == "dana@example.com"


def test_a_wrong_password_is_one_line(page: AppTest) -> None:
    sign_in(page, "dana@example.com", "wrong password")
    assert [as_read(error.value) for error in page.error] == ["Email or password is wrong."]
    assert not mounted(page)


def test_an_empty_form_is_one_line(page: AppTest) -> None:
    assert [as_read(error.value) for error in page.button[0].click().run().error] == [
        "Enter your email and your password."
    ]


def test_a_gateway_that_does_not_answer_is_named_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTERPRISEHUB_PORT", str(port := launch.free_port(0)))
    page = sign_in(AppTest.from_file(str(APP), default_timeout=30).run(), "dana@example.com", PASSWORD)
    assert as_read(page.error[0].value) == (
        f"The gateway at http://127.0.0.1:{port} does not answer. Start it with: enterprisehub serve. "
        "If somebody else runs it, tell them."
    )


def test_too_many_attempts_say_how_long_to_wait(page: AppTest) -> None:
    for _ in range(
        40
    ):  # ten at once; one more becomes free every six seconds, which a busy machine may need for an attempt
        sign_in(page, "hasty@example.com", "wrong password")
        if as_read(page.error[0].value).startswith("Too many attempts. Try again in "):
            return
    pytest.fail("nobody was told to wait")


def test_somebody_of_several_locations_is_asked_which(page: AppTest, gateway: LiveGateway) -> None:
    gateway.add_user(email="both@example.com", role=Role.AGENT)
    gateway.add_user(email="both@example.com", role=Role.AGENT, office=LocationId("office-2"))
    sign_in(page, "both@example.com", PASSWORD)
    assert [field.label for field in page.text_input] == ["Email", "Password", "Location"]
    assert as_read(page.info[0].value) == (
        "this account exists in several locations; enter one of office-1, office-2"
    )
    page.text_input[2].set_value("office-2")
    sign_in(page, "both@example.com", PASSWORD)
    assert page.session_state[app.SESSION].user.location_id == "office-2"


def test_a_session_past_its_time_leads_back_to_the_form(page: AppTest) -> None:
    page.session_state[app.SESSION] = a_session(ends_in=timedelta(seconds=-1))
    page.run()
    assert as_read(page.info[0].value) == "Your session has expired. Sign in again to go on."
    assert app.SESSION not in page.session_state


def test_a_bad_setting_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTERPRISEHUB_PORT", "0")
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    assert as_read(page.error[0].value).startswith("setting ENTERPRISEHUB_PORT: ")
