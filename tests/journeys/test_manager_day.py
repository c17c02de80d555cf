"""A manager's day on a real installation, at a desk and on a phone: how soon the team answers, who waits, and a gateway that dies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.models.leads import Role
from tests.support.browser import DESKTOP, PHONE, open_page
from tests.support.dashboard import sign_in, wait_until_live
from tests.support.installation import (
    ANA,
    BEN,
    EMAILS,
    Installation,
    fits_and_reads_well,
    go,
    installed,
    shown,
)

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

ANSWERED_AFTER_MIN = (3, 20, 90)


@pytest.fixture(name="house", scope="module")
def _house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("manager")) as house:
        for number, minutes in enumerate(ANSWERED_AFTER_MIN):
            lead = f"answered-{number}"
            house.arrives(lead, f"Answered {number}", ago=timedelta(hours=5), source="zillow", assignedTo=ANA)
            house.answered(lead, "When would you like to come?", ago=timedelta(hours=5, minutes=-minutes))
        house.arrives("lena", "Lena Late", ago=timedelta(hours=26), source="website", assignedTo=BEN)
        for hours in (25, 20, 9, 8, 7, 6):  # the hottest of all, and nobody answers
            house.writes("lena", "Could we see 12 Oak St tomorrow at five?", ago=timedelta(hours=hours))
        yield house


@pytest.fixture(name="page", scope="module", params=[DESKTOP, PHONE], ids=["1440", "390"])
def _page(request: pytest.FixtureRequest, browser: Any, house: Installation) -> Iterator[Any]:
    with open_page(browser, size=request.param, reduced_motion=True) as page:
        sign_in(page, house.url, email=EMAILS[Role.MANAGER])
        wait_until_live(page)
        yield page


def table(page: Any, name: str) -> Any:
    return page.get_by_role("table", name=name)


def test_the_team_page_tells_how_soon_who_waits_and_who_has_how_much(page: Any) -> None:
    go(page, "Team")
    shown(page, "Team")
    page.get_by_text("of 4 leads that came in").wait_for()
    page.get_by_text("1 of 4 has no first answer yet").wait_for()
    sources = table(page, "First human answer by source")
    sources.get_by_role("row").filter(has_text="website").filter(has_text="1").wait_for()
    desk = table(page, "Who has how much").get_by_role("row").filter(has_text="Ben Berg")
    desk.filter(has_text=re.compile("Too much|Behind")).wait_for()
    fits_and_reads_well(page)


def test_another_period_and_cut_keep_the_page(page: Any) -> None:
    page.get_by_text("7 days", exact=True).click()
    page.get_by_text("By agent", exact=True).click()
    agents = table(page, "First human answer by agent")
    agents.get_by_role("row").filter(has_text="Ana Agent").wait_for()
    page.wait_for_function("!document.querySelector('[data-stale=true]')")


def test_a_gateway_that_dies_leaves_the_old_figures_with_their_age(page: Any, house: Installation) -> None:
    house.kill(dashboard=False)
    try:
        page.get_by_text("By hour of arrival", exact=True).click()
        page.get_by_text("does not answer").wait_for()
        page.get_by_text("This page asks again every 30 s.").wait_for()
        page.get_by_text("of 4 leads that came in").wait_for()
    finally:
        house.start(dashboard=False)
    page.get_by_text("By source", exact=True).click()
    page.get_by_text("does not answer").wait_for(state="detached")
    page.get_by_text("of 4 leads that came in").wait_for()


def test_an_untouched_lead_leads_to_its_page_and_back_to_the_team(page: Any) -> None:
    table(page, "Hot leads that nobody touched").get_by_role("link", name="Lena Late").click()
    page.get_by_role("dialog", name="Lena Late").get_by_text("12 Oak St").first.wait_for()
    page.go_back()
    shown(page, "Team")


def test_the_track_record_says_what_it_knows_and_leads_back_to_live(page: Any) -> None:
    go(page, "Track record")
    shown(page, "Track record")
    fits_and_reads_well(page)
    go(page, "Live")
    wait_until_live(page)
    page.locator('section[data-stream="next_actions"] li[data-key="lena"]').wait_for()


def test_the_admin_page_is_refused_in_a_sentence_that_leads_back(page: Any, house: Installation) -> None:
    assert page.locator(".pages").get_by_text("Admin").count() == 0
    page.goto(f"{house.url}/?page=admin")
    page.get_by_text("The page Admin is for admins; you are signed in as manager.").wait_for()
    page.get_by_role("link", name="Back to the live screen").click()
    wait_until_live(page)
