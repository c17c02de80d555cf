"""A journey is told from what was known after each event: nothing later, no judged case, no column of hindsight helps."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport
from ghl_real_estate_ai.ml.journey import JourneyQuestion, evaluate_journey
from ghl_real_estate_ai.ml.journey_columns import choose_columns
from ghl_real_estate_ai.ml.journey_features import CaseState, Vocabulary
from ghl_real_estate_ai.ml.journey_log import (
    CaseLog,
    ending_rule,
    observation_weights,
    read_cases,
    same_cases,
)
from ghl_real_estate_ai.ml.journey_model import (
    JourneyModel,
    after_each_event,
    build_prefixes,
    fit_journey,
    in_silence,
)
from tests.support.case_log import BEGIN, QUESTION, case_log, later_cases
from tests.support.public_data import public_data

pytestmark = pytest.mark.untraced


def _evaluate(
    train: pl.DataFrame, test: pl.DataFrame, question: JourneyQuestion = QUESTION
) -> EvaluationReport:
    return evaluate_journey(train, test, question, say=lambda _: None)


def _said(report: EvaluationReport) -> dict[str, object]:
    """All but the time that it took."""
    return {name: value for name, value in report.as_dict().items() if name != "seconds"}


def _read(table: pl.DataFrame) -> CaseLog:
    return read_cases(table, case="case", activity="activity", time="time", source="log")


@cache
def _train() -> pl.DataFrame:
    return case_log(600)


@cache
def _test() -> pl.DataFrame:
    return later_cases(300)


@cache
def _report() -> EvaluationReport:
    return _evaluate(_train(), _test())


@cache
def _fitted() -> tuple[JourneyModel, CaseLog]:
    """A model, and cases that it has not seen."""
    log = _read(_train())
    ending = ending_rule(log, outcome="CANCELLED", cut=QUESTION.cut).applied(log)
    chosen = choose_columns(log, ending, log.table)
    use = ending.known
    model = fit_journey(
        log.cases(use),
        ending.outcome[use].astype(np.float64),
        observation_weights(log, ending)[use],
        decided_at=ending.decided_at[use],
        columns=chosen.columns,
        transition=chosen.transition,
    )
    return model, _read(_test())


# --- what it says -------------------------------------------------------------------------------------------------


def test_it_beats_the_rules_and_names_what_it_used() -> None:
    said = _report().as_dict()
    figures = _report().figures
    assert list(figures)[:7] == ["n", "base_rate", "auc", "ap", "brier", "ece", "lift_at_10"]
    rules = _report().baselines
    assert set(rules) == {"base_rate", "last_activity", "prefix_length", "logistic", "lightgbm"}
    for rule in ("base_rate", "last_activity", "prefix_length"):
        assert float(figures["auc"] or 0) > float(rules[rule]["auc"] or 1) + 0.02
        assert float(figures["brier"] or 1) < float(rules[rule]["brier"] or 0)
    assert float(figures["ece"] or 1) < 0.06
    assert said["used"] == ["activity", "time", "state", "agent", "amount"]
    assert said["flagged"] == []


def test_details_tell_how_early_it_knows() -> None:
    details = _report().details
    lengths = details["by_length"]
    assert isinstance(lengths, list)
    assert lengths[0]["n"] == _report().figures["cases"]
    assert lengths[0]["auc"] < lengths[3]["auc"]
    days = details["by_days_since_start"]
    assert isinstance(days, list)
    assert [row["n"] for row in days] == sorted((row["n"] for row in days), reverse=True)
    last = details["last_prefix"]
    assert isinstance(last, dict)
    assert last["n"] == _report().figures["cases"]
    assert last["auc"] == pytest.approx(_report().figures["auc_last_prefix"])


def test_endings_that_are_chance_cannot_be_told_and_no_answer_pretends_to() -> None:
    report = _evaluate(case_log(600, signal=0.0), later_cases(300, signal=0.0))
    assert float(report.figures["auc"] or 0) == pytest.approx(0.5, abs=0.06)
    assert float(report.figures["ece"] or 1) < 0.1


def test_few_cases_are_answered_by_less_and_the_report_says_so() -> None:
    some = _evaluate(case_log(90), later_cases(100, after=90))
    assert some.model == "logistic"
    assert any("logistic regression answers alone" in note for note in some.notes)
    hardly = _evaluate(case_log(24), later_cases(100, after=24))
    assert hardly.model == "base rate"
    assert any("not enough data" in note for note in hardly.notes)
    assert hardly.figures["auc"] == pytest.approx(0.5)


# --- nothing later helps ------------------------------------------------------------------------------------------


def test_a_prefix_is_the_same_whatever_comes_after_it() -> None:
    model, log = _fitted()
    whole = np.concatenate(
        [block.x for block in build_prefixes(log, model.vocabulary, after_each_event(log))]
    )
    short = log.first_events(np.full(len(log), 3))
    cut = np.concatenate(
        [block.x for block in build_prefixes(short, model.vocabulary, after_each_event(short))]
    )
    place = np.concatenate(
        [np.arange(a, min(b, a + 3)) for a, b in zip(log.first[:-1], log.first[1:], strict=True)]
    )
    np.testing.assert_array_equal(whole[place], cut)


def test_what_happens_from_the_deciding_event_on_is_never_seen() -> None:
    decided = pl.col("activity").is_in(["CANCELLED", "ACCEPTED", "DECLINED", "FILED"])
    tampered = [
        table.with_columns(
            agent=pl.when(decided).then(pl.lit("nobody")).otherwise("agent"),
            activity=pl.when(pl.col("activity") == "FILED").then(pl.lit("ARCHIVED")).otherwise("activity"),
        )
        for table in (_train(), _test())
    ]
    assert _said(_evaluate(*tampered)) == _said(_report())


def test_the_training_log_is_read_as_it_was_when_the_first_judged_case_began() -> None:
    begin = _test()["time"].min()
    assert isinstance(begin, datetime)
    later = pl.col("time") >= begin
    turned = _train().with_columns(
        activity=pl.when(later & (pl.col("activity") == "CANCELLED"))
        .then(pl.lit("ACCEPTED"))
        .when(later & (pl.col("activity") == "ACCEPTED"))
        .then(pl.lit("CANCELLED"))
        .otherwise("activity")
    )
    assert turned.filter(later).height > 0
    assert _said(_evaluate(turned, _test())) == _said(_report())
    assert any("after the first judged case began" in note for note in _report().notes)


def test_a_case_that_judges_does_not_train() -> None:
    both = pl.concat([_train(), _test()])
    report = _evaluate(both, _test())
    assert any("300 cases stand in both logs" in note for note in report.notes)
    assert report.figures == _report().figures
    with pytest.raises(InputError, match="no case may train and judge"):
        _evaluate(_test(), _test())


def test_a_cut_that_never_happens_is_named() -> None:
    report = _evaluate(_train(), _test(), dataclasses.replace(QUESTION, cut=(*QUESTION.cut, "DECLIEND")))
    assert "--cut DECLIEND: the training log has no such activity" in report.notes


def test_logs_that_run_side_by_side_are_learnt_from_whole_and_the_report_says_so() -> None:
    report = _evaluate(case_log(200), case_log(100, seed=3, first_case=5_000))
    assert any("side by side" in note for note in report.notes)


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("result", pl.col("activity").is_in(["CANCELLED"]).any().over("case").cast(pl.Int8), "late"),
        ("hours_left", (pl.col("time").max().over("case") - pl.col("time")).dt.total_minutes() / 60, "late"),
        ("events_in_all", pl.len().over("case"), "late"),
        ("finished", pl.col("time").shift(-1).over("case"), "late"),
        ("next_step", pl.col("activity").shift(-1).over("case"), "late"),
        (
            "next_code",
            pl.col("activity").str.to_lowercase().str.slice(0, 3).shift(-1).over("case").fill_null("end"),
            "late",
        ),
        (
            "mood",  # a different number for each event, and all know the ending
            pl.col("activity").is_in(["CANCELLED"]).any().over("case").cast(pl.Float64)
            + (pl.int_range(pl.len()) * 0.6180339887 % 1.0) * 0.9,
            "late",
        ),
        (
            "mood_later",  # the same, from the second event on
            pl.when(pl.int_range(pl.len()).over("case") > 0).then(
                pl.col("activity").is_in(["CANCELLED"]).any().over("case").cast(pl.Float64)
                + (pl.int_range(pl.len()) * 0.6180339887 % 1.0) * 0.9
            ),
            "late",
        ),
        ("birth_date", pl.lit("1980-05-05"), "protected"),
        ("event_id", pl.int_range(pl.len()), "identifier"),
        ("branch", pl.lit("north"), "constant"),
    ],
)
def test_a_column_of_hindsight_or_of_no_use_is_refused_with_its_reason(
    name: str, cells: pl.Expr, kind: str
) -> None:
    log = _read(_train().with_columns(cells.alias(name)))
    chosen = choose_columns(
        log, ending_rule(log, outcome="CANCELLED", cut=QUESTION.cut).applied(log), log.table
    )
    assert [(flag.column, flag.kind) for flag in chosen.flagged] == [(name, kind)]
    assert len(chosen.flagged[0].reason) > 20
    assert name not in chosen.used


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("stage", pl.col("activity").replace({"ASKED": "new", "CALL": "contacted", "OFFER": "offered"})),
        ("status", pl.col("activity").replace({"CALL": "in contact", "OFFER": "waiting"})),
        ("attempt", (pl.col("activity") == "CALL").cum_sum().over("case").cast(pl.String)),
        ("hours_so_far", (pl.col("time") - pl.col("time").min().over("case")).dt.total_minutes() / 60),
    ],
)
def test_what_an_event_knows_of_itself_is_used(name: str, cells: pl.Expr) -> None:
    log = _read(_train().with_columns(cells.alias(name)))
    chosen = choose_columns(
        log, ending_rule(log, outcome="CANCELLED", cut=QUESTION.cut).applied(log), log.table
    )
    assert chosen.flagged == ()
    assert name in chosen.used


# --- ids that two logs share --------------------------------------------------------------------------------------


def test_logs_that_both_number_their_cases_from_one_have_no_case_in_common() -> None:
    numbered = [
        table.with_columns(case=pl.col("case").str.extract(r"(\d+)").cast(pl.Int64) - first)
        for table, first in (
            (_train(), 0),
            (later_cases(300).with_columns(pl.col("time") + timedelta(days=400)), 600),
        )
    ]
    report = _evaluate(numbered[0], numbered[1])
    assert any("300 case ids stand in both logs" in note for note in report.notes)
    cases = report.details["cases"]
    assert isinstance(cases, dict)
    assert cases["train"] == 600
    assert same_cases(_read(numbered[0].filter(pl.col("case") < 200)), _read(numbered[1])) == frozenset()


def test_a_case_that_goes_on_in_the_later_log_is_the_same() -> None:
    moment = BEGIN + timedelta(days=40)
    earlier, later = _train().filter(pl.col("time") < moment), _train().filter(pl.col("time") >= moment)
    halves = set(earlier["case"]) & set(later["case"])
    assert len(halves) > 10
    assert same_cases(_read(earlier), _read(later)) == halves
    assert same_cases(_read(later), _read(earlier)) == halves
    apart = _read(later.with_columns(pl.col("time") + timedelta(days=400)))
    assert same_cases(_read(earlier), apart) == frozenset()


# --- open cases ---------------------------------------------------------------------------------------------------


def test_a_case_still_open_has_no_answer_and_a_long_silence_is_one() -> None:
    start = BEGIN
    rows = [
        ("won", "A", 0),
        ("won", "ACCEPTED", 1),
        ("lost", "A", 0),
        ("lost", "CANCELLED", 5),
        ("quiet", "A", 0),
    ]
    rows += [("open", "A", 28), ("reopened", "A", 20), ("reopened", "PAUSED", 29), ("back", "PAUSED", 2)]
    rows += [("back", "CANCELLED", 4), ("end", "A", 30)]
    table = pl.DataFrame(
        [(case, activity, start + timedelta(days=day)) for case, activity, day in rows],
        schema=["case", "activity", "time"],
        orient="row",
    )
    log = _read(table)
    rule = ending_rule(log, outcome="CANCELLED", cut=("ACCEPTED", "PAUSED"))
    assert rule.final == {"ACCEPTED"}  # after PAUSED the outcome still came
    ending = rule.applied(log)
    found = dict(zip(log.names, zip(ending.outcome, ending.known, ending.visible, strict=True), strict=True))
    assert found == {
        "won": (False, True, 1),
        "lost": (True, True, 1),
        "quiet": (False, True, 1),
        "open": (False, False, 1),
        "reopened": (False, False, 1),
        "back": (True, True, 0),
        "end": (False, False, 1),
    }


def test_open_cases_are_neither_taught_from_nor_judged_and_weights_make_up_for_the_slow_ones() -> None:
    whole = _read(case_log(4_000, per_day=400.0))  # 10 days, cases of 1 to 9 days
    rule = ending_rule(whole, outcome="CANCELLED", cut=QUESTION.cut)
    rate = rule.applied(whole).outcome.mean()
    early = whole.where(whole.at <= whole.at.min() + 8 * 86_400)
    ending = rule.applied(early)
    assert 0.2 < ending.known.mean() < 0.9
    weights = observation_weights(early, ending)
    assert (weights[~ending.known] == 0).all()
    assert np.ptp(weights[ending.known]) > 0
    plain = ending.outcome[ending.known].mean()
    weighted = np.average(ending.outcome, weights=weights)
    assert abs(weighted - rate) < abs(plain - rate)


def test_without_cut_every_case_without_the_outcome_has_ended() -> None:
    report = _evaluate(_train(), _test(), dataclasses.replace(QUESTION, cut=()))
    assert report.figures["cases"] == 300
    assert any("no --cut" in note for note in report.notes)


# --- live ---------------------------------------------------------------------------------------------------------


def test_event_by_event_gives_the_answers_of_the_whole_log() -> None:
    model, log = _fitted()
    expected = np.concatenate(
        [model.predict(block.x) for block in build_prefixes(log, model.vocabulary, after_each_event(log))]
    )
    table = _test().sort("time", maintain_order=True)
    states: dict[str, CaseState] = {}
    found: dict[str, list[float]] = {}
    for row in table.head(400).iter_rows(named=True):
        state = states.setdefault(row["case"], model.start())
        answer = model.update(state, model.event(row["time"], row["activity"], row))
        found.setdefault(row["case"], []).append(answer)
    for case, answers in found.items():
        first = int(log.first[log.names.index(case)])
        assert answers == pytest.approx(expected[first : first + len(answers)], abs=1e-6)


def test_silence_is_asked_of_too_by_the_events_that_had_come_by_then() -> None:
    model, log = _fitted()
    until = log.at[log.first[1:] - 1]
    asked = in_silence(log, until, days=(0.0, 1.0, 2.5))
    case = log.case[asked.last]
    assert (asked.now < until[case]).all()
    assert (log.at[asked.last] <= asked.now).all()
    following = np.minimum(asked.last + 1, log.at.size - 1)
    assert ((log.case[following] != case) | (log.at[following] > asked.now)).all()
    (block,) = build_prefixes(log, model.vocabulary, asked)
    silent = block.x[:, model.vocabulary.names.index("silent_hours")]
    np.testing.assert_allclose(silent, (asked.now - log.at[asked.last]) / 3_600, rtol=1e-4, atol=1e-3)
    state, said = model.start(), model.predict(block.x)
    first = _test().filter(pl.col("case") == log.names[0])
    for row in first.filter(pl.col("time").dt.epoch("us") / 1e6 <= asked.now[1]).iter_rows(named=True):
        state.update(model.event(row["time"], row["activity"], row))
    assert case[:2].tolist() == [0, 0]
    assert model.ask(state, float(asked.now[1])) == pytest.approx(said[1], abs=1e-6)


def test_an_event_of_a_kind_and_with_words_never_seen_is_survived() -> None:
    model, _ = _fitted()
    state = model.start()
    answer = model.update(state, model.event(BEGIN, "SOMETHING NEW", {"agent": "stranger", "amount": None}))
    again = model.update(state, model.event(BEGIN - timedelta(days=1), "ASKED", {}))  # a clock set back
    assert 0 < answer < 1
    assert 0 < again < 1
    assert state.events == 2


def test_what_the_test_log_does_not_tell_is_not_learnt_from() -> None:
    lost = ["agent", "amount", "state"]
    both = _evaluate(_train().drop(lost), _test().drop(lost))
    for test in (
        _test().drop(lost).with_columns(more=pl.lit(3)),
        _test().with_columns(agent=None, state=None, amount=pl.format("{} EUR", "amount")),
    ):
        report = _evaluate(_train(), test)
        assert report.figures == both.figures
        assert report.used == ("activity", "time")
        assert [(flag.column, flag.kind) for flag in report.flagged] == [
            ("agent", "absent"),
            ("amount", "absent"),
            ("state", "absent"),
        ]


def test_a_number_that_is_missing_moves_the_logistic_member_by_no_more_than_a_common_one() -> None:
    model, log = _fitted()
    block = next(iter(build_prefixes(log, model.vocabulary, after_each_event(log))))
    place = model.vocabulary.names.index("amount")
    empty, middle = block.x.copy(), block.x.copy()
    empty[:, place] = np.nan
    middle[:, place] = np.exp(np.nanmean(np.log(block.x[:, place])))
    logistic = model.members["logistic"]
    assert np.abs(logistic(empty) - logistic(middle)).max() < 0.2


def test_every_input_has_a_name_and_codes_know_their_number() -> None:
    model, log = _fitted()
    block = next(iter(build_prefixes(log, model.vocabulary, after_each_event(log))))
    assert block.x.shape[1] == len(model.vocabulary.names) == len(set(model.vocabulary.names))
    for name, levels in model.vocabulary.levels.items():
        codes = block.x[:, model.vocabulary.names.index(name)]
        assert -1 <= codes.min() <= codes.max() < levels
    assert Vocabulary((), ()).names[:2] == ("events", "hours_since_start")


def test_dates_in_a_column_are_hours_before_the_event_live_as_in_a_log() -> None:
    table = _train().with_columns(
        told=pl.when(pl.col("activity") == "ASKED").then(
            pl.col("time") - pl.duration(hours=pl.col("amount") / 1_000)
        )
    )
    log = _read(table)
    chosen = choose_columns(
        log, ending_rule(log, outcome="CANCELLED", cut=QUESTION.cut).applied(log), log.table
    )
    assert "told" in chosen.used
    model = JourneyModel(Vocabulary(("ASKED",), chosen.columns), 0.3, {})
    row = table.row(0, named=True)
    event = model.event(row["time"], row["activity"], row)
    assert event.numbers == (row["amount"], pytest.approx(row["amount"] / 1_000))
    assert math.isnan(model.event(row["time"], "ASKED", {"told": "yesterday"}).numbers[1])


# --- bad input ----------------------------------------------------------------------------------------------------


def test_bad_input_is_refused_with_the_option_and_the_fix() -> None:
    with pytest.raises(InputError, match="no event of the training log is 'LEFT'; it has"):
        _evaluate(_train(), _test(), dataclasses.replace(QUESTION, decided_by="LEFT"))
    with pytest.raises(InputError, match="--test-events: no column 'case'"):
        _evaluate(_train(), _test().rename({"case": "ticket"}))
    with pytest.raises(InputError, match="'time' holds 'soon'"):
        _evaluate(_train(), _test().with_columns(time=pl.lit("soon")))
    with pytest.raises(InputError, match="every case begins with the event that decides it"):
        _evaluate(_train(), _test().filter(pl.col("activity").is_in(["CANCELLED", "ACCEPTED"])))
    with pytest.raises(InputError, match="no row has all of"):
        _evaluate(_train(), _test().with_columns(case=pl.lit(None, dtype=pl.String)))


# --- real people --------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_loan_applications_of_later_weeks_are_told_apart_before_they_are_cancelled() -> None:
    table = pl.read_parquet(public_data("bpi2012/events_first80pct_cases.parquet"))
    begun = table.group_by("case_id").agg(pl.col("timestamp").min().alias("begun")).sort("begun", "case_id")
    later = begun["case_id"][int(0.8 * begun.height) :]
    third = begun["case_id"][::3]
    table = table.filter(pl.col("case_id").is_in(third.implode()))
    is_later = table["case_id"].is_in(later.implode())
    decided = "A_DECLINED A_ACTIVATED A_REGISTERED A_APPROVED O_DECLINED O_ACCEPTED O_CANCELLED"
    question = JourneyQuestion(
        "case_id", "activity", "timestamp", "cancelled", "A_CANCELLED", tuple(decided.split())
    )
    report = _evaluate(table.filter(~is_later), table.filter(is_later), question)
    assert float(report.figures["auc"] or 0) >= 0.72
    assert float(report.figures["ece"] or 1) <= 0.06
    within = report.details["auc_within_lengths"]
    assert isinstance(within, float)
    assert within >= 0.66
    assert float(report.baselines["last_activity"]["auc"] or 1) < float(report.figures["auc"] or 0) - 0.02
