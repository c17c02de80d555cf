"""The commands about models: train, evaluate, report. Part of ``cli``, which adds them to ``enterprisehub``.

Each parses, calls one function below it, prints.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ghl_real_estate_ai.commands.terminal import AsJson, InLocation, err, out, progress_bar, show, with_memory
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport
from ghl_real_estate_ai.ml.table_score import LeadScoreQuestion
from ghl_real_estate_ai.models.identifiers import LocationId

LOWEST_PRIORITY = 15
"""Added to the niceness of a training in the background: whatever answers comes first."""

learning_app = typer.Typer()
evaluate_app = typer.Typer(
    help="Judge the models on any table or event log (CSV or Parquet), beside baselines.",
    no_args_is_help=True,
)
learning_app.add_typer(evaluate_app, name="evaluate")
report_app = typer.Typer(help="What was said, and what came true.", no_args_is_help=True)
learning_app.add_typer(report_app, name="report")


@learning_app.command()
def train(
    *,
    location: Annotated[
        str | None,
        typer.Option(help="Learn from this GHL location's own history; a simulated city if left out."),
    ] = None,
    challenge: Annotated[
        bool,
        typer.Option("--challenge", help="With --location, as the background loop does: lowest priority."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the simulated city, when no --location is given.")] = 7,
    leads: Annotated[int, typer.Option(min=100)] = 8_000,
    days: Annotated[float, typer.Option(min=200)] = 540.0,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder for a city's models; needed without --location.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn lead score, odds of a deal and churn risk: of a location, or, to ship them, of a simulated city.

    A location's models are judged against the ones that answer now, and replace them only if they are clearly better.
    """
    from ghl_real_estate_ai.commands import learning

    if location is None and out_dir is None:
        raise InputError(
            "name a --location to learn from, or with --out a folder for the models of a simulated city"
        )
    if location is not None and out_dir is not None:
        raise InputError("--out is for a city's models; a --location's are kept in its database")
    if challenge:
        os.nice(LOWEST_PRIORITY)
    with progress_bar("reading") as progress:
        task = progress.add_task("reading", total=None)

        def advance() -> None:
            progress.advance(task)

        if location is not None:
            place = LocationId(location)
            told = with_memory(lambda memory: learning.train_on_location(memory, place, progress=advance))
            show(told.as_dict(), as_json=as_json, line=told.table())
        elif out_dir is not None:
            report = learning.train_on_city(
                seed=seed, leads=leads, days=days, out_dir=out_dir, progress=advance
            )
            show(report.as_dict(), as_json=as_json, line=report.table() + f"\nwritten to {out_dir}")


# --- evaluate: any table or log -----------------------------------------------------------------------------------

JsonOut = Annotated[Path | None, typer.Option("--json", help="Write the figures here, as JSON.")]


def _finish(work: Callable[[Callable[[str], None]], EvaluationReport], json_file: Path | None) -> None:
    """Run with a line of progress on stderr; print the table, write the JSON."""
    with err.status("reading") as status:
        report = work(status.update)
    out.print(report.table(), highlight=False, markup=False, soft_wrap=True)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")


