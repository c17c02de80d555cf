"""Conversation, suggested reply and timeline of the lead page in a real browser, before a scripted gateway."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.browser import open_page
from tests.support.lead_screen import (
    LEAD,
    SUGGESTED,
    ScriptedGateway,
    fresh,
    hear,
    lead_detail,
    message,
    open_lead,
    part,
    served,
)

pytestmark = pytest.mark.browser

PATH = f"/v1/leads/{LEAD}"


@pytest.fixture(name="gateway")
def _gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture(name="page")
def _page(browser: Any, gateway: ScriptedGateway) -> Iterator[Any]:
    with open_page(browser) as page:
        yield from served(page, gateway)


def test_the_conversation_marks_automation_and_shows_where_a_fact_was_read(page: Any) -> None:
    talk = part(open_lead(page), "Conversation")
    assert talk.locator(".bubble.automatic").count() == 1
    talk.get_by_text("Automation · Text", exact=False).wait_for()
    talk.locator(".fact", has_text="2 or more bathrooms").focus()
    assert talk.locator(".quote-on").all_inner_texts() == ["2 baths"]


def test_a_new_message_comes_at_the_bottom_and_does_not_pull_a_reader_away(
    page: Any, gateway: ScriptedGateway
) -> None:
    many = [message(n, timedelta(hours=40 - n), f"line {n} " * 20) for n in range(20)]
    fresh(gateway, conversation=many)
    talk = part(open_lead(page), "Conversation")
    rows = talk.locator(".bubbles")
    at_end = "(node) => node.scrollHeight - node.scrollTop - node.clientHeight < 2"
    assert rows.evaluate(at_end)
    rows.evaluate("(node) => node.scrollTo(0, 100)")
    fresh(gateway, conversation=[*many, message(90, timedelta(minutes=1), "Are you there?")])
    hear(page)
    talk.get_by_text("Are you there?").wait_for(state="attached")
    assert rows.evaluate("(node) => node.scrollTop") == 100


def test_a_suggested_reply_is_copied_never_sent_and_says_what_it_rests_on(
    page: Any, gateway: ScriptedGateway
) -> None:
    gateway.answers["GET", f"{PATH}/suggested-reply"] = (200, SUGGESTED)
    talk = part(open_lead(page), "Conversation")
    talk.get_by_role("button", name="Suggest a reply").click()
    assert talk.get_by_label("Suggested reply").input_value() == SUGGESTED["text"]
    talk.get_by_text("Nothing is sent from here.", exact=False).wait_for()
    talk.get_by_text("listed at $425,000 · listing 12").wait_for()
    talk.get_by_role("button", name="Copy").click()
    talk.get_by_text("Copied.").wait_for()
    talk.get_by_label("Suggested reply").evaluate(
        "(node) => node.after(Object.assign(document.createElement('textarea'), { id: 'pasted' }))"
    )
    page.locator("#pasted").focus()
    page.keyboard.press("Control+v")
    assert page.locator("#pasted").input_value() == SUGGESTED["text"]
    assert gateway.posts == []
    fresh(gateway, conversation=[message(9, timedelta(0), "Hello?")])
    hear(page)
    talk.get_by_role("button", name="The lead wrote since: suggest again").wait_for()


def test_a_reply_begins_in_the_next_action_and_opens_the_phones_app_with_its_text(
    page: Any, gateway: ScriptedGateway
) -> None:
    gateway.answers["GET", f"{PATH}/suggested-reply"] = (200, SUGGESTED)
    action = part(open_lead(page), "Next action")
    action.get_by_role("button", name="Suggest a reply").click()
    text = action.get_by_role("link", name="Text with this").get_attribute("href")
    assert urlsplit(text).path == "+15550102030"
    assert parse_qs(urlsplit(text).query) == {"body": [SUGGESTED["text"]]}
    action.get_by_role("link", name="Email with this").wait_for()
    assert gateway.posts == []


def test_who_went_on_meanwhile_keeps_the_focus_when_the_reply_comes(
    page: Any, gateway: ScriptedGateway
) -> None:
    gateway.answers["GET", f"{PATH}/suggested-reply"] = (200, SUGGESTED)
    dialog = open_lead(page)
    talk = part(dialog, "Conversation")
    page.evaluate("""() => {
        const ask = lead.api.get.bind(lead.api);
        lead.api.get = async (path) => {
            if (path.endsWith("suggested-reply")) await new Promise((go) => (window.answer = go));
            return ask(path);
        };
    }""")
    talk.get_by_role("button", name="Suggest a reply").click()
    part(dialog, "Wishes").get_by_role("button", name="Change: up to $450,000").click()
    page.evaluate("window.answer()")
    talk.get_by_label("Suggested reply").wait_for()
    field = part(dialog, "Wishes").get_by_label("Highest price, US dollars")
    assert field.evaluate("(node) => node === document.activeElement")


def test_a_reply_that_is_withheld_says_why(page: Any, gateway: ScriptedGateway) -> None:
    why = "The lead asked to stop. Do not write; set do not disturb in the CRM."
    gateway.answers["GET", f"{PATH}/suggested-reply"] = (
        200,
        {"text": None, "withheld": why, "grounds": [], "answers": None, "by": "rules"},
    )
    talk = part(open_lead(page), "Conversation")
    talk.get_by_role("button", name="Suggest a reply").click()
    talk.get_by_text(why).wait_for()
    assert talk.get_by_role("button", name="Copy").count() == 0


def test_a_reply_to_what_was_marked_as_answered_says_so(page: Any, gateway: ScriptedGateway) -> None:
    note = "This message was marked as answered: look first at what was said to the lead."
    gateway.answers["GET", f"{PATH}/suggested-reply"] = (200, {**SUGGESTED, "note": note})
    talk = part(open_lead(page), "Conversation")
    talk.get_by_role("button", name="Suggest a reply").click()
    talk.get_by_text(note).wait_for()
    talk.get_by_label("Suggested reply").wait_for()


def test_the_timeline_goes_by_day_with_own_answers_and_conclusions_on_demand(page: Any) -> None:
    timeline = part(open_lead(page), "Timeline")
    timeline.get_by_text("action snoozed by you").wait_for()
    shown = [
        datetime.fromisoformat(row["at"]) for row in lead_detail()["timeline"] if row["position"] != 9
    ]  # a conclusion
    days = {at.astimezone().date() for at in shown}
    assert timeline.get_by_role("heading", level=4).count() == len(days)
    timeline.get_by_text("viewed 12 Oak St", exact=True).wait_for()
    timeline.get_by_text("Text: “We need 2 baths at least. Can we see", exact=False).wait_for()
    assert timeline.get_by_text("score 18 %", exact=False).count() == 0
    timeline.get_by_label("Also each new score and risk").check()
    timeline.get_by_text("score 18 %", exact=False).wait_for()
