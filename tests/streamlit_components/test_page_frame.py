"""Which page opens for whom, by the URL, and how long a session holds on the pages around the live screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.streamlit_components import app, page_frame
from ghl_real_estate_ai.streamlit_components.live_client import Session
from tests.support.dashboard import OFFICE, PASSWORD, LiveGateway, dashboard_settings, live_gateway
from tests.support.dashboard_pages import (
    EMAILS,
    add_everybody,
    as_read,
    html,
    opened,
    press,
    session_of,
    shows_live,
    told,
)

LEADERS = {Role.MANAGER, Role.ADMIN}


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        add_everybody(gateway)
        yield gateway


def allowed(page: AppTest) -> bool:
    return not any("An admin of your location can change your role" in info.value for info in page.info)


@pytest.mark.parametrize(
    "text",
    [
        "![x](https://evil.example/p.png)",
        "[click](https://evil.example)",
        "<b>bold</b> **bold** ~~gone~~ :red[red] $x$",
        "www.evil.example",
        "`a``![x](https://evil.example)`",
        "one `odd ![x](https://evil.example)",
        "# head\n\n- item `\n\n![x](https://evil.example)` c",
    ],
)
def test_a_text_of_others_is_no_markdown(text: str) -> None:
    shown = page_frame.plain(text)
    assert as_read(shown) == " ".join(text.split())
    outside_of_commands = re.sub(r"`[^`]*`", "", re.sub(r"\\[^\w\s]", "", shown))
    assert not re.search(r"[\[\]<>!*:~$.]", outside_of_commands)


def test_a_command_in_a_text_of_others_stays_a_command() -> None:
    assert (
        page_frame.plain("run `enterprisehub connect --import`!") == "run `enterprisehub connect --import`\\!"
    )


@pytest.mark.parametrize("name", [page_frame.TEAM, page_frame.TRACK_RECORD, page_frame.ADMIN])
@pytest.mark.parametrize("role", list(Role))
def test_a_page_opens_for_its_roles_and_tells_the_others_who_may(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch, role: Role, name: str
) -> None:
    page = opened(gateway, monkeypatch, role, name)
    assert not page.exception
    assert not shows_live(page)
    assert allowed(page) is (role in page_frame.PAGES[name].roles)
    if not allowed(page):
        assert f"you are signed in as {role}" in told(page)
        assert 'href="?page=now">Back to the live screen' in html(page)


@pytest.mark.parametrize("role", list(Role))
def test_the_bar_names_the_pages_of_the_role_and_which_one_this_is(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    bar = html(opened(gateway, monkeypatch, role, page_frame.TRACK_RECORD))
    assert f'<span class="place">Realty of {OFFICE}</span>' in bar
    for name, one in page_frame.PAGES.items():
        assert (f'class="page-link" href="?page={name}"' in bar) is (role in one.roles)
    assert ('href="?page=track_record" aria-current="page"' in bar) is (role in LEADERS)


@pytest.mark.parametrize("name", [None, "now", "nonsense"])
def test_without_a_page_that_we_know_the_live_screen_opens(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    page = opened(gateway, monkeypatch, Role.ADMIN, name)
    assert shows_live(page)


def test_signing_out_leads_to_the_form_and_the_next_user_begins_at_the_live_screen(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = press(opened(gateway, monkeypatch, Role.ADMIN, page_frame.ADMIN), "bar_sign_out")
    assert as_read(page.info[0].value) == "You are signed out."
    assert page_frame.SESSION not in page.session_state
    sign_in(page, EMAILS[Role.AGENT])
    assert shows_live(page)


def sign_in(page: AppTest, email: str) -> None:
    page.text_input[0].set_value(email)
    page.text_input[1].set_value(PASSWORD)
    page.button[0].click().run()


def held(page: AppTest) -> Session:
    session = page.session_state[page_frame.SESSION]
    assert isinstance(session, Session)
    return session


def refused(session: Session) -> Session:
    return session.model_copy(update={"access_token": "no longer good"})


@pytest.mark.parametrize("name", [page_frame.TEAM, page_frame.TRACK_RECORD, page_frame.ADMIN])
def test_a_token_that_ends_while_a_page_is_open_leads_to_the_form_and_back_to_the_page(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    page = opened(gateway, monkeypatch, Role.ADMIN, name)
    page.session_state[page_frame.SESSION] = refused(held(page))
    page.session_state["record_held"] = None
    page.run()
    assert not page.exception
    assert as_read(page.info[0].value) == "Your session has expired. Sign in again to go on."
    sign_in(page, EMAILS[Role.ADMIN])
    assert not shows_live(page)
    assert f'href="?page={name}" aria-current="page"' in html(page)


def test_half_way_through_its_life_a_token_is_renewed(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(gateway, monkeypatch, Role.ADMIN, page_frame.ADMIN)
    before = held(page)
    soon = before.model_copy(update={"expires_at": datetime.now(UTC) + timedelta(minutes=5)})
    page.session_state[page_frame.SESSION] = soon
    page.session_state[page_frame.RENEW_AT] = datetime.now(UTC)
    page.run()
    assert held(page).expires_at >= before.expires_at
    assert page.session_state[page_frame.RENEW_AT] > datetime.now(UTC)


def test_a_renewal_that_fails_for_the_moment_is_asked_for_again_later(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(gateway, monkeypatch, Role.ADMIN, page_frame.ADMIN)
    before = held(page)
    page.session_state[page_frame.RENEW_AT] = datetime.now(UTC)
    monkeypatch.setenv("ENTERPRISEHUB_PORT", "9")  # nobody answers there
    page.run()
    assert held(page) == before
    assert page.session_state[page_frame.RENEW_AT] > datetime.now(UTC)
    assert "does not answer. Start it with: enterprisehub serve" in told(page)


def script(url: str) -> None:
    """What a reload leaves to be done: the tab hands over what it kept."""
    import streamlit as st

    from ghl_real_estate_ai.streamlit_components.app import come_back
    from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient

    if "kept" in st.session_state and "looked" not in st.session_state:
        st.session_state["looked"] = True
        come_back(st.session_state["kept"], GatewayClient(url))


def back_with(kept: str, url: str, *, signed_in: Session | None = None) -> AppTest:
    page = AppTest.from_function(script, kwargs={"url": url}, default_timeout=60)
    if signed_in is not None:
        page.session_state[page_frame.SESSION] = signed_in
    page.session_state["kept"] = kept
    page.run()
    assert not page.exception
    return page


def test_what_the_tab_kept_is_believed_once_the_gateway_agrees(gateway: LiveGateway) -> None:
    url = gateway.settings.gateway_url
    session = session_of(url, Role.AGENT)
    claimed = session.user.model_copy(update={"role": Role.ADMIN})
    page = back_with(session.model_copy(update={"user": claimed}).model_dump_json(), url)
    assert held(page).user == session.user  # not what the tab claims


@pytest.mark.parametrize("kept", ["nonsense", "{}", "refused"])
def test_what_the_gateway_does_not_agree_to_is_not_believed(gateway: LiveGateway, kept: str) -> None:
    url = gateway.settings.gateway_url
    if kept == "refused":
        kept = refused(session_of(url, Role.AGENT)).model_dump_json()
    page = back_with(kept, url)
    assert page_frame.SESSION not in page.session_state
    assert page.session_state[app.SEEN] == kept
    assert page.session_state[app.NOTICE] == app.NOTICES[page_frame.EXPIRED]


def test_a_tab_that_kept_nothing_shows_the_form_without_a_reason(gateway: LiveGateway) -> None:
    page = back_with("", gateway.settings.gateway_url)
    assert app.NOTICE not in page.session_state


def test_while_the_gateway_is_away_nothing_that_was_kept_is_thrown_away(gateway: LiveGateway) -> None:
    session = session_of(gateway.settings.gateway_url, Role.AGENT)
    page = back_with(session.model_dump_json(), "http://127.0.0.1:9")
    assert "You stay signed in." in as_read(page.warning[0].value)
    assert app.SEEN not in page.session_state


def test_a_renewal_that_cannot_be_proven_leaves_the_session_as_it_is(gateway: LiveGateway) -> None:
    session = session_of(gateway.settings.gateway_url, Role.AGENT)
    later = session.model_copy(update={"expires_at": session.expires_at + timedelta(hours=1)})
    page = back_with(later.model_dump_json(), "http://127.0.0.1:9", signed_in=session)
    assert held(page) == session
    assert not page.warning


def test_a_renewal_of_the_live_screens_is_taken_once_it_is_proven(gateway: LiveGateway) -> None:
    session = session_of(gateway.settings.gateway_url, Role.AGENT)
    later = session.model_copy(update={"expires_at": session.expires_at + timedelta(hours=1)})
    page = back_with(later.model_dump_json(), gateway.settings.gateway_url, signed_in=session)
    assert held(page) == later


def hearing(session: object, told: object) -> None:
    """The live screen says that it has renewed its token."""
    from ghl_real_estate_ai.streamlit_components.app import renewed_by_screen
    from ghl_real_estate_ai.streamlit_components.live_client import Session

    assert isinstance(session, Session)
    renewed_by_screen(session, told)


@pytest.mark.parametrize("change", ["none", "another user", "nonsense"])
def test_the_live_screens_fresh_token_is_the_next_pages_too(gateway: LiveGateway, change: str) -> None:
    session = session_of(gateway.settings.gateway_url, Role.AGENT)
    told = session.model_dump(mode="json") | {"expires_at": "2999-01-01T00:00:00Z", "access_token": "fresh"}
    if change == "another user":
        told["user"] = {**told["user"], "user_id": "somebody else"}
    page = AppTest.from_function(
        hearing, kwargs={"session": session, "told": None if change == "nonsense" else told}
    ).run()
    assert not page.exception
    taken = page_frame.SESSION in page.session_state
    assert taken is (change == "none")
    if taken:
        assert held(page).access_token == "fresh"
