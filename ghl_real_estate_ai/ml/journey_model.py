"""How likely a case is to have the outcome, after each of its events: logistic regression and LightGBM, half each.

Fitted and asked by ml/journey.py. The blend is fixed, not learnt: on every log tried the two were close and their mean
was better than either. lightgbm and scikit-learn are imported inside the functions that fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.ml.column_kinds import ColumnKind
from ghl_real_estate_ai.ml.evaluation import Array
from ghl_real_estate_ai.ml.fitting import sigmoid
from ghl_real_estate_ai.ml.journey_columns import kinds_of, number_cells, word_cells
from ghl_real_estate_ai.ml.journey_features import (
    KINDS,
    MISSING,
    OTHER,
    CaseEvent,
    CaseState,
    Codes,
    LogColumn,
    Vocabulary,
)
from ghl_real_estate_ai.ml.journey_log import DAY_S, CaseLog

Rows = npt.NDArray[np.float32]
"""Prefixes, shape (rows, inputs); NaN where there is nothing to tell."""

TRAINING_ROWS: Final = 120_000
"""A longer log teaches by every second, third ... prefix of each case."""
FEWEST_CASES: Final = 10
"""Cases of the rarer ending below which the base rate is all that can be said."""
FEWEST_FOR_TREES: Final = 50
"""Below it, logistic regression answers alone."""
TREES: Final = 100
SILENT_MOMENTS: Final = (1 / 24, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 21.0, 30.0, 45.0, 60.0)
"""Days after a case's first event at which it teaches what silence says."""
_RIDGE: Final = 0.01
_CLIP: Final = 4.0
"""Standard deviations beyond which a linear input says no more."""
_BLOCK: Final = 50_000
"""Rows that are built and answered at once."""
_LIGHTGBM: Final[Mapping[str, object]] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.05,
    "lambda_l2": 20.0,
    "feature_fraction": 0.5,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}

Member = Callable[[Rows], Array]
"""Prefixes to log-odds."""


class Asked(NamedTuple):
    """Of which prefixes, by the place of their last event, and when: POSIX seconds. Places must not fall."""

    last: Codes
    now: Array


class Prefixes(NamedTuple):
    """Rows, the case each belongs to, and how many events it holds."""

    x: Rows
    case: Codes
    length: Codes


class JourneyModel:
    """A fitted journey, ready to answer: ``start`` a case, then ``update`` it with each event."""

    def __init__(self, vocabulary: Vocabulary, base_rate: float, members: Mapping[str, Member]) -> None:
        """``members``: none, when there was too little to learn from; then every answer is the base rate."""
        self.vocabulary = vocabulary
        self.base_rate = base_rate
        self.members = dict(members)
        self._kinds = {kind: code for code, kind in enumerate(vocabulary.kinds, start=1)}
        self._words = [{word: code for code, word in enumerate(c.words, start=1)} for c in vocabulary.words]

    def start(self) -> CaseState:
        """A case without events."""
        return CaseState(self.vocabulary)

    def update(self, state: CaseState, event: CaseEvent) -> float:
        """Take the next event into ``state``; the probability of the outcome from what is known then."""
        state.update(event)
        return self.ask(state, event.at)

    def ask(self, state: CaseState, now: float) -> float:
        """The probability at ``now``, POSIX seconds, from the events so far and the silence since the last one."""
        row = np.empty((1, len(self.vocabulary.names)), dtype=np.float32)
        state.write(row[0], now)
        return float(self.predict(row)[0])

    def event(self, at: datetime, activity: str, cells: Mapping[str, object]) -> CaseEvent:
        """One event as it comes in; ``cells``: the other columns by name. What the model does not know is left out."""
        state = cells.get(self.vocabulary.transition) if self.vocabulary.transition else None
        kind = activity if self.vocabulary.transition is None else f"{activity} {str(state or '').lower()}"
        moment = at.timestamp()
        return CaseEvent(
            at=moment,
            kind=self._kinds.get(kind, OTHER),
            numbers=tuple(_number(cells.get(c.name), c, moment) for c in self.vocabulary.numbers),
            words=tuple(
                MISSING if cells.get(c.name) is None else codes.get(str(cells[c.name]), OTHER)
                for c, codes in zip(self.vocabulary.words, self._words, strict=True)
            ),
        )

    def predict(self, x: Rows) -> Array:
        """Probabilities of prefixes."""
        if not self.members or not x.shape[0]:
            return np.full(x.shape[0], self.base_rate)
        return sigmoid(np.mean([member(x) for member in self.members.values()], axis=0))


