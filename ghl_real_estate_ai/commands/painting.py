"""From a signed webhook to a painted pixel, with 100 viewers: the longest way through the house, stage by stage.

Called by ``benchmarks``. One viewer is a headless Chromium with the real dashboard; the others are sockets that read
everything. The browser's module notes for each publication when it came and when it was painted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypedDict

import httpx
import uvloop

from ghl_real_estate_ai.commands import browsing, crowd, measuring
from ghl_real_estate_ai.commands.measuring import Say
from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.models.leads import User
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation import load
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel

LEADS = 40
"""Below the 50 rows that the page shows, so that each publication is really on it."""
WARM_UP_EVENTS = 2 * LEADS
"""The browser's module remembers 2,000 paints, five per event: with these, a run may measure about 300 events."""
POLL_MS = 500

_POLLING_SCREEN = """
async ({api, token, poll}) => {
  window.__polled = {};
  const box = document.createElement("div");
  document.body.append(box);
  const look = async () => {
    const answer = await fetch(api + "/v1/streams/lead_scores", {headers: {Authorization: "Bearer " + token}});
    const {items} = await answer.json();
    box.textContent = items.map((item) => item.lead_name + " " + item.score.value?.probability).join(", ");
    await new Promise((done) => setTimeout(done, 0)); // no frame to wait for in a tab behind: in the peer's favour
    const now = performance.timeOrigin + performance.now();
    for (const item of items) window.__polled[item.key + " " + item.received_at] ??= now;
  };
  setInterval(look, poll);
}
"""


class Paint(TypedDict):
    """One painted publication, as the browser's module noted it. Times in ms since the epoch."""

    stream: str
    key: str
    published_ms: float
    received_ms: float
    painted_ms: float
    received_at: str
    shown: bool
    stage_ms: dict[str, float]


class _Evaluating(Protocol):
    """The part of a Playwright page that is needed here."""

    async def evaluate(self, expression: str) -> Any: ...


@dataclass
class Painted:
    """What was measured. ``stages`` are medians in ms and sum, roughly, to the median of ``pushed_ms``."""

    pushed_ms: list[float] = field(default_factory=list)
    polled_ms: list[float] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)


def measure(*, viewers: int, per_second: float, seconds: float, say: Say) -> Painted:
    """Run the real thing. Raises ConfigurationError with the fix when Chromium or Playwright is missing."""
    browsing.chromium()  # said before anything is started
    with measuring.installation() as (settings, vendor):
        user = asyncio.run(measuring.add_viewer(settings))
        with measuring.gateway(settings), measuring.dashboard(settings):
            run = _Run(settings, vendor, user)
            return uvloop.run(run.go(viewers=viewers, per_second=per_second, seconds=seconds, say=say))


