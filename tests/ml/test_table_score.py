"""The lead score on any table: it beats its baselines, says what is true, and is moved by nothing but what it names."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport
from ghl_real_estate_ai.ml.table_baselines import baseline_answers
from ghl_real_estate_ai.ml.table_inputs import Inputs
from ghl_real_estate_ai.ml.table_score import (
    LeadScoreQuestion,
    RollingCourse,
    evaluate_lead_score,
    evaluate_rolling,
)
from tests.support.public_data import public_data

pytestmark = pytest.mark.untraced

N: Final = 1_400
CUT: Final = 900
ASK: Final = LeadScoreQuestion(outcome="won", top=50)


def leads(rows: int = N, *, seed: int = 1, drift: float = 0.0) -> pl.DataFrame:
    """A brokerage's export: one strong number, one bent one, words, holes, a free text, keys, a constant, noise."""
    rng = np.random.default_rng(seed)
    budget, visits, noise = rng.normal(size=rows), rng.poisson(3, rows).astype(float), rng.normal(size=rows)
    source = rng.choice(["web", "fair", "friend", "portal"], rows, p=[0.4, 0.2, 0.1, 0.3])
    agent = [f"agent {n}" for n in rng.integers(0, 60, rows)]
    garden = rng.random(rows) < 0.4
    log_odds = (
        -1.3 + 1.1 * budget - 0.8 * (np.abs(visits - 3) > 1) + 0.9 * (source == "friend") + 0.8 * garden
        + drift * np.arange(rows) / rows
    )  # fmt: skip
    won = rng.random(rows) < 1 / (1 + np.exp(-log_odds))
    holes = rng.random(rows) < 0.1
    return pl.DataFrame(
        {
            "record": np.arange(rows) + 7_000,
            "budget": [None if hole else f"${400_000 + 50_000 * b:,.0f}" for b, hole in zip(budget, holes, strict=True)],
            "visits": visits,
            "noise": noise,
            "source": [None if n % 17 == 0 else word for n, word in enumerate(source)],
            "agent": agent,
            "note": [f"looks for number {n} {'with garden soon' if g else 'in the old town'}" for n, g in enumerate(garden)],
            "office": ["north"] * rows,
            "marital status": rng.choice(["single", "married"], rows),
            "won": won.astype(int),
        }
    )  # fmt: skip


def silent(text: str) -> None:
    """Progress that nobody reads."""


def judged(train: pl.DataFrame, test: pl.DataFrame, ask: LeadScoreQuestion = ASK) -> EvaluationReport:
    return evaluate_lead_score(train, test, ask, say=silent)


def same(one: EvaluationReport, other: EvaluationReport) -> bool:
    plain, second = one.as_dict(), other.as_dict()
    plain.pop("seconds")
    second.pop("seconds")
    return plain == second


def number(report: EvaluationReport, name: str, of: str | None = None) -> float:
    value = (report.figures if of is None else report.baselines[of])[name]
    assert value is not None
    return float(value)


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return leads()


@pytest.fixture(scope="module")
def report(table: pl.DataFrame) -> EvaluationReport:
    return judged(table[:CUT], table[CUT:])


def test_it_beats_every_baseline(report: EvaluationReport) -> None:
    assert set(report.baselines) >= {"base_rate", "logistic", "best_single_column"}
    for name in report.baselines:
        assert number(report, "auc") > number(report, "auc", name)
        assert number(report, "brier") < number(report, "brier", name)
    assert number(report, "auc") > 0.75
    assert number(report, "ece") < 0.08
    assert number(report, "hits") >= 0.6 * 50


def test_it_says_what_it_used_and_why_not_the_rest(report: EvaluationReport) -> None:
    assert report.used == ("agent", "budget", "noise", "note", "source", "visits")
    assert {flag.column: flag.kind for flag in report.flagged} == {
        "record": "identifier", "office": "constant", "marital status": "protected",
    }  # fmt: skip
    assert all(flag.reason for flag in report.flagged)
    assert "rows oldest first, as record rises" in report.notes


def test_each_used_column_moves_the_output_and_the_strong_one_most(report: EvaluationReport) -> None:
    effects = report.details["contribution"]
    assert isinstance(effects, dict)
    assert set(effects) == set(report.used)
    assert all(effect > 0 for effect in effects.values())
    assert next(iter(effects)) == "budget"


def test_tables_are_not_changed(table: pl.DataFrame, report: EvaluationReport) -> None:
    del report
    assert table.equals(leads())


def test_the_same_rows_give_the_same_answer_in_any_order_of_columns(
    table: pl.DataFrame, report: EvaluationReport
) -> None:
    turned = table.select(reversed(table.columns))
    assert same(report, judged(turned[:CUT], turned[CUT:].select(sorted(table.columns))))


def test_the_judged_outcomes_change_no_prediction(table: pl.DataFrame, report: EvaluationReport) -> None:
    lied = table[CUT:].with_columns(won=1 - pl.col("won"))
    assert number(judged(table[:CUT], lied), "auc") == pytest.approx(1 - number(report, "auc"))


