"""The lead page in a real browser, before a scripted gateway: every state that an agent may meet, at both widths."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import pytest

from tests.support.accessibility import grave_findings
from tests.support.browser import DESKTOP, PHONE, open_page
from tests.support.lead_screen import (
    LEAD,
    SUGGESTED,
    WISHES,
    ScriptedGateway,
    error,
    fresh,
    hear,
    home,
    intelligence,
    lead_detail,
    message,
    open_lead,
    part,
    served,
)

pytestmark = pytest.mark.browser

PATH = f"/v1/leads/{LEAD}"
ASK = ("GET", PATH)


@pytest.fixture(name="gateway")
def _gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture(name="page")
def _page(browser: Any, gateway: ScriptedGateway) -> Iterator[Any]:
    with open_page(browser) as page:
        yield from served(page, gateway)


@pytest.fixture(name="phone")
def _phone(browser: Any, gateway: ScriptedGateway) -> Iterator[Any]:
    with open_page(browser, size=PHONE, scheme="dark", reduced_motion=True) as page:
        yield from served(page, gateway)


def test_the_head_says_who_it_is_and_how_to_reach_them(page: Any) -> None:
    dialog = open_lead(page)
    dialog.get_by_text("Stage new · from zillow · with Alex Rivera", exact=False).wait_for()
    ways = dialog.get_by_role("group", name="Reach the lead")
    assert ways.get_by_role("link").evaluate_all("(links) => links.map((link) => link.href)") == [
        "sms:+15550102030",
        "mailto:maria@example.com",
    ]
    action = part(dialog, "Next action")  # the call is its button, and stands nowhere else
    assert action.get_by_role("link", name="Call Maria Gomez").get_attribute("href") == "tel:+15550102030"
    action.get_by_role("button", name="+1 555 010 2030 Copy").click()
    dialog.get_by_text("Copied: +1 555 010 2030").wait_for()


def test_do_not_disturb_is_said_and_only_the_way_that_the_lead_waits_on_stays(
    page: Any, gateway: ScriptedGateway
) -> None:
    detail = lead_detail()
    detail["lead"]["contact"]["dnd"] = True
    gateway.answers[ASK] = (200, detail)
    dialog = open_lead(page)
    ways = dialog.get_by_role("group", name="Reach the lead")
    assert ways.get_by_role("link").count() == 0
    assert part(dialog, "Next action").get_by_role("link").count() == 1  # it answers by a call
    assert ways.get_by_role("button", disabled=True).all_inner_texts() == ["Text", "Email"]
    ways.get_by_text("Do not disturb is set in the CRM.").wait_for()


def test_the_next_action_is_answered_as_in_the_queue_and_taken_back_within_the_page(
    page: Any, gateway: ScriptedGateway
) -> None:
    gateway.answers["POST", f"{PATH}/actions/act-1/snooze"] = (202, {"event_id": "e", "position": 10})
    gateway.answers["POST", f"{PATH}/actions/act-1/reopen"] = (202, {"event_id": "f", "position": 11})
    dialog = open_lead(page)
    action = part(dialog, "Next action")
    action.get_by_text("wrote: “can we see 12 Oak St on Saturday at 2?”").wait_for()
    action.get_by_text("first answer slipping").wait_for()
    longer = action.get_by_role("button", name="Snooze Maria Gomez for longer")
    longer.click()
    dialog.get_by_role("menuitem", name="1 hour").wait_for()
    assert longer.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Tab")  # leaves the menu, and closes it
    dialog.get_by_role("menuitem", name="1 hour").wait_for(state="hidden")
    action.get_by_role("button", name="Snooze Maria Gomez for longer", expanded=False).wait_for()
    action.get_by_role("button", name="Snooze Maria Gomez for 2 hours").click()
    dialog.get_by_role("button", name="Undo").click()  # reachable: the line stands inside of the dialog
    action.get_by_text("Open again").wait_for()
    assert [path for path, _ in gateway.posts] == [
        f"{PATH}/actions/act-1/snooze",
        f"{PATH}/actions/act-1/reopen",
    ]


def test_the_clock_runs_on_the_leads_own_time_as_the_queue_does(page: Any, gateway: ScriptedGateway) -> None:
    fresh(gateway, intelligence=intelligence(simulated=True))
    page.evaluate("window.leadsNow = Date.now() + 48 * 3600000")
    action = part(open_lead(page), "Next action")
    action.get_by_text("2 d", exact=False).wait_for()
    action.get_by_text("first answer late").wait_for()


@pytest.mark.parametrize("size", [(720, 450), (768, 1024), (1024, 768)], ids=["zoomed", "tablet", "flat"])
def test_no_column_lies_on_another_one_between_phone_and_desk(
    browser: Any, gateway: ScriptedGateway, size: tuple[int, int]
) -> None:
    with open_page(browser, size=size) as page:
        for _ in served(page, gateway):
            dialog = open_lead(page)
            part(dialog, "If the lead stays silent").get_by_text("As a table").wait_for()
            pressed = dialog.locator(".lead-column").evaluate_all(
                "(all) => all.filter((node) => node.scrollHeight > node.clientHeight).length"
            )
            assert pressed == 0
            dialog.get_by_role("button", name="Add a wish").click()


def test_numbers_come_with_their_interval_their_prior_and_what_moved_them(page: Any) -> None:
    dialog = open_lead(page)
    score = part(dialog, "Score")
    score.get_by_text("chance of an appointment within 14 days").wait_for()
    score.get_by_text("between 11 % and 27 %, 80 % sure.", exact=False).wait_for()
    score.get_by_text("too few leads of your own yet", exact=False).wait_for()
    score.get_by_text("+6 points").wait_for()
    score.get_by_text("−2 points with the time before that", exact=False).wait_for()
    score.get_by_text("simulated data, not real leads", exact=False).wait_for()
    why = part(dialog, "Why")
    assert why.locator("li").first.inner_text().split("\n")[:2] == [
        "messages from the lead, this week",
        "raises",
    ]


def test_not_enough_data_is_an_answer(page: Any, gateway: ScriptedGateway) -> None:
    nothing = {"value": None, "stale_reason": "not enough data: nothing was seen yet"}
    fresh(
        gateway,
        intelligence=intelligence(score=nothing, won={}, churn=nothing),
        reasons={"score": {}, "won": {}, "churn": {}},
    )
    gateway.answers["GET", f"{PATH}/risk-curve"] = (200, {"points": [], "crossings": []})
    dialog = open_lead(page)
    part(dialog, "Score").get_by_text("not enough data: nothing was seen yet", exact=False).wait_for()
    part(dialog, "Score").get_by_text("Chance of a won deal: not enough data.").wait_for()
    part(dialog, "Churn risk").get_by_text("Not known: not enough data", exact=False).wait_for()
    part(dialog, "If the lead stays silent").get_by_text("No curve ahead: not enough data.").wait_for()


def test_the_curve_ahead_is_a_picture_sentences_and_a_table(page: Any) -> None:
    dialog = open_lead(page)
    ahead = part(dialog, "If the lead stays silent")
    picture = ahead.get_by_role("img")
    assert picture.get_attribute("aria-label").startswith(
        "Churn risk ahead. Now 42\u00a0%, in 14 days 93\u00a0%"
    )
    assert picture.locator(".mark").count() == 2
    ahead.get_by_text("Active in 3 d", exact=False).wait_for()
    ahead.get_by_text("As a table").click()
    assert ahead.get_by_role("row").count() == 16  # a head, and a row a day


def test_homes_say_what_is_met_missed_and_unknown_with_a_photo_or_a_place_for_one(page: Any) -> None:
    dialog = open_lead(page)
    first, second = part(dialog, "Homes").locator(".home-card").all()
    photo = first.get_by_role("img", name="Front of the house")
    assert photo.get_attribute("referrerpolicy") == "no-referrer"
    assert photo.get_attribute("loading") == "lazy"
    second.get_by_role("img", name="No photo of 14 Oak St").wait_for()
    assert [text.split(":")[0] for text in first.locator(".wish-results li").all_inner_texts()] == [
        "✓met",
        "✕missed",
        "?unknown",
    ]
    first.get_by_text("Not considered: neighborhood, commute.").wait_for()
    first.get_by_text("Also listed as OLD-7.").wait_for()
    assert second.get_by_role("button", name="Like").get_attribute("aria-pressed") == "true"


def test_a_verdict_is_noted_and_can_be_taken_back_even_when_the_home_has_gone(
    page: Any, gateway: ScriptedGateway
) -> None:
    path = f"{PATH}/listings/12/judgement"
    gateway.answers["POST", path] = (202, {"event_id": "e", "position": 10})
    dialog = open_lead(page)
    homes = part(dialog, "Homes")
    homes.locator(".home-card").first.get_by_role("button", name="Pass").click()
    homes.get_by_text("Passed on: 12 Oak St.").wait_for()
    fresh(
        gateway,
        intelligence=intelligence(matches={"value": [home("14", photo=False)]}),
        judged={"12": "pass"},
    )
    hear(page)
    homes.get_by_text("$425,000", exact=True).nth(1).wait_for(state="detached")
    homes.get_by_label("The lead said so", exact=False).check()
    homes.get_by_role("button", name="Undo").click()
    homes.get_by_text("Taken back: 12 Oak St.").wait_for()
    assert gateway.posts == [
        (path, {"verdict": "pass", "by": "agent"}),
        (path, {"verdict": "undo", "by": "lead"}),
    ]


def test_more_homes_come_with_what_would_give_more(page: Any, gateway: ScriptedGateway) -> None:
    gateway.answers["GET", f"{PATH}/matches?k=20"] = (
        200,
        {
            "wishes": WISHES,
            "matches": [home(key, photo=False) for key in ("12", "14", "16")],
            "learned": [],
            "meeting_all": 2,
            "relaxations": [{"wish": "max_list_price", "change": "raise the maximum by $15,000 to $465,000", "more": 6, "cost": 0.3, "wishes": WISHES}],
        },
    )  # fmt: skip
    homes = part(open_lead(page), "Homes")
    homes.get_by_role("button", name="More homes, and what would give more").click()
    homes.get_by_text("Raise the maximum by $15,000 to $465,000: 6 more homes").wait_for()
    assert homes.locator(".home-card").count() == 3
    assert page.evaluate("document.activeElement.className") == "further"  # the answer, not the page's top
    assert homes.locator(".photo:visible").count() == 0  # no home has one: a place for each would say nothing


def test_a_wish_is_taken_out_shown_as_pending_and_put_back(page: Any, gateway: ScriptedGateway) -> None:
    gateway.answers["POST", f"{PATH}/wishes"] = (
        202,
        {"event_id": "e", "position": 10, "before": {"city": "Elm Harbor"}},
    )
    wishes = part(open_lead(page), "Wishes")
    wishes.get_by_role("button", name="Take out: in Elm Harbor").click()
    wishes.get_by_text("Taken out: in Elm Harbor.").wait_for()
    assert wishes.get_by_role("button", name="Change: in Elm Harbor").count() == 0
    wishes.get_by_role("button", name="Undo").click()
    wishes.locator(".pending", has_text="in Elm Harbor").wait_for()
    hear(page)  # the lead as it stands again
    wishes.locator(".wish-chip:not(.pending)", has_text="in Elm Harbor").wait_for()
    assert [body for _, body in gateway.posts] == [
        {"wishes": {"city": None}},
        {"wishes": {"city": "Elm Harbor"}},
    ]


def test_a_refused_value_shows_the_gateways_sentence_at_the_field_and_news_do_not_disturb_the_typing(
    page: Any, gateway: ScriptedGateway
) -> None:
    gateway.answers["POST", f"{PATH}/wishes"] = (422, error("wishes.max_list_price: must be at most $1"))
    wishes = part(open_lead(page), "Wishes")
    wishes.get_by_role("button", name="Change: up to $450,000").click()
    field = wishes.get_by_label("Highest price, US dollars")
    field.fill("99000000000")
    page.keyboard.press("Enter")
    wishes.get_by_role("alert").get_by_text("Highest price: must be at most $1").wait_for()
    assert field.get_attribute("aria-invalid") == "true"
    fresh(gateway, lead={**lead_detail()["lead"], "wishes": {**WISHES, "min_bedrooms": 4}})
    hear(page)
    wishes.get_by_role("button", name="Change: 4+ bedrooms").wait_for()
    assert field.input_value() == "99000000000"
    assert field.evaluate("(node) => node === document.activeElement")
    page.keyboard.press("Escape")  # leaves the field, not the page
    field.wait_for(state="detached")
    assert page.get_by_role("dialog", name="Maria Gomez").is_visible()
    wishes.get_by_role("button", name="Change: up to $450,000").wait_for()


def test_a_wish_from_a_message_is_added_with_one_tap_and_any_other_by_its_own_input(
    page: Any, gateway: ScriptedGateway
) -> None:
    gateway.answers["POST", f"{PATH}/wishes"] = (202, {"event_id": "e", "position": 10, "before": {}})
    wishes = part(open_lead(page), "Wishes")
    wishes.get_by_role("button", name="Add: 2+ bathrooms (from message)").click()
    wishes.get_by_role("button", name="Change: 2+ bathrooms").wait_for()
    assert wishes.get_by_text("(from message)").count() == 0
    wishes.get_by_role("button", name="Add a wish").click()
    wishes.get_by_label("Which wish").select_option("property_sub_type")
    wishes.get_by_label("Type of home").select_option("Townhouse")
    wishes.get_by_role("button", name="Save").click()
    wishes.get_by_role("button", name="Change: Townhouse").wait_for()
    wishes.get_by_role("button", name="Change: 3+ bedrooms").click()
    wishes.get_by_role("button", name="One more").click()
    assert wishes.get_by_label("Bedrooms, at least").input_value() == "4"
    wishes.get_by_role("button", name="Save").click()
    wishes.get_by_role("button", name="Change: 4+ bedrooms").wait_for()
    wishes.get_by_role("button", name="Change: pool").click()
    wishes.get_by_label("garage").check()
    wishes.get_by_role("button", name="Save").click()
    wishes.get_by_role("button", name="Change: garage").wait_for()
    sent = [body["wishes"] for _, body in gateway.posts]
    assert sent == [
        {"min_bathrooms": 2},
        {"property_sub_type": "Townhouse"},
        {"min_bedrooms": 4},
        {"features": ["garage", "pool"]},
    ]


def test_enter_twice_in_the_wish_editor_is_one_answer(page: Any, gateway: ScriptedGateway) -> None:
    gateway.answers["POST", f"{PATH}/wishes"] = (202, {"event_id": "e", "position": 10, "before": {}})
    wishes = part(open_lead(page), "Wishes")
    wishes.get_by_role("button", name="Change: up to $450,000").click()
    wishes.get_by_label("Highest price, US dollars").fill("500000")
    wishes.locator("form").evaluate("(form) => { form.requestSubmit(); form.requestSubmit(); }")
    wishes.get_by_text("Set: up to $500,000.").wait_for()
    assert len(gateway.posts) == 1


def test_snooze_by_key_keeps_the_focus_on_the_page(page: Any, gateway: ScriptedGateway) -> None:
    gateway.answers["POST", f"{PATH}/actions/act-1/snooze"] = (202, {"event_id": "e", "position": 10})
    action = part(open_lead(page), "Next action")
    action.get_by_role("button", name="Snooze Maria Gomez for 2 hours").press("Enter")
    action.get_by_text("Snoozed", exact=False).first.wait_for()
    assert page.evaluate("document.activeElement !== document.body")


def test_a_gateway_that_is_away_leaves_the_old_content_marked_and_comes_back_by_itself(
    page: Any, gateway: ScriptedGateway
) -> None:
    dialog = open_lead(page)
    gateway.answers[ASK] = None
    hear(page)
    trouble = dialog.get_by_role("alert").filter(has_text="This lead could not be read")
    trouble.filter(has_text="What you see below is from before, as of").wait_for()
    assert part(dialog, "Conversation").get_by_text("2 baths", exact=False).first.is_visible()
    fresh(gateway, judged={})
    trouble.wait_for(state="hidden")  # without a click


def test_a_lead_that_is_gone_leaves_nothing_of_it_on_the_page(page: Any, gateway: ScriptedGateway) -> None:
    dialog = open_lead(page)
    gateway.answers[ASK] = (404, error("no such lead in this location"))
    hear(page)
    page.get_by_text("This lead is not here: it was deleted or forgotten", exact=False).wait_for()
    text = page.locator("dialog.lead-page").evaluate("(node) => node.textContent")
    assert not any(word in text for word in ("Maria", "Oak St", "450,000", "2 baths"))
    assert dialog.count() == 0  # nor by its name


def test_news_write_only_what_changed_and_keep_focus_and_scroll(page: Any, gateway: ScriptedGateway) -> None:
    dialog = open_lead(page)
    part(dialog, "Homes").locator(".home-card").first.wait_for()
    numbers = dialog.locator(".lead-numbers")
    numbers.evaluate("(node) => node.scrollTo(0, 300)")
    page.evaluate(
        """() => { window.kept = [...document.querySelectorAll(".home-card, .bubble, .part-body > .chance")]; }"""
    )
    part(dialog, "Homes").get_by_role("button", name="Save").first.focus()
    scroll = numbers.evaluate("(node) => node.scrollTop")
    moved = {**intelligence()["churn"]["value"], "probability": 0.55}
    fresh(gateway, intelligence=intelligence(churn={"value": moved}))
    hear(page)
    part(dialog, "Churn risk").get_by_text("55 %").wait_for()
    assert page.evaluate("window.kept.every((node) => node.isConnected)")
    assert numbers.evaluate("(node) => node.scrollTop") == scroll
    assert page.evaluate("document.activeElement.textContent") == "Save"


def test_escape_closes_and_gives_the_focus_back_and_headings_stand_in_order(page: Any) -> None:
    page.evaluate("""() => {
        const button = Object.assign(document.createElement("button"), { id: "from-here", textContent: "row" });
        document.body.prepend(button);
        button.focus();
    }""")
    dialog = open_lead(page)
    levels = dialog.locator("h2, h3, h4").evaluate_all("(all) => all.map((node) => Number(node.tagName[1]))")
    assert levels[0] == 2
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.wait_for_function("document.activeElement.id === 'from-here'")
    page.wait_for_function("window.wasClosed")


def test_what_anybody_writes_is_text_and_never_markup(page: Any, gateway: ScriptedGateway) -> None:
    attack = '<img src=x onerror="window.pwned=1">'
    detail = lead_detail(conversation=[message(1, timedelta(hours=1), attack)])
    detail["lead"] |= {"name": attack, "wishes": {**WISHES, "city": attack}}
    gateway.answers[ASK] = (200, detail)
    page.evaluate(f"void lead.open('{LEAD}', 'x')")
    page.locator(".bubble").get_by_text(attack).wait_for()
    assert page.evaluate("window.pwned") is None


def test_on_a_phone_it_is_one_column_with_jumps_and_targets_for_a_thumb(phone: Any) -> None:
    dialog = open_lead(phone)
    part(dialog, "Homes").locator(".home-card").first.wait_for()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert dialog.locator(".lead-columns").evaluate("(node) => node.scrollWidth <= node.clientWidth")
    jump = dialog.get_by_role("navigation", name="Parts of this page")
    for title, heading in (
        ("Homes", "Homes"),
        ("Talk", "Conversation"),
        ("Timeline", "Timeline"),
        ("Do", "Next action"),
    ):
        jump.get_by_role("button", name=title).click()
        phone.wait_for_function("(words) => document.activeElement.textContent === words", arg=heading)
    small = dialog.locator("button:visible, a:visible, summary:visible").evaluate_all(
        "(all) => all.filter((node) => node.getBoundingClientRect().height < 44).map((node) => node.textContent)"
    )
    assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_grave_with_everything_open(
    browser: Any, gateway: ScriptedGateway, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    gateway.answers["GET", f"{PATH}/suggested-reply"] = (200, SUGGESTED)
    with open_page(browser, size=size, scheme=scheme) as page:
        for _ in served(page, gateway):
            dialog = open_lead(page)
            part(dialog, "If the lead stays silent").get_by_text("As a table").click()
            part(dialog, "Wishes").get_by_role("button", name="Change: up to $450,000").click()
            part(dialog, "Conversation").get_by_role("button", name="Suggest a reply").click()
            part(dialog, "Conversation").get_by_label("Suggested reply").wait_for()
            assert grave_findings(page, within="dialog.lead-page") == []
