"""The wheel: everybody has their look when they are due, nobody is kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.services.socket_watch import SocketWatch
from tests.support.facts import NOON

TENTHS = st.integers(10, 400).map(lambda tenths: tenths / 10)


class Thing:
    def __init__(self, first: float, every: float) -> None:
        self.due = NOON + timedelta(seconds=first)
        self._every = timedelta(seconds=every)
        self.looks: list[float] = []

    def look(self, now: datetime) -> None:
        self.looks.append((now - NOON).total_seconds())
        self.due = now + self._every


@given(things=st.lists(st.tuples(TENTHS, TENTHS), max_size=12), leave=st.integers(0, 12))
def test_each_is_looked_at_in_the_second_in_which_it_is_due(
    things: list[tuple[float, float]], leave: int
) -> None:
    watch = SocketWatch()
    watched = [Thing(*thing) for thing in things]
    for thing in watched:
        watch.add(thing)
    for thing in watched[:leave]:
        watch.remove(thing)
    for second in range(60):
        watch.look(NOON + timedelta(seconds=second))
    assert not any(thing.looks for thing in watched[:leave])
    for thing, (first, _) in zip(watched[leave:], things[leave:], strict=True):
        assert first <= thing.looks[0] < first + 1
    for thing in watched:
        watch.remove(thing)
    assert len(watch) == 0
    assert not watch._slots


def test_who_has_become_due_later_is_not_asked_again_before() -> None:
    watch, thing = SocketWatch(), Thing(1, 10)
    watch.add(thing)
    thing.due = NOON + timedelta(seconds=20)
    for second in range(3):
        watch.look(NOON + timedelta(seconds=second))
    assert len(watch._slots) == 1
    assert min(watch._slots) > (NOON + timedelta(seconds=19)).timestamp()
    for second in range(3, 21):
        watch.look(NOON + timedelta(seconds=second))
    assert thing.looks == [20]


def test_who_is_due_in_this_second_but_not_yet_waits() -> None:
    watch, thing = SocketWatch(), Thing(0.9, 10)
    watch.add(thing)
    watch.look(NOON + timedelta(seconds=0.5))
    assert thing.looks == []
    watch.look(NOON + timedelta(seconds=0.95))
    assert thing.looks == [0.95]
