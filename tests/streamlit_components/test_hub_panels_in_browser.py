"""The live screen's panels in a real browser, on the real gateway: charts, replies from the feed, the first run, two widths."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import Delivery, LeadUpserted, MessageReceived, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, LeadId, new_event_id
from ghl_real_estate_ai.models.leads import Role
from tests.support.accessibility import grave_findings
from tests.support.browser import DESKTOP, PATIENCE_MS, PHONE, open_page
from tests.support.dashboard import (
    OFFICE,
    LiveGateway,
    dashboard_settings,
    live_gateway,
    sign_in,
    wait_until_live,
)

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

ADMIN = "mia@example.com"
AGENT = "dana@example.com"
COLOURS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
  return [...seen];
}"""
SMALL_TARGETS = """(hub) => [...hub.querySelectorAll("button, a, select, input, summary")]
  .map((node) => [node.textContent.trim() || node.getAttribute("aria-label"), node.getBoundingClientRect()])
  .filter(([, box]) => box.height > 0 && box.height < 44)
  .map(([name, box]) => `${name}: ${box.height}`)"""


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        gateway.add_user(email=ADMIN, role=Role.ADMIN)
        gateway.add_user(email=AGENT, role=Role.AGENT)
        yield gateway


def write(gateway: LiveGateway, lead: str, name: str, text: str) -> None:
    """A lead with this name writes a message, as webhooks bring it."""
    now = datetime.now(UTC)
    shared = {
        "location_id": OFFICE,
        "lead_id": LeadId(lead),
        "source": Source.APP_WEBHOOK,
        "simulated": False,
    }
    facts = [
        LeadUpserted(
            event_id=new_event_id(), occurred_at=now - timedelta(minutes=7), correlation_id=CorrelationId(lead),
            created=True, contact={"name": name}, **shared,
        ),
        MessageReceived(
            event_id=new_event_id(), occurred_at=now - timedelta(minutes=5), correlation_id=CorrelationId(lead),
            channel=Channel.SMS, text=text, **shared,
        ),
    ]  # fmt: skip

    async def receive(services: Services) -> None:
        for fact in facts:
            await services.inbox.receive(Delivery(delivery_id=fact.event_id, event=fact, received_at=now))

    gateway.do(receive)


def eventually[T](look: Callable[[], T]) -> T:
    """What ``look`` gives as soon as it gives anything; the last look's answer when patience ends."""
    end = time.monotonic() + PATIENCE_MS / 1_000
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def panel(page: Any, stream: str) -> Any:
    return page.locator(f'section[data-stream="{stream}"]')


def live_page(page: Any, url: str, email: str) -> Any:
    sign_in(page, url, email=email)
    wait_until_live(page)
    return page


def test_the_first_run_says_the_next_step_and_leaves_when_a_lead_comes(
    browser: Any, url: str, gateway: LiveGateway
) -> None:
    with open_page(browser) as page, open_page(browser, size=PHONE, scheme="dark") as phone:
        first = live_page(page, url, ADMIN).get_by_role("region", name="No lead has come yet")
        next_step = first.locator('[aria-current="step"]')
        next_step.get_by_text("Connect the GoHighLevel account").wait_for()
        first.get_by_role("button", name="Open Admin").wait_for()
        live_page(phone, url, AGENT).get_by_text(re.compile("being set up. Ask ")).wait_for()
        assert phone.get_by_role("button", name="Open Admin").count() == 0
        assert grave_findings(page) == []
        assert grave_findings(phone) == []
        write(gateway, "maria", "Maria Gomez", "Is 12 Elm St still available? My budget is up to $450,000.")
        for screen in (page, phone):
            screen.get_by_role("region", name="No lead has come yet").wait_for(state="hidden")
            panel(screen, "next_actions").get_by_role("button", name="Maria Gomez").first.wait_for()