def test_missing_and_unseen_cells_are_scored(table: pl.DataFrame) -> None:
    odd = table[CUT:].with_columns(
        budget=pl.when(pl.col("visits") > 3).then(None).otherwise(pl.col("budget")),
        source=pl.lit("a word of tomorrow"),
        agent=pl.lit(None, dtype=pl.String),
        noise=pl.lit(1e15),
    )
    found = judged(table[:CUT], odd)
    assert number(found, "n") == N - CUT
    assert number(found, "auc") > 0.6
    assert any(note.startswith("drift alarm") and "source" in note for note in found.notes)


def test_a_column_that_is_gone_or_of_another_kind_is_left_out_with_a_reason(table: pl.DataFrame) -> None:
    found = judged(table[:CUT], table[CUT:].drop("visits").with_columns(noise=pl.lit("much")))
    reasons = {flag.column: flag.reason for flag in found.flagged if flag.kind == "absent"}
    assert "no such column" in reasons["visits"]
    assert "cannot be read as one" in reasons["noise"]


def test_where_the_outcome_is_noise_it_says_so() -> None:
    rng = np.random.default_rng(4)
    table = leads(seed=2).with_columns(won=pl.Series((rng.random(N) < 0.3).astype(int)))
    found = judged(table[:CUT], table[CUT:])
    assert abs(number(found, "auc") - 0.5) < 0.08
    assert number(found, "ece") < 0.08


def test_excluded_and_allowed_columns_and_what_cannot_be_allowed(table: pl.DataFrame) -> None:
    ask = LeadScoreQuestion(outcome="won", id_column="record", exclude=("budget",), allow=("marital status",))
    found = judged(table[:CUT], table[CUT:], ask)
    kinds = {flag.column: flag.kind for flag in found.flagged}
    assert kinds["budget"] == "excluded"
    assert kinds["record"] == "identifier"
    assert kinds["marital status"] == "protected"
    assert "budget" not in found.used
    assert "marital status" not in found.used


def test_few_outcomes_fall_back_to_a_restrained_model_and_say_so(table: pl.DataFrame) -> None:
    few = table.filter((pl.col("won") == 0) | (pl.col("record") % 23 == 0))
    found = judged(few[:300], table[CUT:])
    assert any(note.startswith("not enough data") for note in found.notes)
    assert found.details["members"] == [{"name": "logistic", "setting": 0.01, "weight": 1.0}]
    assert number(found, "auc") > 0.55


def test_one_class_gives_no_figures_and_no_crash(table: pl.DataFrame) -> None:
    lost = table.filter(pl.col("won") == 0)
    learnt_of_one = judged(lost[:300], table[CUT:])
    assert number(learnt_of_one, "auc") == 0.5
    assert any("one outcome only" in note for note in learnt_of_one.notes)
    asked_of_one = judged(table[:CUT], lost[-100:])
    assert asked_of_one.figures["auc"] is None
    assert asked_of_one.figures["lift_at_10"] is None
    assert number(asked_of_one, "brier") > 0  # how far from 0 was said has an answer
    assert number(asked_of_one, "ece") > 0
    assert any("one outcome only" in note for note in asked_of_one.notes)


def test_a_table_sorted_by_its_outcome_is_not_taken_for_time(table: pl.DataFrame) -> None:
    found = judged(table[:CUT].drop("record").sort("won"), table[CUT:].drop("record"))
    assert "rows are sorted by outcome: their order says nothing" in found.notes
    assert number(found, "auc") > 0.7


def test_a_number_of_the_rows_of_a_table_sorted_by_outcome_is_no_time(table: pl.DataFrame) -> None:
    def counted(part: pl.DataFrame) -> pl.DataFrame:
        return part.drop("record").sort("won").with_columns(row=pl.int_range(pl.len()) * 1_000)

    found = judged(counted(table[:CUT]), counted(table[CUT:]))
    assert "rows are sorted by outcome: their order says nothing" in found.notes
    assert {flag.column: flag.kind for flag in found.flagged}["row"] == "identifier"
    assert number(found, "auc") > 0.7
    assert number(found, "ece") < 0.1


def test_late_columns_say_how_to_use_them_and_what_leaving_them_out_costs() -> None:
    rng = np.random.default_rng(8)
    y = rng.random(N) < 0.3
    table = pl.DataFrame(
        {"won": y.astype(int), "close score": y + rng.normal(0, 0.4, N), "clicks": rng.poisson(3, N)}
    )
    found = judged(table[:CUT], table[CUT:])
    (flag,) = (flag for flag in found.flagged if flag.kind == "late")
    assert "--allow 'close score'" in flag.reason
    assert any(note.startswith("leaving out late columns costs much: close score") for note in found.notes)
    allowed = judged(table[:CUT], table[CUT:], LeadScoreQuestion(outcome="won", allow=("close score",)))
    assert number(allowed, "auc") > 0.9
    assert not any("costs much" in note for note in allowed.notes)


