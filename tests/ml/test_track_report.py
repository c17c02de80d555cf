"""The track record's figures: true to the rows, fair to the rules, careful with few leads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import pytest

from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.ml.evaluation import auc, average_precision, brier, lift_at_10
from ghl_real_estate_ai.ml.track_report import LEADS_PER_BIN, Asked, Waiting, target_record
from ghl_real_estate_ai.models.track_record import TargetRecord
from tests.support.facts import NOON
from tests.support.said import columns, history, said

ASKED = Asked("lead_score", "P(a new appointment is booked within 14 days)", 14)
DAY = timedelta(days=1)


def report(records: Iterable[ScoreRecord], *, since: datetime | None = None) -> TargetRecord:
    return target_record(ASKED, columns(records), since=since)


def flipped(record: ScoreRecord) -> ScoreRecord:
    return record.model_copy(update={"outcome": not record.outcome})


def test_without_answers_the_report_says_so() -> None:
    record = report([])
    assert record.verdict == "not enough data: nothing was said of a lead yet"
    waiting = target_record(ASKED, columns([]), waiting=Waiting(3, NOON))
    assert waiting.verdict == (
        "not enough data: 3 answers wait for their 14 days to end; the first outcome is known on 02 Mar 2026"
    )


def test_few_leads_give_figures_but_no_verdict() -> None:
    record = report(history(40))
    assert record.rows == 120
    assert record.figures.brier is not None
    assert record.verdict == "not enough data: 40 resolved leads, 100 needed for a verdict"


def test_one_outcome_only_is_no_verdict_and_has_no_auc() -> None:
    rows = [said(0.2, lead=f"l-{n}", outcome=False) for n in range(150)]
    record = report(rows)
    assert record.figures.auc is None
    assert record.figures.brier == pytest.approx(0.04)
    assert "0 resolved leads with the rarer outcome" in record.verdict


def test_honest_scores_are_told_from_the_rules_and_from_noise() -> None:
    honest, noise = report(history(400)), report(history(400, honest=False))
    assert "better than the recency rule" in honest.verdict
    assert "better than the base rate" in honest.verdict
    assert "WORSE than the base rate" in noise.verdict
    assert honest.figures.ece is not None
    assert noise.figures.ece is not None
    assert honest.figures.ece < 0.05 < noise.figures.ece


def test_the_recency_rule_is_a_serious_rival_where_silence_tells_everything() -> None:
    record = report(history(400, silence_tells=True))
    recency = next(one for one in record.compared if one.name == "recency rule")
    assert recency.rule.auc is not None
    assert recency.rule.auc > 0.6


LATE = NOON + 56 * DAY
"""When the last week of ``weekly`` begins."""


def weekly(*, leads: int = 40) -> list[ScoreRecord]:
    """The same leads are looked at in each of nine weeks, a minute apart."""
    rng = np.random.default_rng(1)
    return [
        said(
            float(rng.uniform(0.1, 0.5)),
            lead=f"l-{lead}",
            at=NOON + week * 7 * DAY + timedelta(minutes=lead),
            outcome=bool(rng.random() < 0.3),
            silence_days=float(rng.uniform(0, 40)),
        )
        for week in range(9)
        for lead in range(leads)
    ]


def test_the_rules_know_only_outcomes_that_were_known_when_the_week_began() -> None:
    rows = weekly()
    in_flight = [row.made_at < LATE < row.due_at for row in rows]
    assert sum(in_flight) == 39 + 40  # of the week two weeks before, one was over to the minute
    turned = [flipped(row) if unknown else row for row, unknown in zip(rows, in_flight, strict=True)]
    assert report(turned, since=LATE).compared == report(rows, since=LATE).compared
    for known in (row for row in rows if row.due_at == LATE):
        turned[rows.index(known)] = flipped(known)
    assert report(turned, since=LATE).compared != report(rows, since=LATE).compared


def test_the_rules_learn_from_answers_before_the_day_that_was_asked_for() -> None:
    whole, late = report(weekly()), report(weekly(), since=LATE)
    assert (whole.rows, late.rows) == (360, 40)
    assert [one.rows for one in late.compared] == [40, 40]
    assert [month.rows for month in late.months] == [40]
    assert late.base_rate == pytest.approx(np.mean([bool(r.outcome) for r in weekly() if r.made_at >= LATE]))


def test_a_verdict_counts_only_leads_that_a_rule_could_have_answered_for() -> None:
    early = [said(0.2, lead=f"l-{n}", outcome=n % 5 == 0) for n in range(150)]
    record = report([*early, said(0.9, lead="late", at=NOON + 60 * DAY, outcome=True)])
    assert record.leads == 151
    assert [one.leads for one in record.compared] == [1, 1]
    assert record.verdict == (
        "not enough data: 1 resolved leads that a rule could have answered for, 100 needed for a verdict"
    )
    none = [said(0.9, lead=f"late-{n}", at=NOON + 60 * DAY, outcome=False) for n in range(150)]
    assert "0 resolved leads that a rule could have answered for with the rarer outcome" in (
        report([*early, *none]).verdict
    )
    assert "no rule could have answered yet" in report(early).verdict


def test_the_same_said_ten_times_of_each_lead_is_no_more_certain() -> None:
    rows = history(120, days=1) + [
        row.model_copy(update={"made_at": row.made_at + 60 * DAY, "due_at": row.due_at + 60 * DAY})
        for row in history(120, days=1, seed=2)
    ]
    often = [
        row.model_copy(update={"made_at": row.made_at + timedelta(seconds=n)})
        for row in rows
        for n in range(10)
    ]
    once, ten = report(rows), report(often)
    assert set(once.spans) == {"auc", "ap", "brier", "lift_at_10"}
    for name, span in once.spans.items():
        assert ten.spans[name].low == pytest.approx(span.low, abs=0.01), name
        assert ten.spans[name].high == pytest.approx(span.high, abs=0.01), name
    for one, other in zip(once.compared, ten.compared, strict=True):
        assert other.brier_gain_span.low == pytest.approx(one.brier_gain_span.low, abs=0.002)
        assert other.brier_gain_span.high == pytest.approx(one.brier_gain_span.high, abs=0.002)


def test_spans_are_those_of_figures_of_leads_drawn_again() -> None:
    rows, rng = history(200), np.random.default_rng(5)
    of_lead = [[row for row in rows if row.lead_id == f"l-{n}"] for n in range(200)]
    drawn: dict[str, list[float]] = {"auc": [], "ap": [], "brier": [], "lift_at_10": []}
    for _ in range(300):
        sample = [row for n in rng.integers(0, 200, 200) for row in of_lead[n]]
        y = np.array([float(bool(row.outcome)) for row in sample])
        p = np.array([row.probability for row in sample])
        for name, figure in (
            ("auc", auc),
            ("ap", average_precision),
            ("brier", brier),
            ("lift_at_10", lift_at_10),
        ):
            drawn[name].append(figure(y, p))
    for name, span in report(rows).spans.items():
        low, high = np.quantile(drawn[name], [0.1, 0.9])
        assert (span.low, span.high) == pytest.approx((low, high), abs=0.4 * (high - low)), name


# --- said against came true -----------------------------------------------------------------------------------------


def test_points_of_the_reliability_plot_hold_every_row_once_and_rise() -> None:
    record = report(history(400))
    assert sum(point.rows for point in record.reliability) == record.rows
    assert [point.said for point in record.reliability] == sorted(p.said for p in record.reliability)
    assert all(point.low <= point.came_true <= point.high for point in record.reliability)


def test_a_busy_lead_makes_no_points_of_its_own() -> None:
    rng = np.random.default_rng(0)
    busy = [
        said(float(p), lead="busy", at=NOON + timedelta(minutes=n), outcome=False)
        for n, p in enumerate(rng.uniform(0, 1, 3_000))
    ]
    others = [
        said(float(p), lead=f"l-{n}", outcome=bool(rng.random() < p))
        for n, p in enumerate(rng.uniform(0, 1, 160))
    ]
    points = report(busy + others).reliability
    assert len(points) > 5
    assert all(point.leads >= LEADS_PER_BIN for point in points)
    assert all(point.high - point.low > 0.3 for point in points), "hardly more than one lead's information"


def test_equal_answers_share_a_point() -> None:
    rows = [said(0.2 + 0.1 * (n % 3), lead=f"l-{n}", outcome=n % 4 == 0) for n in range(300)]
    assert [point.said for point in report(rows).reliability] == pytest.approx([0.2, 0.3, 0.4])


def test_points_tell_the_mean_interval_of_the_answers_that_had_one() -> None:
    rows = [said(0.5, lead=f"l-{n}", outcome=n % 2 == 0, band=0.1 if n % 2 else None) for n in range(40)]
    (point,) = report(rows).reliability
    assert (point.said_low, point.said_high) == pytest.approx((0.4, 0.6))
    (bare,) = report(said(0.5, lead=f"l-{n}", outcome=n % 2 == 0) for n in range(40)).reliability
    assert (bare.said_low, bare.said_high) == (None, None)


def test_months_hold_every_row_once_in_order() -> None:
    record = report(history(200))
    assert [month.month for month in record.months] == sorted({m.month for m in record.months})
    assert sum(month.rows for month in record.months) == record.rows


def test_many_answers_about_few_leads_do_not_look_certain() -> None:
    few = [
        said(0.5, lead=f"l-{n % 20}", at=NOON + timedelta(days=n % 60), outcome=n % 20 < 10)
        for n in range(2_000)
    ]
    many = [
        said(0.5, lead=f"l-{n}", at=NOON + timedelta(days=n % 60), outcome=n % 20 < 10) for n in range(2_000)
    ]
    narrow, wide = (report(rows).reliability[0] for rows in (many, few))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_simulated_leads_and_models_are_named() -> None:
    rows = [said(outcome=True), said(lead="l-2", outcome=False)]
    record = target_record(ASKED, columns(rows), simulated=True)
    assert record.simulated
    assert record.model_versions == ("v1",)
    assert record.prior_share == pytest.approx(0.25)