def after_each_event(log: CaseLog, *, every: int = 1) -> Asked:
    """The moment of each event; ``every``: of each case only one in so many."""
    rows = np.flatnonzero((log.place + log.case) % every == 0)
    return Asked(rows, log.at[rows])


def in_silence(log: CaseLog, until: Array, *, days: Sequence[float] = SILENT_MOMENTS) -> Asked:
    """So many days after each case's first event, as long as it is undecided: until ``until``, shape (cases,)."""
    moments = log.started[:, None] + np.array(days)[None, :] * DAY_S
    case, day = np.nonzero(moments < until[:, None])
    now = moments[case, day]
    # lexsort over (case, time) is the log's own order: the last event not after each moment
    order = np.lexsort(
        (
            np.append(np.zeros(log.at.size), np.ones(now.size)),
            np.append(log.at, now),
            np.append(log.case, case),
        )
    )
    events_before = np.cumsum(order < log.at.size)
    last = np.empty(now.size, dtype=np.int64)
    asked = order >= log.at.size
    last[order[asked] - log.at.size] = events_before[asked] - 1
    return Asked(last, now)


def build_prefixes(log: CaseLog, vocabulary: Vocabulary, asked: Asked) -> Iterator[Prefixes]:
    """What was known at each moment asked of, in blocks, by the code that serves."""
    kinds = {kind: code for code, kind in enumerate(vocabulary.kinds, start=1)}
    named = kinds_of(log, vocabulary.transition)
    kind = named.replace_strict(kinds, default=OTHER, return_dtype=pl.Int64).to_list()
    numbers = _rows_of([number_cells(log, column).tolist() for column in vocabulary.numbers], log.at.size)
    words = _rows_of([word_cells(log, column).tolist() for column in vocabulary.words], log.at.size)
    at, case, length = log.at.tolist(), log.case, log.place + 1
    starts = set(log.first.tolist())
    state, row = CaseState(vocabulary), 0
    for block in np.split(np.arange(asked.last.size), range(_BLOCK, asked.last.size, _BLOCK)):
        x = np.empty((block.size, len(vocabulary.names)), dtype=np.float32)
        last = asked.last[block]
        for place, (stop, now) in enumerate(zip(last.tolist(), asked.now[block].tolist(), strict=True)):
            while row <= stop:
                if row in starts:
                    state = CaseState(vocabulary)
                state.update(CaseEvent(at[row], kind[row], numbers[row], words[row]))
                row += 1
            state.write(x[place], now)
        yield Prefixes(x, case[last], length[last])


