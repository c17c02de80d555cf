"""A headless Chromium that looks at a real dashboard. Called by ``painting``, ``screen_benchmarks`` and ``portraits``."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from ghl_real_estate_ai.errors import ConfigurationError

CHROMIUM_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: Final = (1440, 900)
PHONE: Final = (390, 844)
PATIENCE_MS: Final = 60_000
"""Longest wait for anything on a page: the machine may be busy."""

Scheme = Literal["light", "dark"]


def chromium() -> str:
    """Path of the browser. Raises ConfigurationError with the fix."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise ConfigurationError("chromium is missing: apt-get install chromium")
    return path


@asynccontextmanager
async def browser() -> AsyncIterator[Any]:
    """A Playwright ``Browser`` with a profile of its own. Raises ConfigurationError where it, or Playwright, is missing."""
    path = chromium()
    try:
        from playwright.async_api import async_playwright
    except ModuleNotFoundError as error:
        raise ConfigurationError("playwright is missing: `make dev` installs it") from error
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        try:
            yield opened
        finally:
            await opened.close()


@asynccontextmanager
async def window(
    opened: Any, *, size: tuple[int, int] = DESKTOP, scheme: Scheme = "light"
) -> AsyncIterator[Any]:
    """A Playwright ``BrowserContext`` of this size in CSS pixels, with storage and cache of its own."""
    context = await opened.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        has_touch=size == PHONE,
        is_mobile=size == PHONE,
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        yield context
    finally:
        await context.close()


async def sign_in(page: Any, url: str, *, email: str, password: str) -> None:
    """Open the dashboard, or an address of it, and sign in."""
    await page.goto(url)
    form = page.locator(".st-key-sign_in")  # not the hidden one of the first moment, see app.show_sign_in
    await form.get_by_label("Email").fill(email)
    await form.get_by_role("textbox", name="Password").fill(password)
    await form.get_by_role("button", name="Sign in").click()


async def until_live(page: Any) -> None:
    """Until the live screen's own connection is live."""
    await page.wait_for_function("window.__enterprisehub?.state === 'live'")
