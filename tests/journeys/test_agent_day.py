"""An agent's day on a real installation, at a desk and on a phone: the queue, a lead, a reply, a power cut, 2,000 leads.

Tests of one width share a screen and go on from each other, as a day does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.models.events import ListingJudged, WishesCorrected
from ghl_real_estate_ai.models.leads import Role
from tests.support.browser import DESKTOP, PHONE, no_script_fails, open_page
from tests.support.dashboard import sign_in, wait_until_live
from tests.support.installation import (
    ANA,
    BEN,
    EMAILS,
    Installation,
    fits_and_reads_well,
    installed,
    until,
)

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

ANSWERS = ("ActionAcknowledged", "ActionSnoozed", "LeadDeclined", "ActionReopened")
MANY = 2_000
HOME = {
    "ListPrice": 425_000,
    "City": "Elm Harbor",
    "BathroomsTotalInteger": 2,
    "PropertySubType": "SingleFamilyResidence",
    "StandardStatus": "Active",
}
HOMES = (
    {"ListingKey": "K12", "UnparsedAddress": "12 Oak St", "BedroomsTotal": 3, **HOME},
    {"ListingKey": "K99", "UnparsedAddress": "99 Pier Rd", "BedroomsTotal": 3, **HOME, "ListPrice": 540_000},
)


@dataclass
class Desk:
    """The agent's open screen. Leads of the two widths have names of their own."""

    page: Any
    house: Installation
    width: int

    def lead(self, first: str) -> str:
        """Its id."""
        return f"{first.lower()}-{self.width}"

    def name(self, first: str) -> str:
        """Its full name."""
        return f"{first} W{self.width}"

    def comes(self, first: str, words: str, *, minutes: int = 1, **fields: Any) -> None:
        """A lead with a phone that has written."""
        known = {"phone": "+15550100200", "source": "zillow", "assignedTo": ANA, **fields}
        self.house.arrives(self.lead(first), self.name(first), ago=timedelta(minutes=minutes + 1), **known)
        self.house.writes(self.lead(first), words, ago=timedelta(minutes=minutes))

    def row(self, first: str, text: str = "") -> Any:
        """Of the queue."""
        return self.page.locator(
            f'section[data-stream="next_actions"] li[data-key="{self.lead(first)}"]', has_text=text
        )

    def open(self, first: str) -> Any:
        """The lead's page, opened from the queue."""
        self.row(first).get_by_role("button", name=self.name(first), exact=True).click()
        dialog = self.page.get_by_role("dialog", name=self.name(first))
        dialog.wait_for()
        return dialog

    def answers_to(self, first: str) -> list[str]:
        """What became a fact."""
        return self.house.facts_of(self.lead(first), *ANSWERS)


@pytest.fixture(name="house", scope="module")
def _house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("agent")) as house:
        house.put_on_the_market(*HOMES)
        yield house


@pytest.fixture(name="desk", scope="module", params=[DESKTOP, PHONE], ids=["1440", "390"])
def _desk(request: pytest.FixtureRequest, browser: Any, house: Installation) -> Iterator[Desk]:
    with open_page(browser, size=request.param, reduced_motion=True) as page, no_script_fails(page):
        sign_in(page, house.url, email=EMAILS[Role.AGENT])
        wait_until_live(page)
        yield Desk(page, house, request.param[0])


def test_the_first_row_says_who_waits_why_and_since_when(desk: Desk) -> None:
    desk.comes("Maria", "Could we see 12 Oak St today?")
    first = desk.row("Maria", "Could we see 12 Oak St today?")
    clock = first.locator(".clock", has_text="first answer due")
    before = clock.inner_text()
    clock.filter(has_not_text=before).wait_for()  # it counts, without an event
    assert not desk.page.get_by_text("Simulated data").is_visible()
    fits_and_reads_well(desk.page)


def test_an_answer_becomes_a_fact_and_its_undo_brings_the_row_back(desk: Desk) -> None:
    taken = desk.row("Maria", "Could we see 12 Oak St today?")  # another action may take its place
    taken.get_by_role("link", name="+15550100200").evaluate(
        "link => link.addEventListener('click', event => event.preventDefault())"  # no phone's app here
    )
    taken.locator("[data-do=act]").click()
    taken.wait_for(state="detached")
    desk.page.get_by_role("button", name="Undo").click()
    taken.wait_for()
    until(desk.page, lambda: desk.answers_to("Maria") == ["ActionAcknowledged", "ActionReopened"])


