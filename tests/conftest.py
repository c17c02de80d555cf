"""Fixtures for every test. Each lives in ``tests/support``, one noun per file; a new file there is named here."""

from __future__ import annotations

pytest_plugins = ("tests.support.gateway", "tests.support.memory", "tests.support.postgres")
