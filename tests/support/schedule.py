"""In which order several workers take the files of tests: long ways between short ones, so that none is left for the end.

A plugin of tests/conftest.py, beside ``--no-loadscope-reorder`` in scripts/test.sh: left alone, xdist takes files of few tests
last. Those are the journeys, and three of them at once wait for each other's servers and browsers.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

LONG = ("browser", "crash", "untraced")
"""Marks of tests that start processes or go a long way."""
BETWEEN = 2
"""So many short files for a long one. There are four, so that the end is short files only."""


def taken_in_turn[T](long: list[T], short: list[T]) -> list[T]:
    """One long one, then some short ones, until there are none; the order of each kind stays."""
    order: list[T] = []
    left = iter(short)
    for one in long:
        order.append(one)
        order.extend(islice(left, BETWEEN))
    order.extend(left)
    return order


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files as a whole; tests of a file stay in their order. One worker alone takes them as they are."""
    if not hasattr(config, "workerinput"):
        return
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    long = [path for path, tests in files.items() if _is_long(tests)]
    # Least tests first: a journey of one test is the longest.
    long.sort(key=lambda path: len(files[path]))
    short = [path for path in files if path not in set(long)]
    items[:] = [item for path in taken_in_turn(long, short) for item in files[path]]


def _is_long(tests: list[pytest.Item]) -> bool:
    return any(test.get_closest_marker(mark) is not None for test in tests for mark in LONG)
