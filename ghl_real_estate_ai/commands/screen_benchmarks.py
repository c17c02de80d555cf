"""The screen as whoever keeps it open meets it: how soon it shows something of use, and what it takes up after a long day.

Called by ``benchmarks`` and ``enterprisehub soak``. A real dashboard, a real gateway with 2,000 leads, a headless Chromium.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import httpx
import uvloop

from ghl_real_estate_ai import budgets
from ghl_real_estate_ai.commands import browsing, measuring
from ghl_real_estate_ai.commands.learning import CITY_START
from ghl_real_estate_ai.commands.measuring import Say
from ghl_real_estate_ai.commands.rows import Row
from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.models.leads import User
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation.city import City, CityEvent
from ghl_real_estate_ai.simulation.load import paced
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel, envelope

LEADS: Final = 2_000
HISTORY_DAYS: Final = 3.0
RELOADS: Final = 5
SOAK_PER_SECOND: Final = 20.0
SOAK_MINUTES: Final = 20.0
SOAK_MINUTES_IN_BENCH: Final = 2.0
_WARM_UP_S: Final = 60.0
"""Caches, trends and lists fill up first; what grows after that is looked at."""
_LOOK_EVERY_S: Final = 15.0

_NOTE_FIRST_ROW: Final = """
(() => {
  const rows = () => {
    for (const node of document.querySelectorAll("*")) {
      const row = node.shadowRoot?.querySelector("section[data-stream=next_actions] li[data-key]");
      if (row) return row;
    }
    return document.querySelector("section[data-stream=next_actions] li[data-key]");
  };
  const look = () => {
    if (window.__enterprisehub && rows()) requestAnimationFrame(() => { window.__firstUseful = performance.now(); });
    else requestAnimationFrame(look);
  };
  look();
})();
"""
"""Runs before the page's own scripts; ``__firstUseful``: ms from the start of the navigation to the frame after the first row."""


@dataclass(frozen=True)
class House:
    """An installation at work, with LEADS leads and somebody who may look at them."""

    settings: Settings
    vendor: FakeGoHighLevel
    viewer: User
    events: Iterator[CityEvent]
    """What has not happened yet."""


@contextmanager
def house(say: Say) -> Iterator[House]:
    """Gateway and dashboard as an operator starts them, the city's first days already told."""
    city = City(
        seed=5,
        leads=LEADS,
        listings=400,
        start=CITY_START,
        days=10,
        history_days=HISTORY_DAYS,
        arrivals_per_day=60,
    )
    events = city.events()
    with measuring.installation() as (settings, vendor):
        viewer = asyncio.run(measuring.add_viewer(settings))
        with measuring.gateway(settings), measuring.dashboard(settings):
            past = list(_until(events, CITY_START))
            say(f"  {len(past):,} webhooks about {LEADS:,} leads")
            asyncio.run(_tell(vendor, past))
            yield House(settings, vendor, viewer, events)


def _until(events: Iterator[CityEvent], end: Any) -> Iterator[CityEvent]:
    for event in events:
        yield event
        if event.at >= end:
            return


async def _tell(vendor: FakeGoHighLevel, events: list[CityEvent]) -> None:
    tally = await vendor.run(events, location_id=measuring.LOCATION, speed=0)
    if tally.accepted != len(events):
        raise ConfigurationError(f"{len(events)} webhooks sent, {tally.accepted} taken: no fair figure")


@asynccontextmanager
async def _screen(at: House) -> AsyncIterator[Any]:
    """A signed-in page whose connection is live."""
    async with browsing.browser() as opened, browsing.window(opened) as context:
        page = await context.new_page()
        await page.add_init_script(_NOTE_FIRST_ROW)
        await browsing.sign_in(
            page, at.settings.dashboard_url, email=at.viewer.email, password=measuring.VIEWER_PASSWORD
        )
        await browsing.until_live(page)
        yield page


# --- the first useful paint -----------------------------------------------------------------------------------------


def first_paint(say: Say) -> Row:
    """From opening the page to the first row of the queue, with 2,000 leads; median of some reloads."""
    say(f"FIRST_PAINT_S: {RELOADS} reloads with {LEADS:,} leads")
    with house(say) as at:
        seconds = uvloop.run(_reloads(at))
    return Row(
        name="FIRST_PAINT_S",
        what=f"page opened again -> first row of the queue painted, {LEADS:,} leads, signed in, median",
        measured=measuring.quantile(seconds, 0.5),
        unit="s",
        budget=budgets.FIRST_PAINT_S,
        samples=len(seconds),
        beside={"all": ", ".join(f"{one:.2f}" for one in sorted(seconds))},
    )


