"""``enterprisehub evaluate lead-score`` as a person types it: the JSON, and what each mistake gets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from ghl_real_estate_ai import cli
from ghl_real_estate_ai.errors import InputError

pytestmark = pytest.mark.untraced

LEARN, JUDGE = 400, 200


def leads(folder: Path) -> tuple[str, str, str]:
    """A table in two files, and whole."""
    rng = np.random.default_rng(9)
    rows = LEARN + JUDGE
    budget = rng.normal(size=rows)
    table = pl.DataFrame(
        {
            "budget": np.round(budget, 3),
            "source": rng.choice(["web", "fair"], rows),
            "won": np.where(rng.random(rows) < 1 / (1 + np.exp(1 - 1.5 * budget)), "yes", "no"),
            "stage": rng.choice(["a", "b", "c"], rows),
        }
    )
    paths = (folder / "train.csv", folder / "test.parquet", folder / "all.csv")
    table[:LEARN].write_csv(paths[0], separator=";")
    table[LEARN:].write_parquet(paths[1])
    table.write_csv(paths[2])
    return str(paths[0]), str(paths[1]), str(paths[2])


def run(*arguments: str) -> str:
    """What is printed; the error is raised as it reaches the terminal's one handler."""
    result = CliRunner().invoke(cli.app, ["evaluate", "lead-score", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_two_files_of_different_make_give_a_table_and_the_fixed_json(tmp_path: Path) -> None:
    train, test, _ = leads(tmp_path)
    out = tmp_path / "sub" / "report.json"
    printed = run(
        "--train",
        train,
        "--test",
        test,
        "--outcome",
        "won",
        "--top",
        "40",
        "--exclude",
        "stage",
        "--json",
        str(out),
    )
    report = json.loads(out.read_text())
    assert {"n", "base_rate", "auc", "ap", "brier", "ece", "lift_at_10", "hits", "baselines", "used", "flagged", "notes", "details", "seconds"} <= set(report)  # fmt: skip
    assert report["n"] == JUDGE
    assert report["auc"] > 0.7
    assert report["used"] == ["budget", "source"]
    assert report["flagged"] == [
        {"column": "stage", "kind": "excluded", "reason": "left out as asked", "evidence": {}}
    ]
    for figures in report["baselines"].values():
        assert {"auc", "ap", "brier", "ece", "lift_at_10", "hits"} <= set(figures)
    assert "best_single_column" in printed
    assert "stage (excluded)" in printed


def test_a_course_over_one_file_judges_every_row_from_the_start_on(tmp_path: Path) -> None:
    *_, whole = leads(tmp_path)
    out = tmp_path / "report.json"
    run(
        "--data",
        whole,
        "--outcome",
        "won",
        "--rolling",
        "100",
        "--window",
        "300",
        "--start",
        "350",
        "--json",
        str(out),
    )
    report = json.loads(out.read_text())
    assert report["n"] == LEARN + JUDGE - 350
    assert {"static", "base_rate", "logistic", "best_single_column"} <= set(report["baselines"])
    assert [step["from_row"] for step in report["details"]["static_alarm"]["steps"]] == [350, 450, 550]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--outcome", "won"), "give --train FILE and --test FILE"),
        (("--train", "{train}", "--outcome", "won"), "give --train FILE and --test FILE"),
        (("--data", "{whole}", "--outcome", "won"), "--data goes with --rolling"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "wonn"), "no column 'wonn'; did you mean 'won'"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "stage"), "3 different values"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "won", "--exclude", "zip"), "no column 'zip'"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "won", "--allow", "won"), "'won' is the outcome"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "won", "--allow", "stage", "--exclude", "stage"), "both name 'stage'"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "won", "--time", "source"), "cannot read '(web|fair)' as a date"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "won", "--id", "won"), "is the outcome; name another"),
        (("--train", "nowhere.csv", "--test", "{test}", "--outcome", "won"), "no such file"),
        (("--data", "{whole}", "--outcome", "won", "--rolling", "50"), "needs --window N"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "won", "--window", "50"), "--window goes with --rolling"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "won", "--start", "50"), "--start goes with --rolling"),
        (("--train", "{train}", "--test", "{test}", "--outcome", "budgte"), "train.csv: no column 'budgte'"),
        (("--train", "{train}", "--outcome", "won", "--rolling", "50"), "--rolling takes one table"),
        (("--data", "{whole}", "--outcome", "won", "--rolling", "50", "--window", "90", "--start", "600"), "nothing is left to judge"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_fix(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    train, test, whole = leads(tmp_path)
    given = [part.format(train=train, test=test, whole=whole) for part in arguments]
    with pytest.raises(InputError, match=says):
        run(*given)
