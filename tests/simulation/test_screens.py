"""A crowd accounts for what it gets: nothing that is missing, doubled, altered or refused goes unnoticed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ghl_real_estate_ai.simulation.screens import Ages, Crowd, Door

pytestmark = pytest.mark.asyncio

FEED = "conversation_feed"
Script = Callable[[ServerConnection], Awaitable[None]]


def told(offset: int) -> str:
    return json.dumps({"c": FEED, "o": offset, "p": 0.0, "e": {"key": str(offset)}})


def opened(offset: int = 0, *, recovered: bool = False) -> str:
    place = {"stream": FEED, "epoch": "e", "offset": offset, "recovered": recovered}
    return json.dumps({"subscribed": place})


@asynccontextmanager
async def served(script: Script, *, topics: tuple[str, ...] = ()) -> AsyncIterator[Door]:
    async def handle(connection: ServerConnection) -> None:
        try:
            await script(connection)
            await connection.wait_closed()
        except ConnectionClosed:
            pass

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield Door("127.0.0.1", port, "/", topics=topics, openings=len(topics))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.002)


async def crowd_at(script: Script, done: Callable[[Crowd], bool], *, count: int = 3) -> Crowd:
    async with served(script) as door:
        crowd = Crowd(door, count)
        await crowd.open()
        await until(lambda: done(crowd))
        crowd.close()
    return crowd


async def test_all_in_order_is_counted_and_is_no_trouble() -> None:
    async def script(connection: ServerConnection) -> None:
        for offset in range(1, 51):
            await connection.send(told(offset))

    crowd = await crowd_at(script, lambda crowd: crowd.received[FEED] == 150)
    assert crowd.trouble() == ""


@pytest.mark.parametrize(
    ("offsets", "trouble"),
    [((1, 2, 4), "1 x gaps"), ((1, 2, 2, 3), "1 x doubles"), ((1, 2, 1, 2, 3), "2 x doubles")],
)
async def test_gaps_and_doubles_are_noticed(offsets: tuple[int, ...], trouble: str) -> None:
    async def script(connection: ServerConnection) -> None:
        for offset in offsets:
            await connection.send(told(offset))

    crowd = await crowd_at(script, lambda crowd: crowd.screens[0].places.get(FEED) == offsets[-1], count=1)
    assert crowd.trouble() == trouble


async def test_a_ping_of_ours_is_answered() -> None:
    answers: list[str | bytes] = []

    async def script(connection: ServerConnection) -> None:
        await connection.send('{"ping":17}')
        answers.append(await connection.recv())

    await crowd_at(script, lambda _crowd: len(answers) == 3)
    assert answers == ['{"pong":17}'] * 3


async def test_the_last_of_all_screens_is_told_about_each_step() -> None:
    reached: list[int] = []

    async def script(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(opened(10))
        for offset in range(11, 17):
            await connection.send(told(offset))

    async with served(script, topics=(FEED,)) as door:
        crowd = Crowd(door, 4)
        crowd.on_every(2, FEED, reached.append, after=10)
        await crowd.open()
        await until(lambda: crowd.received[FEED] == 24)
        crowd.close()
    assert reached == [1, 2, 3]


async def test_a_screen_that_vanished_asks_for_its_place_and_goes_on_there() -> None:
    wanted: list[object] = []

    async def script(connection: ServerConnection) -> None:
        wanted.append(json.loads(await connection.recv()))
        if len(wanted) == 1:
            for message in (opened(), told(1), told(2)):
                await connection.send(message)
        else:
            for message in (opened(2, recovered=True), told(3)):
                await connection.send(message)

    async with served(script, topics=(FEED,)) as door:
        crowd = Crowd(door, 1)
        await crowd.open()
        await until(lambda: crowd.received[FEED] == 2)
        crowd.screens[0].vanish()
        await crowd.screens[0].connect()
        await until(lambda: crowd.received[FEED] == 3)
        crowd.close()
    assert wanted == [
        {"subscribe": [{"stream": FEED}]},
        {"subscribe": [{"stream": FEED, "epoch": "e", "offset": 2}]},
    ]
    assert crowd.resumed == 1
    assert crowd.trouble() == ""


async def test_a_resume_that_lost_its_place_is_a_gap() -> None:
    visits: list[None] = []

    async def script(connection: ServerConnection) -> None:
        await connection.recv()
        visits.append(None)
        await connection.send(opened(5 * len(visits)))

    async with served(script, topics=(FEED,)) as door:
        crowd = Crowd(door, 1)
        await crowd.open()
        crowd.screens[0].vanish()
        await crowd.screens[0].connect()
        await crowd.screens[0].served.wait()
        crowd.close()
    assert crowd.trouble() == "1 x gaps"


async def test_a_close_a_cut_and_a_refused_handshake_are_trouble() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(4408)

    async def cut(connection: ServerConnection) -> None:
        connection.transport.abort()

    assert (await crowd_at(close, lambda crowd: bool(crowd.closed))).trouble() == "3 x closed with 4408"
    assert (await crowd_at(cut, lambda crowd: crowd.lost == 3)).trouble() == "3 x connections lost"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        crowd = Crowd(Door("127.0.0.1", server.sockets[0].getsockname()[1], "/"), 2)
        await crowd.open()
    assert crowd.trouble() == "2 x handshake refused: HTTP/1.1 503 Service Unavailable"


async def test_a_crowd_that_is_not_served_is_not_waited_for_for_ever() -> None:
    async def silent(connection: ServerConnection) -> None:
        await connection.recv()

    async with served(silent, topics=(FEED,)) as door:
        crowd = Crowd(door, 1)
        with pytest.raises(TimeoutError):
            await crowd.open(within_s=0.1)
        crowd.close()


async def test_who_stops_reading_gets_nothing_until_it_goes_on() -> None:
    go = asyncio.Event()

    async def script(connection: ServerConnection) -> None:
        await go.wait()
        await connection.send(told(1))

    async with served(script) as door:
        crowd = Crowd(door, 2)
        await crowd.open()
        crowd.screens[0].stop_reading()
        go.set()
        await until(lambda: crowd.received[FEED] == 1)
        assert crowd.screens[1].places == {FEED: 1}
        crowd.screens[0].go_on_reading()
        await until(lambda: crowd.received[FEED] == 2)
        crowd.close()


async def test_ages_count_at_every_screen_and_their_quantiles_are_by_rank() -> None:
    ages = Ages()
    for stamps in (tuple(1_000.0 - ms for ms in range(50)), tuple(1_000.0 - ms for ms in range(50, 100))):
        ages.note(stamps, 1_000.0)
        ages.note(stamps, 1_000.0)
    assert ages.count == 200
    assert ages.quantiles(0.5, 1) == [49, 99]
    assert ages.quantile(0.99) == 98
    assert str(Ages().quantile(0.5)) == "nan"