@evaluate_app.command("lead-score")
def evaluate_lead_score(
    *,
    train: Annotated[Path | None, typer.Option(help="Leads whose outcome is known, to learn from.")] = None,
    test: Annotated[Path | None, typer.Option(help="Later leads, or another team's, to judge on.")] = None,
    data: Annotated[Path | None, typer.Option(help="With --rolling: one table, oldest row first.")] = None,
    outcome: Annotated[str, typer.Option(help="Column that holds the outcome.")],
    id_column: Annotated[str | None, typer.Option("--id", help="Column that names the lead.")] = None,
    time: Annotated[str | None, typer.Option(help="Column with each row's date.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Column to leave out. Repeatable.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Column to use although it looks filled in after the outcome. Repeatable."),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Count the outcomes among the best N rows.")] = None,
    rolling: Annotated[int | None, typer.Option(min=1, help="Learn anew every so many rows.")] = None,
    window: Annotated[int | None, typer.Option(min=1, help="With --rolling: rows to learn from.")] = None,
    start: Annotated[
        int | None, typer.Option(min=1, help="With --rolling: first row that is judged.")
    ] = None,
    json_file: JsonOut = None,
) -> None:
    """The lead score on any table: columns of every kind, late ones found, beside baselines."""
    from ghl_real_estate_ai.commands import evaluating

    question = LeadScoreQuestion(
        outcome=outcome,
        id_column=id_column,
        time=time,
        exclude=tuple(exclude or ()),
        allow=tuple(allow or ()),
        top=top,
    )
    if rolling is not None:
        course = evaluating.rolling_course(
            data=data, train=train, test=test, step=rolling, window=window, start=start
        )
        _finish(lambda say: evaluating.lead_score_rolling(course, question, say=say), json_file)
        return
    pair = evaluating.train_and_test(train=train, test=test, data=data, window=window, start=start)
    _finish(lambda say: evaluating.lead_score(pair, question, say=say), json_file)


@evaluate_app.command("churn")
def evaluate_churn(
    *,
    train_events: Annotated[Path, typer.Option(help="Log to learn from.")],
    test_events: Annotated[Path, typer.Option(help="Log to judge on; may be the same.")],
    lead: Annotated[str, typer.Option(help="Column that names the lead.")],
    time: Annotated[str, typer.Option(help="Column with each event's date.")],
    value: Annotated[str | None, typer.Option(help="Column with an amount.")] = None,
    type_column: Annotated[str | None, typer.Option("--type", help="Column with the kind of event.")] = None,
    train_cutoff: Annotated[
        str, typer.Option(help="Date at which the training rows stand, e.g. 1997-09-30.")
    ],
    test_cutoff: Annotated[str, typer.Option(help="Date at which the judged rows stand.")],
    horizon: Annotated[str, typer.Option(help="Churned = no event for so long, e.g. 14d, 39w.")] = "14d",
    active_within: Annotated[
        str | None, typer.Option(help="Only leads with an event so shortly before the cutoff, e.g. 180d.")
    ] = None,
    json_file: JsonOut = None,
) -> None:
    """The churn risk on any event log: who stays silent, how many events come, beside recency, logistic, BG/NBD."""
    from ghl_real_estate_ai.commands import evaluating

    question = evaluating.churn_question(
        lead=lead, time=time, value=value, type_column=type_column, train_cutoff=train_cutoff,
        test_cutoff=test_cutoff, horizon=horizon, active_within=active_within,
    )  # fmt: skip
    _finish(lambda say: evaluating.churn(train_events, test_events, question, say=say), json_file)


@evaluate_app.command("journey")
def evaluate_journey(
    *,
    train_events: Annotated[Path, typer.Option(help="Log of cases to learn from.")],
    test_events: Annotated[Path, typer.Option(help="Log of later cases to judge on.")],
    case: Annotated[str, typer.Option(help="Column that names the case.")],
    activity: Annotated[str, typer.Option(help="Column with the activity.")],
    time: Annotated[str, typer.Option(help="Column with each event's date.")],
    outcome: Annotated[
        str, typer.Option(help="NAME=ACTIVITY: the outcome, and the activity that decides it.")
    ],
    cut: Annotated[
        list[str] | None,
        typer.Option(help="Activity at which a case is decided: it and what follows is hidden. Repeatable."),
    ] = None,
    json_file: JsonOut = None,
) -> None:
    """How a case will end, from each prefix of its events."""
    from ghl_real_estate_ai.commands import evaluating

    question = evaluating.journey_question(
        case=case, activity=activity, time=time, outcome=outcome, cut=tuple(cut or ())
    )
    _finish(lambda say: evaluating.journey(train_events, test_events, question, say=say), json_file)


@evaluate_app.command("ranking")
def evaluate_ranking(
    *,
    train: Annotated[
        Path | None, typer.Option(help="Judged lists to learn from; none: the untrained order.")
    ] = None,
    test: Annotated[Path, typer.Option(help="Lists to judge on.")],
    label: Annotated[str, typer.Option(help="Column with the judgement: a number, or low, medium, high.")],
    group: Annotated[str, typer.Option(help="COL[,COL]: what makes a list.")],
    features: Annotated[str | None, typer.Option(help="COL[,COL]: only these columns.")] = None,
    json_file: JsonOut = None,
) -> None:
    """The order of listings on any table of judged lists, with and without training."""
    from ghl_real_estate_ai.commands import evaluating

    question = evaluating.ranking_question(label=label, group=group, features=features)
    _finish(lambda say: evaluating.ranking(train, test, question, say=say), json_file)


# --- report -------------------------------------------------------------------------------------------------------


@report_app.command("scores")
def report_scores(
    *,
    location: InLocation = None,
    since: Annotated[
        str | None, typer.Option(help="Only answers given on this day or later, e.g. 2026-01-31.")
    ] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every resolved answer here.")] = None,
    replayed: Annotated[
        bool,
        typer.Option(
            "--replayed",
            help="What the models that ship would have said of an imported history they never saw.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The track record of scores and risks on your own leads, by month, beside the base rate and the recency rule."""
    from ghl_real_estate_ai.commands import reporting

    first = None if since is None else reporting.day_of(since)
    if replayed and csv_file is not None:
        raise InputError("--csv holds what was shown; give --replayed without it, with --json for a file")
    if replayed:
        with progress_bar("replaying") as progress:
            task = progress.add_task("replaying", total=None)
            record = with_memory(
                lambda memory: reporting.replayed(
                    memory, location, since=first, progress=lambda: progress.advance(task)
                )
            )
    else:
        record = with_memory(
            lambda memory: reporting.scores(memory, location, since=first, csv_file=csv_file)
        )
    show(record.model_dump(mode="json"), as_json=as_json, line=reporting.in_words(record))
