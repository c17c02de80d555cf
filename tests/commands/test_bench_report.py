"""The page keeps each day and machine, the newest first, and its picture can be read without seeing it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ghl_real_estate_ai.commands import bench_report, measuring
from ghl_real_estate_ai.commands.rows import Row, figure_of

FIGURES = {
    "ours": {"deliveries_per_s": 1_000_000.0, "cpu_us": 0.9, "cpu_us_closed": 9.0,
             "server_share": 0.8, "crowd_share": 0.96, "rounds": 7.0, "not_saturated": 0.0},
    "Node ws": {"deliveries_per_s": 50_000.0, "cpu_us": 12.0, "cpu_us_closed": 11.0,
                "server_share": 0.99, "crowd_share": 0.2, "rounds": 7.0, "not_saturated": 0.0},
}  # fmt: skip
FAN_OUT = Row(
    "FAN_OUT_TIMES_NODE_WS", "deliveries", measured=20.0, unit="x", budget=10.0, samples=5_000_000, peer="Node ws",
    peer_measured=1.0, more_is_better=True, figures=FIGURES, beside={"ours": "fast"},
)  # fmt: skip
PLAIN = Row(
    "X_MS", "x", measured=2.0, unit="ms", budget=1.0, samples=3, stages={"in": 0.5}, beside={"seen": "y"}
)


def test_a_run_writes_a_row_per_number_a_table_by_server_and_a_plot(tmp_path: Path) -> None:
    left_out = Row.left_out("CONNECT_STORM_S", "a storm", why="this machine allows few files")
    bench_report.write(tmp_path, [FAN_OUT, PLAIN, left_out, Row.broken("RESUME_STORM", why="it fell over")])
    page = (tmp_path / bench_report.PAGE).read_text()
    assert (
        "| `FAN_OUT_TIMES_NODE_WS` | deliveries | 20 x | >= 10 x | pass | Node ws: 1 x | 20.0x | 5,000,000 |"
        in page
    )
    assert "| `X_MS` | x | 2 ms | <= 1 ms | MISSED |" in page
    assert "in 0.5 ms; seen: y" in page
    assert "not measured: this machine allows few files" in page
    assert "not measured: it fell over" in page
    assert "| ours | 1,000,000 | 0.90 | 9.00 | the crowd was busy 96% while it received 1,000,000/s" in page
    assert (
        "| Node ws | 50,000 | 12.00 | 11.00 | the server was busy 99%, the crowd 20%: its capacity |" in page
    )
    assert (
        "![Bars by server. Deliveries per second to 1,000 screens: ours 1,000,000, Node ws 50,000.](benchmarks.svg)"
        in page
    )
    plot = ET.parse(tmp_path / bench_report.PLOT)
    words = "".join(plot.getroot().itertext())
    assert "Node ws" in words
    assert "1,000,000" in words


def test_a_second_run_of_the_day_replaces_the_first_and_other_days_stay(tmp_path: Path) -> None:
    bench_report.write(tmp_path, [FAN_OUT])
    page = tmp_path / bench_report.PAGE
    older = page.read_text().replace(f"## {measuring.day_and_machine()}", "## 2020-01-01, another machine")
    page.write_text(older)
    bench_report.write(tmp_path, [FAN_OUT])
    bench_report.write(tmp_path, [PLAIN])
    titles = [line for line in page.read_text().splitlines() if line.startswith("## ")]
    assert titles == [f"## {measuring.day_and_machine()}", "## 2020-01-01, another machine"]
    assert page.read_text().count("![") == 1, "a run without fan-out keeps the picture that is there"
    assert page.read_text().count("`X_MS`") == 1


def test_the_same_figures_draw_the_same_plot(tmp_path: Path) -> None:
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    assert bench_report.draw(one, FIGURES)
    assert bench_report.draw(two, FIGURES)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("value", "said"),
    [(5_468.2, "5,470 /s"), (1_417_000, "1,420,000 /s"), (0.12345, "0.123 /s"), (50.0, "50 /s")],
)
def test_figures_are_written_as_people_write_numbers(value: float, said: str) -> None:
    assert figure_of(value, "/s") == said
