"""The order in which workers take files of tests: none is lost, and what is long does not stand at the end."""

from __future__ import annotations

import pytest

from tests.support.schedule import BETWEEN, taken_in_turn


@pytest.mark.parametrize(("long", "short"), [(0, 0), (0, 5), (3, 0), (3, 1), (2, 2 * BETWEEN), (2, 50)])
def test_every_file_is_taken_once_and_the_order_of_its_kind_stays(long: int, short: int) -> None:
    ways, rooms = [f"way {n}" for n in range(long)], [f"room {n}" for n in range(short)]
    order = taken_in_turn(ways, rooms)
    assert [name for name in order if name.startswith("way")] == ways
    assert [name for name in order if name.startswith("room")] == rooms
    assert len(order) == long + short


def test_short_files_stand_between_long_ones_and_at_the_end() -> None:
    order = taken_in_turn([True] * 3, [False] * 20)
    places = [at for at, is_long in enumerate(order) if is_long]
    assert places == [0, BETWEEN + 1, 2 * (BETWEEN + 1)]
    assert not order[-1]
