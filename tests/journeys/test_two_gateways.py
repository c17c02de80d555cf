"""Two gateways and a worker as an operator starts them, on PostgreSQL and Redis: it is one installation to everybody outside."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import launch, records
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location, Role
from ghl_real_estate_ai.models.streams import CloseCode, Stream
from ghl_real_estate_ai.settings import Settings, load_settings
from tests.support.gateway import AWAY, HOME, PASSWORD, Client
from tests.support.ghl import GhlSigner, encoded, webhook
from tests.support.ports import port_of_its_own
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer, required_program
from tests.support.sockets import Screen

pytestmark = [pytest.mark.asyncio, pytest.mark.postgres, pytest.mark.untraced]

SHARED: tuple[Stream, ...] = tuple(stream for stream in Stream if stream is not Stream.SYSTEM_PERFORMANCE)
USERS = ((HOME, Role.AGENT), (HOME, Role.MANAGER), (AWAY, Role.AGENT))


def email_of(location_id: LocationId, role: Role) -> str:
    return f"{role.value}@{location_id}.example.com"


async def furnish(settings: Settings) -> None:
    async with bootstrap.opened(settings) as memory:
        for location_id in (HOME, AWAY):
            await records.add_location(memory, Location(location_id=location_id, name=location_id))
        for location_id, role in USERS:
            await records.add_user(
                memory,
                location_id=location_id,
                email=email_of(location_id, role),
                name=role.value,
                role=role,
                password=PASSWORD,
            )


@dataclass(frozen=True)
class Installation:
    """Where its two gateways are, and who may send."""

    left: str
    right: str
    signer: GhlSigner
    tokens: dict[tuple[LocationId, Role], str]

    async def deliver(self, gateway: str, type_: str, hook: str, **fields: Any) -> None:
        """A genuinely signed delivery."""
        body = encoded(webhook(type_, location_id=HOME, webhook_id=hook, **fields))
        async with httpx.AsyncClient(timeout=20) as http:
            answer = await http.post(
                f"{gateway}/webhooks/ghl", content=body, headers=self.signer.headers(body)
            )
        assert answer.status_code == 200, answer.text

    async def says(self, gateway: str, lead: str, number: int) -> None:
        """A lead writes."""
        await self.deliver(
            gateway,
            "InboundMessage",
            f"{lead}-{number}",
            contactId=lead,
            messageType="SMS",
            direction="inbound",
            body=f"Question {number}",
            conversationId=f"c-{lead}",
        )

    @asynccontextmanager
    async def screen(
        self,
        gateway: str,
        *,
        location_id: LocationId = HOME,
        role: Role = Role.AGENT,
        streams: Sequence[Mapping[str, object]] = tuple({"stream": stream} for stream in SHARED),
    ) -> AsyncIterator[Listener]:
        """A signed-in socket that follows these streams, and has their first picture."""
        bearer = {"Authorization": f"Bearer {self.tokens[location_id, role]}"}
        url = gateway.replace("http://", "ws://") + "/v1/realtime"
        async with connect(url, additional_headers=bearer, compression=None) as connection:
            listener = Listener(Client(connection))
            await listener.client.say({"subscribe": streams})
            await listener.hear_until(lambda: len(listener.screens) == len(streams))
            yield listener


class Listener:
    """A client that keeps what it heard, and applies it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[dict[str, Any]] = []
        self.screens: dict[str, Screen] = {}

    async def hear_until(self, is_so: Callable[[], object]) -> None:
        """Listen on until then."""
        while not is_so():
            message = await self.client.hear()
            self.heard.append(message)
            stream = message.get("c") or message.get("subscribed", {}).get("stream")
            if stream is not None:
                self.screens.setdefault(stream, Screen()).apply(message)

    async def hear_up_to(self, offset: int, *streams: Stream) -> None:
        """Listen on until each of these streams has come so far."""
        await self.hear_until(
            lambda: all(self.screens[stream].offset >= offset for stream in streams or SHARED)
        )

    def published(self, stream: Stream) -> list[tuple[int, dict[str, Any]]]:
        """Offset and item of everything that came."""
        return [(told["o"], told["e"]) for told in self.heard if told.get("c") == stream and "e" in told]


def signed_in(gateway: str, location_id: LocationId, role: Role) -> str:
    who = {"email": email_of(location_id, role), "password": PASSWORD}
    token: str = httpx.post(f"{gateway}/v1/sessions", json=who, timeout=20).json()["access_token"]
    return token


