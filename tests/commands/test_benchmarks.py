"""The instruments work: each benchmark runs small, on real processes, and gives figures of the right shape. No time is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ghl_real_estate_ai import budgets, cli
from ghl_real_estate_ai.commands import benchmarks, crowd, measuring, painting
from ghl_real_estate_ai.commands.rows import Row
from ghl_real_estate_ai.errors import ConfigurationError
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
    row = Row("X", "x", measured=2.0, unit="ms", budget=1.0, samples=1, stages={"in": 0.5})
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
    account = crowd.run(crowd.Load(viewers=9, per_second=20, seconds=2), say=silent)
    assert len(account.acks) == account.sent == 40
    assert account.received == account.expected == 360
    assert account.trouble == ""
    shown = account.as_dict()
    assert shown["publications_received"] == shown["publications_expected"] == 360
    assert shown["received_of_lead_scores"] == 360
    assert account.ages.count == sum(account.publications.values())


def test_a_number_that_cannot_be_measured_is_a_row_that_says_why_and_the_others_follow() -> None:
    def breaks(_say: measuring.Say) -> Row:
        raise ExceptionGroup("tasks", [ConnectionRefusedError("nobody there")])

    def refuses(_say: measuring.Say) -> Row:
        raise ConfigurationError("chromium is missing: apt-get install chromium")

    def leaves_out(_say: measuring.Say) -> Row:
        return Row.left_out("EVENT_CPU_MS", "cpu", why="no such thing here")

    said: list[str] = []
    among = {"COLD_START_S": breaks, "EVENT_TO_PAINT_P95_MS": refuses, "EVENT_CPU_MS": leaves_out}
    rows = benchmarks.run([], say=said.append, among=among)
    assert [row.verdict for row in rows] == ["MISSED", "MISSED", "-"]
    assert "nobody there" in rows[0].figure
    assert rows[1].figure == "not measured: chromium is missing: apt-get install chromium"
    assert [row.as_dict()["measured"] for row in rows] == [None] * 3
    assert [row.passed for row in rows] == [False, False, True]
    assert len(said) == 3
    assert benchmarks.table(rows).row_count == 3


def test_what_two_rows_saw_in_one_run_is_said_once() -> None:
    seen = {"ours": "fast", "theirs": "slow"}
    rows = [Row(name, "x", measured=2.0, unit="x", budget=1.0, samples=1, beside=seen) for name in ("A", "B")]
    other = Row("C", "x", measured=2.0, unit="x", budget=1.0, samples=1, beside={"ours": "small"})
    assert benchmarks.details([*rows, other]) == "A\n  ours: fast\n  theirs: slow\nC\n  ours: small"
    assert benchmarks.details([]) == ""


def test_what_was_measured_in_a_run_with_losses_has_failed_whatever_its_figure() -> None:
    row = Row("X", "x", measured=0.1, unit="MB", budget=1.0, samples=1, failed="3 x gaps")
    assert not row.passed
    assert row.figure == "0.1 MB; failed: 3 x gaps"


@pytest.mark.browser
def test_painting_is_measured_in_a_real_browser_stage_by_stage() -> None:
    chromium()
    painted = painting.measure(viewers=3, per_second=20, seconds=4, say=silent)
    assert len(painted.pushed_ms) == 80
    assert all(span > 0 for span in painted.pushed_ms)
    assert painted.polled_ms
    assert next(iter(painted.stages)) == "to the door"
    assert list(painted.stages)[-1] == "browser"