def test_put_off_is_out_of_the_queue_and_not_mine_is_the_teams(desk: Desk) -> None:
    desk.comes("Omar", "Is the price firm?", minutes=2)
    desk.comes("Rosa", "Please call me", minutes=3, assignedTo=None)
    desk.comes("Tom", "Is parking included?", minutes=3, assignedTo=BEN)
    desk.row("Omar", "Is the price firm?").get_by_role("button", name="for 2 hours").click()
    desk.row("Omar", "Is the price firm?").wait_for(state="detached")
    desk.row("Rosa", "Please call me").get_by_role("button", name="Not mine").click()
    desk.row("Rosa").wait_for(state="detached")
    assert desk.row("Tom").count() == 0
    desk.page.get_by_role("button", name="Everyone", exact=True).click()
    desk.row("Rosa").get_by_text("not mine", exact=True).wait_for()
    desk.row("Tom").filter(has_text="Ben Berg").wait_for()
    until(desk.page, lambda: desk.answers_to("Omar") == ["ActionSnoozed"])
    until(desk.page, lambda: desk.answers_to("Rosa") == ["LeadDeclined"])


def test_filters_stand_in_the_address_and_a_reload_keeps_them_and_who_is_signed_in(desk: Desk) -> None:
    page = desk.page
    page.get_by_role("searchbox").fill(f"W{desk.width} parking")
    desk.row("Maria").wait_for(state="detached")
    desk.row("Tom").wait_for()
    page.wait_for_url("**/?*who=team*q=*parking*")
    page.reload()
    wait_until_live(page)
    desk.row("Tom").wait_for()
    assert desk.row("Maria").count() == 0
    assert page.get_by_role("searchbox").input_value() == f"W{desk.width} parking"
    page.get_by_role("button", name="Clear", exact=True).click()
    desk.row("Maria").wait_for()


def test_a_corrected_wish_is_a_fact_and_the_homes_follow(desk: Desk) -> None:
    wishes = [{"id": "city", "value": "Elm Harbor"}, {"id": "max_list_price", "value": "450000"}]
    desk.comes("Nina", "We need 3 bedrooms. Is 12 Oak St available?", customFields=wishes)
    dialog = desk.open("Nina")
    homes = dialog.get_by_role("region", name="Homes")
    homes.locator(".home-card", has_text="12 Oak St").wait_for()
    assert homes.locator(".home-card", has_text="99 Pier Rd").count() == 0
    parts = dialog.get_by_role("region", name="Wishes")
    parts.get_by_role("button", name="Change: up to $450,000").click()
    parts.get_by_label("Highest price, US dollars").fill("550000")
    desk.page.keyboard.press("Enter")
    parts.locator(".wish-chip:not(.pending)", has_text="up to $550,000").wait_for()
    homes.locator(".home-card", has_text="99 Pier Rd").wait_for()
    corrected = [event for event in desk.house.log() if isinstance(event, WishesCorrected)]
    assert [e.wishes for e in corrected if e.lead_id == desk.lead("Nina")] == [{"max_list_price": "550000"}]


def test_a_home_is_judged_the_timeline_tells_and_back_closes(desk: Desk) -> None:
    dialog = desk.page.get_by_role("dialog", name=desk.name("Nina"))
    card = dialog.locator(".home-card", has_text="12 Oak St")
    card.get_by_role("button", name="Like").click()
    dialog.get_by_text("Liked: 12 Oak St.").wait_for()
    timeline = dialog.get_by_role("region", name="Timeline")
    timeline.get_by_text("by you").first.wait_for()
    fits_and_reads_well(desk.page)
    judged = [event for event in desk.house.log() if isinstance(event, ListingJudged)]
    assert [(e.listing_key, e.verdict) for e in judged if e.lead_id == desk.lead("Nina")] == [("K12", "like")]
    desk.page.go_back()
    dialog.wait_for(state="hidden")
    assert "lead=" not in desk.page.url


