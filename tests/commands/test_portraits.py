"""The pictures of the pages: names that stay the same, each once, for both widths."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ghl_real_estate_ai.commands.browsing import DESKTOP, PHONE
from ghl_real_estate_ai.commands.portraits import BEFORE, SITTINGS, until_handled

SENT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_each_picture_has_a_name_of_its_own_that_says_page_width_and_scheme() -> None:
    named = [one for sitting in (*BEFORE, *SITTINGS) for one in sitting.file_names()]
    names = [name for name, _, _ in named]
    assert len(set(names)) == len(names)
    assert {"now-1440.png", "now-390-dark.png", "sign-in-390.png", "first-run-1440.png"} <= set(names)
    for name, size, scheme in named:
        assert size == (PHONE if "-390" in name else DESKTOP)
        assert name.endswith("-dark.png") == (scheme == "dark")


def test_every_page_is_taken_at_both_widths() -> None:
    for sitting in (*BEFORE, *SITTINGS):
        assert {size for _, size, _ in sitting.file_names()} == {DESKTOP, PHONE}


def gateway(*measured: tuple[float, int]) -> httpx.AsyncClient:
    """Answers with these measures (seconds after SENT, events that wait), one after the other; then the last one."""
    left: Iterator[tuple[float, int]] = iter(measured)
    last = [(0.0, 0)]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/streams/system_performance"
        last[0] = next(left, last[0])
        seconds, waiting = last[0]
        at = (SENT + timedelta(seconds=seconds)).isoformat()
        return httpx.Response(200, json={"items": [{"at": at, "log_lag_events": waiting}]})

    return httpx.AsyncClient(base_url="http://gateway", transport=httpx.MockTransport(answer))


@pytest.mark.asyncio
async def test_a_picture_waits_until_a_measure_after_the_last_event_says_that_none_waits() -> None:
    async with gateway((-1, 0), (1, 40), (3, 2), (5, 0)) as client:
        assert await until_handled(client, since=SENT, patience_s=30, look_s=0)


@pytest.mark.asyncio
async def test_the_wait_for_events_has_an_end() -> None:
    async with gateway((-1, 0), (1, 40)) as client:
        assert not await until_handled(client, since=SENT, patience_s=0.05, look_s=0)
