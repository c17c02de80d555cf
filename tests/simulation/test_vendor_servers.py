"""The simulated GoHighLevel signs, retries, doubles and shuffles as the real one does, and counts what became of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.simulation.vendor_servers import (
    FakeGoHighLevel,
    RetryPolicy,
    Tally,
    retries_of_august_2026,
    retry_on_429_only,
)
from tests.support.ghl import LOCATION, GhlSigner
from tests.support.webhook_receiver import Answer, WebhookReceiver, receiving

START = datetime(2026, 11, 1, 9, tzinfo=UTC)
SEED = b"0" * 32
AT_ONCE = 0.0


@dataclass(frozen=True)
class Event:
    at: datetime
    type: str = "NoteCreate"
    body: dict[str, JsonValue] = field(default_factory=dict)


def notes(count: int) -> list[Event]:
    return [
        Event(START + timedelta(minutes=n), body={"id": f"n{n}", "contactId": f"c{n}", "body": "hello"})
        for n in range(count)
    ]


def gateway(*script: Answer, trusts: str | None = None) -> WebhookReceiver:
    key = trusts or FakeGoHighLevel(gateway_url="", key_seed=SEED).public_key
    reader = GoHighLevelWebhookReader(public_keys=(), simulator_public_key=key, wish_fields={})
    return WebhookReceiver(reader, script=iter(script))


def vendor(url: str, **options: Any) -> FakeGoHighLevel:
    options.setdefault("retries", retries_of_august_2026(scale=0.00001))
    return FakeGoHighLevel(gateway_url=url, key_seed=SEED, **options)


async def sent(receiver: WebhookReceiver, events: list[Event], **options: Any) -> Tally:
    async with receiving(receiver):
        return await vendor(receiver.url, **options).run(events, location_id=LOCATION, speed=AT_ONCE)


@pytest.mark.asyncio
async def test_every_event_arrives_signed_with_its_envelope_and_is_stamped_simulated() -> None:
    receiver = gateway()
    tally = await sent(receiver, notes(40))
    assert (tally.sent, tally.stored, tally.requests) == (40, 40, 40)
    assert tally.balanced
    assert all(delivery.event.simulated for delivery in receiver.stored.values())
    assert {delivery.event.location_id for delivery in receiver.stored.values()} == {LOCATION}
    first = json.loads(receiver.requests[0])
    assert first["appId"] == first["versionId"] == "enterprisehub-simulator"
    times = {delivery.event.occurred_at for delivery in receiver.stored.values()}
    assert times == {event.at for event in notes(40)}


@pytest.mark.asyncio
async def test_runs_are_new_events_unless_the_same_run_is_asked_for() -> None:
    receiver = gateway()
    async with receiving(receiver):
        fake = vendor(receiver.url)

        async def again(run_id: str | None) -> Tally:
            return await fake.run(notes(5), location_id=LOCATION, speed=AT_ONCE, run_id=run_id)

        assert [(await again(None)).stored, (await again(None)).stored] == [5, 5]
        assert (await again("monday")).stored == 5
        assert (await again("monday")).duplicate == 5


@pytest.mark.asyncio
async def test_a_failing_gateway_is_tried_again_until_it_takes_the_event() -> None:
    receiver = gateway((429, "{}"), (500, "oops"), (503, ""))
    tally = await sent(receiver, notes(1))
    assert (tally.stored, tally.sent, tally.requests) == (1, 1, 4)
    assert len(set(receiver.requests)) == 1, "a retry sends the same bytes"


@pytest.mark.asyncio
async def test_under_the_old_policy_only_429_is_tried_again() -> None:
    receiver = gateway((429, "{}"), (500, '{"error":{"code":"internal_error"}}'))
    tally = await sent(receiver, notes(1), retries=retry_on_429_only(scale=0.00001), concurrency=1)
    assert (tally.refused, tally.requests) == (1, 2)
    assert tally.reasons == {"refused: 500 internal_error": 1}


@pytest.mark.asyncio
async def test_an_event_that_is_never_taken_is_counted_with_its_reason_and_the_rest_goes_on() -> None:
    receiver = gateway(*[(429, '{"error":{"code":"storage_unavailable"}}')] * 12)
    tally = await sent(receiver, notes(3), concurrency=1)
    assert (tally.refused, tally.stored, tally.requests) == (1, 2, 14)
    assert tally.reasons == {"refused: 429 storage_unavailable": 1}
    assert tally.balanced


@pytest.mark.asyncio
async def test_dead_letters_ignored_ones_and_strange_answers_are_told_apart() -> None:
    receiver = gateway(
        (200, '{"status":"ignored","reason":"this location is not served here"}'),
        (204, ""),
        (200, "[]"),
        (418, "I am a teapot"),
    )
    unreadable = Event(START, type="ContactCreate", body={"id": "c", "name": {}})
    tally = await sent(
        receiver,
        [*notes(4), unreadable],
        concurrency=1,
        retries=RetryPolicy(attempts=1, first_wait_s=0, factor=1),
    )
    assert (tally.ignored, tally.failed, tally.refused, tally.dead_letter) == (1, 2, 1, 1)
    assert tally.reasons["dead_letter: name: must be text"] == 1
    assert tally.reasons["refused: 418 Answer"] == 1
    assert tally.balanced
    assert tally.as_dict()["dead_letter"] == 1


@pytest.mark.asyncio
async def test_an_untrusted_key_stops_the_run_and_says_which_setting_to_give() -> None:
    receiver = gateway(trusts=GhlSigner(9).public_key)
    with pytest.raises(ConfigurationError, match="ENTERPRISEHUB_SIMULATOR_PUBLIC_KEY=MCow"):
        await sent(receiver, notes(3))


@pytest.mark.asyncio
async def test_a_silent_gateway_stops_the_run() -> None:
    receiver = gateway()
    async with receiving(receiver):
        pass
    with pytest.raises(ConfigurationError, match="no gateway answers"):
        await vendor(receiver.url).run(notes(1), location_id=LOCATION, speed=AT_ONCE)


@pytest.mark.asyncio
async def test_a_gateway_that_dies_on_the_way_costs_only_what_it_did_not_take() -> None:
    receiver = gateway()
    async with receiving(receiver):
        fake = vendor(receiver.url, concurrency=1, retries=RetryPolicy(attempts=2, first_wait_s=0, factor=1))

        def bad_length() -> Iterator[Event]:
            yield from notes(2)
            # the receiver's sockets are closed by answering something that is no HTTP
            receiver.script = iter([(200, "\ud83d")])
            yield from notes(1)

        tally = await fake.run(bad_length(), location_id=LOCATION, speed=AT_ONCE)
    assert tally.balanced
    assert tally.sent == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x"])
async def test_a_gateway_without_a_usable_url_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match="gateway"):
        await vendor(url).run(notes(1), location_id=LOCATION, speed=AT_ONCE)


@pytest.mark.asyncio
async def test_doubled_and_shuffled_deliveries_arrive_twice_and_out_of_order_and_nothing_is_lost() -> None:
    receiver = gateway()
    tally = await sent(receiver, notes(120), doubled=0.5, shuffled=0.5, concurrency=1)
    assert tally.stored == 120
    assert tally.duplicate == tally.sent - 120 > 30
    first_seen = list(dict.fromkeys(receiver.arrived))
    in_order = sorted(first_seen, key=lambda key: receiver.stored[key].event.occurred_at)
    assert first_seen != in_order
    again = gateway()
    repeat = await sent(again, notes(120), doubled=0.5, shuffled=0.5, concurrency=1)
    assert repeat.sent == tally.sent, "the luck comes from a seed"


@pytest.mark.asyncio
async def test_the_pace_follows_the_events_own_times() -> None:
    receiver = gateway()
    async with receiving(receiver):
        started = time.monotonic()
        await vendor(receiver.url).run(notes(3), location_id=LOCATION, speed=1_200)
        assert time.monotonic() - started >= 0.099, "two simulated minutes at 1,200 times the speed"


@pytest.mark.asyncio
async def test_progress_is_told_after_every_delivery() -> None:
    receiver, told = gateway(), []
    async with receiving(receiver):
        await vendor(receiver.url).run(
            notes(4),
            location_id=LOCATION,
            speed=AT_ONCE,
            total=4,
            progress=lambda done, total: told.append((done, total)),
        )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.asyncio
async def test_progress_counts_what_was_taken_not_what_was_refused() -> None:
    receiver, told = gateway((503, "down"), (503, "down")), []
    async with receiving(receiver):
        once = RetryPolicy(attempts=1, first_wait_s=0, factor=1)
        await vendor(receiver.url, concurrency=1, retries=once).run(
            notes(4),
            location_id=LOCATION,
            speed=AT_ONCE,
            progress=lambda done, _total: told.append(done),
        )
    assert told == [0, 0, 1, 2]


@pytest.mark.asyncio
async def test_a_broken_source_of_events_is_reported_as_itself() -> None:
    def broken() -> Iterator[Event]:
        yield from notes(2)
        raise LookupError("the city burnt down")

    receiver = gateway()
    async with receiving(receiver):
        with pytest.raises(LookupError, match="burnt down"):
            await vendor(receiver.url).run(broken(), location_id=LOCATION, speed=AT_ONCE)


def test_a_seed_keeps_the_key_and_without_one_it_is_fresh() -> None:
    keys = [
        FakeGoHighLevel(gateway_url="", key_seed=seed).public_key
        for seed in (SEED, SEED, b"other", None, None)
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_the_waits_of_the_current_policy_grow_and_those_of_the_old_one_do_not() -> None:
    rng = random.Random(1)
    new, old = retries_of_august_2026(), retry_on_429_only()
    waits = [new.wait_s(attempt, rng) for attempt in range(1, 12)]
    assert all(10 * 2**n <= wait <= 15 * 2**n for n, wait in enumerate(waits))
    assert all(600 <= old.wait_s(attempt, rng) <= 900 for attempt in range(1, 6))
    assert [new.sends_again(None, 11), new.sends_again(500, 12)] == [True, False]
    assert [old.sends_again(429, 5), old.sends_again(500, 1), old.sends_again(None, 1)] == [
        True,
        False,
        False,
    ]
