"""The admin's page as Streamlit runs it, against a real gateway: every click, what it answers, and what the gateway refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.events import DeadLetter
from ghl_real_estate_ai.models.identifiers import UserId
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.services.event_inbox import INBOX
from ghl_real_estate_ai.streamlit_components import app, page_frame
from ghl_real_estate_ai.streamlit_components.gateway_answers import Switches, Users, UserView
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient
from tests.support.dashboard import OFFICE, PASSWORD, LiveGateway, dashboard_settings, live_gateway
from tests.support.dashboard_pages import EMAILS, add_everybody, html, opened, press, session_of, told

ALEX = AccountUser(user_id=UserId("crm-alex"), name="Alex Rivera")


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        add_everybody(gateway)
        setup = LocationSetup(location_id=OFFICE, crm_users=(ALEX,))

        async def put(services: Services) -> None:
            await services.memory.write(lambda uow: uow.connections.put_setup(setup))

        gateway.do(put)
        yield gateway


@pytest.fixture(name="page")
def _page(gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    return opened(gateway, monkeypatch, Role.ADMIN, page_frame.ADMIN)


def section(page: AppTest, name: str) -> AppTest:
    page.session_state["admin_section"] = name
    page.run()
    assert not page.exception
    return page


def switches(gateway: LiveGateway) -> dict[str, bool]:
    url = gateway.settings.gateway_url
    answer = GatewayClient(url).read(Switches, "/v1/switches", session_of(url, Role.AGENT))
    return {one.switch: one.on for one in answer.items}


def users(gateway: LiveGateway) -> dict[str, UserView]:
    url = gateway.settings.gateway_url
    answer = GatewayClient(url).read(Users, "/v1/users", session_of(url, Role.ADMIN))
    return {one.email: one for one in answer.items}


def test_health_shows_the_doctors_findings_worst_first_and_names_the_command(page: AppTest) -> None:
    shown = html(page)
    ranks = [shown.find(f'class="mark mark-{kind}"') for kind in ("warning", "unknown")]
    assert ranks == sorted(ranks)
    assert "What to do:" in shown
    assert f"enterprisehub doctor --location {OFFICE}" in told(page)


def test_health_is_told_in_words_with_its_commands_and_the_time(page: AppTest) -> None:
    shown = html(page)
    assert "<strong>Events that wait for their handlers</strong>" in shown
    assert "<code>enterprisehub connect</code>" in shown
    assert not re.search(r"<strong>[a-z_]+</strong>|`", shown)
    assert re.search(r"At \d\d:\d\d:\d\d\. This asks the CRM nothing", told(page))


def test_a_location_of_simulated_leads_is_marked_and_needs_no_account(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = gateway.settings.gateway_url
    session = session_of(url, Role.ADMIN)
    true_answer = GatewayClient(url).rows

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            return httpx.Response(500)
        found = json.loads(true_answer(request.url.path, session))
        return httpx.Response(200, json=found | ({"simulated": True} if "steps" in found else {}))

    client = GatewayClient("http://gateway", transport=httpx.MockTransport(answer))
    page = AppTest.from_function(
        script, kwargs={"client": client, "session": session}, default_timeout=60
    ).run()
    assert not page.exception
    assert "<strong>Simulated data</strong>" in html(page)
    assert "Simulated: not connected on purpose" in html(page)
    assert "simulated: none needed" in html(section(page, "Locations"))
    assert "<strong>Simulated data</strong>" not in html(
        opened(gateway, monkeypatch, Role.ADMIN, page_frame.ADMIN)
    )


def script(client: object, session: object) -> None:
    """The page alone."""
    from ghl_real_estate_ai.streamlit_components.administration import show_administration
    from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session

    assert isinstance(client, GatewayClient)
    assert isinstance(session, Session)
    show_administration(session, client)


def test_the_kill_switch_asks_once_more_and_is_told_on_every_page(
    gateway: LiveGateway, page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert '<span class="mark mark-ok">Going out</span>' in html(page)
    press(page, "kill_ask")
    assert switches(gateway)["outgoing"] is True
    assert "From this moment nothing is sent" in told(page)
    press(page, "kill_no")
    assert "From this moment" not in told(page)
    press(press(page, "kill_ask"), "kill_yes")
    assert switches(gateway)["outgoing"] is False
    assert "Nothing goes out from now on." in told(page)
    assert '<span class="mark mark-failure">Stopped</span>' in html(page)
    assert "Stopped by Dana Agent" in html(page)
    for role, name in ((Role.AGENT, page_frame.LIVE), (Role.MANAGER, page_frame.TEAM)):
        other = html(opened(gateway, monkeypatch, role, name))
        assert "<strong>Nothing goes out.</strong> Stopped by Dana Agent" in other
        assert "Turn it on again" not in other
    press(press(page, "kill_ask"), "kill_yes")
    assert switches(gateway)["outgoing"] is True
    assert "Changes go out again." in told(page)
    assert "Nothing goes out.</strong>" not in html(page)


def test_a_feature_switch_says_what_it_did_and_is_its_own_undo(gateway: LiveGateway, page: AppTest) -> None:
    section(page, "Switches")
    assert page.button(key="turn_learning").label == "Turn daily learning off"
    press(page, "turn_learning")
    assert switches(gateway)["learning"] is False
    assert "Daily learning is off." in told(page)
    press(page, "turn_learning")
    assert switches(gateway)["learning"] is True
    assert "Daily learning is off." not in told(page)


def test_a_user_is_added_with_a_password_that_is_shown_until_it_is_copied(
    gateway: LiveGateway, page: AppTest
) -> None:
    section(page, "Users")
    page.text_input(key="new_email").set_value(" Sam@Example.com")
    page.text_input(key="new_name").set_value("Sam Kim")
    page.selectbox(key="new_role").set_value(Role.MANAGER)
    page.selectbox(key="new_crm").set_value(ALEX.user_id)
    add_button(page).click().run()
    assert "Sam Kim is added as manager." in told(page)
    sam = users(gateway)["sam@example.com"]
    assert (sam.role, sam.crm_user_id) == (Role.MANAGER, ALEX.user_id)
    password = page.code[0].value
    assert GatewayClient(gateway.settings.gateway_url).sign_in(sam.email, password).user.name == "Sam Kim"
    press(page, "user_password_done")
    assert password not in told(page)
    assert "Alex Rivera" in html(page)


def add_button(page: AppTest) -> Any:
    return next(button for button in page.button if button.label == "Add user")


def test_what_the_gateway_refuses_is_said_in_its_own_words(page: AppTest) -> None:
    section(page, "Users")
    page.text_input(key="new_email").set_value("nobody")
    add_button(page).click().run()
    assert not page.exception
    assert "email 'nobody' is not an address; use e.g. ana@example.com" in told(page)
    assert not page.code


def test_a_name_with_markdown_in_it_is_told_as_it_is(page: AppTest) -> None:
    image = "![x](https://evil.example/p.png)"
    section(page, "Users")
    page.text_input(key="new_email").set_value("image@example.com")
    page.text_input(key="new_name").set_value(image)
    add_button(page).click().run()
    assert f"{image} is added" in told(page)
    assert not any(image in element.value for element in (*page.success, *page.markdown))


def test_a_user_is_changed_and_only_what_is_new_is_sent(gateway: LiveGateway, page: AppTest) -> None:
    agent = users(gateway)[EMAILS[Role.AGENT]]
    section(page, "Users")
    press(page, f"change_{agent.user_id}")
    save(page)
    assert "Nothing was changed." in told(page)
    assert page.button(key=f"change_{agent.user_id}").label == "Close"
    page.text_input(key=f"name_{agent.user_id}").set_value("Ana Agent")
    page.checkbox(key=f"reset_{agent.user_id}").set_value(True)
    save(page)
    assert "Ana Agent is saved." in told(page)
    assert page.button(key=f"change_{agent.user_id}").label == "Change"
    assert users(gateway)[agent.email].name == "Ana Agent"
    again = GatewayClient(gateway.settings.gateway_url).sign_in(agent.email, page.code[0].value)
    assert again.user.name == "Ana Agent"
    session_of.cache_clear()


def save(page: AppTest) -> None:
    button = next(button for button in page.button if button.label == "Save")
    button.click().run()
    assert not page.exception


def test_a_user_is_removed_after_a_second_click_and_the_last_admin_is_not(
    gateway: LiveGateway, page: AppTest
) -> None:
    manager = users(gateway)[EMAILS[Role.MANAGER]]
    section(page, "Users")
    press(page, f"change_{manager.user_id}")
    press(page, "user_remove_ask")
    assert manager.email in users(gateway)
    press(page, "user_remove_yes")
    assert "is removed. Add manager@example.com again to give access back" in told(page)
    assert manager.email not in users(gateway)
    admin = users(gateway)[EMAILS[Role.ADMIN]]
    press(page, f"change_{admin.user_id}")
    press(press(page, "user_remove_ask"), "user_remove_yes")
    assert "admin@example.com is the last admin of this location" in told(page)


def test_a_password_that_was_not_copied_is_gone_with_its_user(gateway: LiveGateway, page: AppTest) -> None:
    section(page, "Users")
    page.text_input(key="new_email").set_value("soon.gone@example.com")
    page.text_input(key="new_name").set_value("Soon Gone")
    add_button(page).click().run()
    assert page.code[0].value
    press(page, f"change_{users(gateway)['soon.gone@example.com'].user_id}")
    press(press(page, "user_remove_ask"), "user_remove_yes")
    assert "Soon Gone is removed." in told(page)
    assert not page.code


def test_an_admin_who_takes_a_new_password_sees_it_and_stays_signed_in(
    gateway: LiveGateway, page: AppTest
) -> None:
    admin = users(gateway)[EMAILS[Role.ADMIN]]
    section(page, "Users")
    press(page, f"change_{admin.user_id}")
    page.checkbox(key=f"reset_{admin.user_id}").set_value(True)
    save(page)
    assert page.code[0].value
    assert users_still_read(page)
    press(page, "user_password_done")

    async def back(services: Services) -> None:  # the other tests sign in with the first password
        from ghl_real_estate_ai.api.auth import hash_password
        from tests.support.dashboard import PASSWORD

        digest = await hash_password(PASSWORD)
        user = page.session_state[page_frame.SESSION].user
        await services.memory.write(
            lambda uow: uow.tenants.change_user(user, password_hash=digest, tokens_valid_after=None)
        )

    gateway.do(back)
    session_of.cache_clear()


def users_still_read(page: AppTest) -> bool:
    return "admin@example.com" in html(page) and page_frame.SESSION in page.session_state


def bury(gateway: LiveGateway, number: int, raw: str) -> None:
    letter = DeadLetter(
        dead_letter_id=0,
        location_id=OFFICE,
        subscriber=INBOX,
        delivery_id=f"d-{number}",
        reason=f"<b>{number}</b> could not be read",
        raw=raw,
        failed_at=datetime.now(UTC),
    )

    async def add(services: Services) -> None:
        await services.memory.write(lambda uow: uow.cursors.bury(letter))

    gateway.do(add)


def test_dead_letters_are_listed_replayed_and_stay_with_the_reason(
    gateway: LiveGateway, page: AppTest
) -> None:
    section(page, "Dead letters")
    assert "None: all that came in was worked on." in html(page)
    good = json.dumps({"type": "ContactCreate", "locationId": OFFICE, "id": "late-1", "name": "Lee Late"})
    for number in range(21):
        bury(gateway, number, "{")
    bury(gateway, 99, good)
    section(page, "Dead letters")
    assert "22 could not be worked on." in told(page)
    assert "&lt;b&gt;99&lt;/b&gt; could not be read" in html(page)
    newest = max(int(button.key.removeprefix("replay_")) for button in page.button if letter_of(button.key))
    press(page, f"replay_{newest}")
    assert f"Letter {newest} is worked on now. 21 left." in told(page)
    press(page, "letters_older")
    assert sum(letter_of(button.key) for button in page.button) == 1
    press(page, "letters_newest")
    press(page, "replay_all")
    assert "0 worked on now, 21 left. The reason: " in told(page)


def letter_of(key: str | None) -> bool:
    return bool(key) and str(key).removeprefix("replay_").isdigit()


def test_locations_and_first_steps_say_how_things_stand(page: AppTest) -> None:
    section(page, "Locations")
    assert "you are here" in html(page)
    assert "not connected" in html(page)
    section(page, "First steps")
    assert "homes are here." in html(page)
    assert "enterprisehub " in told(page)


def test_a_password_and_an_open_question_are_gone_with_the_session(page: AppTest) -> None:
    page.session_state["user_handed_out"] = (EMAILS[Role.AGENT], "SECRET-PW")
    press(section(page, "Users"), "kill_ask")
    assert "SECRET-PW" in told(page)
    press(page, "bar_sign_out")
    page.text_input[0].set_value(EMAILS[Role.ADMIN])
    page.text_input[1].set_value(PASSWORD)
    page.button[0].click().run()
    page.session_state[app.PAGE] = page_frame.ADMIN
    section(page, "Users")
    assert not page.code
    assert "From this moment nothing is sent" not in told(page)


def test_a_question_about_the_kill_switch_is_gone_when_the_page_is_left(page: AppTest) -> None:
    press(page, "kill_ask")
    page.session_state[app.PAGE] = page_frame.LIVE
    page.run()
    page.session_state[app.PAGE] = page_frame.ADMIN
    page.run()
    assert page.button(key="kill_ask")
