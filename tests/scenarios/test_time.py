"""What only time brings about: pings that nobody answers, tokens that end. A real gateway whose hub has a set clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.limits import PING_INTERVAL_S, PONG_TIMEOUT_S
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.streams import CloseCode, Stream
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from ghl_real_estate_ai.settings import Settings
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, served, settings_for
from tests.support.ghl import GhlSigner
from tests.support.stream_items import item
from tests.support.ws_crowd import Viewer, crowd, tokens_of, until

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]

PLACE = LocationId("loc-timed")


@dataclass(frozen=True)
class Timed:
    """A gateway, and the clock of its hub and of its tokens."""

    gateway: Gateway
    clock: FakeClock


@asynccontextmanager
async def timed(folder: Path) -> AsyncIterator[Timed]:
    """Everything else of it lives in real time."""
    clock = FakeClock(datetime.now(UTC))
    signer = GhlSigner()

    @asynccontextmanager
    async def running(settings: Settings) -> AsyncIterator[Services]:
        async with bootstrap.running(settings) as services:
            hub = WebSocketManager(clock=clock, sleep=clock.sleep)
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(hub.run())
                try:
                    yield replace(services, hub=hub, clock=clock)
                finally:
                    await hub.aclose()
                    watching.cancel()

    async with served(settings_for(folder, signer), signer, running=running) as gateway:
        yield Timed(gateway, clock)


async def following(viewers: list[Viewer], stream: Stream = Stream.LEAD_SCORES) -> None:
    for viewer in viewers:
        viewer.follow([stream])
    await until(lambda: all(viewer.openings for viewer in viewers))


async def test_no_pong(tmp_path: Path) -> None:
    """Who answers stays, who does not goes with its code, and comes back where it was."""
    async with timed(tmp_path) as at:
        tokens = tokens_of(at.gateway, 40, PLACE, per_user=5)
        async with crowd(at.gateway.url, tokens) as viewers:
            alive, deaf = viewers[:20], viewers[20:]
            for viewer in deaf:
                viewer.socket.answers_pings = False
            await following(viewers)
            for _ in range(3):
                await at.clock.advance(PING_INTERVAL_S)
                await until(lambda: all(viewer.socket.answered_pings for viewer in alive))
                for viewer in alive:
                    viewer.socket.answered_pings = 0
                await following(alive, Stream.CHURN_RISK)  # its answer comes after the pong was read
                await at.clock.advance(PONG_TIMEOUT_S)
            await until(lambda: all(viewer.socket.gone for viewer in deaf))
            assert {viewer.socket.code for viewer in deaf} == {CloseCode.NO_PONG}
            assert all(viewer.socket.open for viewer in alive)
            at.gateway.services.hub.publish(PLACE, Stream.LEAD_SCORES, item(Stream.LEAD_SCORES, "missed"))
            for viewer in deaf:
                await viewer.connect()
                viewer.follow([Stream.LEAD_SCORES])
            await until(lambda: all(viewer.offset(Stream.LEAD_SCORES) == 1 for viewer in viewers))
            assert all(viewer.offsets[Stream.LEAD_SCORES] == [1] for viewer in viewers)
            assert all(viewer.openings[-1]["subscribed"]["recovered"] for viewer in deaf)


async def test_a_stalled_client_that_answers_no_ping_is_let_go_although_its_code_may_not_reach_it(
    tmp_path: Path,
) -> None:
    async with timed(tmp_path) as at:
        hub = at.gateway.services.hub
        async with crowd(at.gateway.url, tokens_of(at.gateway, 5, PLACE)) as viewers:
            await following(viewers)
            for viewer in viewers:
                viewer.socket.stall()
            await at.clock.advance(PING_INTERVAL_S + PONG_TIMEOUT_S)
            await until(lambda: hub.connections_of(PLACE) == 0)


async def test_expired_token(tmp_path: Path) -> None:
    """A token that ends on the open socket ends it, in the middle of a stream; a new one resumes."""
    async with timed(tmp_path) as at:
        hub, minutes = at.gateway.services.hub, at.gateway.services.settings.access_token_minutes
        old = tokens_of(at.gateway, 20, PLACE, per_user=5)
        async with crowd(at.gateway.url, old) as viewers:
            await following(viewers)
            hub.publish(PLACE, Stream.LEAD_SCORES, item(Stream.LEAD_SCORES, "before"))
            await until(lambda: all(viewer.offset(Stream.LEAD_SCORES) == 1 for viewer in viewers))
            at.clock.set_forward(minutes * 60 - PING_INTERVAL_S / 2)
            fresh = tokens_of(at.gateway, 20, PLACE, per_user=5)
            await at.clock.advance(PING_INTERVAL_S)
            await until(lambda: all(viewer.socket.gone for viewer in viewers))
            assert {viewer.socket.code for viewer in viewers} == {CloseCode.TOKEN_EXPIRED}
            hub.publish(PLACE, Stream.LEAD_SCORES, item(Stream.LEAD_SCORES, "after"))
            await viewers[0].connect()  # with the token that has ended
            await until(lambda: viewers[0].socket.gone)
            assert viewers[0].socket.code == CloseCode.AUTHENTICATION_NEEDED
            for viewer, token in zip(viewers, fresh, strict=True):
                viewer.token = token
                await viewer.connect()
                viewer.follow([Stream.LEAD_SCORES])
            await until(lambda: all(viewer.offset(Stream.LEAD_SCORES) == 2 for viewer in viewers))
            assert all(viewer.offsets[Stream.LEAD_SCORES] == [1, 2] for viewer in viewers)


async def test_expired_token_renewed_in_band(tmp_path: Path) -> None:
    """A newer token of the same person keeps the socket; anybody else's, or an invalid one, ends it."""
    async with timed(tmp_path) as at:
        hub, minutes = at.gateway.services.hub, at.gateway.services.settings.access_token_minutes
        old = tokens_of(at.gateway, 10, PLACE, per_user=5)
        async with crowd(at.gateway.url, old) as viewers:
            await following(viewers)
            at.clock.set_forward(minutes * 60 - PING_INTERVAL_S / 2)
            newer = tokens_of(at.gateway, 10, PLACE, per_user=5)
            wrong = {0: newer[9], 1: tokens_of(at.gateway, 1, LocationId("loc-other"))[0], 2: "forged", 3: ""}
            for number, viewer in enumerate(viewers):
                viewer.socket.say({"auth": wrong.get(number, newer[number])})
            refused, renewed = viewers[: len(wrong)], viewers[len(wrong) :]
            await until(lambda: all(viewer.socket.gone for viewer in refused))
            assert {viewer.socket.code for viewer in refused} == {CloseCode.AUTHENTICATION_NEEDED}
            await until(lambda: all(viewer.renewals for viewer in renewed))
            await at.clock.advance(PING_INTERVAL_S)
            hub.publish(PLACE, Stream.LEAD_SCORES, item(Stream.LEAD_SCORES, "after"))
            await until(lambda: all(viewer.offset(Stream.LEAD_SCORES) == 1 for viewer in renewed))
            assert all(viewer.socket.open for viewer in renewed)
            ends = {viewer.renewals[0]["expires_at"] for viewer in renewed}
            assert len(ends) == 1
            assert datetime.fromisoformat(ends.pop()) > at.clock.now()
