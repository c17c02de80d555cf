"""A headless Debian Chromium, driven by Playwright. Used by the screens' tests and the journeys.

Without Chromium the tests skip with one line, or fail when ENTERPRISEHUB_REQUIRE_BROWSER=1 (as ``make test`` sets it).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = (1440, 900)
PHONE = (390, 844)
PATIENCE_MS = 30_000
"""Longest wait for anything on the page: generous, because the machine may be busy. Nothing is asserted on time."""


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
def open_page(
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Literal["light", "dark"] = "light",
    reduced_motion: bool = False,
) -> Iterator[Any]:
    """A Playwright ``Page`` in a browser with a profile of its own."""
    path = chromium()
    from playwright.sync_api import sync_playwright  # here: without Chromium nobody needs Playwright

    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=path,
            args=list(FLAGS),
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce" if reduced_motion else "no-preference",
        )
        try:
            page = context.pages[0] if context.pages else context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            yield page
        finally:
            context.close()
