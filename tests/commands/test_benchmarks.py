"""The instruments work: each benchmark runs small, on real processes, and gives figures of the right shape. No time is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ghl_real_estate_ai import budgets, cli
from ghl_real_estate_ai.commands import benchmarks, crowd, measuring, painting
from tests.support.browser import chromium


def silent(_line: str) -> None:
    """Benchmarks say what they do; tests need not hear it."""


def test_every_promise_has_a_benchmark_and_no_benchmark_is_unpromised() -> None:
    assert set(benchmarks.BENCHMARKS) == set(budgets.PROMISES)


def test_cpu_of_an_event_is_measured_beside_its_peer_and_written_as_json(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    result = CliRunner().invoke(cli.app, ["bench", "--only", "EVENT_CPU_MS", "--json", str(file)])
    assert result.exit_code in {0, 1}, result.output
    (row,) = json.loads(file.read_text())
    assert row["name"] == "EVENT_CPU_MS"
    assert row["budget"] == budgets.EVENT_CPU_MS
    assert row["passed"] == (row["measured"] <= row["budget"])
    assert row["ratio"] == pytest.approx(row["peer_measured"] / row["measured"])
    assert "EVENT_CPU_MS" in result.output


def test_a_throw_away_installation_never_touches_the_operator_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'own.db'}")
    monkeypatch.setenv("ENTERPRISEHUB_PUBLIC_URL", "https://hub.example.com")
    with measuring.installation() as (settings, _vendor):
        assert settings.gateway_url == f"http://127.0.0.1:{settings.port}"
    assert not list(tmp_path.iterdir())


def test_a_missed_promise_is_said_and_has_no_ratio_without_a_peer() -> None:
    row = benchmarks.Row("X", "x", measured=2.0, unit="ms", budget=1.0, samples=1, stages={"in": 0.5})
    assert not row.passed
    assert row.ratio is None
    assert row.as_dict()["peer"] is None
    assert benchmarks.table([row]).row_count == 2


def test_starts_and_acknowledgements_are_measured_on_real_processes() -> None:
    ours, bare = measuring.start_both(rounds=1)
    assert len(ours) == len(bare) == 1
    assert ours[0].rss_mb > bare[0].rss_mb > 1
    acks, _ = measuring.acknowledge_both(per_second=20, seconds=2)
    assert len(acks) == 20
    assert all(ack > 0 for ack in acks)


def test_the_load_test_accounts_for_every_publication() -> None:
    result = crowd.run(crowd.Load(viewers=9, per_second=20, seconds=2), say=silent)
    assert result["events_acknowledged"] == result["events_sent"] == 40
    assert result["publications_received"] == result["publications_expected"] == 360
    assert result["gaps"] == 0


@pytest.mark.browser
def test_painting_is_measured_in_a_real_browser_stage_by_stage() -> None:
    chromium()
    painted = painting.measure(viewers=3, per_second=20, seconds=4, say=silent)
    assert len(painted.pushed_ms) == 80
    assert all(span > 0 for span in painted.pushed_ms)
    assert painted.polled_ms
    assert next(iter(painted.stages)) == "to the door"
    assert list(painted.stages)[-1] == "browser"
