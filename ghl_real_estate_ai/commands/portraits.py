"""Pictures of every page, taken of the real thing: a simulated brokerage, a real browser. Called by ``enterprisehub screens``."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import uvloop

from ghl_real_estate_ai.commands import browsing, showcase
from ghl_real_estate_ai.commands.browsing import DESKTOP, PHONE, Scheme
from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.limits import OUTBOUND_TIMEOUT_S
from ghl_real_estate_ai.models.streams import Stream

Say = Callable[[str], None]

LEADS: Final = 250
SPEED: Final = 240.0
"""As in the demo: a simulated day in six minutes."""
LIVE_DAYS: Final = 2.0
SETTLE_S: Final = 3.0
"""For charts, which are drawn once a second, and photos."""
HANDLED_S: Final = 60.0
"""Longest wait for events that are not handled yet: they would be leads without a name."""
LOOK_S: Final = 0.5


@dataclass(frozen=True)
class Sitting:
    """One page for one person. ``prepare`` does what they would do to see it."""

    name: str
    email: str | None
    """Nobody for the sign-in form."""
    query: str
    prepare: Callable[[Any], Awaitable[None]]
    schemes: tuple[Scheme, ...] = ("light",)

    def file_names(self) -> list[tuple[str, tuple[int, int], Scheme]]:
        """Of each picture: the file's name, the size, the scheme."""
        return [
            ("-".join([self.name, width, *(["dark"] if scheme == "dark" else [])]) + ".png", size, scheme)
            for width, size in SIZES.items()
            for scheme in self.schemes
        ]


async def _queue(page: Any) -> None:
    await browsing.until_live(page)
    await page.locator("section[data-stream=next_actions] li[data-key]").nth(3).wait_for()


async def _lead(page: Any) -> None:
    await _queue(page)
    await page.locator("section[data-stream=next_actions] li[data-key] button.lead").first.click()
    await page.get_by_role("dialog").get_by_role("heading", level=2).first.wait_for()


async def _talk(page: Any) -> None:
    await _queue(page)
    await page.keyboard.press("5")


async def _settled(page: Any) -> None:
    await page.get_by_test_id("stApp").wait_for()
    await page.wait_for_function("!document.querySelector('[data-testid=stSpinner], [data-stale=true]')")


async def _form(page: Any) -> None:
    await page.locator(".st-key-sign_in").get_by_label("Email").wait_for()


async def _first_steps(page: Any) -> None:
    await browsing.until_live(page)
    await page.get_by_role("region", name="No lead has come yet").locator("li.step").first.wait_for()


BEFORE: Final = (
    Sitting("sign-in", None, "", _form, ("light", "dark")),
    Sitting("first-run", showcase.DEMO_EMAIL, "", _first_steps, ("light", "dark")),
)
"""Taken before the first lead comes."""
SITTINGS: Final = (
    Sitting("now", showcase.DEMO_AGENT, "", _queue, ("light", "dark")),
    Sitting("lead", showcase.DEMO_AGENT, "", _lead, ("light", "dark")),
    Sitting("talk", showcase.DEMO_AGENT, "", _talk),
    Sitting("team", showcase.DEMO_EMAIL, "?page=team", _settled, ("light", "dark")),
    Sitting("track-record", showcase.DEMO_EMAIL, "?page=track_record", _settled),
    Sitting("admin", showcase.DEMO_EMAIL, "?page=admin", _settled),
)
SIZES: Final = {"1440": DESKTOP, "390": PHONE}


def take(folder: Path, *, say: Say) -> list[Path]:
    """Write FOLDER/<page>-<width>[-dark].png; returns the files. Raises ConfigurationError when the browser is missing."""
    browsing.chromium()  # said before anything is started
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="enterprisehub-screens-", ignore_cleanup_errors=True) as data,
        showcase.running_brokerage(Path(data), dashboard=True) as brokerage,
    ):
        return uvloop.run(_all(brokerage, folder, say))


async def _all(brokerage: showcase.Brokerage, folder: Path, say: Say) -> list[Path]:
    token = await showcase.sign_in(brokerage.settings.gateway_url, brokerage.password)
    city = showcase.CityOptions(seed=7, leads=LEADS, days=LIVE_DAYS, history_days=14.0)
    told = asyncio.Event()

    async def live() -> None:
        await showcase.run_city(
            brokerage.source(SPEED),
            city,
            truth=None,
            progress=lambda _done, _total: None,
            token=token,
            history_told=told.set,
        )

    async with browsing.browser() as opened, asyncio.TaskGroup() as tasks:
        taken = await _taken(opened, BEFORE, brokerage=brokerage, folder=folder, say=say)
        living = tasks.create_task(live())
        try:
            await told.wait()
            say(f"  a simulated brokerage with {LEADS} leads")
            for sitting in SITTINGS:
                if not await _handled(brokerage.settings.gateway_url, token):
                    say(
                        f"  events still wait after {HANDLED_S:.0f} s: {sitting.name} may show leads without a name"
                    )
                taken += await _taken(opened, (sitting,), brokerage=brokerage, folder=folder, say=say)
        finally:
            living.cancel()
            with suppress(asyncio.CancelledError, EnterpriseHubError):
                await living
    return taken


async def _handled(gateway: str, token: str) -> bool:
    bearer = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=gateway, headers=bearer, timeout=OUTBOUND_TIMEOUT_S) as client:
        return await until_handled(client, since=datetime.now(UTC))


async def until_handled(
    client: httpx.AsyncClient,
    *,
    since: datetime,
    patience_s: float = HANDLED_S,
    look_s: float = LOOK_S,
) -> bool:
    """Whether within ``patience_s`` the gateway measured, after ``since``, that no event waits for its handler."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while True:
                answer = await client.get(f"/v1/streams/{Stream.SYSTEM_PERFORMANCE}")
                for measured in answer.json().get("items", []):
                    if datetime.fromisoformat(measured["at"]) > since and measured["log_lag_events"] == 0:
                        return True
                await asyncio.sleep(look_s)
    return False


async def _taken(
    opened: Any,
    sittings: tuple[Sitting, ...],
    *,
    brokerage: showcase.Brokerage,
    folder: Path,
    say: Say,
) -> list[Path]:
    files = []
    for sitting in sittings:
        for name, size, scheme in sitting.file_names():
            async with browsing.window(opened, size=size, scheme=scheme) as context:
                await _portray(await context.new_page(), sitting, brokerage=brokerage, file=folder / name)
            files.append(folder / name)
            say(f"  {folder / name}")
    return files


async def _portray(page: Any, sitting: Sitting, *, brokerage: showcase.Brokerage, file: Path) -> None:
    url = f"{brokerage.settings.dashboard_url}/{sitting.query}"
    if sitting.email is None:
        await page.goto(url)
    else:
        await browsing.sign_in(page, url, email=sitting.email, password=brokerage.password)
    await sitting.prepare(page)
    await asyncio.sleep(SETTLE_S)
    await page.screenshot(path=file)
