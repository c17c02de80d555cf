"""The browser modules under node, and how they become one."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import ASSETS, assemble
from tests.support import node


def test_modules_keep_their_promises_under_node(tmp_path: Path) -> None:
    node.run_tests("streamlit_components", tmp_path)


def test_assembled_module_is_valid_and_holds_each_file_once(tmp_path: Path) -> None:
    source = assemble()
    bundle = tmp_path / "bundle.mjs"
    bundle.write_text(source)
    run = subprocess.run(
        [node.node(), "--check", str(bundle)], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr  # also finds a name that two files declare
    assert "\nimport {" not in source
    assert source.count("export ") == source.count("export default") == 1
    for name in ("LiveConnection", "LiveStore", "HubView", "LeadDrawer", "KeyedList"):
        assert source.count(f"class {name} ") == 1


def test_no_module_loads_anything_from_elsewhere() -> None:
    for path in ASSETS.iterdir():
        text = path.read_text()
        assert "innerHTML" not in text, path.name
        assert "https://" not in text, path.name


def test_files_stay_small() -> None:
    assert {path.name for path in ASSETS.iterdir() if len(path.read_text().splitlines()) > 400} == set()
