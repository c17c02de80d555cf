"""What stays is not walked again; what went in a ring is found at the next thorough collection."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from ghl_real_estate_ai.commands.garbage import THOROUGH_EVERY_S, Stayers


class Ring:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        self.me: Ring | None = self


@pytest.fixture(name="now")
def _now() -> Iterator[list[float]]:
    now = [0.0]
    stayers = Stayers(now=lambda: now[0])
    gc.callbacks.append(stayers)
    try:
        yield now
    finally:
        gc.callbacks.remove(stayers)
        gc.unfreeze()
        gc.collect()


def test_young_garbage_is_freed_and_what_stayed_a_while_at_the_next_thorough_look(now: list[float]) -> None:
    young, stays = Ring(), Ring()
    gone_young, gone_late = weakref.ref(young), weakref.ref(stays)
    del young
    gc.collect()
    assert gone_young() is None
    assert gc.get_freeze_count() > 0
    del stays
    gc.collect()
    assert gone_late() is not None  # it stayed once: left alone
    now[0] = THOROUGH_EVERY_S
    gc.collect()
    assert gone_late() is None


def test_a_collection_of_the_young_only_freezes_nothing(now: list[float]) -> None:
    gc.unfreeze()
    gc.collect(0)
    gc.collect(1)
    assert gc.get_freeze_count() == 0
