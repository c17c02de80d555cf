"""The real gateway in a thread and the real dashboard in a process. Used by the screens' tests in a browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.api.app import create_app
from ghl_real_estate_ai.api.socket_protocol import SocketProtocol
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.commands.measuring import dashboard
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.models.streams import Stream, StreamItem
from ghl_real_estate_ai.settings import Settings, load_settings
from tests.support.ports import port_of_its_own

OFFICE = LocationId("office-1")
PASSWORD = "correct horse battery"
WAIT_S = 90.0


def dashboard_settings(data_dir: Path) -> Settings:
    """Settings of a throw-away installation."""
    return load_settings(
        data_dir=data_dir,
        port=port_of_its_own(),
        dashboard_port=port_of_its_own(),
        sqlite_synchronous="NORMAL",
    )


class LiveGateway:
    """The production app under uvicorn, in a thread. ``stop`` and ``start`` again: a restart on the same port."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._services: bootstrap.Services | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Returns when it answers."""
        self._up = threading.Event()
        app = create_app(self.settings, running=self._running)
        config = uvicorn.Config(
            app,
            host=self.settings.host,
            port=self.settings.port,
            ws=SocketProtocol,
            ws_ping_interval=None,
            log_level="error",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="gateway")
        self._thread.start()
        assert self._up.wait(WAIT_S), "the gateway did not start"

    def stop(self) -> None:
        """Returns when it has gone."""
        self._server.should_exit = True
        self._thread.join(WAIT_S)

    def do[T](self, work: Callable[[bootstrap.Services], Awaitable[T]]) -> T:
        """Run ``work(services)`` on the gateway's own loop."""
        assert self._services is not None
        assert self._loop is not None

        async def run(services: bootstrap.Services) -> T:
            return await work(services)

        return asyncio.run_coroutine_threadsafe(run(self._services), self._loop).result(WAIT_S)

    def publish(self, stream: Stream, *items: StreamItem) -> None:
        """Publish items as the bus would."""

        async def publish(services: bootstrap.Services) -> None:
            for item in items:
                services.hub.publish(OFFICE, stream, item)

        self.do(publish)

    def add_user(self, *, email: str, role: Role, office: LocationId = OFFICE) -> User:
        """Somebody of the office who can sign in with PASSWORD."""

        async def add(services: bootstrap.Services) -> User:
            await records.add_location(
                services.memory, Location(location_id=office, name=f"Realty of {office}")
            )
            return await records.add_user(
                services.memory,
                location_id=office,
                email=email,
                name="Dana Agent",
                role=role,
                password=PASSWORD,
            )

        return self.do(add)

    @asynccontextmanager
    async def _running(self, settings: Settings) -> AsyncIterator[bootstrap.Services]:
        async with bootstrap.running(settings) as services:
            self._services, self._loop = services, asyncio.get_running_loop()
            self._up.set()
            yield services


@contextmanager
def live_gateway(settings: Settings) -> Iterator[LiveGateway]:
    """A gateway for the time of the block."""
    gateway = LiveGateway(settings)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(name="url", scope="module")
def _url(gateway: LiveGateway) -> Iterator[str]:
    """Of a dashboard for the ``gateway`` of the file."""
    with dashboard(gateway.settings) as url:
        yield url


def sign_in(page: Any, url: str, *, email: str, password: str = PASSWORD) -> None:
    """Open the dashboard and sign in; ``page`` is a Playwright page."""
    page.goto(url)
    # Not the form of the first moment, which goes as soon as the tab has told what it kept.
    form = page.locator(".st-key-sign_in")
    form.get_by_label("Email").fill(email)
    form.get_by_role("textbox", name="Password").fill(
        password
    )  # its label is also on the "Show password" button
    form.get_by_role("button", name="Sign in").click()


def wait_until_live(page: Any) -> None:
    """Until the screen's own connection is live."""
    page.wait_for_function("window.__enterprisehub?.state === 'live'")
