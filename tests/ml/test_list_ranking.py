"""``enterprisehub evaluate ranking``: labels, lists, what is refused, and that judged lists are learnt from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from ghl_real_estate_ai.cli import app
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport, Figures
from ghl_real_estate_ai.ml.hedonic import price_residual
from ghl_real_estate_ai.ml.list_ranking import RankingQuestion, evaluate_ranking
from ghl_real_estate_ai.ml.tables import read_table
from tests.support.public_data import public_data

pytestmark = pytest.mark.untraced

QUESTION = RankingQuestion("interest", ("bedrooms", "week"))


def homes(rows: int, *, seed: int, weeks: int = 10) -> pl.DataFrame:
    """Homes whose interest falls with the price for their like and rises with photos; the rest is noise or a trap."""
    rng = np.random.default_rng(seed)
    bedrooms = rng.integers(1, 5, rows)
    latitude = rng.uniform(40.6, 40.9, rows)
    pool = rng.random(rows) < 0.3
    extra = rng.normal(0, 0.2, rows)
    price = np.exp(12 + 0.3 * bedrooms + 2 * (latitude - 40.6) + 0.15 * pool + extra)
    photos = rng.integers(0, 9, rows)
    wanted = -6 * extra + 1.5 * (photos > 0) + rng.logistic(0, 0.7, rows)
    interest = np.select([wanted > 2.6, wanted > 1.4], ["high", "medium"], "low")
    return pl.DataFrame(
        {
            "ListingId": np.arange(rows) * 3 + seed * 1_000_000,
            "week": np.arange(rows) * weeks // rows,
            "bedrooms": bedrooms,
            "latitude": latitude,
            "pool": np.where(pool, "yes", "no"),
            "ListPrice": [f"${value:,.0f}" for value in price],
            "num_photos": photos,
            'odd: "name", {of} [a] column': rng.normal(0, 1, rows),
            "own_split": np.where(rng.random(rows) < 0.8, "train", "test"),
            "zip_code": rng.integers(10_001, 10_010, rows),
            "interest": interest,
        }
    )


def ask(
    test: pl.DataFrame, train: pl.DataFrame | None = None, question: RankingQuestion = QUESTION
) -> EvaluationReport:
    return evaluate_ranking(train, test, question, say=lambda _: None)


def ndcg(figures: Figures) -> float:
    found = figures["ndcg_at_10"]
    assert found is not None
    return float(found)


@pytest.fixture(scope="module")
def trained() -> EvaluationReport:
    return ask(homes(1_000, seed=2), homes(1_500, seed=1))


def test_a_trained_order_beats_the_untrained_one_and_every_baseline(trained: EvaluationReport) -> None:
    others = {name: ndcg(figures) for name, figures in trained.baselines.items()}
    assert ndcg(trained.figures) > max(others.values())
    assert others["untrained order"] > others["random order (expected)"] + 0.1
    assert {"price ascending", "pointwise regression (LightGBM)"} <= set(others)


def test_what_names_a_row_or_marks_a_split_or_stands_for_people_is_never_an_input(
    trained: EvaluationReport,
) -> None:
    kinds = {flag.column: flag.kind for flag in trained.flagged}
    assert kinds["ListingId"] == "identifier"
    assert kinds["own_split"] == "split"
    assert kinds["zip_code"] == "protected"
    assert kinds["latitude"] == "place"
    assert not {"ListingId", "own_split", "zip_code", "latitude", "interest"} & set(trained.used)


def test_a_column_that_was_filled_in_after_the_judgement_is_found_and_not_used() -> None:
    late = homes(1_000, seed=20).with_columns(
        inquiries=pl.col("interest").replace_strict({"low": 0, "medium": 4, "high": 11})
        + pl.int_range(pl.len()) % 2
    )
    report = ask(late.tail(300), late.head(700))
    assert {flag.column: flag.kind for flag in report.flagged}["inquiries"] == "late"
    assert "inquiries" not in report.used


def test_every_used_column_is_shown_to_move_the_order(trained: EvaluationReport) -> None:
    importance = trained.details["importance"]
    assert isinstance(importance, dict)
    assert all(importance[name] > 0 for name in trained.used)
    assert max(importance, key=lambda name: importance[name]) == "price for its like"


def test_the_lists_without_anything_relevant_are_left_out_and_counted() -> None:
    table = homes(400, seed=3)
    nobody = table.head(40).with_columns(
        interest=pl.lit("low"), week=pl.lit(99, dtype=pl.Int64), bedrooms=pl.lit(1, dtype=pl.Int64)
    )
    plain, more = ask(table), ask(pl.concat([table, nobody]))
    assert more.figures["n"] == 440
    assert more.figures["lists"] == plain.figures["lists"]
    known = plain.details["lists_without_anything_relevant"]
    assert isinstance(known, int)
    assert more.details["lists_without_anything_relevant"] == known + 1


def test_the_untrained_order_looks_at_no_judgement() -> None:
    """The judgements turned upside down: what was above chance is below it, for the order did not move."""
    table = homes(600, seed=4)
    turned = table.with_columns(interest=pl.col("interest").replace({"low": "high", "high": "low"}))
    found, against = ask(table), ask(turned)
    assert ndcg(found.figures) > ndcg(found.baselines["random order (expected)"]) + 0.05
    assert ndcg(against.figures) < ndcg(against.baselines["random order (expected)"])
    assert any("untrained" in note for note in found.notes)


def test_anonymous_columns_are_ordered_by_completeness_and_the_report_says_so() -> None:
    rng = np.random.default_rng(5)
    table = pl.DataFrame({f"V{n}": rng.normal(0, 1, 200) for n in range(6)}).with_columns(
        V2=pl.when(pl.int_range(pl.len()) % 2 == 0).then(None).otherwise(pl.col("V2")),
        g=pl.int_range(pl.len()) // 10,
        y=(pl.int_range(pl.len()) % 2 == 1).cast(pl.Int64),
    )
    report = ask(table, question=RankingQuestion("y", ("g",)))
    assert ndcg(report.figures) == pytest.approx(1.0)
    assert any("completeness only" in note for note in report.notes)


def test_no_signal_is_no_better_than_chance() -> None:
    rng = np.random.default_rng(6)
    train, test = (
        homes(800, seed=seed).with_columns(interest=pl.Series(rng.choice(["low", "medium", "high"], 800)))
        for seed in (7, 8)
    )
    report = ask(test, train)
    assert ndcg(report.figures) == pytest.approx(ndcg(report.baselines["random order (expected)"]), abs=0.08)


def test_the_order_of_columns_and_a_second_run_change_nothing_and_the_tables_stay_as_they_are() -> None:
    train, test = homes(300, seed=9), homes(200, seed=10)
    before = train.clone(), test.clone()
    first = ask(test, train)
    again = ask(test, train)
    assert first.figures == again.figures
    assert train.equals(before[0])
    assert test.equals(before[1])
    plain = ask(test.select(reversed(test.columns)))
    assert ndcg(plain.figures) == pytest.approx(ndcg(ask(test).figures), abs=0.02)


def test_the_order_of_the_judged_rows_changes_nothing() -> None:
    train, test = homes(300, seed=21), homes(200, seed=22)
    turned = test.sample(fraction=1.0, shuffle=True, seed=1)
    for learnt in (None, train):
        assert ask(turned, learnt).figures == pytest.approx(ask(test, learnt).figures, abs=1e-9)


def test_the_same_home_listed_often_has_no_price_for_its_like() -> None:
    assert price_residual(np.ones((80, 2)), np.full(80, 5.0)) is None
    twice = np.repeat(np.arange(40.0), 2)[:, None]
    residual = price_residual(twice, np.exp(10 + twice[:, 0] % 2))
    assert residual is not None
    assert np.array_equal(residual[::2], residual[1::2])


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        (RankingQuestion("interest", ("interest",)), "--group: 'interest' is the judgement itself"),
        (
            RankingQuestion("interest", ("week",), ("ListPrice", "interest")),
            "--features: 'interest' is the judge",
        ),
        (RankingQuestion("interest", ("ListingId",)), "no list of the table to judge on has two rows"),
    ],
)
def test_a_question_that_answers_itself_is_refused(question: RankingQuestion, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        ask(homes(100, seed=23), homes(100, seed=24), question)


def test_lists_that_any_order_gets_right_are_told() -> None:
    table = homes(200, seed=25).with_columns(week=pl.int_range(pl.len()) // 2)
    report = ask(table, question=RankingQuestion("interest", ("bedrooms", "week")))
    assert any("any order of them counts as perfect" in note for note in report.notes)
    assert not any("any order" in note for note in ask(homes(400, seed=25).filter(pl.col("week") < 1)).notes)


def test_what_only_numbers_the_lists_is_no_input_and_what_describes_their_homes_is() -> None:
    numbered = [
        homes(600, seed=seed).with_columns(search_id=pl.int_range(pl.len()) // 12, week=pl.col("week") % 3)
        for seed in (26, 27)
    ]
    report = ask(*numbered, RankingQuestion("interest", ("search_id",)))
    assert {flag.column: flag.kind for flag in report.flagged}["search_id"] == "group"
    assert "search_id" not in report.used
    many = [table.rename({"search_id": "shown"}).with_columns(pl.col("shown") + 0) for table in numbered]
    flagged = {
        flag.column: flag.kind
        for flag in ask(many[0], question=RankingQuestion("interest", ("shown",))).flagged
    }
    assert flagged.get("shown") is None  # 50 lists may still be a trait
    more = many[0].with_columns(shown=pl.int_range(pl.len()) // 6 * 7 % 1_000)
    flagged = {
        flag.column: flag.kind for flag in ask(more, question=RankingQuestion("interest", ("shown",))).flagged
    }
    assert flagged["shown"] == "group"


def test_thirty_judgements_lean_on_the_untrained_order() -> None:
    report = ask(homes(400, seed=11), homes(30, seed=12))
    share = report.details["share_of_the_untrained_order"]
    assert isinstance(share, float)
    assert share > 0.8
    assert ndcg(report.figures) > ndcg(report.baselines["untrained order"]) - 0.03


def test_training_rows_that_are_all_judged_alike_leave_the_untrained_order() -> None:
    train = homes(100, seed=13).with_columns(interest=pl.lit("low"))
    report = ask(homes(200, seed=14), train)
    assert ndcg(report.figures) == ndcg(report.baselines["untrained order"])
    assert any("same judgement" in note for note in report.notes)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["low", "medium", "splendid", "low"], "splendid"),
        ([None, None, None, None], "empty"),
    ],
)
def test_judgements_that_cannot_be_read_are_refused_by_name(labels: list[str | None], problem: str) -> None:
    table = pl.DataFrame({"y": pl.Series(labels, dtype=pl.String), "g": [1, 1, 2, 2], "x": [1, 2, 3, 4]})
    with pytest.raises(InputError, match=problem):
        ask(table, question=RankingQuestion("y", ("g",)))


def test_a_column_that_is_not_there_is_named_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="did you mean 'bedrooms'"):
        ask(homes(50, seed=15), question=RankingQuestion("interest", ("bedroms",)))


def test_only_the_named_features_are_used() -> None:
    question = RankingQuestion("interest", ("bedrooms",), ("ListPrice", 'odd: "name", {of} [a] column'))
    report = ask(homes(200, seed=16), homes(300, seed=17), question)
    assert set(report.used) <= {*question.features, "price for its like", "price in the list"}


def test_the_command_writes_the_fixed_names(tmp_path: Path) -> None:
    homes(150, seed=18).write_csv(tmp_path / "may.csv")
    out = tmp_path / "out.json"
    asked = ["evaluate", "ranking", "--test", str(tmp_path / "may.csv"), "--label", "interest"]
    ran = CliRunner().invoke(app, [*asked, "--group", "bedrooms,week", "--json", str(out)])
    assert ran.exit_code == 0, ran.output
    written = json.loads(out.read_text())
    assert {"n", "lists", "ndcg_at_10", "mrr", "auc", "baselines", "flagged", "used", "seconds"} <= set(
        written
    )
    assert written["n"] == 150
    assert 0 < written["ndcg_at_10"] <= 1


@pytest.mark.data
def test_a_month_of_a_real_portal_is_ordered_by_the_month_before() -> None:
    table = read_table(public_data("renthop/listings_apr_may.csv"))
    april, may = (table.filter(pl.col("created_month") == month) for month in (4, 5))
    question = RankingQuestion("interest_level", ("bedrooms", "created_hour"))
    learnt = ask(may.gather_every(2), april.gather_every(4), question)
    assert ndcg(learnt.figures) >= 0.69
    assert ndcg(learnt.figures) > max(ndcg(figures) for figures in learnt.baselines.values())
    assert ndcg(learnt.baselines["untrained order"]) >= 0.60