@pytest.fixture(scope="module")
def installation(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Started as three processes; stopped at the end."""
    folder, signer = tmp_path_factory.mktemp("installation"), GhlSigner()
    database = postgres_server.new_database()
    redis = RedisServer(required_program(), tmp_path_factory.mktemp("redis"))
    redis.start()
    roles = ("worker", "gateway", "gateway")
    settings = [
        load_settings(
            data_dir=folder,
            database_url=postgres_server.url(database),
            redis_url=redis.url(),
            port=port_of_its_own(),
            jwt_secret="j" * 40,
            encryption_key="e" * 40,
            ghl_public_keys=(signer.public_key,),
        )
        for _ in roles
    ]
    asyncio.run(furnish(settings[0]))
    with ExitStack() as stack:
        started = []
        for number, (role, its) in enumerate(zip(roles, settings, strict=True)):
            log = folder / f"{role}-{number}.log"
            command = [
                sys.executable,
                "-m",
                "ghl_real_estate_ai.cli",
                "serve",
                "--role",
                role,
                "--no-dashboard",
            ]
            process = stack.enter_context(launch.child(command, env=launch.environment(its), log=log))
            started.append((its.gateway_url, process, log))
        for url, process, log in started:
            launch.wait_until_ready(f"{url}/health/ready", process=process, log=log)
        left, right = settings[1].gateway_url, settings[2].gateway_url
        # each token comes from one gateway and opens the doors of both
        tokens = {who: signed_in(left, *who) for who in USERS}
        yield Installation(left=left, right=right, signer=signer, tokens=tokens)
    redis.stop()
    postgres_server.drop_database(database)
    assert not [log for log in folder.glob("*.log") if "Traceback" in log.read_text()]


async def test_what_enters_at_one_gateway_is_on_every_entitled_screen_of_both_once(
    installation: Installation,
) -> None:
    left, right = installation.left, installation.right
    leads = ("lead-1", "lead-2", "lead-3")
    async with (
        installation.screen(left) as here,
        installation.screen(right) as there,
        installation.screen(right, role=Role.MANAGER) as manager,
        installation.screen(right, location_id=AWAY) as stranger,
    ):
        for lead in leads:
            await installation.deliver(left, "ContactCreate", f"new-{lead}", id=lead, name=lead.title())
        for number in range(1, 5):
            for lead in leads:
                await installation.says(left if number % 2 else right, lead, number)
        for listener in (here, there, manager):
            await listener.hear_up_to(len(leads) * 4, Stream.CONVERSATION_FEED)
            await listener.hear_up_to(len(leads) * 5, Stream.LEAD_SCORES, Stream.NEXT_ACTIONS)
            await listener.hear_up_to(len(leads) * 5, Stream.CHURN_RISK, Stream.PROPERTY_MATCHES)
        for stream in SHARED:
            published = here.published(stream)
            assert [offset for offset, _ in published] == list(range(1, len(published) + 1))
            assert there.published(stream) == published
            assert manager.published(stream) == published
            epochs = {one.screens[stream].epoch for one in (here, there, manager)}
            assert len(epochs) == 1
        assert (
            len({item["event_id"] for _, item in here.published(Stream.CONVERSATION_FEED)}) == len(leads) * 4
        )
        await installation_is_quiet(stranger)


async def installation_is_quiet(stranger: Listener) -> None:
    """Whoever is of another tenant hears nothing but that their socket lives: asked for again, the picture is empty."""
    stranger.screens.clear()
    await stranger.client.say({"subscribe": [{"stream": stream} for stream in SHARED]})
    await stranger.hear_until(lambda: len(stranger.screens) == len(SHARED))
    assert not any("e" in told for told in stranger.heard)
    assert all(not screen.items for screen in stranger.screens.values())


async def test_the_stream_of_the_managers_is_closed_to_agents_on_every_gateway(
    installation: Installation,
) -> None:
    wanted = ({"stream": Stream.SYSTEM_PERFORMANCE},)
    for gateway in (installation.left, installation.right):
        async with installation.screen(gateway, role=Role.MANAGER, streams=wanted) as manager:
            await manager.hear_up_to(1, Stream.SYSTEM_PERFORMANCE)
        async with installation.screen(gateway) as agent:
            await agent.client.say({"subscribe": wanted})
            assert await agent.client.code() == CloseCode.FORBIDDEN_STREAM


async def test_a_screen_that_moves_to_the_other_gateway_goes_on_where_it_was(
    installation: Installation,
) -> None:
    feed = Stream.CONVERSATION_FEED
    async with installation.screen(installation.left) as stays:
        begun = {stream: stays.screens[stream].offset for stream in SHARED}
        async with installation.screen(installation.left) as before:
            await installation.says(installation.right, "lead-moving", 1)
            await before.hear_up_to(begun[feed] + 1, feed)
        for number in (2, 3, 4):
            await installation.says(installation.left, "lead-moving", number)
        await stays.hear_up_to(begun[feed] + 4, feed)
        places = [
            {"stream": stream, "epoch": screen.epoch, "offset": screen.offset}
            for stream, screen in before.screens.items()
        ]
        async with installation.screen(installation.right, streams=places) as after:
            resumed = [told["subscribed"]["recovered"] for told in after.heard if "subscribed" in told]
            assert resumed == [True] * len(SHARED)
            for stream in SHARED:
                await stays.hear_up_to(begun[stream] + 4, stream)
                await after.hear_up_to(begun[stream] + 4, stream)
                assert before.published(stream) + after.published(stream) == stays.published(stream)
