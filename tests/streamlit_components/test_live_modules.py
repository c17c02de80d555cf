"""The browser modules under node, and how they become one."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import timedelta
from pathlib import Path

from ghl_real_estate_ai.limits import TAKEN_ON_HOURS
from ghl_real_estate_ai.ml.churn_risk import KNOWN_FOR
from ghl_real_estate_ai.ml.risk_stages import DWELL
from ghl_real_estate_ai.models.intelligence import STAGE_THRESHOLDS
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
    for name in ("LiveConnection", "LiveStore", "HubView", "LeadPage", "Answers", "LeadFilter", "KeyedList"):
        assert source.count(f"class {name} ") == 1


UPLOT = {
    "uplot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
OWN = tuple(path for path in ASSETS.iterdir() if path.is_file())


def test_the_chart_library_is_what_its_authors_published() -> None:
    for name, digest in UPLOT.items():
        text = (ASSETS / "uplot" / name).read_text()
        if name.endswith(".js"):
            text = "/*! https://github.com/leeoniya/uPlot (v1.6.32) */\n" + text.removeprefix("export ")
        assert hashlib.sha256(text.encode()).hexdigest() == digest, name
        assert digest in (ASSETS / "uplot" / "README.md").read_text()
    assert "Permission is hereby granted, free of charge" in (ASSETS / "uplot" / "LICENSE").read_text()


def test_no_module_loads_anything_from_elsewhere() -> None:
    for path in OWN:
        text = path.read_text()
        assert "innerHTML" not in text, path.name
        assert "https://" not in text, path.name


def test_files_stay_small() -> None:
    assert {path.name for path in OWN if len(path.read_text().splitlines()) > 400} == set()


def test_the_screen_says_the_hours_after_which_a_taken_action_is_back() -> None:
    assert f"TAKEN_FOR_MS = {TAKEN_ON_HOURS} * 3_600_000;" in (ASSETS / "live_actions.js").read_text()
    assert f"it comes back after {TAKEN_ON_HOURS} h if no call" in (ASSETS / "live_now.js").read_text()


def test_the_screen_says_when_a_stage_begins_as_the_gateway_has_it() -> None:
    words = (ASSETS / "live_words.js").read_text()
    hours = DWELL // timedelta(hours=1)
    levels = ", ".join(f"[{stage.value}, {level}]" for stage, level in STAGE_THRESHOLDS.items())
    assert f"STAGE_LEVELS = [{levels}];" in words
    assert f"lasted {hours} hours, and not in a lead's first {KNOWN_FOR.days} days" in words
    assert f"DWELL_MS = {hours} * 3_600_000;" in (ASSETS / "live_lead_words.js").read_text()
