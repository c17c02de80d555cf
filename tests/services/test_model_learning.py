"""A location learns once a day at most, only from new and real history, and one that fails takes no other along."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import pytest

from ghl_real_estate_ai.errors import TrainingFailed
from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole
from ghl_real_estate_ai.limits import LEARN_LOOK_S
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.services.model_learning import FIRST_AFTER, NEW_FACTS, ModelLearning, known_events
from ghl_real_estate_ai.services.switches import turn
from tests.support.clock import FakeClock
from tests.support.facts import LOCATION, NOON, message
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio
ELSEWHERE = LocationId("loc-2")
DAY_S = 86_400.0
LATER = NOON + FIRST_AFTER


class Trainer:
    """Notes whom it was asked to train, and stores a model as the command does."""

    def __init__(self, memory: FakeMemory, clock: FakeClock) -> None:
        self.memory, self.clock = memory, clock
        self.asked: list[LocationId] = []
        self.fails_for: set[LocationId] = set()

    async def __call__(self, location_id: LocationId) -> str:
        self.asked.append(location_id)
        if location_id in self.fails_for:
            raise TrainingFailed("out of memory")
        facts = await self.memory.read(lambda uow: uow.events.head(location_id))
        for version, role in self.rows(len(self.asked)):
            model = LearnedModel(
                location_id=location_id,
                name="lead_score",
                version=version,
                role=role,
                card=json.dumps({"own_events": facts}),
                content="tree",
                fitted_at=self.clock.now(),
            )
            await self.memory.write(lambda uow, model=model: uow.learned.put(model))  # type: ignore[misc]
        return "done"

    def rows(self, number: int) -> list[tuple[str, ModelRole]]:
        """Of one time: the challenger that lost, and the champion with its new line. Either may come first by its hash."""
        return [(f"a-{number}", ModelRole.CHALLENGER), (f"b-{number}", ModelRole.CHAMPION)]


class House:
    def __init__(self, *, mine: tuple[LocationId, ...] = (LOCATION, ELSEWHERE)) -> None:
        self.memory, self.clock = FakeMemory(), FakeClock(LATER)
        self.trainer = Trainer(self.memory, self.clock)
        self.learning = ModelLearning(
            memory=self.memory,
            clock=self.clock,
            learn=self.trainer,
            sleep=self.clock.sleep,
            mine=lambda location_id: location_id in mine,
        )
        self.told = 0

    async def tell(
        self,
        location: LocationId = LOCATION,
        *,
        facts: int = NEW_FACTS,
        at: datetime = NOON,
        simulated: bool = False,
    ) -> None:
        place = Location(location_id=location, name="A place")
        await self.memory.write(lambda uow: uow.tenants.put_location(place))
        for _ in range(facts):
            self.told += 1
            said = self._fact(location, at, simulated)
            await self.memory.write(lambda uow, said=said: uow.events.append(said))  # type: ignore[misc]

    def _fact(self, location: LocationId, at: datetime, simulated: bool) -> Delivery:
        said = message(f"m-{self.told}", location=location, at=at)
        return said.model_copy(update={"event": said.event.model_copy(update={"simulated": simulated})})


async def test_a_location_with_a_month_of_real_history_is_learned_from() -> None:
    house = House()
    await house.tell()
    assert await house.learning.look() == [LOCATION]
    assert house.trainer.asked == [LOCATION]


async def test_a_young_a_small_and_a_simulated_location_are_left_alone() -> None:
    young, small, simulated = House(), House(), House()
    await young.tell(at=LATER - timedelta(days=20))
    await small.tell(facts=NEW_FACTS - 1)
    await simulated.tell(simulated=True)
    empty = House()
    await empty.tell(facts=0)
    for house in (young, small, simulated, empty):
        assert await house.learning.look() == []


async def test_it_learns_at_most_once_a_day_and_only_when_there_is_something_new() -> None:
    house = House()
    await house.tell()
    await house.learning.look()
    await house.tell()
    house.clock.set_forward(DAY_S / 2)
    assert await house.learning.look() == []
    house.clock.set_forward(DAY_S / 2)
    assert await house.learning.look() == [LOCATION]
    house.clock.set_forward(2 * DAY_S)
    assert await house.learning.look() == [], "nothing has come since"


async def test_another_process_that_learned_today_is_enough() -> None:
    house = House()
    await house.tell()
    await house.trainer(LOCATION)
    await house.tell()
    other = ModelLearning(memory=house.memory, clock=house.clock, learn=house.trainer)
    assert await other.look() == []


async def test_a_location_of_another_process_is_not_ours() -> None:
    house = House(mine=(ELSEWHERE,))
    await house.tell()
    await house.tell(ELSEWHERE)
    assert await house.learning.look() == [ELSEWHERE]


async def test_a_training_that_fails_waits_a_day_and_takes_no_other_along() -> None:
    house = House()
    await house.tell()
    await house.tell(ELSEWHERE)
    house.trainer.fails_for = {LOCATION}
    assert sorted(await house.learning.look()) == [LOCATION, ELSEWHERE]
    assert await house.learning.look() == []
    house.clock.set_forward(DAY_S)
    assert await house.learning.look() == [LOCATION]


async def test_the_loop_begins_after_one_interval_and_goes_on() -> None:
    house = House()
    await house.tell()
    running = asyncio.ensure_future(house.learning.run())
    await house.clock.advance(LEARN_LOOK_S * 0.9)
    assert house.trainer.asked == []
    await house.clock.advance(LEARN_LOOK_S)
    assert house.trainer.asked == [LOCATION]
    await house.tell()
    await house.clock.advance(DAY_S + LEARN_LOOK_S)
    assert house.trainer.asked == [LOCATION, LOCATION]
    running.cancel()


@pytest.mark.parametrize(("card", "known"), [('{"own_events": 7}', 7), ("{}", 0), ("no card", 0), ("[]", 0)])
async def test_a_card_says_how_much_history_it_knew(card: str, known: int) -> None:
    model = LearnedModel(
        location_id=LOCATION,
        name="lead_score",
        version="v",
        role=ModelRole.CHAMPION,
        card=card,
        content="",
        fitted_at=NOON,
    )
    assert known_events(model) == known


async def test_a_location_whose_learning_is_turned_off_is_left_alone_until_it_is_on_again() -> None:
    house = House()
    await house.tell()
    for on, learned in ((False, []), (True, [LOCATION])):
        await house.memory.write(
            lambda uow, on=on: turn(uow, LOCATION, Switch.LEARNING, on=on, by=UserId("u-1"), now=LATER)  # type: ignore[misc]
        )
        assert await house.learning.look() == learned
