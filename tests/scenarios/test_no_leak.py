"""Everything above, mixed: when it is over, tasks, files, sessions, places and listeners are back where they were."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.limits import CLIENT_MESSAGES_PER_MIN
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, lead_hash
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.streams import Stream
from tests.support.gateway import Gateway
from tests.support.stream_items import item
from tests.support.ws_crowd import Opcode, Viewer, crowd, dial, dismiss, frame, tokens_of, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.untraced]

PLACE = LocationId("loc-leak")
OF_A_SOCKET = (
    "ghl_real_estate_ai.services.client_session",
    "ghl_real_estate_ai.services.log_places",
    "ghl_real_estate_ai.services.seats",
    "ghl_real_estate_ai.api",
    "starlette.websockets",
    "uvicorn.protocols.websockets",
    "websockets",
)
"""Modules whose objects belong to a socket."""


def held() -> Counter[str]:
    """Objects of a socket that are still reachable, by type."""
    gc.collect()
    return Counter(
        f"{type(one).__module__}.{type(one).__qualname__}"
        for one in gc.get_objects()
        if str(type(one).__module__).startswith(OF_A_SOCKET)
    )


def task_names() -> Counter[str]:
    return Counter(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks())


def open_files() -> int:
    """Files and sockets, without the database: a reader of it opens when there is something to read."""
    count = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # what listed the folder
            count += "enterprisehub.db" not in str(one.readlink())
    return count


async def a_stormy_minute(gateway: Gateway, chance: random.Random) -> None:
    """A hundred and twenty clients, each with a fate of its own, while publications rush by."""
    tokens = tokens_of(gateway, 120, PLACE, per_user=6)
    async with crowd(gateway.url, tokens, receive_buffer=4_096) as viewers, asyncio.TaskGroup() as tasks:
        fates = [tasks.create_task(fate(gateway, viewer, chance.randrange(9))) for viewer in viewers]
        tasks.create_task(strangers(gateway))
        number = 0
        while not all(task.done() for task in fates):
            for stream in Stream:
                gateway.services.hub.publish(PLACE, stream, item(stream, f"lead-{number % 5}", number))
            number += 1
            if number % 40 == 0:
                gateway.services.hub.forget(PLACE, lead_hash(PLACE, LeadId(f"lead-{number % 5}")))
            await asyncio.sleep(0.002)


async def fate(gateway: Gateway, viewer: Viewer, kind: int) -> None:
    viewer.follow(Stream)
    socket = viewer.socket
    match kind:
        case 0:
            await until(lambda: len(viewer.openings) >= len(Stream))
            socket.leave()
        case 1:
            socket.vanish()
        case 2:
            socket.cut_after = socket.received + 5_000
            await until(lambda: socket.gone)
            await viewer.connect()
            viewer.follow(Stream)
        case 3:
            socket.say("nonsense")
        case 4:
            socket.write(frame(b"x", 3))
        case 5:
            for _ in range(CLIENT_MESSAGES_PER_MIN + 1):
                socket.say({"pong": 1})
        case 6:
            socket.say({"unsubscribe": list(Stream)})
            socket.vanish_inside_a_frame()
        case 7:
            socket.stall()
            await asyncio.sleep(0.05)
            socket.flow()
            await until(lambda: len(viewer.openings) >= len(Stream))
        case _:
            socket.stall()  # until the end


async def strangers(gateway: Gateway) -> None:
    """Who never signs in, who forges, who may not follow what it wants, who sends a page's origin."""
    foreign = {"Origin": "https://evil.example"}
    (agent,) = tokens_of(gateway, 1, PLACE, role=Role.AGENT, first=500)
    sockets = [
        await dial(gateway.url, headers=headers)
        for headers in ({}, {}, foreign, {"Authorization": "Bearer x"})
    ]
    sockets.append(await dial(gateway.url, headers={"Authorization": f"Bearer {agent}"}))
    sockets[1].say({"auth": "forged"})
    sockets[4].say({"subscribe": [{"stream": Stream.SYSTEM_PERFORMANCE}]})
    sockets[0].write(frame(b"half", Opcode.TEXT, fin=False))
    await until(lambda: all(socket.gone for socket in sockets[1:]))
    await dismiss(sockets)


async def test_no_leak(gateway: Gateway) -> None:
    hub, chance = gateway.services.hub, random.Random(5)
    await a_stormy_minute(gateway, chance)  # what is made once and kept is made here
    await settled(gateway)
    objects, tasks, files = held(), task_names(), open_files()
    counted = telemetry.connections_open._value.get()
    for _ in range(2):
        await a_stormy_minute(gateway, chance)
    await settled(gateway)
    await until(lambda: task_names() - tasks == Counter())
    await until(lambda: held() - objects == Counter())
    await until(lambda: open_files() <= files)
    assert hub.connections == 0
    assert not any(topic.listeners for topic in hub._topics.values())
    assert (gateway.doors.entrance.open, gateway.doors.entrance.not_signed_in) == (0, 0)
    assert telemetry.connections_open._value.get() == counted


async def settled(gateway: Gateway) -> None:
    """Nobody is connected, and the server has noticed."""
    hub, entrance = gateway.services.hub, gateway.doors.entrance
    await until(lambda: hub.connections == 0 and entrance.open == 0)
    await asyncio.sleep(0)
