"""The client module in a real browser, on the real gateway: broken lines, restarts, hidden tabs, renewals, the example page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.api.auth import TokenIssuer
from ghl_real_estate_ai.bootstrap import Services, SystemClock
from ghl_real_estate_ai.models.leads import Role, User
from ghl_real_estate_ai.models.streams import CloseCode, Stream
from ghl_real_estate_ai.services.client_session import Ended
from tests.support.browser import PATIENCE_MS, no_script_fails, open_page
from tests.support.dashboard import OFFICE, PASSWORD, LiveGateway, dashboard_settings, live_gateway
from tests.support.stream_items import item

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

AGENT = "dana@example.com"

FOLLOW = """
async ({token, email, password}) => {
  const { LiveConnection, stateInWords } = await import("/client/enterprisehub_live.js");
  const { LiveItems } = await import("/client/live_items.js");
  const seen = (window.seen = { items: new LiveItems(), feed: [], states: [], renewals: 0, batches: [] });
  let batch = null;
  seen.line = new LiveConnection({
    apiUrl: location.origin,
    token,
    hear: (message) => {
      seen.items.apply(message);
      if (message.c === "conversation_feed") seen.feed.push(message.e.key);
      if (!batch) {
        seen.batches.push((batch = []));
        queueMicrotask(() => (batch = null));
      }
      batch.push(message);
    },
    stateChanged: (state) => seen.states.push(state.name),
    renewToken: password && (async () => {
      seen.renewals += 1;
      const answer = await fetch("/v1/sessions", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ email, password }),
      });
      return (await answer.json()).access_token;
    }),
  });
  seen.words = () => stateInWords(seen.line.state, seen.line.outside.now());
  await seen.line.start();
}
"""
AGREES = """
async () => {
  await new Promise((done) => setTimeout(done, 50));
  const { line, items } = window.seen;
  if (line.state.name !== "live") return false;
  for (const stream of line.state.streams) {
    const answer = await fetch(`/v1/streams/${stream}`, { headers: { Authorization: `Bearer ${line.token}` } });
    const server = await answer.json();
    const place = line.positions.get(stream);
    if (place.epoch !== server.epoch || place.offset !== server.offset) return false;
    if (JSON.stringify(items.of(stream)) !== JSON.stringify(server.items)) return false;
  }
  return true;
}
"""
SHOW_TAB = """
(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        yield gateway


@pytest.fixture(name="agent", scope="module")
def _agent(gateway: LiveGateway) -> User:
    return gateway.add_user(email=AGENT, role=Role.AGENT)


@pytest.fixture(name="page")
def _page(browser: Any, gateway: LiveGateway) -> Iterator[Any]:
    with open_page(browser) as page, no_script_fails(page):
        # Of the gateway's origin and without a policy: the example's own forbids what `wait_for_function` needs.
        page.goto(f"{gateway.settings.gateway_url}/health/live")
        yield page


def token_of(gateway: LiveGateway, user: User, *, life: timedelta = timedelta(hours=1)) -> str:
    """A token of the gateway's own making that ends ``life`` from now."""
    issuer = TokenIssuer(
        gateway.settings.signing_secret(), minutes=60, clock=Earlier(timedelta(hours=1) - life)
    )
    return issuer.issue(user)[0]


class Earlier(SystemClock):
    """A clock that is behind: what it stamps ends so much sooner."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() - self._by


def follow(page: Any, token: str, *, password: str | None = None) -> None:
    """Open the line in the page and wait until it has been live: a busy machine may look when a short token is over."""
    page.evaluate(FOLLOW, {"token": token, "email": AGENT, "password": password})
    page.wait_for_function("window.seen.states.includes('live')")


def wait_until_agreed(page: Any) -> None:
    """Until the page holds of each stream what the gateway holds, at the same place."""
    end = time.monotonic() + PATIENCE_MS / 1_000
    while not page.evaluate(AGREES):  # not `wait_for_function`: a promise is true before it is kept
        assert time.monotonic() < end, page.evaluate("[window.seen.words(), window.seen.line.counts]")


def write(gateway: LiveGateway, numbers: range) -> list[str]:
    """A message and a score for each number, of seven leads in turn; the messages' keys."""
    messages = [item(Stream.CONVERSATION_FEED, f"lead-{number % 7}", number) for number in numbers]
    for number, message in zip(numbers, messages, strict=True):
        gateway.publish(Stream.CONVERSATION_FEED, message)
        gateway.publish(Stream.LEAD_SCORES, item(Stream.LEAD_SCORES, f"lead-{number % 7}", number))
    return [message.key for message in messages]


def drop_sockets(gateway: LiveGateway) -> None:
    """The server gives all sockets of the office up."""

    async def drop(services: Services) -> None:
        for session in tuple(services.hub._sessions[OFFICE]):
            session.end(Ended(CloseCode.TOO_SLOW, "given up by a test"))

    gateway.do(drop)


def test_a_dropped_line_resumes_and_hears_each_message_once(
    page: Any, gateway: LiveGateway, agent: User
) -> None:
    follow(page, token_of(gateway, agent))
    keys = write(gateway, range(10))
    wait_until_agreed(page)
    drop_sockets(gateway)
    keys += write(gateway, range(10, 30))
    wait_until_agreed(page)
    assert page.evaluate("window.seen.feed") == keys
    counts = page.evaluate("window.seen.line.counts")
    assert counts["reconnects"] == 1
    assert counts["recovered"] == 5
    assert "stale" not in page.evaluate("window.seen.states")


def test_after_a_restart_of_the_gateway_the_page_holds_what_the_gateway_holds(
    page: Any, gateway: LiveGateway, agent: User
) -> None:
    follow(page, token_of(gateway, agent))
    write(gateway, range(100, 110))
    wait_until_agreed(page)
    before = page.evaluate("window.seen.line.positions.get('lead_scores').epoch")
    gateway.stop()
    page.wait_for_function("window.seen.words().startsWith('stale ')")
    gateway.start()
    wait_until_agreed(page)
    write(gateway, range(110, 120))
    wait_until_agreed(page)
    assert page.evaluate("window.seen.line.positions.get('lead_scores').epoch") != before


def test_a_hidden_page_hears_nothing_and_all_of_it_in_one_go_when_it_is_seen_again(
    page: Any, gateway: LiveGateway, agent: User
) -> None:
    follow(page, token_of(gateway, agent))
    wait_until_agreed(page)
    page.evaluate(SHOW_TAB, True)
    page.evaluate("window.seen.feed.length = window.seen.batches.length = 0")
    keys = write(gateway, range(200, 240))
    page.wait_for_function(
        "window.seen.line.held.size === 47"
    )  # 40 messages, and the newest score of 7 leads
    assert page.evaluate("window.seen.batches.length") == 0
    page.evaluate(SHOW_TAB, False)
    assert page.evaluate("window.seen.batches.length") == 1
    assert page.evaluate("window.seen.feed") == keys
    wait_until_agreed(page)


def test_a_token_is_renewed_on_the_open_line_which_outlives_its_first_end(
    page: Any, gateway: LiveGateway, agent: User
) -> None:
    life = timedelta(seconds=12)
    ends = datetime.now(UTC) + life
    follow(page, token_of(gateway, agent, life=life), password=PASSWORD)
    page.wait_for_function("window.seen.renewals === 1")
    page.wait_for_function(f"Date.now() > {(ends + timedelta(seconds=1)).timestamp() * 1_000}")
    keys = write(gateway, range(300, 310))
    wait_until_agreed(page)
    assert page.evaluate("window.seen.feed") == keys
    assert page.evaluate("[window.seen.line.counts.reconnects, window.seen.renewals]") == [0, 1]


def test_without_a_renewal_the_end_of_the_token_is_signed_out_once(
    page: Any, gateway: LiveGateway, agent: User
) -> None:
    follow(page, token_of(gateway, agent))
    short = token_of(gateway, agent, life=timedelta(seconds=12))
    page.evaluate("(token) => { window.seen.line.token = token; }", short)
    drop_sockets(gateway)  # it comes back with the short one
    page.wait_for_function("window.seen.words() === 'signed out'")
    assert page.evaluate("window.seen.states.filter((name) => name === 'signed_out').length") == 1
    assert page.evaluate("window.seen.line.timers.size") == 0


def test_a_gateway_that_is_behind_says_so_on_a_live_line(
    page: Any, gateway: LiveGateway, agent: User
) -> None:
    follow(page, token_of(gateway, agent))

    async def fall_behind(services: Services) -> None:
        services.hub.delayed(None, datetime.now(UTC) - timedelta(seconds=4))

    async def catch_up(services: Services) -> None:
        services.hub.delayed(None, None)

    gateway.do(fall_behind)
    page.wait_for_function(r"/^the gateway is behind by \d+ s$/.test(window.seen.words())")
    drop_sockets(gateway)  # a line that opens meanwhile is told as well
    page.wait_for_function(
        r"window.seen.line.counts.recovered && /^the gateway is behind/.test(window.seen.words())"
    )
    gateway.do(catch_up)
    page.wait_for_function("window.seen.words() === 'live'")


def test_the_example_page_shows_the_six_streams_and_lets_go_at_the_end(
    page: Any, gateway: LiveGateway
) -> None:
    gateway.add_user(email="mia@example.com", role=Role.MANAGER)
    page.goto(f"{gateway.settings.gateway_url}/client/example.html")
    page.get_by_label("Email").fill("mia@example.com")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").get_by_text("email or password is wrong").wait_for()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("status").get_by_text("live", exact=True).wait_for()
    (message,) = write(gateway, range(400, 401))
    page.locator("#conversation_feed").get_by_text("in: ¿400? ☂").wait_for()
    for stream in Stream:
        page.get_by_role("heading", name=stream.replace("_", " ")).wait_for()
    page.locator("#lead_scores").get_by_text("Ana lead-1: 0 %").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("status").get_by_text("signed out").wait_for()
    assert page.get_by_label("Password").input_value() == ""
    assert message