async def _sign_in(gateway: str, user: User) -> str:
    """An access token, got as a browser gets it."""
    async with httpx.AsyncClient(base_url=gateway) as client:
        answer = await client.post(
            "/v1/sessions", json={"email": user.email, "password": measuring.VIEWER_PASSWORD}
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@dataclass
class _Run:
    settings: Settings
    vendor: FakeGoHighLevel
    user: User

    async def go(self, *, viewers: int, per_second: float, seconds: float, say: Say) -> Painted:
        """Open the viewers and the browser, send, and read what the browser noted."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(crowd.screens(self.settings, viewers - 1))
            page = await stack.enter_async_context(
                self._browser(await _sign_in(self.settings.gateway_url, self.user))
            )
            say(f"  {viewers - 1} sockets and one browser are connected")
            sent = await self._send(per_second, WARM_UP_EVENTS + round(per_second * seconds))
            await asyncio.sleep(2 + POLL_MS / 1_000)
            paints: list[Paint] = await page.paints()
            polled = await page.polled()
        return _evaluate(sent, paints, polled)

    @asynccontextmanager
    async def _browser(self, token: str) -> AsyncIterator[_Page]:
        async with browsing.browser() as opened, browsing.window(opened) as context:
            page = await context.new_page()
            await browsing.sign_in(
                page, self.settings.dashboard_url, email=self.user.email, password=measuring.VIEWER_PASSWORD
            )
            await browsing.until_live(page)
            polling = await context.new_page()
            await polling.goto(f"{self.settings.gateway_url}/health/live")
            arguments = {"api": self.settings.gateway_url, "token": token, "poll": POLL_MS}
            await polling.evaluate(_POLLING_SCREEN, arguments)
            await page.bring_to_front()
            yield _Page(page, polling)

    async def _send(self, per_second: float, count: int) -> dict[str, list[float]]:
        """Send messages of LEADS leads in turn; lead id -> epoch ms of each sending, in order."""
        sent: dict[str, list[float]] = {}

        async def one(client: httpx.AsyncClient, number: int) -> None:
            lead = f"lead-{number % LEADS}"
            body = measuring.message_body(number, lead=lead)
            headers = self.vendor.headers(body)
            sent.setdefault(lead, []).append(time.time() * 1_000)
            answer = await client.post(
                f"{self.settings.gateway_url}/webhooks/ghl", content=body, headers=headers
            )
            answer.raise_for_status()

        async with httpx.AsyncClient() as client, asyncio.TaskGroup() as tasks:
            async for number in load.paced(per_second, count):
                tasks.create_task(one(client, number))
        return sent


@dataclass(frozen=True)
class _Page:
    """The two pages of the browser: the dashboard, and the peer that polls."""

    dashboard: _Evaluating
    polling: _Evaluating

    async def paints(self) -> list[Paint]:
        """What the dashboard's module noted."""
        found: list[Paint] = await self.dashboard.evaluate("window.__enterprisehub.paints")
        return found

    async def polled(self) -> dict[str, float]:
        """ "lead id, received_at" -> epoch ms at which the polling page had painted it."""
        found: dict[str, float] = await self.polling.evaluate("window.__polled")
        return found


def _evaluate(sent: dict[str, list[float]], paints: Sequence[Paint], polled: dict[str, float]) -> Painted:
    """Pair each lead's n-th sending with its n-th publication; the warm-up rounds are left out."""
    painted = Painted()
    stages: dict[str, list[float]] = {}
    by_lead: dict[str, list[Paint]] = {lead: [] for lead in sent}
    for paint in paints:
        if paint["stream"] == Stream.LEAD_SCORES and paint["key"] in by_lead:
            by_lead[paint["key"]].append(paint)
    for lead, sendings in sent.items():
        if len(by_lead[lead]) != len(sendings) or not all(paint["shown"] for paint in by_lead[lead]):
            raise ConfigurationError(
                f"{len(sendings)} events of {lead}, {len(by_lead[lead])} on the screen: no fair figure"
            )
        rounds = list(zip(sendings, by_lead[lead], strict=True))[WARM_UP_EVENTS // LEADS :]
        for at, paint in rounds:
            painted.pushed_ms.append(paint["painted_ms"] - at)
            _add_stages(stages, at, paint)
            seen = polled.get(f"{lead} {paint['received_at']}")
            if seen is not None:
                painted.polled_ms.append(seen - at)
    painted.stages = {stage: measuring.quantile(values, 0.5) for stage, values in stages.items()}
    return painted


def _add_stages(stages: dict[str, list[float]], sent_ms: float, paint: Paint) -> None:
    received = datetime.fromisoformat(paint["received_at"]).timestamp() * 1_000
    spans = {"to the door": received - sent_ms}
    before = 0.0
    for stage, until in paint["stage_ms"].items():
        spans[stage] = until - before
        before = until
    spans["hub and network"] = paint["received_ms"] - received - before
    spans["browser"] = paint["painted_ms"] - paint["received_ms"]
    for stage, span in spans.items():
        stages.setdefault(stage, []).append(span)