def fit_journey(
    log: CaseLog,
    y: Array,
    weight: Array,
    *,
    decided_at: Array,
    columns: tuple[LogColumn, ...],
    transition: str | None,
    seed: int = 0,
) -> JourneyModel:
    """Learn from the visible events of ended cases. ``y`` (0 or 1), ``weight`` and ``decided_at`` have one entry per case.

    Each case is asked about after its events and on some days of its life, so that silence is learnt too.
    The k-th prefix of a case weighs 1 / sqrt(k): later ones repeat what earlier ones told. A weight by the whole length of
    the case would be known at its end only, and was seen to halve the answers to first events.
    """
    named = kinds_of(log, transition).value_counts().sort(["count", "activity"], descending=[True, False])
    vocabulary = Vocabulary(tuple(named["activity"][:KINDS]), columns, transition)
    events = after_each_event(log, every=-(-log.at.size // TRAINING_ROWS))
    quiet = in_silence(log, decided_at)
    blocks = [block for asked in (events, quiet) for block in build_prefixes(log, vocabulary, asked)]
    x = np.concatenate([block.x for block in blocks])
    case = np.concatenate([block.case for block in blocks])
    row_weight = weight[case] / np.sqrt(np.concatenate([block.length for block in blocks]))
    row_weight /= row_weight.mean()
    rarer = int(min(y.sum(), y.size - y.sum()))
    members: dict[str, Member] = {}
    if rarer >= FEWEST_CASES:
        members["logistic"] = _fit_linear(x, y[case], row_weight, vocabulary)
    if rarer >= FEWEST_FOR_TREES:
        members["lightgbm"] = _fit_trees(x, y[case], row_weight, vocabulary, seed=seed)
    return JourneyModel(vocabulary, float(np.average(y[case], weights=row_weight)), members)


def _fit_trees(x: Rows, y: Array, weight: Array, vocabulary: Vocabulary, *, seed: int) -> Member:
    import lightgbm  # heavy start

    names = vocabulary.names
    data = lightgbm.Dataset(
        x,
        y,
        weight=weight,
        categorical_feature=[names.index(name) for name in vocabulary.levels],
        free_raw_data=True,
    )
    few = int(np.clip(y.size // 1_000, 10, 200))
    booster = lightgbm.train(
        {**_LIGHTGBM, "min_data_in_leaf": few, "seed": seed}, data, num_boost_round=TREES
    )
    return lambda rows: np.asarray(booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float64)


def _fit_linear(x: Rows, y: Array, weight: Array, vocabulary: Vocabulary) -> Member:
    from sklearn.linear_model import LogisticRegression  # heavy start

    z = _smooth(x, vocabulary)
    known = [column[np.isfinite(column)] for column in z.T]
    centre = np.array([values.mean() if values.size else 0.0 for values in known], dtype=np.float32)
    spread = np.array([values.std() if values.size else 0.0 for values in known], dtype=np.float32)
    spread[spread == 0] = np.inf  # says nothing in training, so it says nothing later

    def scaled(inputs: Rows) -> Rows:
        shifted = np.clip((inputs - centre) / spread, -_CLIP, _CLIP)
        # a missing number stands at the mean: only the column of what is there speaks
        return np.asarray(np.nan_to_num(shifted, copy=False, nan=0.0), dtype=np.float32)

    model = LogisticRegression(C=_RIDGE, max_iter=200)
    model.fit(scaled(z), y, sample_weight=weight)
    slopes, offset = model.coef_[0].astype(np.float64), float(model.intercept_[0])
    return lambda rows: np.asarray(scaled(_smooth(rows, vocabulary)) @ slopes + offset, dtype=np.float64)


def _smooth(x: Rows, vocabulary: Vocabulary) -> Rows:
    """Inputs as a linear model takes them: counts and times as logarithms, hours round the clock, codes as columns of 0 and 1.

    NaN stays where a number is missing; beside it stands whether it is there.
    """
    levels = vocabulary.levels
    parts: list[npt.NDArray[np.generic]] = []
    for place, name in enumerate(vocabulary.names):
        values = x[:, place]
        if name in levels:
            parts += [values == code for code in range(levels[name])]
        elif name in ("weekday", "start_weekday"):
            parts += [values == day for day in range(7)]
        elif name in ("hour", "start_hour"):
            parts += [np.sin(values * (np.pi / 12)), np.cos(values * (np.pi / 12))]
        else:
            parts += [np.sign(values) * np.log1p(np.abs(values)), ~np.isnan(values)]
    return np.column_stack(parts).astype(np.float32)


def _rows_of[T: (int, float)](columns: list[list[T]], rows: int) -> list[tuple[T, ...]]:
    return list(zip(*columns, strict=True)) if columns else [()] * rows


def _number(cell: object, column: LogColumn, at: float) -> float:
    """As ``number_cells``: hours since a date, else the number, NaN for anything else."""
    if column.kind == ColumnKind.DATE:
        if isinstance(cell, datetime):
            moment = cell if cell.tzinfo else cell.replace(tzinfo=UTC)
            return (at - moment.timestamp()) / 3_600.0
        if isinstance(cell, date):
            return (at - datetime(cell.year, cell.month, cell.day, tzinfo=UTC).timestamp()) / 3_600.0
        return float("nan")
    return float(cell) if isinstance(cell, int | float) else float("nan")
