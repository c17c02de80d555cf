"""The client module under node: every promise of its connection, and a random server that it must agree with."""

from __future__ import annotations

from pathlib import Path

from tests.support import node


def test_modules_keep_their_promises_under_node(tmp_path: Path) -> None:
    node.run_tests("live_client", tmp_path)
