"""Tests marked ``untraced`` run without the tracer that measures coverage, their fixtures and child processes too.

A plugin of tests/conftest.py. The tracer makes a long way through the house three times as long, and its lines are measured
by the tests of each room: the journeys prove what the house does, not which lines it has.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import coverage
import pytest

CHILDREN = "COVERAGE_PROCESS_CONFIG"
"""By this variable coverage finds its way into child processes."""


@contextmanager
def untraced() -> Iterator[None]:
    """No line is measured within the block, here or in processes that are started in it."""
    tracer = coverage.Coverage.current()
    if tracer is None:  # not measuring, or not any more
        yield
        return
    settings = os.environ.pop(CHILDREN, None)
    tracer.stop()
    try:
        yield
    finally:
        tracer.start()
        if settings is not None:
            os.environ[CHILDREN] = settings


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A marked test, from before its fixtures are made until they are gone."""
    if item.get_closest_marker("untraced") is None:
        return (yield)
    with untraced():
        return (yield)
