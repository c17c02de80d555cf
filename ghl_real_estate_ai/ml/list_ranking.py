"""The order of items within lists, with and without training. Called by ``enterprisehub evaluate ranking``.

Untrained: cheap for its like, complete, new (``ml/untrained_order.py``). Trained: learnt from graded lists
(``ml/list_models.py``). Coordinates and names of places only say what homes there cost; they never order by themselves.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.availability import late_columns
from ghl_real_estate_ai.ml.column_kinds import numbers
from ghl_real_estate_ai.ml.column_words import words_of
from ghl_real_estate_ai.ml.evaluation import Array, auc, judged_lists, mrr, ndcg_at_k
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport, Figures, FlaggedColumn
from ghl_real_estate_ai.ml.grades import Scale, scale_of
from ghl_real_estate_ai.ml.hedonic import price_residual
from ghl_real_estate_ai.ml.lambdarank import JudgedLists, Lists
from ghl_real_estate_ai.ml.list_columns import Column, Columns, Concept, oldest_first, read_columns
from ghl_real_estate_ai.ml.list_models import LearntOrder, fit_order, fit_regression
from ghl_real_estate_ai.ml.protected_columns import protected_columns
from ghl_real_estate_ai.ml.tables import require_columns
from ghl_real_estate_ai.ml.untrained_order import UntrainedOrder, deviation, untrained_order

PRICE_FOR_ITS_LIKE: Final = "price for its like"
PRICE_IN_THE_LIST: Final = "price in the list"
PRIOR_ROWS: Final = 200
"""The untrained order weighs as much as so many judged rows: few judgements move little."""
_NAMES_OF_LISTS: Final = frozenset(
    {"id", "qid", "uuid", "guid", "key", "query", "session", "search", "request", "list"}
)
_MOST_KINDS_OF_LISTS: Final = 50
"""A column that makes lists and has more values only numbers them; bedrooms or an hour say something of a home."""
_MADE: Final = frozenset({PRICE_FOR_ITS_LIKE, PRICE_IN_THE_LIST})
_TRAIN, _TEST = "the training table", "the table to judge on"


@dataclass(frozen=True, slots=True)
class RankingQuestion:
    """The judgement's column, the columns that make a list, and the columns to use (None: all that may be used)."""

    label: str
    group: tuple[str, ...]
    features: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Side:
    """One table's judged rows: grades, lists, and the frame itself."""

    table: pl.DataFrame
    grades: Array
    lists: Lists


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a learner sees: one name per column of both sides."""

    names: tuple[str, ...]
    train: Array
    test: Array


def evaluate_ranking(
    train: pl.DataFrame | None, test: pl.DataFrame, question: RankingQuestion, *, say: Callable[[str], None]
) -> EvaluationReport:
    """Without ``train``: the untrained order. Raises InputError when the table cannot be read."""
    started = time.monotonic()
    scale, learn, judge = _sides(train, test, question)
    names, forbidden = _candidates(learn, judge, question)
    columns = read_columns(
        None if learn is None else learn.table, judge.table, names=names, forbidden=forbidden
    )
    say("comparing prices")
    residual = _residuals(columns)
    plain = untrained_order(columns, None if residual is None else residual[-judge.grades.size :])
    if learn is None:
        report = _untrained(columns, judge, plain)
    else:
        report = _trained(columns, learn, judge, residual=residual, plain=plain, say=say)
    notes = (scale.note(), *_trivial(judge), *report.notes)
    return replace(report, notes=notes, seconds=time.monotonic() - started)


def _untrained(columns: Columns, judge: _Side, plain: UntrainedOrder) -> EvaluationReport:
    return EvaluationReport(
        task="ranking",
        model="untrained order",
        figures=_figures(judge, plain.score),
        baselines=_untrained_baselines(columns, judge),
        used=plain.used,
        flagged=columns.flagged,
        notes=(*plain.notes, "untrained: no judgement was looked at for the order, only for the figures"),
        details={**_list_details(judge), "weights": dict(plain.weights)},
    )


def _trained(
    columns: Columns,
    learn: _Side,
    judge: _Side,
    *,
    residual: Array | None,
    plain: UntrainedOrder,
    say: Callable[[str], None],
) -> EvaluationReport:
    inputs = _inputs(columns, residual, learn, judge)
    learnt = fit_order(JudgedLists(inputs.train, learn.grades, learn.lists), inputs.names, say=say)
    share = PRIOR_ROWS / (PRIOR_ROWS + learn.grades.size) if learnt.importance else 1.0
    score = (1 - share) * learnt.score(inputs.test) + share * deviation(plain.score)
    say("fitting baselines")
    return EvaluationReport(
        task="ranking",
        model=_named(learnt),
        figures=_figures(judge, score),
        baselines={
            **_baselines(columns, judge),
            "untrained order": _figures(judge, plain.score),
            **_learnt_baselines(columns, learn, judge),
        },
        used=tuple(name for name, moved in learnt.importance.items() if moved > 0),
        flagged=(*columns.flagged, *_idle(columns, learnt)),
        notes=() if learnt.importance else ("every training row has the same judgement: nothing to learn",),
        details={
            **_list_details(judge),
            "share_of_the_untrained_order": round(share, 6),
            **_learnt_details(learnt),
        },
    )


# --- rows ---------------------------------------------------------------------------------------------------------


def _sides(
    train: pl.DataFrame | None, test: pl.DataFrame, question: RankingQuestion
) -> tuple[Scale, _Side | None, _Side]:
    if not question.group:
        raise InputError("--group: name at least one column that makes a list")
    for option, named in (("--group", question.group), ("--features", question.features or ())):
        if question.label in named:
            raise InputError(f"{option}: {question.label!r} is the judgement itself; leave it out")
    for table, where in ((train, _TRAIN), (test, _TEST)):
        if table is not None:
            require_columns(table, (question.label, *question.group, *(question.features or ())), path=where)
    scale = scale_of(
        (test if train is None else train)[question.label], where=_TEST if train is None else _TRAIN
    )
    judge = _side(test, question, scale, where=_TEST)
    if np.bincount(judge.lists).max() < 2:
        raise InputError(
            f"--group: no list of {_TEST} has two rows, so there is nothing to order; name fewer columns"
        )
    return scale, None if train is None else _side(train, question, scale, where=_TRAIN), judge


def _side(table: pl.DataFrame, question: RankingQuestion, scale: Scale, *, where: str) -> _Side:
    grades = scale.read(table[question.label], where=where)
    judged = np.isfinite(grades)
    if not judged.any():
        raise InputError(f"{where}: {question.label!r} holds no judgement")
    rows, grades = table.filter(pl.Series(judged)), grades[judged]
    order = oldest_first(rows)
    rows, grades = rows[order], grades[order]
    keys = rows.select(pl.struct(question.group).rank("dense")).to_series().to_numpy().astype(np.int64)
    return _Side(rows, grades, keys)


def _candidates(
    learn: _Side | None, judge: _Side, question: RankingQuestion
) -> tuple[tuple[str, ...], tuple[FlaggedColumn, ...]]:
    table = judge.table if learn is None else learn.table
    # by name: the order of a file's columns changes nothing
    names = tuple(sorted(name for name in (question.features or table.columns) if name != question.label))
    forbidden = list(protected_columns(names, table, of_homes=True))
    if question.features is None:
        forbidden += [
            FlaggedColumn(name, "group", "it names the lists and says nothing of a home")
            for name in question.group
            if _only_names_lists(table[name]) and name not in {flag.column for flag in forbidden}
        ]
    if learn is not None and question.features is None:  # columns asked for by name are used
        left = [name for name in names if name not in {flag.column for flag in forbidden}]
        wanted = (learn.grades > learn.grades.min()).astype(np.float64)
        forbidden += late_columns(learn.table, wanted, left)
    return names, tuple(forbidden)


def _only_names_lists(column: pl.Series) -> bool:
    return bool(_NAMES_OF_LISTS & set(words_of(column.name))) or column.n_unique() > _MOST_KINDS_OF_LISTS


# --- inputs -------------------------------------------------------------------------------------------------------


def _residuals(columns: Columns) -> Array | None:
    """Of the training rows, then of the judged ones: each home among all homes of both tables. No judgement is used."""
    price = columns.of(Concept.PRICE)
    if price is None:
        return None
    like = [c for c in columns.usable if c.concept not in (Concept.PRICE, Concept.OF_A_PRICE)]
    return price_residual(_stacked(like), _values(price)) if like else None


def _inputs(columns: Columns, residual: Array | None, learn: _Side, judge: _Side) -> _Inputs:
    """Every column but places, the price for its like, and the price beside the others of the same list."""
    own = [column for column in columns.usable if column.concept is not Concept.PLACE]
    names, parts = [column.name for column in own], [_stacked(own)]
    if residual is not None:
        names.append(PRICE_FOR_ITS_LIKE)
        parts.append(residual[:, None])
    price = columns.of(Concept.PRICE)
    if price is not None and price.train is not None:
        names.append(PRICE_IN_THE_LIST)
        sides = ((price.train, learn.lists), (price.test, judge.lists))
        parts.append(np.concatenate([_over_the_list(*side) for side in sides])[:, None])
    x = np.hstack(parts)
    split = learn.grades.size
    return _Inputs(tuple(names), x[:split], x[split:])


def _over_the_list(price: Array, lists: Lists) -> Array:
    """log price over the median of its list: what a person sees who looks at this list."""
    rows = pl.DataFrame({"price": np.log(np.maximum(price, 1.0)), "list": lists}).with_columns(
        pl.col("price").fill_nan(None)
    )
    return numbers(rows.select(pl.col("price") - pl.col("price").median().over("list")).to_series())


def _values(column: Column) -> Array:
    return column.test if column.train is None else np.concatenate([column.train, column.test])


def _stacked(columns: Sequence[Column]) -> Array:
    return np.column_stack([_values(column) for column in columns])


# --- figures ------------------------------------------------------------------------------------------------------


def _figures(judge: _Side, score: Array) -> Figures:
    lowest = float(judge.grades.min())
    return {
        "n": int(judge.grades.size),
        "lists": judged_lists(judge.grades, judge.lists),
        "ndcg_at_10": ndcg_at_k(judge.grades, score, judge.lists),
        "mrr": mrr(judge.grades, score, judge.lists, relevant_from=lowest),
        "auc": _auc_within_lists(judge, score),
    }


def _auc_within_lists(judge: _Side, score: Array) -> float:
    """How often an item of the top grade stands above another of its list; lists weigh by their pairs."""
    top = (judge.grades == judge.grades.max()).astype(np.float64)
    found = pairs = 0.0
    order = np.argsort(judge.lists, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(judge.lists[order])) + 1):
        weight = top[rows].sum() * (1 - top[rows]).sum()
        if weight:
            found, pairs = found + weight * auc(top[rows], score[rows]), pairs + weight
    return found / pairs if pairs else math.nan


def _baselines(columns: Columns, judge: _Side) -> dict[str, Figures]:
    """Random: the exact mean over all orders. Price ascending: what any portal offers."""
    found = {"random order (expected)": _figures(judge, np.zeros(judge.grades.size))}
    price = columns.of(Concept.PRICE)
    if price is not None:
        found["price ascending"] = _figures(judge, _known(-price.test))
    return found


def _untrained_baselines(columns: Columns, judge: _Side) -> dict[str, Figures]:
    column, sign = _best_column({c.name: c.test for c in columns.usable}, judge)
    score = _known(sign * next(c.test for c in columns.usable if c.name == column))
    hindsight = f"best single column, in hindsight ({_signed(column, sign)})"
    return {**_baselines(columns, judge), hindsight: _figures(judge, score)}


def _learnt_baselines(columns: Columns, learn: _Side, judge: _Side) -> dict[str, Figures]:
    own = [column for column in columns.usable if column.concept is not Concept.PLACE]
    column, sign = _best_column({c.name: c.train for c in own if c.train is not None}, learn)
    alone = _known(sign * next(c.test for c in own if c.name == column))
    x = _stacked(own)
    regression = fit_regression(JudgedLists(x[: learn.grades.size], learn.grades, learn.lists))
    return {
        f"best single column ({_signed(column, sign)})": _figures(judge, alone),
        "pointwise regression (LightGBM)": _figures(judge, regression(x[learn.grades.size :])),
    }


def _best_column(columns: Mapping[str, Array], side: _Side) -> tuple[str, int]:
    """The column, and its direction, that orders this side's lists best."""
    found = {
        (name, sign): ndcg_at_k(side.grades, _known(sign * values), side.lists)
        for name, values in columns.items()
        for sign in (1, -1)
    }
    return max(found, key=lambda key: found[key] if math.isfinite(found[key]) else -1.0)


