"""A champion is read once per version, also one that cannot be read; what is gone is dropped."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.errors import ModelArtifactError
from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole
from ghl_real_estate_ai.services.champions import Champions
from tests.support.facts import LOCATION, NOON
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio


def model(version: str, *, name: str = "words") -> LearnedModel:
    return LearnedModel(
        location_id=LOCATION,
        name=name,
        version=version,
        role=ModelRole.CHAMPION,
        card="{}",
        content=version,
        fitted_at=NOON,
    )


class Loader:
    """Reads a model's content; ``damaged`` is what it cannot read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, found: LearnedModel) -> str:
        self.read.append(found.version)
        if found.content == "damaged":
            raise ModelArtifactError("of an older version")
        return found.content


async def test_each_version_is_read_once_whether_or_not_it_can_be() -> None:
    memory, loader = FakeMemory(), Loader()
    champions = Champions(memory=memory, loaders={"words": loader}, sleep=_never)
    for version, answer in (("a", "a"), ("damaged", None), ("b", "b")):
        champion = model(version)
        await memory.write(lambda uow, champion=champion: uow.learned.put(champion))  # type: ignore[misc]  # reason: mypy cannot type a default
        for _ in range(3):
            await champions.refresh()
        assert champions.of(LOCATION, "words") == answer
    assert loader.read == ["a", "damaged", "b"]
    await memory.write(lambda uow: uow.learned.put(model("b").model_copy(update={"role": ModelRole.RETIRED})))
    await champions.refresh()
    assert champions.of(LOCATION, "words") is None


async def test_a_name_without_a_loader_is_passed_over() -> None:
    memory, loader = FakeMemory(), Loader()
    champions = Champions(memory=memory, loaders={"words": loader}, sleep=_never)
    await memory.write(lambda uow: uow.learned.put(model("a", name="numbers")))
    await champions.refresh()
    assert (loader.read, champions.of(LOCATION, "numbers")) == ([], None)


async def _never(_: float) -> None:
    raise AssertionError("nobody runs the loop here")
