"""A headless Debian Chromium, driven by Playwright. Used by the screens' tests and the journeys.

Without Chromium the tests skip with one line, or fail when ENTERPRISEHUB_REQUIRE_BROWSER=1 (as ``make test`` sets it).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import pytest

from ghl_real_estate_ai.commands import browsing
from ghl_real_estate_ai.commands.browsing import CHROMIUM_FLAGS

DESKTOP, PHONE = browsing.DESKTOP, browsing.PHONE
PATIENCE_MS = 90_000
"""Longest wait for anything on the page: generous, because the machine may be busy. Nothing is asserted on time."""

NO_PHONE_APP = """addEventListener("click", (event) => {
    if (event.composedPath().some((node) => /^(tel|sms|mailto):/.test(node.href))) event.preventDefault();
})"""
"""There is no app behind such a link here, and Chromium drops the keys that are pressed while it looks for one."""


def chromium() -> str:
    """Path of the browser; skips (or fails, when a browser is required) without one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path:
        return path
    missing = "no Chromium: apt-get install -y --no-install-recommends chromium"
    if os.environ.get("ENTERPRISEHUB_REQUIRE_BROWSER") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def open_browser() -> Iterator[Any]:
    """A Playwright ``Browser`` with a profile of its own; one serves all tests of a file."""
    path = chromium()
    from playwright.sync_api import sync_playwright  # here: without Chromium nobody needs Playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(name="browser", scope="module")
def _browser() -> Iterator[Any]:
    """One serves all tests of a file."""
    with open_browser() as browser:
        yield browser


@contextmanager
def no_script_fails(page: Any) -> Iterator[None]:
    """What the page's scripts throw within the block fails the test at its end."""
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield
    assert troubles == []


@contextmanager
def open_page(
    browser: Any | None = None,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Literal["light", "dark"] = "light",
    reduced_motion: bool = False,
) -> Iterator[Any]:
    """A Playwright ``Page`` that shares nothing with other pages; in a browser of its own when none is given."""
    with ExitStack() as stack:
        opened = browser or stack.enter_context(open_browser())
        context = opened.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce" if reduced_motion else "no-preference",
        )
        stack.callback(context.close)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(NO_PHONE_APP)
        yield context.new_page()