def _signed(column: str, sign: int) -> str:
    return f"{column} {'descending' if sign > 0 else 'ascending'}"


def _known(score: Array) -> Array:
    """Unknown stands last."""
    known = score[np.isfinite(score)]
    return np.where(np.isfinite(score), score, (known.min() - 1.0) if known.size else 0.0)


# --- what is told besides -----------------------------------------------------------------------------------------


def _named(learnt: LearntOrder) -> str:
    share = learnt.share_of_lambdarank
    return "graded LightGBM" if share == 0 else f"graded LightGBM + {share:.0%} LambdaRank"


def _idle(columns: Columns, learnt: LearntOrder) -> list[FlaggedColumn]:
    idle = [
        FlaggedColumn(name, "idle", "moves nothing in the fitted order")
        for name, moved in learnt.importance.items()
        if moved == 0 and name not in _MADE
    ]
    why = "no input of its own: it only says what homes there cost (a place stands for who lives there)"
    return idle + [FlaggedColumn(c.name, "place", why) for c in columns.usable if c.concept is Concept.PLACE]


def _trivial(judge: _Side) -> list[str]:
    """A note on lists that every order gets right: they lift each figure, the baselines' too."""
    rows = pl.DataFrame({"list": judge.lists, "grade": judge.grades})
    lists = rows.group_by("list").agg(pl.col("grade").min().alias("low"), pl.col("grade").max().alias("high"))
    alike = lists.filter((pl.col("low") == pl.col("high")) & (pl.col("high") > 0)).height
    if not alike:
        return []
    return [
        f"{alike:,} of {lists.height:,} lists hold one row, or rows judged alike: any order of them counts as perfect"
    ]


def _list_details(judge: _Side) -> dict[str, object]:
    _, sizes = np.unique(judge.lists, return_counts=True)
    return {
        "lists_in_the_table": int(sizes.size),
        "lists_without_anything_relevant": int(sizes.size) - judged_lists(judge.grades, judge.lists),
        "rows_per_list": {"median": float(np.median(sizes)), "largest": int(sizes.max())},
        "rows_by_grade": {
            f"{grade:g}": int((judge.grades == grade).sum()) for grade in np.unique(judge.grades)
        },
    }


def _learnt_details(learnt: LearntOrder) -> dict[str, object]:
    total = sum(learnt.importance.values()) or 1.0
    return {
        "share_of_lambdarank": learnt.share_of_lambdarank,
        "trees": dict(learnt.trees),
        "ndcg_at_10_on_the_newest_training_rows": {k: round(v, 6) for k, v in learnt.held_out_ndcg.items()},
        "importance": {name: round(moved / total, 6) for name, moved in learnt.importance.items()},
    }