def test_charts_say_their_figures_and_follow_the_scheme(browser: Any, url: str) -> None:
    with open_page(browser) as page:
        live_page(page, url, AGENT)
        for stream, words in (
            ("next_actions", r"1 leads? waits? for a person: 1 <15 min"),
            ("lead_scores", "1 lead by chance of an appointment"),
            ("churn_risk", "1 lead by stage of risk"),
            ("conversation_feed", "1 messages in, 0 out"),
        ):
            panel(page, stream).get_by_role("img", name=re.compile(words)).wait_for()
        canvas = panel(page, "lead_scores").locator("canvas")
        light = set(eventually(lambda: canvas.evaluate(COLOURS)))
        page.emulate_media(color_scheme="dark")
        assert eventually(lambda: set(canvas.evaluate(COLOURS)) - light)


def test_a_click_on_a_bar_of_risk_filters_by_its_stage(browser: Any, url: str) -> None:
    with open_page(browser) as page:
        live_page(page, url, AGENT)
        plot = panel(page, "churn_risk").locator(".u-over")
        plot.wait_for()
        width = plot.evaluate("(node) => node.getBoundingClientRect().width")
        critical = {"x": width * 7 / 8, "y": 5}  # the last of four
        plot.click(position=critical)
        pressed = page.locator(".filters").get_by_role("button", name="Critical", pressed=True)
        pressed.wait_for()
        plot.click(position=critical)
        pressed.wait_for(state="detached")


WHOLE_OR_FROM_ITS_TOP = """(node) => {
  const [box, own] = [node.closest(".body"), node].map((one) => one.getBoundingClientRect());
  return own.bottom <= box.bottom + 1 || Math.abs(own.top - box.top) < 2;
}"""


def test_a_reply_is_suggested_to_copy_one_at_a_time_while_the_feed_holds_still(
    browser: Any, url: str, gateway: LiveGateway
) -> None:
    write(gateway, "omar", "Omar Haddad", "How many bedrooms does 9 Oak Ave have?")
    with open_page(browser) as page:
        live_page(page, url, AGENT)
        talk = panel(page, "conversation_feed")
        talk.get_by_text("450,000").last.wait_for()  # the message, and the fact that it states
        talk.get_by_role("button", name="Suggested reply to Maria Gomez").click()
        talk.locator(".feed-reply:visible .reply").wait_for()
        assert talk.locator(".feed-reply:visible").evaluate(WHOLE_OR_FROM_ITS_TOP)
        talk.get_by_role("button", name="Suggested reply to Omar Haddad").click()
        talk.get_by_role("button", name="Suggested reply to Omar Haddad", expanded=True).wait_for()
        assert talk.locator(".feed-reply:visible").count() == 1
        write(gateway, "rosa", "Rosa Ilic", "Can I see it today?")
        talk.get_by_text(re.compile("newer: close the reply")).wait_for()
        assert talk.get_by_text("Can I see it today?").count() == 0
        talk.get_by_role("button", name="Suggested reply to Omar Haddad").click()
        talk.get_by_text("Can I see it today?").first.wait_for()


def test_the_system_panel_begins_with_a_word_and_tells_managers_of_the_models(browser: Any, url: str) -> None:
    with open_page(browser) as page, open_page(browser) as agents:
        system = panel(live_page(page, url, ADMIN), "system_performance")
        system.locator(".verdict").wait_for()
        system.get_by_text("as shipped: fitted on simulated leads").first.wait_for()
        own = panel(live_page(agents, url, AGENT), "system_performance")
        own.get_by_text("visible to managers").wait_for()
        own.get_by_text("Screen p95").wait_for()
        assert own.get_by_text("Dead letters").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_its_tabs_under_the_thumb_and_targets_of_44_pixels(
    browser: Any, url: str, scheme: Any
) -> None:
    with open_page(browser, size=PHONE, scheme=scheme, reduced_motion=True) as page:
        live_page(page, url, ADMIN)
        panel(page, "next_actions").get_by_role("button", name="Maria Gomez").first.wait_for()
        tabs = page.get_by_role("navigation", name="Panels")
        assert tabs.evaluate("(node) => Math.round(node.getBoundingClientRect().bottom) === innerHeight")
        page.locator('.tabs button[data-tab="next_actions"][data-count]').wait_for()
        for name in ("Now", "Scores", "Risk", "Homes", "Talk", "System"):
            tabs.get_by_role("button", name=name, exact=True).click()
            assert page.locator(".hub").evaluate("(hub) => hub.scrollWidth <= innerWidth"), name
            assert page.locator(".hub").evaluate(SMALL_TARGETS) == [], name
            assert grave_findings(page) == [], name


