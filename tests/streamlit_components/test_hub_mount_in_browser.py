"""The live screen's entry in a real browser, without a gateway: another session on the same page begins anew."""

from __future__ import annotations

from typing import Any

import pytest

from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import ASSETS, assemble

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

HTML = (ASSETS / "live_hub.html").read_text()
PAGE = "<!doctype html><title>hub</title><div id='place'>%s</div><script type='module'>%s\nwindow.mount = mount;</script>"
MOUNT = """(token) => {
  const user = { user_id: "u", name: "Dana", role: "agent", location_id: "here" };
  const data = { api_url: "http://127.0.0.1:9", token, user };
  window.leave = mount({ parentElement: document.querySelector("#place"), data, setTriggerValue: () => {} });
}"""
ONE_OF_EACH = "() => ['input[type=search]', '.menu', '.put-off', '.found'].map((one) => document.querySelectorAll(one).length)"


def test_another_session_on_the_same_page_begins_anew_and_a_screen_that_ends_leaves_the_markup(
    browser: Any,
) -> None:
    page = browser.new_page()
    page.route(
        "http://hub/", lambda route: route.fulfill(body=PAGE % (HTML, assemble()), content_type="text/html")
    )
    page.goto("http://hub/")
    page.wait_for_function("typeof window.mount === 'function'")
    before = page.evaluate("document.querySelector('#place').innerHTML")
    page.evaluate(MOUNT, "one")
    first = page.evaluate(ONE_OF_EACH)
    page.evaluate(MOUNT, "two")
    assert page.evaluate(ONE_OF_EACH) == first == [1, 1, 1, 1]
    page.evaluate("leave()")
    assert page.evaluate("document.querySelector('#place').innerHTML") == before
    page.close()
