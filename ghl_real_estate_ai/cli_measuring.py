"""The commands that look at the house itself: bench, load, soak, screens. Part of ``cli``, which adds them to ``enterprisehub``.

Each parses, calls one function below it, prints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ghl_real_estate_ai.commands.terminal import AsJson, err, out, show

measuring_app = typer.Typer()


@measuring_app.command()
def bench(
    *,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Name of a number in budgets.py; may be repeated.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here, as JSON.")] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write a page and its plot here: FOLDER/benchmarks.md, .svg."),
    ] = None,
) -> None:
    """Measure every promise of budgets.py on this machine: measured, target, peer. Exit code 1 if one is missed."""
    from ghl_real_estate_ai.commands import bench_report, benchmarks

    rows = benchmarks.run(only or [], say=lambda line: err.print(line, highlight=False))
    out.print(benchmarks.table(rows))
    out.print(benchmarks.details(rows), highlight=False, markup=False, soft_wrap=True)
    if report is not None:
        bench_report.write(report, rows)
    if json_file is not None:
        json_file.write_text(json.dumps([row.as_dict() for row in rows], indent=2) + "\n")
    if not all(row.passed for row in rows):
        raise typer.Exit(1)


@measuring_app.command()
def load(
    *,
    viewers: Annotated[int, typer.Option(min=1, help="Connected screens.")] = 100,
    per_second: Annotated[float, typer.Option(min=0.1, help="Signed webhooks per second.")] = 50.0,
    seconds: Annotated[float, typer.Option(min=1)] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Put a steady load on a throw-away installation; exit code 1 if any viewer missed anything."""
    from ghl_real_estate_ai.commands import crowd

    account = crowd.run(
        crowd.Load(viewers=viewers, per_second=per_second, seconds=seconds),
        say=lambda line: err.print(line, highlight=False),
    )
    result = account.as_dict()
    show(result, as_json=as_json, line="\n".join(f"{name:32} {value}" for name, value in result.items()))
    if account.received != account.expected or account.trouble:
        raise typer.Exit(1)


@measuring_app.command()
def soak(
    *,
    minutes: Annotated[float, typer.Option(min=1)] = 20.0,
    per_second: Annotated[float, typer.Option(min=0.1, help="Signed webhooks per second.")] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Keep a screen with 2,000 leads open under live events and look at its memory; exit code 1 if it grows too much."""
    from ghl_real_estate_ai.commands import benchmarks, screen_benchmarks

    row = screen_benchmarks.soak(
        minutes=minutes, per_second=per_second, say=lambda line: err.print(line, highlight=False)
    )
    if as_json:
        out.print_json(data=row.as_dict())
    else:
        out.print(benchmarks.table([row]))
        out.print(benchmarks.details([row]), highlight=False, markup=False, soft_wrap=True)
    if not row.passed:
        raise typer.Exit(1)


@measuring_app.command()
def screens(
    folder: Annotated[Path, typer.Argument(help="Write the pictures here.")] = Path("docs/screens"),
) -> None:
    """Take pictures of every page at 1440 and 390 pixels, of a simulated brokerage in a real browser."""
    from ghl_real_estate_ai.commands import portraits

    taken = portraits.take(folder, say=lambda line: err.print(line, highlight=False))
    out.print(f"{len(taken)} pictures in {folder}", highlight=False)