def test_a_suggested_reply_has_grounds_is_copied_and_nothing_is_sent(desk: Desk) -> None:
    desk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog = desk.open("Nina")
    talk = dialog.get_by_role("region", name="Conversation")
    talk.get_by_role("button", name="Suggest a reply").click()
    reply = talk.get_by_label("Suggested reply")
    reply.wait_for()
    assert "12 Oak St" in reply.input_value()
    talk.get_by_text("What it rests on").wait_for()
    talk.locator(".grounds li").first.wait_for()
    talk.get_by_role("button", name="Copy").click()
    talk.get_by_text("Copied.").wait_for()
    assert desk.page.evaluate("navigator.clipboard.readText()") == reply.input_value()
    assert desk.house.facts_of(desk.lead("Nina"), "MessageSent") == []
    assert desk.house.changes() == {}
    desk.page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_the_live_screen_goes_on_while_the_pages_own_server_is_away(desk: Desk, browser: Any) -> None:
    page = desk.page
    with (
        open_page(browser, size=PHONE, reduced_motion=True) as never_reloaded,
        no_script_fails(never_reloaded),
    ):
        sign_in(never_reloaded, desk.house.url, email=EMAILS[Role.AGENT])
        wait_until_live(never_reloaded)
        screens = [(one, one.wait_for_selector(".st-key-live_hub")) for one in (never_reloaded, page)]
        _outlive_the_pages_own_server(desk)
        for one, before in screens:
            before.wait_for_element_state(
                "hidden"
            )  # the server that was started again has looked who is there
            one.get_by_text("Password").wait_for(state="detached")
            wait_until_live(one)


def _outlive_the_pages_own_server(desk: Desk) -> None:
    page = desk.page
    with desk.house.without_dashboard():
        away = page.get_by_role("alert").filter(has_text="Live data goes on")
        away.wait_for()
        fits_and_reads_well(page)
        desk.comes("Lena", "Is the garden fenced?", minutes=2)
        desk.row("Lena", "Is the garden fenced?").get_by_role("button", name="for 2 hours").click()
        until(page, lambda: desk.answers_to("Lena") == ["ActionSnoozed"])
    away.wait_for(state="detached")
    wait_until_live(page)


def test_a_power_cut_is_told_with_the_age_of_the_data_and_lived_through(desk: Desk) -> None:
    page, house = desk.page, desk.house
    desk.row("Maria").wait_for()
    house.kill()
    page.locator(".connection", has_text="stale").wait_for()
    page.get_by_role("alert").filter(has_text="what you see is from").wait_for()
    snooze = desk.row("Maria").get_by_role("button", name="for 2 hours")
    snooze.click()
    desk.row("Maria").get_by_text("Not snoozed: the gateway does not answer. Try again.").wait_for()
    house.start()
    once = house.writes(desk.lead("Maria"), "Is anybody there?")
    assert house.again(once) == "duplicate"
    wait_until_live(page)
    desk.row("Maria", "Is anybody there?").wait_for()
    feed = page.locator("section[data-stream=conversation_feed]")
    assert feed.locator("li", has_text="Is anybody there?").filter(has_text=f"W{desk.width}").count() == 1
    snooze.click()
    desk.row("Maria", "Is anybody there?").wait_for(state="detached")
    until(page, lambda: desk.answers_to("Maria")[-1] == "ActionSnoozed")
    page.reload()
    wait_until_live(page)  # who was signed in still is
    desk.row("Tom").wait_for()


@pytest.fixture(name="crowded", scope="module")
def _crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """2,000 leads by signed webhooks: the first one has waited since yesterday."""
    with installed(tmp_path_factory.mktemp("crowd")) as house:
        house.arrives("old", "Olga Old", ago=timedelta(hours=30), assignedTo=ANA)
        house.writes("old", "Is anybody there at all?", ago=timedelta(hours=29))
        numbers = range(MANY - 1)
        house.many(
            [
                house.body(
                    "ContactCreate",
                    ago=timedelta(minutes=1_500 - number // 2),
                    id=f"many-{number}",
                    name=f"Lee{number:04} Crowd",
                    source="zillow",
                    assignedTo=ANA,
                )
                for number in numbers
            ]
        )
        yield house


def test_with_2_000_leads_the_queue_is_whole_and_search_reaches_all(
    browser: Any, crowded: Installation
) -> None:
    with open_page(browser, reduced_motion=True) as page:
        sign_in(page, crowded.url, email=EMAILS[Role.AGENT])
        wait_until_live(page)
        queue = page.locator('section[data-stream="next_actions"]')
        queue.get_by_text("2000 open").wait_for()
        shown = queue.locator("li[data-key]").count()
        queue.locator(".body").evaluate("body => body.scrollTo(0, body.scrollHeight)")
        queue.locator("li[data-key]").nth(shown).wait_for()
        page.keyboard.press("/")
        page.keyboard.type("anybody there")
        queue.locator('li[data-key="old"]').wait_for()
        page.get_by_role("searchbox").fill("lee0001")
        queue.locator('li[data-key="many-1"]').or_(
            page.get_by_role("group", name="Also found").get_by_text("Lee0001 Crowd")
        ).first.wait_for()
