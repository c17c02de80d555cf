"""The churn risk of any log: it reads only the past, never falls with silence, and says when data are thin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import cast

import numpy as np
import polars as pl
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation import group_draws
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport
from ghl_real_estate_ai.ml.event_logs import EventLog, LogColumns, read_log
from ghl_real_estate_ai.ml.lapse import ChurnQuestion, evaluate_churn
from ghl_real_estate_ai.ml.lapse_features import counts_after, rows_at
from ghl_real_estate_ai.ml.lapse_model import LapseModel, fit_lapse, settle
from tests.support.judged_tables import BEGIN, purchase_log
from tests.support.public_data import public_data

pytestmark = pytest.mark.untraced
HORIZON = 40.0
QUESTION = ChurnQuestion(
    lead="lead",
    time="time",
    value="amount",
    train_cutoff=BEGIN + timedelta(days=200),
    test_cutoff=BEGIN + timedelta(days=200),
    horizon=timedelta(days=HORIZON),
)
TRAIN, TEST = purchase_log(300, seed=11), purchase_log(500, seed=12)
BASELINES = {"base_rate", "recency", "logistic", "bg_nbd"}
FIGURES = {
    "n",
    "base_rate",
    "auc",
    "ap",
    "brier",
    "ece",
    "lift_at_10",
    "expected_count_correlation",
    "expected_count_rmse",
}


def judge(
    train: pl.DataFrame = TRAIN, test: pl.DataFrame = TEST, question: ChurnQuestion = QUESTION
) -> EvaluationReport:
    return evaluate_churn(train, test, question, say=lambda _: None)


def log_of(table: pl.DataFrame) -> EventLog:
    return read_log(table, LogColumns("lead", "time", "amount"), source="log")


def day(moment: datetime) -> float:
    return moment.timestamp() / 86_400


CUTOFF = day(QUESTION.test_cutoff)


@pytest.fixture(name="report", scope="module")
def _report() -> EvaluationReport:
    return judge()


@pytest.fixture(name="model", scope="module")
def _model() -> LapseModel:
    found = fit_lapse(log_of(TRAIN), known_until=CUTOFF + HORIZON, horizon=HORIZON)
    assert found is not None
    assert len(found.hazard) == 2
    return found


def said(model: LapseModel, table: pl.DataFrame, at: float = CUTOFF) -> Mapping[str, tuple[float, float]]:
    """Risk and expected count per lead."""
    log = log_of(table)
    found = model.forecast(log, at)
    names = [log.leads[place] for place in found.rows.lead]
    return dict(zip(names, zip(found.silent.tolist(), found.expected.tolist(), strict=True), strict=True))


# --- what the report says -----------------------------------------------------------------------------------------


def test_every_model_has_every_figure_and_the_hazard_beats_the_recency_rule(report: EvaluationReport) -> None:
    assert report.model == "hazard"
    assert set(report.baselines) == BASELINES
    assert all(set(figures) == FIGURES for figures in (report.figures, *report.baselines.values()))
    figures, recency = (
        cast("Mapping[str, float]", report.figures),
        cast("Mapping[str, float]", report.baselines["recency"]),
    )
    assert figures["auc"] > recency["auc"]
    assert figures["brier"] < recency["brier"] < cast("float", report.baselines["base_rate"]["brier"])
    assert figures["expected_count_correlation"] > recency["expected_count_correlation"]
    assert figures["n"] == said_rows()


def said_rows() -> int:
    """Leads of TEST with an event up to the cutoff."""
    return int(TEST.filter(pl.col("time") <= QUESTION.test_cutoff)["lead"].n_unique())


def test_active_within_keeps_only_leads_with_a_recent_event() -> None:
    within = replace(QUESTION, active_within=timedelta(days=30))
    recent = TEST.filter(
        (pl.col("time") <= QUESTION.test_cutoff)
        & (pl.col("time") > QUESTION.test_cutoff - timedelta(days=30))
    )
    assert judge(question=within).figures["n"] == recent["lead"].n_unique()


def test_a_lead_churned_when_nothing_happens_after_the_cutoff_up_to_the_horizon_and_with_it() -> None:
    edge = QUESTION.test_cutoff + QUESTION.horizon
    events = [
        ("at the cutoff", QUESTION.test_cutoff),
        ("at the horizon", edge),
        ("later", edge + timedelta(hours=1)),
    ]
    table = pl.DataFrame(
        [
            (lead, moment, 1.0)
            for lead, last in events
            for moment in (QUESTION.test_cutoff - timedelta(days=9), last)
        ],
        schema=["lead", "time", "amount"],
        orient="row",
    )
    log = log_of(table)
    rows = rows_at(log, CUTOFF, horizon=HORIZON, model=None)
    assert dict(
        zip((log.leads[place] for place in rows.lead), counts_after(log, rows, HORIZON), strict=True)
    ) == {
        "at the cutoff": 0.0,
        "at the horizon": 1.0,
        "later": 0.0,
    }


def test_the_same_logs_give_the_same_figures_in_any_order_of_rows_and_columns(
    report: EvaluationReport,
) -> None:
    again = judge(
        TRAIN.reverse().select(reversed(TRAIN.columns)), TEST.sample(fraction=1.0, shuffle=True, seed=1)
    )
    assert (again.figures, again.baselines) == (report.figures, report.baselines)


def test_a_protected_class_never_enters_not_even_when_it_is_asked_for(report: EvaluationReport) -> None:
    born = {"lead-11": "abroad", "lead-12": "here"}
    told = [
        table.with_columns(nationality=pl.col("lead").str.head(7).replace_strict(born))
        for table in (TRAIN, TEST)
    ]
    asked = judge(told[0], told[1], replace(QUESTION, type_column="nationality"))
    assert [(flag.column, flag.kind) for flag in asked.flagged] == [("nationality", "protected")]
    assert asked.figures == report.figures


# --- no future ----------------------------------------------------------------------------------------------------


def test_what_happens_after_the_test_cutoff_changes_no_prediction(model: LapseModel) -> None:
    past = TEST.filter(pl.col("time") <= QUESTION.test_cutoff)
    future = TEST.filter(pl.col("time") > QUESTION.test_cutoff).with_columns(amount=pl.lit(1e6))
    busier = pl.concat([past, future, future.with_columns(pl.col("time") + timedelta(hours=5))])
    before, after = said(model, past), said(model, busier)
    assert {lead: after[lead] for lead in before} == before


def test_what_happens_after_training_cutoff_and_horizon_changes_nothing(report: EvaluationReport) -> None:
    known = TRAIN.filter(pl.col("time") <= QUESTION.train_cutoff + QUESTION.horizon)
    last = known.tail(1).with_columns(time=pl.lit(QUESTION.train_cutoff + QUESTION.horizon))
    noise = TRAIN.with_columns(pl.col("time") + timedelta(days=200)).filter(
        pl.col("time") > QUESTION.train_cutoff + QUESTION.horizon
    )
    one, other = judge(pl.concat([known, last])), judge(pl.concat([known, last, noise]))
    assert (one.figures, one.baselines) == (other.figures, other.baselines)
    assert one.figures["n"] == report.figures["n"]


def test_leads_in_both_logs_are_not_learnt_from_beyond_the_test_cutoff() -> None:
    """The horizon after the training cutoff would reach over the test cutoff: the answers are the same events."""
    question = replace(QUESTION, train_cutoff=QUESTION.test_cutoff - timedelta(days=15))
    last = TRAIN.tail(1).with_columns(time=pl.lit(question.test_cutoff))
    known = pl.concat([TRAIN.filter(pl.col("time") <= question.test_cutoff), last])
    whole, cut = judge(pl.concat([TRAIN, last]), TRAIN, question), judge(known, TRAIN, question)
    assert (whole.figures, whole.baselines) == (cut.figures, cut.baselines)
    assert any("learnt up to the test cutoff only" in note for note in whole.notes)


# --- monotone -----------------------------------------------------------------------------------------------------


def test_risk_never_falls_when_the_last_event_was_earlier(model: LapseModel) -> None:
    past = TEST.filter(pl.col("time") <= QUESTION.test_cutoff).sort("lead", "time")
    risks = [said(model, past)]
    last = pl.col("time") == pl.col("time").max().over("lead")
    before = pl.col("time").shift(1).over("lead").fill_null(pl.lit(BEGIN))
    for share in (0.1, 0.3, 0.6, 0.9):
        earlier = pl.col("time") - (pl.col("time") - before) * share
        risks.append(
            said(model, past.with_columns(time=pl.when(last).then(earlier).otherwise(pl.col("time"))))
        )
    for sooner, later in pairwise(risks):
        assert all(later[lead][0] >= sooner[lead][0] - 1e-9 for lead in sooner)
    assert sum(risks[-1][lead][0] > risks[0][lead][0] + 0.01 for lead in risks[0]) > len(risks[0]) / 2


def test_risk_never_falls_as_time_passes_in_silence(model: LapseModel) -> None:
    past = TEST.filter(pl.col("time") <= QUESTION.test_cutoff)
    curves = [said(model, past, CUTOFF + later) for later in (0.0, 0.5, 3.0, 10.0, 30.0, 90.0, 250.0, 900.0)]
    for sooner, later in pairwise(curves):
        assert all(later[lead][0] >= sooner[lead][0] - 1e-9 for lead in sooner)


def test_the_risk_is_a_probability_and_the_expectation_a_count(model: LapseModel) -> None:
    found = said(model, TEST)
    assert all(0.0 <= risk <= 1.0 and expected >= 0.0 for risk, expected in found.values())
    assert np.ptp([risk for risk, _ in found.values()]) > 0.3


# --- thin, short, wrong -------------------------------------------------------------------------------------------


def test_thin_data_fall_back_to_bg_nbd_and_thinner_ones_to_recency_and_say_so() -> None:
    thin = judge(TRAIN.filter(pl.col("lead").is_in(TRAIN["lead"].unique().sort().head(30).to_list())))
    assert thin.model == "BG/NBD"
    assert any("BG/NBD answers alone" in note for note in thin.notes)
    assert cast("float", thin.figures["auc"]) > 0.6
    thinner = judge(TRAIN.filter(pl.col("lead").is_in(TRAIN["lead"].unique().sort().head(9).to_list())))
    assert thinner.model == "recency rule"
    assert any("not enough data" in note for note in thinner.notes)


def test_one_event_per_lead_is_enough_to_be_judged() -> None:
    once = [table.unique("lead", keep="first", maintain_order=True) for table in (TRAIN, TEST)]
    early = BEGIN + timedelta(days=100)  # new leads arrive until day 150
    report = judge(once[0], once[1], replace(QUESTION, train_cutoff=early, test_cutoff=early))
    assert report.figures["base_rate"] == 1.0
    assert report.figures["auc"] is None
    assert any("stayed silent" in note for note in report.notes)


@pytest.mark.parametrize(
    ("change", "option"),
    [
        (
            {"train_cutoff": BEGIN - timedelta(days=9)},
            "--train-cutoff: --train-events holds no event up to then",
        ),
        (
            {"train_cutoff": BEGIN + timedelta(days=900)},
            "--train-cutoff: --train-events holds no event after it",
        ),
        (
            {"test_cutoff": BEGIN - timedelta(days=9)},
            "--test-cutoff: --test-events holds no event up to then",
        ),
        (
            {"test_cutoff": BEGIN + timedelta(days=900)},
            "--test-cutoff: --test-events holds no event after it",
        ),
        ({"horizon": timedelta(days=900)}, "--horizon: --test-events ends .* days after the test cutoff"),
        ({"active_within": timedelta(seconds=1)}, "--active-within: no lead"),
        ({"time": "amount"}, "--train-events: column 'amount' runs from"),
        ({"value": "worth"}, "--train-events: no column 'worth'"),
    ],
    ids=["train early", "train late", "test early", "test late", "horizon", "active", "time", "value"],
)
def test_an_empty_side_or_a_wrong_column_is_refused_by_its_option(
    change: dict[str, object], option: str
) -> None:
    with pytest.raises(InputError, match=option):
        judge(question=replace(QUESTION, **change))  # type: ignore[arg-type]  # reason: one field of any type at a time


def test_a_training_side_without_active_leads_is_refused_too() -> None:
    gap = (QUESTION.train_cutoff - timedelta(days=6), QUESTION.train_cutoff)
    quiet = TRAIN.filter(~pl.col("time").is_between(*gap))
    with pytest.raises(InputError, match="--active-within: no lead of --train-events"):
        judge(quiet, question=replace(QUESTION, active_within=timedelta(days=5)))


def test_a_log_that_ends_early_is_judged_with_a_warning() -> None:
    short = TEST.filter(pl.col("time") <= QUESTION.test_cutoff + timedelta(days=30))
    assert any("some who seem silent may not be" in note for note in judge(test=short).notes)


def test_a_later_part_of_the_same_log_is_judged_with_its_past(report: EvaluationReport) -> None:
    question = replace(QUESTION, test_cutoff=QUESTION.train_cutoff + QUESTION.horizon + timedelta(days=5))
    later = TRAIN.filter(pl.col("time") > question.train_cutoff + timedelta(days=3))
    whole, part = judge(TRAIN, TRAIN, question), judge(TRAIN, later, question)
    assert part.figures == whole.figures
    assert any("earlier events there are read as history" in note for note in part.notes)
    assert report.figures["n"] != whole.figures["n"]


# --- the embargoed fold -------------------------------------------------------------------------------------------


def test_what_settles_the_blend_knows_nothing_after_its_fold_but_the_answers(model: LapseModel) -> None:
    log = log_of(TRAIN)
    origin = CUTOFF - 10.0
    settled = settle(model, log, origin=origin, known_until=origin + HORIZON)
    beyond = log.where(log.at <= origin + HORIZON)
    assert 0.0 <= settled.companion <= 1.0
    assert settled == settle(model, beyond, origin=origin, known_until=origin + HORIZON)
    assert settle(model, log, origin=CUTOFF + 1.0, known_until=CUTOFF + HORIZON) == model


# --- public data --------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_customers_of_cdnow_that_no_fit_has_seen() -> None:
    table = pl.read_csv(public_data("cdnow/cdnow_others_21213.csv"))
    half = pl.Series(group_draws([str(name) for name in table["customer_id"]]) < 0.5)
    weeks = timedelta(weeks=39)
    cutoff = datetime.fromisoformat("1997-09-30T00:00:00+00:00")
    report = judge(
        table.filter(half),
        table.filter(~half),
        ChurnQuestion("customer_id", "date", cutoff, cutoff, weeks, "dollar_value"),
    )
    figures = cast("Mapping[str, float]", report.figures)
    assert figures["auc"] >= 0.765
    assert figures["ece"] <= 0.03
    assert figures["expected_count_correlation"] >= 0.62
    assert figures["brier"] < min(cast("float", report.baselines[name]["brier"]) for name in BASELINES)


@pytest.mark.data
def test_a_later_quarter_of_an_online_shop() -> None:
    table = pl.read_parquet(public_data("online_retail/online_retail_to_20110910.parquet"))
    train, test = (datetime.fromisoformat(f"2011-{date}T00:00:00+00:00") for date in ("03-10", "06-11"))
    report = judge(
        table, table, ChurnQuestion("CustomerID", "InvoiceDate", train, test, timedelta(days=90), "Quantity")
    )
    figures = cast("Mapping[str, float]", report.figures)
    assert figures["auc"] >= 0.73
    assert figures["brier"] <= 0.21
    assert figures["auc"] > max(cast("float", report.baselines[name]["auc"]) for name in BASELINES)
    assert report.seconds < 300  # on any machine; about six on one core
