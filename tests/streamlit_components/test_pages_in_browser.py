"""The pages around the live screen in a real browser: reload, Back, links, a gateway that goes away, a phone, and axe-core."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from ghl_real_estate_ai.models.leads import Role
from tests.support.accessibility import grave_findings
from tests.support.browser import DESKTOP, PHONE, open_page
from tests.support.dashboard import (
    LiveGateway,
    dashboard_settings,
    live_gateway,
    sign_in,
    wait_until_live,
)
from tests.support.dashboard_pages import EMAILS, add_everybody
from tests.support.installation import until

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

KEPT = "sessionStorage.getItem('enterprisehub.session')"


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        add_everybody(gateway)
        yield gateway


@pytest.fixture(name="page")
def _page(browser: Any) -> Iterator[Any]:
    with open_page(browser) as page:
        yield page


def shown(page: Any, title: str) -> None:
    """Until this page is open, and all of it is drawn."""
    page.locator("h1.page-title", has_text=title).wait_for()
    page.wait_for_function("!document.querySelector('[data-stale=true]')")


def go(page: Any, title: str) -> None:
    page.locator(".pages a", has_text=title).click()


def test_a_reload_keeps_the_page_who_is_signed_in_and_what_else_the_url_says(page: Any, url: str) -> None:
    sign_in(page, f"{url}?page=team&who=team&q=ada", email=EMAILS[Role.ADMIN])
    shown(page, "Team")
    page.reload()
    shown(page, "Team")
    go(page, "Admin")
    shown(page, "Admin")
    assert page.url.endswith("?page=admin&who=team&q=ada")
    page.reload()
    shown(page, "Admin")
    page.go_back()
    shown(page, "Team")
    assert page.url.endswith("?page=team&who=team&q=ada")
    page.go_forward()
    shown(page, "Admin")
    go(page, "Live")
    wait_until_live(page)
    assert page.url.endswith("?who=team&q=ada")
    page.reload()
    wait_until_live(page)
    assert page.get_by_role("main").count() == 1
    page.get_by_text("Skip to main content").focus()
    page.keyboard.press("Enter")
    panels = page.get_by_role("region", name="Live panels")
    assert panels.evaluate("node => node.getRootNode().activeElement === node")


def test_what_a_tab_kept_is_gone_with_the_sign_out_and_is_no_other_tabs(page: Any, url: str) -> None:
    sign_in(page, f"{url}?page=admin", email=EMAILS[Role.ADMIN])
    shown(page, "Admin")
    assert json.loads(page.evaluate(KEPT))["user"]["email"] == EMAILS[Role.ADMIN]
    other = page.context.new_page()
    other.goto(url)
    other.get_by_label("Email").wait_for()
    assert other.evaluate(KEPT) is None
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    page.wait_for_function(f"{KEPT} === null")
    page.reload()
    page.get_by_label("Email").wait_for()


def test_a_kept_token_that_the_gateway_refuses_is_cleared_and_the_form_says_so(page: Any, url: str) -> None:
    sign_in(page, f"{url}?page=admin", email=EMAILS[Role.ADMIN])
    shown(page, "Admin")
    page.evaluate(
        f'sessionStorage.setItem(\'enterprisehub.session\', {KEPT}.replace(/"access_token":"[^"]*"/, \'"access_token":"x"\'))'
    )
    page.reload()
    page.get_by_text("Your session has expired. Sign in again to go on.").wait_for()
    page.wait_for_function(f"{KEPT} === null")


def test_a_reload_while_the_gateway_restarts_keeps_the_session(
    page: Any, url: str, gateway: LiveGateway
) -> None:
    sign_in(page, f"{url}?page=team", email=EMAILS[Role.MANAGER])
    shown(page, "Team")
    gateway.stop()
    try:
        page.reload()
        page.get_by_text("You stay signed in.").wait_for()
    finally:
        gateway.start()
    until(page, lambda: is_back(page, "Team"))
    shown(page, "Team")


def is_back(page: Any, title: str) -> bool:
    """Try again where the page offers it: a gateway that has just started may be slow."""
    from playwright.sync_api import TimeoutError as TooLate  # here: without Chromium nobody needs Playwright

    again = page.get_by_role("button", name="Try again")
    with suppress(TooLate):
        if again.is_visible():
            again.click(timeout=2_000)
    return bool(page.locator("h1.page-title", has_text=title).is_visible())


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["1440-light", "390-dark"]
)
def test_pages_fit_and_have_no_grave_finding(
    browser: Any, url: str, size: tuple[int, int], scheme: Any
) -> None:
    with open_page(browser, size=size, scheme=scheme, reduced_motion=True) as page:
        sign_in(page, f"{url}?page=team", email=EMAILS[Role.ADMIN])
        for title in ("Team", "Admin"):
            go(page, title)
            shown(page, title)
            assert grave_findings(page) == []
            main = "document.querySelector('[data-testid=stMain]')"
            assert page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")


def test_the_kill_switch_stands_on_the_live_screen_without_pushing_it_off(page: Any, url: str) -> None:
    sign_in(page, f"{url}?page=admin", email=EMAILS[Role.ADMIN])
    shown(page, "Admin")
    page.get_by_role("button", name="Stop everything that goes out").click()
    page.get_by_role("button", name="Yes, stop it all").click()
    page.get_by_text("Nothing goes out from now on.").wait_for()
    go(page, "Live")
    wait_until_live(page)
    page.get_by_text("Nothing goes out.").wait_for()
    page.wait_for_function(
        "(main => main.scrollHeight <= main.clientHeight)(document.querySelector('[data-testid=stMain]'))"
    )
    page.get_by_role("link", name="Turn it on again").click()
    shown(page, "Admin")
    page.get_by_role("button", name="Let changes go out again").click()
    page.get_by_role("button", name="Yes, let it go out").click()
    page.get_by_text("Changes go out again.").wait_for()
