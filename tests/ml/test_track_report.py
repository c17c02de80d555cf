"""The track record's figures: true to the rows, fair to the rules, careful with few leads."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from ghl_real_estate_ai.ml.track_report import Asked, target_record
from tests.support.facts import NOON
from tests.support.said import history, said

ASKED = Asked("lead_score", "P(a new appointment is booked within 14 days)", 14)


def test_without_answers_the_report_says_so() -> None:
    record = target_record(ASKED, [])
    assert record.verdict == "not enough data: nothing was said of a lead yet"
    waiting = target_record(ASKED, [], waiting=3, next_due_at=NOON)
    assert waiting.verdict == (
        "not enough data: 3 answers wait for their 14 days to end; the first outcome is known on 02 Mar 2026"
    )


def test_few_leads_give_figures_but_no_verdict() -> None:
    record = target_record(ASKED, history(40))
    assert record.rows == 120
    assert record.figures.brier is not None
    assert record.verdict == "not enough data: 40 resolved leads, 100 needed for a verdict"


def test_one_outcome_only_is_no_verdict_and_has_no_auc() -> None:
    rows = [said(0.2, lead=f"l-{n}", outcome=False) for n in range(150)]
    record = target_record(ASKED, rows)
    assert record.figures.auc is None
    assert record.figures.brier == pytest.approx(0.04)
    assert "0 resolved leads with the rarer outcome" in record.verdict


def test_honest_scores_are_told_from_the_rules_and_from_noise() -> None:
    honest, noise = target_record(ASKED, history(400)), target_record(ASKED, history(400, honest=False))
    assert "better than the recency rule" in honest.verdict
    assert "better than the base rate" in honest.verdict
    assert "WORSE than the base rate" in noise.verdict
    assert honest.figures.ece is not None
    assert noise.figures.ece is not None
    assert honest.figures.ece < 0.05 < noise.figures.ece


def test_the_recency_rule_is_a_serious_rival_where_silence_tells_everything() -> None:
    record = target_record(ASKED, history(400, silence_tells=True))
    recency = next(one for one in record.compared if one.name == "recency rule")
    assert recency.rule.auc is not None
    assert recency.rule.auc > 0.6


def test_the_rules_know_only_outcomes_that_were_known_then() -> None:
    rows = sorted(history(300), key=lambda row: row.made_at)
    compared = target_record(ASKED, rows).compared
    assert compared
    for one in compared:
        assert one.rows < len(rows), "the first weeks could not have been answered"
    late = NOON + timedelta(days=60)
    turned = [
        row if row.made_at < late else row.model_copy(update={"outcome": not row.outcome}) for row in rows
    ]
    early = [row for row in rows if row.due_at < late]
    before = target_record(ASKED, early).compared[0].rule
    same = target_record(ASKED, [row for row in turned if row.due_at < late]).compared[0].rule
    assert before == same


def test_points_of_the_reliability_plot_hold_every_row_once_and_rise() -> None:
    record = target_record(ASKED, history(400))
    assert sum(point.rows for point in record.reliability) == record.rows
    assert [point.said for point in record.reliability] == sorted(p.said for p in record.reliability)
    assert all(point.low <= point.came_true <= point.high for point in record.reliability)
    assert record.interval_coverage is not None
    assert record.interval_coverage > 0.7


def test_months_hold_every_row_once_in_order() -> None:
    record = target_record(ASKED, history(200))
    assert [month.month for month in record.months] == sorted({m.month for m in record.months})
    assert sum(month.rows for month in record.months) == record.rows


def test_the_order_of_records_does_not_matter_and_the_same_records_say_the_same() -> None:
    rows = history(150)
    shuffled = list(rows)
    random.Random(1).shuffle(shuffled)
    assert target_record(ASKED, rows) == target_record(ASKED, shuffled)


def test_many_answers_about_few_leads_do_not_look_certain() -> None:
    few = [
        said(0.5, lead=f"l-{n % 20}", at=NOON + timedelta(days=n % 60), outcome=n % 20 < 10)
        for n in range(2_000)
    ]
    many = [
        said(0.5, lead=f"l-{n}", at=NOON + timedelta(days=n % 60), outcome=n % 20 < 10) for n in range(2_000)
    ]
    narrow, wide = (target_record(ASKED, rows).reliability[0] for rows in (many, few))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_simulated_leads_and_models_are_named() -> None:
    record = target_record(ASKED, [said(outcome=True), said(lead="l-2", outcome=False, simulated=True)])
    assert record.simulated
    assert record.model_versions == ("v1",)
    assert record.prior_share == pytest.approx(0.25)
