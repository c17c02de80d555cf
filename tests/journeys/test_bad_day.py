"""All that GoHighLevel and the network can do to the house, one after the other and all at once by a seed.

The house hears signed webhooks, polls, reads leads again and writes back through a city's ten days. In the end it must know
what it would know after calm ones, the account must hold what was wanted, once, and the vendor's limits were kept.
"""

from __future__ import annotations

import logging
import random
import re
from collections import Counter
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus
from ghl_real_estate_ai.models.write_back import is_own_tag, marker
from ghl_real_estate_ai.simulation.city import CityEvent
from ghl_real_estate_ai.simulation.ghl_knobs import reset
from tests.support.crm_city import assert_same, leads_by_webhooks, small_city
from tests.support.crm_writer import own_fields
from tests.support.hard_times import HardTimes, cut, hard_times

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]

NIGHT = timedelta(hours=4, minutes=30)
"""The city is told in parts, cut where it is silent for so long: time to mend what went wrong."""

PAST_PARTS = 4
"""Parts that happened before the app was installed: history to be imported."""

CALLS_MOST, INTERVAL_S = 100, 10.0
"""The vendor's limit, of which no interval, wherever it begins, may see more."""

SEED = 1

SECRETS = re.compile(r"(access|refresh|pit)-[0-9a-f]{8}|fake-client-secret|bearer", re.IGNORECASE)


@dataclass(frozen=True)
class Trouble:
    """What is wrong for one part of the city. ``faults`` are knobs of the fake; the flags are what no knob does."""

    name: str
    faults: dict[str, object] = field(default_factory=dict)
    revoked: bool = False
    hinted: bool = False
    paused: bool = False


TROUBLES = (
    Trouble("a storm of 429", {"refuse_next": 40}, hinted=True),
    Trouble("a third of the calls failing", {"fail_share": 0.3}),
    Trouble("answers lost", {"lose_next": 12}),
    Trouble("changes made and answered 500", {"fail_after_next": 12, "only_method": "POST"}),
    Trouble("the token revoked", revoked=True, hinted=True),
    Trouble("new tokens lost on their way", {"lose_next": 1, "only_path": "/oauth/token"}, revoked=True),
    Trouble("doubled and shuffled webhooks", {"doubled": 0.5, "shuffled": 0.5, "shuffle_s": 0.2}),
    Trouble("the vendor's clock behind", {"clock_skew_s": -240.0}),
    Trouble("slow answers", {"slow_s": 0.02}, hinted=True),
    Trouble("no webhooks, paused by the breaker", paused=True),
    Trouble("the location inactive", {"inactive_locations": ["simulatedLocation001"]}),
    Trouble("the vendor's clock ahead", {"clock_skew_s": 240.0}, hinted=True),
)


def all_at_once(luck: random.Random) -> Trouble:
    """Some of everything."""
    return Trouble(
        "everything",
        {
            "refuse_next": luck.randrange(20),
            "fail_share": luck.uniform(0.0, 0.3),
            "lose_next": luck.randrange(6),
            "fail_after_next": luck.randrange(6),
            "slow_s": 0.002,
            "clock_skew_s": luck.uniform(-240.0, 240.0),
            "doubled": 0.3,
            "shuffled": 0.5,
            "shuffle_s": 0.1,
            "inactive_locations": ["simulatedLocation001"] if luck.random() < 0.25 else [],
        },
        revoked=luck.random() < 0.5,
        hinted=luck.random() < 0.5,
        paused=luck.random() < 0.3,
    )


async def suffer(house: HardTimes, trouble: Trouble, day: Sequence[CityEvent]) -> None:
    """A day and the beginning of its night under a trouble; then everything works again, and the webhooks are re-enabled."""
    faults = house.fake.faults
    for name, value in trouble.faults.items():
        setattr(faults, name, value)
    house.subscription.health.paused = trouble.paused
    if trouble.revoked:
        house.fake.vendor.authority.revoke_access()
    await house.noted(f"{trouble.name} of {day[0].at}")
    if trouble.hinted:
        await house.hinted()
    await house.day(day)
    await house.night(2)
    reset(faults)
    house.subscription.health.enable(house.clock.now())
    await house.night(3)


async def days_after_the_import(house: HardTimes) -> list[list[CityEvent]]:
    """What is left of the city when its history was imported."""
    parts = cut(list(small_city().events()), NIGHT)
    house.lived([event for part in parts[:PAST_PARTS] for event in part], quietly=True)
    await house.import_all()
    return parts[PAST_PARTS:]


