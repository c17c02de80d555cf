"""The browser's modules under node, laid out as in the repository. Used by the tests of the client module and of the screen.

Without node the tests skip with one line.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import ghl_real_estate_ai

PACKAGE = Path(ghl_real_estate_ai.__file__).parent
TESTS = Path(__file__).parents[1]
SCRIPTS = ("live_client", "streamlit_components/assets")
TEST_FOLDERS = ("live_client", "streamlit_components")
WAIT_S = 120


def node() -> str:
    """Path of node; skips without one."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no node: install Node.js 20 or newer to test the browser modules apart from a browser")
    return path


def run_tests(folder: str, tmp_path: Path) -> None:
    """Run the ``*.test.mjs`` of tests/``folder`` with what they import; fails with node's report."""
    executable = node()
    for name in SCRIPTS:
        shutil.copytree(PACKAGE / name, tmp_path / PACKAGE.name / name)
    for name in TEST_FOLDERS:
        shutil.copytree(
            TESTS / name, tmp_path / "tests" / name, ignore=shutil.ignore_patterns("*.py*", "__*")
        )
    (tmp_path / "package.json").write_text('{"type": "module"}')
    tests = sorted((tmp_path / "tests" / folder).glob("*.test.mjs"))
    assert tests
    run = subprocess.run(
        [executable, "--test", *map(str, tests)],
        cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-6_000:]