def test_decimal_commas_are_read_in_both_tables_alike(table: pl.DataFrame, report: EvaluationReport) -> None:
    comma = table.with_columns(pl.col("noise", "visits").cast(pl.String).str.replace(".", ",", literal=True))
    again = judged(comma[:CUT], comma[CUT:].with_columns(table["noise"][CUT:]))  # one of them with points
    assert number(again, "auc") == pytest.approx(number(report, "auc"))


def test_nested_cells_are_named_as_such(table: pl.DataFrame) -> None:
    nested = table[:300].with_columns(tags=pl.concat_list("source", "agent"))
    flags = {flag.column: flag for flag in judged(nested, nested).flagged}
    assert flags["tags"].kind == "nested"
    assert "a column of its own" in flags["tags"].reason


@pytest.mark.filterwarnings("error")
def test_enormous_numbers_raise_no_warning_of_a_library(table: pl.DataFrame) -> None:
    huge = table.with_columns(pl.col("noise") * 1e300, visits=pl.col("visits") * 1e300)
    found = judged(huge[:CUT], huge[CUT:])
    assert number(found, "auc") > 0.7


def test_blank_outcomes_beside_one_word_hint_at_the_lost(table: pl.DataFrame) -> None:
    won = table.with_columns(won=pl.when(pl.col("won") == 1).then(pl.lit("won")))
    found = judged(won[:CUT], table[CUT:].with_columns(won=pl.lit("won")))
    assert any("if an empty cell means the other outcome" in note for note in found.notes)


def test_a_plain_logistic_regression_stays_within_what_it_learnt() -> None:
    def inputs(values: list[float]) -> Inputs:
        return Inputs(np.array(values)[:, None], ("visits",), np.empty((len(values), 0), dtype=np.int64), ())

    learn, y = inputs([0.0, 1.0, 2.0, 3.0, 4.0, 5.0] * 20), np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0] * 20)
    edge, far, gone = baseline_answers(learn, y, inputs([5.0, 1e6, np.nan]), times=None).answers["logistic"]
    assert edge == far
    assert 0 < gone < edge < 0.99


def test_a_time_column_orders_the_rows_and_adds_recency(table: pl.DataFrame) -> None:
    start = pl.datetime(2025, 1, 1)
    dated = table.drop("record").with_columns(created=start + pl.duration(hours=pl.int_range(N)))
    ask = LeadScoreQuestion(outcome="won", time="created")
    found = judged(dated[:CUT], dated[CUT:], ask)
    assert "recency" in found.baselines
    assert "created" in found.used  # its hours and weekdays
    assert same(found, judged(dated[:CUT].reverse(), dated[CUT:], ask))


def test_rolling_learns_on_while_the_static_model_rings() -> None:
    found = evaluate_rolling(
        leads(1_500, seed=3, drift=3.0), ASK, RollingCourse(step=250, window=600, start=600), say=silent
    )
    assert number(found, "n") == 900
    assert number(found, "ece") < number(found, "ece", "static")
    assert number(found, "brier") < number(found, "brier", "static")
    alarm = found.details["static_alarm"]
    assert isinstance(alarm, dict)
    assert alarm["rings"]
    assert any(
        note.startswith("static: the drift alarm rings") and "base rate" in note for note in found.notes
    )


def test_rolling_refuses_a_course_longer_than_the_table(table: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="nothing is left to judge"):
        evaluate_rolling(table, ASK, RollingCourse(step=10, window=100, start=N), say=silent)


@pytest.mark.data
def test_on_education_leads_it_reaches_the_floor_without_late_columns() -> None:
    table = pl.read_csv(public_data("x_education_leads/leads_oldest70.csv"), infer_schema_length=None)
    cut = int(0.7 * table.height)
    found = judged(table[:cut], table[cut:], LeadScoreQuestion(outcome="Converted", top=500))
    assert number(found, "auc") >= 0.87
    assert number(found, "ece") <= 0.035
    assert not {"Tags", "Lead Quality", "Last Activity"} & set(found.used)


@pytest.mark.data
def test_on_bank_calls_learning_on_beats_one_fit_and_stays_calibrated() -> None:
    table = pl.read_csv(public_data("bank_marketing/bank_additional_first70.csv"), infer_schema_length=None)
    course = RollingCourse(step=500, window=4_000, start=24_000)
    found = evaluate_rolling(table, LeadScoreQuestion(outcome="y"), course, say=silent)
    assert number(found, "ece") <= 0.05
    assert number(found, "brier") < number(found, "brier", "static")
    assert number(found, "auc") > number(found, "auc", "static")
    assert {"duration", "age", "marital"} <= {flag.column for flag in found.flagged}
    alarm = found.details["static_alarm"]
    assert isinstance(alarm, dict)
    assert alarm["rings"]
