"""A whole gateway for tests: the production app under a real uvicorn on a free port, two tenants, a signing key.

Gives the module-wide fixture ``gateway``. Tests share it: each uses leads and listings of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
import websockets
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.api.app import create_app
from ghl_real_estate_ai.api.auth import hash_password
from ghl_real_estate_ai.api.dependencies import Doors
from ghl_real_estate_ai.api.socket_protocol import SocketProtocol
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.limits import CLIENT_FRAME_BYTES
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.settings import Settings
from tests.support.ghl import GhlSigner, encoded, webhook

HOME = LocationId("loc-home")
AWAY = LocationId("loc-away")
PASSWORD = "correct horse battery"
EVENTUALLY_S = 90.0

Running = Callable[[Settings], AbstractAsyncContextManager[Services]]
"""What starts and stops the services of an app."""

_numbers = itertools.count(1)


def user_of(role: Role, location_id: LocationId = HOME) -> User:
    """The tenant's user with this role."""
    name = f"{role.value}-{location_id}"
    return User(
        location_id=location_id,
        user_id=UserId(name),
        email=f"{name}@example.com",
        name=name.title(),
        role=role,
    )


@dataclass(frozen=True)
class Gateway:
    """The running gateway, and a client's tools."""

    app: FastAPI
    services: Services
    url: str
    signer: GhlSigner
    http: httpx.AsyncClient
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def doors(self) -> Doors:
        """Tokens, tickets and limits of the app."""
        doors: Doors = self.app.state.doors
        return doors

    def token(self, user: User) -> str:
        """An access token."""
        if user.user_id not in self._tokens:
            self._tokens[user.user_id] = self.doors.tokens.issue(user)[0]
        return self._tokens[user.user_id]

    def bearer(self, user: User) -> dict[str, str]:
        """The header that signs a request."""
        return {"Authorization": f"Bearer {self.token(user)}"}

    async def get(self, path: str, user: User, **params: str | int) -> httpx.Response:
        """A signed-in GET."""
        return await self.http.get(path, params=params, headers=self.bearer(user))

    async def post(self, path: str, user: User, body: object = None) -> httpx.Response:
        """A signed-in POST."""
        return await self.http.post(path, json=body, headers=self.bearer(user))

    async def deliver(self, type_: str, *, location_id: str = HOME, **fields: Any) -> httpx.Response:
        """A genuinely signed delivery, with a webhook id of its own."""
        fields.setdefault("webhook_id", f"hook-{next(_numbers)}")
        body = encoded(webhook(type_, location_id=location_id, **fields))
        return await self.http.post("/webhooks/ghl", content=body, headers=self.signer.headers(body))

    async def lead(self, name: str = "Ana Diaz", *, location_id: LocationId = HOME) -> str:
        """A lead of its own who asks a question; returns its id when its intelligence is there."""
        lead_id = f"lead-{next(_numbers)}"
        await self.deliver("ContactCreate", location_id=location_id, id=lead_id, name=name)
        await self.deliver(
            "InboundMessage",
            location_id=location_id,
            contactId=lead_id,
            messageType="SMS",
            direction="inbound",
            body="Can I see it on Sunday?",
            conversationId=f"c-{lead_id}",
        )
        admin = user_of(Role.ADMIN, location_id)

        async def thought_through() -> bool:
            detail = (await self.get(f"/v1/leads/{lead_id}", admin)).json()
            known = detail.get("intelligence")
            return bool(
                known and known["cause"]["event_type"] == "MessageReceived" and detail["conversation"]
            )

        await eventually(thought_through)
        return lead_id

    @asynccontextmanager
    async def socket(
        self, query: str = "", *, headers: Mapping[str, str] | None = None, origin: str | None = None
    ) -> AsyncIterator[Client]:
        """A WebSocket, not signed in unless query or headers do it."""
        url = self.url.replace("http://", "ws://") + "/v1/realtime" + query
        async with connect(
            url,
            additional_headers=dict(headers or {}),
            origin=None if origin is None else websockets.Origin(origin),
            compression=None,
        ) as connection:
            yield Client(connection)

    @asynccontextmanager
    async def live(self, user: User) -> AsyncIterator[Client]:
        """A WebSocket that came in with a ticket."""
        identity = self.doors.tokens.verify(self.token(user))
        ticket = await self.doors.tickets.issue(identity)
        async with self.socket(f"?ticket={ticket}") as client:
            yield client


class Client:
    """A WebSocket client that speaks JSON and never waits for ever."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def say(self, message: object) -> None:
        """Send; a str or bytes go as they are."""
        raw = message if isinstance(message, str | bytes) else json.dumps(message)
        await self._connection.send(raw)

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(EVENTUALLY_S):
            message: dict[str, Any] = json.loads(await self._connection.recv())
        return message

    async def hear_until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message of a kind; others are passed over."""
        while True:
            message = await self.hear()
            if wanted(message):
                return message

    async def code(self) -> int:
        """The close code, when the server has closed."""
        async with asyncio.timeout(EVENTUALLY_S):
            await self._connection.wait_closed()
        code = self._connection.close_code
        assert code is not None
        return code


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(EVENTUALLY_S):
        while not await is_so():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def served(
    settings: Settings, signer: GhlSigner, *, running: Running = bootstrap.running
) -> AsyncIterator[Gateway]:
    """The app under uvicorn, as ``launch`` runs it but with uvicorn's own loop left out."""
    app = create_app(settings, running=running)
    # With its protocol named, or asyncio does not switch Nagle's delay of 40 ms off.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app, ws=SocketProtocol, ws_max_size=CLIENT_FRAME_BYTES, ws_per_message_deflate=False,
            ws_ping_interval=None, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=2,
            timeout_keep_alive=60,  # a machine that stands still for seconds must not close what a test is about to use
        )
    )  # fmt: skip
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(base_url=url, timeout=EVENTUALLY_S) as http:
        serving = tasks.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        try:
            yield Gateway(app=app, services=app.state.services, url=url, signer=signer, http=http)
        finally:
            server.should_exit = True


def settings_for(folder: Path, signer: GhlSigner) -> Settings:
    """Settings of a test gateway."""
    return Settings(
        data_dir=folder,
        sqlite_synchronous="NORMAL",
        jwt_secret="s" * 40,
        ghl_public_keys=(signer.public_key,),
        ghl_client_id="appTest-client",
        ghl_client_secret="of-nobody",
    )


async def furnish(services: Services) -> None:
    """Two tenants with a user of each role; the same password for all."""
    digest = await hash_password(PASSWORD)
    for location_id in (HOME, AWAY):
        place = Location(location_id=location_id, name=location_id)
        await services.memory.write(lambda uow, place=place: uow.tenants.put_location(place))  # type: ignore[misc]
        for role in Role:
            somebody = user_of(role, location_id)
            await services.memory.write(
                lambda uow, somebody=somebody: uow.tenants.add_user(somebody, password_hash=digest)  # type: ignore[misc]
            )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """One gateway per test module."""
    signer = GhlSigner()
    async with served(settings_for(tmp_path_factory.mktemp("gateway"), signer), signer) as running:
        await furnish(running.services)
        yield running