async def _reloads(at: House) -> list[float]:
    seconds = []
    async with _screen(at) as page:
        for _ in range(RELOADS):
            await page.reload()
            await page.wait_for_function("window.__firstUseful > 0")
            seconds.append(await page.evaluate("window.__firstUseful") / 1_000)
    return seconds


# --- a long day -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """What the page holds after a collection of garbage: MB of JavaScript heap, nodes, listeners."""

    heap_mb: float
    nodes: int
    listeners: int


def screen_memory(say: Say) -> Row:
    """The short form, for the bench."""
    return soak(minutes=SOAK_MINUTES_IN_BENCH, per_second=SOAK_PER_SECOND, say=say)


def soak(*, minutes: float, per_second: float, say: Say) -> Row:
    """Growth of the page's memory over so many minutes of live events, after a minute of warming up.

    Measured as the difference of the medians of the first and the last third: one look between two collections says little.
    """
    say(f"SCREEN_MEMORY_MB: {minutes:g} minutes of {per_second:g} events/s on a screen with {LEADS:,} leads")
    with house(say) as at:
        looks, count = uvloop.run(_day(at, minutes=minutes, per_second=per_second, say=say))
    third = max(1, len(looks) // 3)
    first, last = looks[:third], looks[-third:]

    def middle(of: list[Held], what: str) -> float:
        return measuring.quantile([getattr(one, what) for one in of], 0.5)

    return Row(
        name="SCREEN_MEMORY_MB",
        what=f"growth of the page's heap over {minutes:g} minutes of {per_second:g} events/s, {LEADS:,} leads",
        measured=max(0.0, middle(last, "heap_mb") - middle(first, "heap_mb")),
        unit="MB",
        budget=budgets.SCREEN_MEMORY_MB,
        samples=count,
        beside={
            name: f"{middle(first, what):,.1f} -> {middle(last, what):,.1f}"
            for name, what in (("heap MB", "heap_mb"), ("nodes", "nodes"), ("listeners", "listeners"))
        },
    )


async def _day(at: House, *, minutes: float, per_second: float, say: Say) -> tuple[list[Held], int]:
    count = round((minutes * 60 + _WARM_UP_S) * per_second)
    looks: list[Held] = []
    async with _screen(at) as page:
        tools = await page.context.new_cdp_session(page)
        await tools.send("Performance.enable")
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(at, per_second=per_second, count=count))
            await asyncio.sleep(_WARM_UP_S)
            while not sending.done():
                looks.append(await _held(tools))
                say(f"  {looks[-1].heap_mb:.1f} MB, {looks[-1].nodes:,} nodes")
                await asyncio.wait([sending], timeout=_LOOK_EVERY_S)
        looks.append(await _held(tools))
        if await page.evaluate("window.__enterprisehub.state") != "live":
            raise ConfigurationError("the screen lost its connection: no fair figure")
    return looks, count


async def _held(tools: Any) -> Held:
    await tools.send("HeapProfiler.collectGarbage")
    answer = await tools.send("Performance.getMetrics")
    metrics = {one["name"]: one["value"] for one in answer["metrics"]}
    return Held(metrics["JSHeapUsedSize"] / 1e6, int(metrics["Nodes"]), int(metrics["JSEventListeners"]))


async def _send(at: House, *, per_second: float, count: int) -> None:
    """The city's next events on a fixed schedule, whatever their own times are."""
    events = islice(at.events, count)

    async def one(client: httpx.AsyncClient, event: CityEvent, number: int) -> None:
        body = envelope(event, location_id=measuring.LOCATION, run_id="soak", name=str(number))
        answer = await client.post(
            f"{at.settings.gateway_url}/webhooks/ghl", content=body, headers=at.vendor.headers(body)
        )
        answer.raise_for_status()

    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as tasks:
        async for number in paced(per_second, count):
            event = next(events, None)
            if event is None:
                raise ConfigurationError("the city is too small for so many events")
            tasks.create_task(one(client, event, number))
