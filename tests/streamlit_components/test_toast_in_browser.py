"""The line at the bottom under a finger, a mouse and the keyboard, in a real browser; its timer is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import ASSETS
from tests.support.browser import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

PAGE = """<!doctype html><title>line</title><section><h2>Now</h2></section><p>elsewhere</p><div class="toast" hidden></div>
<script type="module">%s
const waiting = (window.waiting = new Set());
const outside = { later: (run) => { waiting.add(run); return run; }, cancel: (run) => waiting.delete(run) };
const toast = (window.toast = new Toast(document.querySelector(".toast"), { outside }));
window.begin = () => toast.show("Snoozed: Maria", () => toast.show("Back in the queue: Maria"));
begin();
</script>"""
EIGHT_SECONDS = "[...waiting].forEach((run) => run())"


def module(path: Path) -> str:
    lines = path.read_text().splitlines()
    return "\n".join(line.removeprefix("export ") for line in lines if not line.startswith("import "))


@pytest.fixture(name="page", params=[True, False], ids=["finger", "mouse"])
def _page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=request.param)
    page = context.new_page()
    page.set_content(PAGE % "\n".join(module(ASSETS / name) for name in ("live_dom.js", "live_toast.js")))
    page.get_by_text("Snoozed: Maria").wait_for()
    page.touch = request.param
    yield page
    context.close()


def test_the_line_goes_after_a_tap_and_stays_under_a_mouse(page: Any) -> None:
    undo = page.get_by_role("button", name="Undo")
    if page.touch:
        undo.tap()
    else:
        undo.click()
    back = page.get_by_text("Back in the queue: Maria")
    back.wait_for()
    page.evaluate(EIGHT_SECONDS)
    if not page.touch:
        assert back.is_visible()  # somebody points at it
        page.get_by_text("elsewhere").hover()
        page.evaluate(EIGHT_SECONDS)
    back.wait_for(state="hidden")


def test_the_keyboard_holds_the_line_and_keeps_its_place(page: Any) -> None:
    page.keyboard.press("Tab")
    page.evaluate(EIGHT_SECONDS)
    page.keyboard.press("Enter")
    page.get_by_text("Back in the queue: Maria").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Now"
    page.evaluate(EIGHT_SECONDS)
    page.get_by_text("Back in the queue: Maria").wait_for(state="hidden")


def test_a_newer_text_leaves_the_button_under_the_finger(page: Any) -> None:
    page.evaluate("window.before = document.querySelector('button'); begin()")
    assert page.evaluate("before === document.querySelector('button') && before.isConnected")
