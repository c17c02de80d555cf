"""Fixtures for every test. Each lives in ``tests/support``, one noun per file; a new file there is named here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = (
    "tests.support.gateway",
    "tests.support.browser",
    "tests.support.dashboard",
    "tests.support.memory",
    "tests.support.postgres",
    "tests.support.redis",
    "tests.support.buses",
    "tests.support.tracing",
    "tests.support.schedule",
    "tests.support.kernels",
)


@pytest.fixture(autouse=True)
def _logs_of_its_own() -> Iterator[None]:
    """A command that ran inside a test has pointed the logs at that test's terminal, which is gone after it."""
    yield
    structlog.reset_defaults()
