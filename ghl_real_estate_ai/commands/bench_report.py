"""What was measured as a page and a plot: ``docs/benchmarks.md`` and ``docs/benchmarks.svg``. Called by ``enterprisehub bench``.

The page holds a section per day and machine, newest first: a run replaces the section of its own day and machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ghl_real_estate_ai.commands import fanout, measuring
from ghl_real_estate_ai.commands.rows import Row, figure_of

PAGE: Final = "benchmarks.md"
PLOT: Final = "benchmarks.svg"

_HEAD: Final = """# Benchmarks

Written by `make bench`: every number that `budgets.py` promises, as measured, by day and machine. What each number means
and how it is taken is in [evidence](evidence.md). Figures depend on the machine and on what else ran there: compare ratios
within one table, not times across tables. "n" counts samples: events, starts or deliveries.
"""

_BUSY_MEANS: Final = (
    "Busy: share of a processor, median of the rounds with 32 publishes in flight. The server has one processor, the crowd"
    " of screens another; only where the server was the limit are deliveries/s its capacity."
)

Figures = dict[str, dict[str, float]]


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Write page and plot. Without matplotlib, or without fan-out figures, the plot that is there stays."""
    page = folder / PAGE
    figures = next((row.figures for row in rows if row.figures), {})
    if figures:
        draw(folder / PLOT, figures)
    title = f"## {measuring.day_and_machine()}"
    sections = {title: _section(title, rows, figures)}
    if page.exists():
        for section in re.split(r"^(?=## )", page.read_text(), flags=re.MULTILINE)[1:]:
            sections.setdefault(section.splitlines()[0], section.strip())
    picture = [_picture(figures)] if figures else _old_picture(page)
    page.write_text("\n\n".join([_HEAD.strip(), *picture, *sections.values()]) + "\n")


def _old_picture(page: Path) -> list[str]:
    if not page.exists():
        return []
    return [line for line in page.read_text().splitlines() if line.startswith("![")]


def _picture(figures: Figures) -> str:
    fastest = ", ".join(f"{server} {of['deliveries_per_s']:,.0f}" for server, of in figures.items())
    return f"![Bars by server. Deliveries per second to 1,000 screens: {fastest}.]({PLOT})"


def _section(title: str, rows: Sequence[Row], figures: Figures) -> str:
    lines = [
        title,
        "",
        f"Load of the machine at the end: {os.getloadavg()[0]:.1f}.",
        "",
        "| number | what | measured | target | | peer | ratio | n |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        peer = (
            f"{row.peer}: {figure_of(row.peer_measured, row.unit)}" if row.peer_measured is not None else ""
        )
        ratio = f"{row.ratio:.1f}x" if row.ratio is not None else ""
        cells = [
            f"`{row.name}`",
            row.what,
            row.figure,
            row.target,
            row.verdict,
            peer,
            ratio,
            f"{row.samples:,}",
        ]
        lines.append("| " + " | ".join(cell.strip() for cell in cells) + " |")
        stages = [f"{stage} {figure_of(value, row.unit)}" for stage, value in row.stages.items()]
        beside = [] if row.figures else [f"{what}: {seen}" for what, seen in row.beside.items()]
        if stages or beside:
            lines.append(f"| | {'; '.join([*stages, *beside])} | | | | | | |")
    if figures:
        lines += ["", *_by_server(figures)]
    return "\n".join(lines)


def _by_server(figures: Figures) -> list[str]:
    return [
        "Live delivery, 1,000 screens, the same bytes from each server, everything counted and compared:",
        "",
        "| server | deliveries/s, 32 publishes in flight | CPU us a delivery | the same, one publish at a time | limit |",
        "|---|---|---|---|---|",
        *(
            f"| {server} | {of['deliveries_per_s']:,.0f} | {of['cpu_us']:.2f} | {of['cpu_us_closed']:.2f} | {fanout.limit(of)} |"
            for server, of in figures.items()
        ),
        "",
        _BUSY_MEANS,
    ]


def draw(file: Path, figures: Figures) -> bool:
    """The bars; False when matplotlib is not installed (it comes with the tools of development)."""
    try:
        import matplotlib as mpl  # here: it takes a second to load, and an installation does not have it
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return False
    servers = list(figures)[::-1]  # the first one on top
    colours = ["#0b6e4f" if server == "ours" else "#9aa5b1" for server in servers]
    panels = {
        "deliveries_per_s": ("Deliveries per second, 32 publishes in flight", "{:,.0f}"),
        "cpu_us": ("Server CPU per delivery, us, 32 in flight", "{:.2f}"),
        "cpu_us_closed": ("Server CPU per delivery, us, one at a time", "{:.2f}"),
    }
    with mpl.rc_context({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.family": "sans-serif"}):
        sheet = Figure(figsize=(9, 7), layout="constrained")
        sheet.suptitle(f"1,000 screens, {measuring.day_and_machine()}", fontsize=11)
        for axes, (key, (title, form)) in zip(sheet.subplots(3, 1), panels.items(), strict=True):
            values = [figures[server][key] for server in servers]
            bars = axes.barh(servers, values, color=colours)
            axes.bar_label(bars, labels=[form.format(value) for value in values], padding=4, fontsize=9)
            axes.set_title(title, fontsize=10, loc="left")
            axes.set_xlim(0, max(values) * 1.15)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=9)
        sheet.savefig(file, format="svg", metadata={"Date": None})
    return True