@contextmanager
def nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[MutableMapping[str, Any]]]:
    """Neither in our lines, which it gives, nor in those of libraries."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        yield logs
    for line in (*map(repr, logs), caplog.text):
        assert SECRETS.search(line) is None, SECRETS.search(line)


async def assert_it_all_came_right(house: HardTimes, folder: Path) -> None:
    """After the last trouble: the leads, the account, the limits."""
    await house.rested()
    assert_same(await leads_by_webhooks(folder), await house.leads())
    await assert_wanted_is_there_once(house)
    assert most_in_an_interval(house) <= CALLS_MOST
    dead = await house.services.memory.read(lambda uow: uow.cursors.dead_letter_count(house.location_id))
    assert dead == 0


async def assert_wanted_is_there_once(house: HardTimes) -> None:
    """Each task and note in the account once, fields and tags as last wanted; given up is only what lost its sense."""
    wanted = await house.wanted()
    papers = {**house.fake.home.tasks, **house.fake.home.notes}
    for change in wanted:
        if change.status is ChangeStatus.FAILED:
            assert change.error == "it is the lead's next action no longer", change
            continue
        assert change.status is ChangeStatus.DONE, change
        mark = marker(house.location_id, change.change_id)
        contact = house.fake.home.contacts.get(change.lead_id)
        assert contact is not None
        match change.kind:
            case ChangeKind.TASK | ChangeKind.NOTE:
                held = [paper_id for paper_id, paper in papers.items() if mark in str(paper["body"])]
                assert held == [change.remote_id], change
            case ChangeKind.FIELDS:
                assert own_fields(house.fake, change.lead_id) == change.content
            case ChangeKind.TAGS:
                assert isinstance(contact["tags"], list)
                assert (
                    sorted(tag for tag in map(str, contact["tags"]) if is_own_tag(tag))
                    == change.content["tags"]
                )
    marks = re.findall(r"\[eh-\w+\]", " ".join(str(paper["body"]) for paper in papers.values()))
    assert len(marks) == len(set(marks)), "something is there twice"
    done = Counter(change.kind for change in wanted if change.status is ChangeStatus.DONE)
    assert done[ChangeKind.TASK] >= 5
    assert done[ChangeKind.NOTE] >= 5


def most_in_an_interval(house: HardTimes) -> int:
    """The most calls of the location within the length of the vendor's interval, wherever it begins."""
    times = sorted(call.at_s for call in house.fake.vendor.calls if call.owner == house.location_id)
    return max(
        sum(1 for at in times[n : n + 2 * CALLS_MOST] if at - first < INTERVAL_S)
        for n, first in enumerate(times)
    )


def statuses(house: HardTimes, path: str) -> list[int]:
    """How the vendor answered the calls of a path."""
    return [call.status for call in house.calls(path)]


async def test_the_house_lives_through_one_trouble_after_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with nothing_secret_is_logged(caplog) as logs:
        async with hard_times(tmp_path) as house:
            for trouble, day in zip(TROUBLES, await days_after_the_import(house), strict=True):
                await suffer(house, trouble, day)
                assert await house.is_connected(), trouble.name
            await assert_it_all_came_right(house, tmp_path / "calm")
            assert most_in_an_interval(house) > 60, "the limit was never near: nothing was shown"
            assert house.fake.vendor.webhooks.counts.paused > 50
            # The owner's code; one renewal for all who met the revoked token; one whose answer was lost, and its
            # repetition, which finds the refresh token used up. Then the agency's tokens, renewed, give new ones.
            assert statuses(house, "/oauth/token") == [200, 200, 200, 400, 200]
            assert statuses(house, "/oauth/location-token") == [200, 401, 200]
            assert (await house.connection()).generation == 3
    assert "connection.lost" not in {line["event"] for line in logs}


async def test_the_house_lives_through_everything_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    luck, revoked, reconnected = random.Random(SEED), 0, 0
    with nothing_secret_is_logged(caplog) as logs:
        async with hard_times(tmp_path) as house:
            for day in await days_after_the_import(house):
                trouble = all_at_once(luck)
                revoked += trouble.revoked
                await suffer(house, trouble, day)
                if (
                    not await house.is_connected()
                ):  # the agency's own new tokens were lost: its owner has to act
                    await house.connect()
                    reconnected += 1
            await assert_it_all_came_right(house, tmp_path / "calm")
            assert (await house.connection()).generation == 1 + revoked + reconnected, (
                "a renewal without a cause"
            )
    assert [line["event"] for line in logs].count("connection.lost") == reconnected