def test_an_agents_phone_has_the_system_behind_the_word_live(browser: Any, url: str) -> None:
    with open_page(browser, size=(320, 720)) as page:
        live_page(page, url, AGENT)
        tabs = page.get_by_role("navigation", name="Panels")
        assert tabs.get_by_role("button", name="System").count() == 0
        page.get_by_role("button", name="live", exact=True).click()
        panel(page, "system_performance").locator(".verdict").wait_for()
        for name in ("Risk", "Scores"):
            tabs.get_by_role("button", name=name, exact=True).click()
            outside = "(node) => [...node.querySelectorAll('td *')].filter((one) => one.getBoundingClientRect().right > innerWidth).length"
            assert page.locator(".panel:visible").evaluate(outside) == 0, name
        assert page.locator(".hub").evaluate(SMALL_TARGETS) == []
        page.emulate_media(forced_colors="active")
        current = tabs.get_by_role("button", name="Scores", exact=True)
        assert current.evaluate("(node) => getComputedStyle(node).outlineStyle") == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_desk_shows_all_panels_without_scrolling_the_page(browser: Any, url: str, scheme: Any) -> None:
    with open_page(browser, size=DESKTOP, scheme=scheme) as page:
        live_page(page, url, ADMIN)
        panel(page, "next_actions").get_by_role("button", name="Maria Gomez").first.wait_for()
        boxes = page.locator(".panel").evaluate_all(
            "(nodes) => nodes.map((node) => node.getBoundingClientRect().toJSON())"
        )
        assert len(boxes) == 6
        assert all(box["bottom"] <= DESKTOP[1] and box["right"] <= DESKTOP[0] for box in boxes)
        assert boxes[0]["width"] * boxes[0]["height"] == max(
            box["width"] * box["height"] for box in boxes[:5]
        )
        assert grave_findings(page) == []


def test_on_a_phone_each_panel_keeps_its_place_and_a_search_begins_at_the_top(
    browser: Any, url: str, gateway: LiveGateway
) -> None:
    for number in range(8):
        write(gateway, f"crowd-{number}", f"Crowd {number}", "Any news of the house?")
    with open_page(browser, size=PHONE) as page:
        live_page(page, url, AGENT)
        queue, grid = panel(page, "next_actions"), page.locator(".grid")
        rows = queue.locator("ol.rows > li", has_text="Crowd")
        rows.nth(7).wait_for(state="attached")
        tabs = page.get_by_role("navigation", name="Panels")
        scrolled = "(node) => node.scrollTop"
        grid.evaluate("(node) => (node.scrollTop = 500)")
        tabs.get_by_role("button", name="Scores", exact=True).click()
        assert grid.evaluate(scrolled) == 0
        tabs.get_by_role("button", name="Now", exact=True).click()
        assert grid.evaluate(scrolled) == 500
        rows.nth(4).locator("button.lead").dispatch_event("click")  # without scrolling to it
        page.get_by_role("dialog", name="Crowd").wait_for()
        page.go_back()
        page.get_by_role("dialog", name="Crowd").wait_for(state="hidden")
        assert grid.evaluate(scrolled) == 500
        search = page.get_by_role("searchbox")
        search.fill("any news")
        page.get_by_text(re.compile(r"^8 of \d+$")).wait_for()
        assert grid.evaluate(scrolled) == 0
        assert search.evaluate(
            "(node) => node.offsetWidth > 0.9 * innerWidth"
        )  # a phone number is read whole
        rows.first.get_by_role("button", name=re.compile("^Snooze Crowd . for 2 hours")).click()
        foot = queue.get_by_role("button", name="1 snoozed: show")
        foot.wait_for()
        line = page.locator(".toast").bounding_box()
        assert line["y"] + line["height"] <= foot.bounding_box()["y"]
