"""Tables made ready for a lead score: outcome read, rows in order, columns chosen. Called by ml/table_score.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.column_kinds import nested_columns, plain_table
from ghl_real_estate_ai.ml.evaluation_report import FlaggedColumn
from ghl_real_estate_ai.ml.outcome_words import OutcomeWords, outcome_words
from ghl_real_estate_ai.ml.table_columns import ColumnChoice, RowOrder, choose_columns, moments_of, row_order
from ghl_real_estate_ai.ml.table_inputs import Inputs, read_inputs
from ghl_real_estate_ai.ml.tables import require_columns

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LeadScoreQuestion:
    """What is asked of a table: its outcome, who a row is, when it was, and which columns are left out or allowed by name."""

    outcome: str
    id_column: str | None = None
    time: str | None = None
    exclude: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    top: int | None = None


@dataclass(frozen=True, slots=True)
class Cases:
    """Rows that have an outcome, as a model takes them."""

    inputs: Inputs
    y: Array
    moments: Array | None
    """A number that rises with time, where the question names a time column."""

    def cut(self, rows: slice) -> Cases:
        """Some of the rows."""
        moments = None if self.moments is None else self.moments[rows]
        return Cases(self.inputs.take(rows), self.y[rows], moments)


@dataclass(frozen=True, slots=True)
class ReadyTables:
    """Tables as cases, and what a reader must know of how they came about."""

    cases: tuple[Cases, ...]
    order: RowOrder
    flagged: tuple[FlaggedColumn, ...]
    notes: tuple[str, ...]


def prepare_pair(
    train: pl.DataFrame, test: pl.DataFrame, question: LeadScoreQuestion, *, say: Say, titles: tuple[str, str]
) -> ReadyTables:
    """Rows to learn from, oldest first, and rows to judge, as they stand. Raises InputError that names file and column."""
    words = _require(list(zip(titles, (train, test), strict=True)), question)
    notes = [words.note] if words.note else []
    roles = _roles(question, train)
    train, y = _with_outcome(plain_table(train), words, titles[0], notes)
    test, truth = _with_outcome(plain_table(test), words, titles[1], notes)
    train, y = _with_time(train, y, question.time, notes)
    order = row_order(train.drop(question.outcome), y, time=question.time)
    train, y = train[order.rows], y[order.rows]
    choice = choose_columns(
        train, y, judged=test, never=roles | dict.fromkeys(order.index, "index"), exclude=question.exclude, allow=question.allow,
        at=order.moments, say=say,
    )  # fmt: skip
    later = None if question.time is None else moments_of(test, question.time)
    inputs = read_inputs([train, test], choice.kinds, moments=[order.moments, later])
    cases = (Cases(inputs[0], y, order.moments), Cases(inputs[1], truth, later))
    return ReadyTables(cases, order, _with_empty(choice, inputs[0]), (*notes, order.words))


def prepare_course(
    table: pl.DataFrame, question: LeadScoreQuestion, *, start: int, step: int, say: Say, title: str
) -> ReadyTables:
    """All rows of one table, oldest first.

    Columns are chosen by all rows that some window learns from: a column that is empty in the first windows may speak later,
    and one that is found late at the end was late from the beginning.
    """
    words = _require([(title, table)], question)
    notes = [words.note] if words.note else []
    roles = _roles(question, table)
    table, y = _with_outcome(plain_table(table), words, title, notes)
    table, y = _with_time(table, y, question.time, notes)
    if start >= y.size:
        raise InputError(
            f"--start {start}: the table has {y.size} rows with an outcome; nothing is left to judge"
        )
    order = RowOrder(np.arange(y.size), in_time=True, moments=None, words="rows as they stand, oldest first")
    if question.time is not None:
        order = row_order(table, y, time=question.time)
        table, y = table[order.rows], y[order.rows]
    at = order.moments
    learnt = slice(0, start + step * ((y.size - 1 - start) // step))  # all but the last step
    choice = choose_columns(
        table[learnt], y[learnt], judged=table, never=roles, exclude=question.exclude, allow=question.allow,
        at=None if at is None else at[learnt], say=say,
    )  # fmt: skip
    # the first table tells which words of a text are common: those known before the first judged row
    early = None if at is None else at[:start]
    _, whole = read_inputs([table[:start], table], choice.kinds, moments=[early, at])
    return ReadyTables((Cases(whole, y, at),), order, _with_empty(choice, whole), (*notes, order.words))


def _require(tables: Sequence[tuple[str, pl.DataFrame]], question: LeadScoreQuestion) -> OutcomeWords:
    title, first = tables[0]
    if first.width != len(set(first.columns)):
        raise InputError(f"{title}: two columns have the same name")
    named = [question.outcome, *question.exclude, *question.allow]
    require_columns(first, [*named, *(one for one in (question.id_column, question.time) if one)], path=title)
    for name, role in ((question.time, "--time"), (question.id_column, "--id")):
        if name == question.outcome:
            raise InputError(f"{role} {name!r} is the outcome; name another column")
    if question.outcome in (*question.exclude, *question.allow):
        raise InputError(
            f"{question.outcome!r} is the outcome; it is never an input, so neither exclude nor allow it"
        )
    for title, table in tables[1:]:
        require_columns(table, [question.outcome, *([question.time] if question.time else [])], path=title)
    return outcome_words(
        [plain_table(table.select(question.outcome)) for _, table in tables], question.outcome
    )


def _with_empty(choice: ColumnChoice, inputs: Inputs) -> tuple[FlaggedColumn, ...]:
    """What was flagged, and columns of which nothing could be learnt after all."""
    empty = sorted(set(choice.kinds) - {*inputs.number_columns, *inputs.code_columns})
    return choice.flagged + tuple(
        FlaggedColumn(name, "constant", "it only orders the rows: no part of the calendar comes round twice")
        for name in empty
    )


def _roles(question: LeadScoreQuestion, table: pl.DataFrame) -> dict[str, str]:
    """Columns that are no inputs by what they are; the time column's calendar is one all the same, if it is a date."""
    roles = dict.fromkeys(nested_columns(table), "nested") | {question.outcome: ""}
    if question.id_column:
        roles[question.id_column] = "identifier"
    if question.time:
        roles[question.time] = "time"
    return roles


def _with_outcome(
    table: pl.DataFrame, words: OutcomeWords, title: str, notes: list[str]
) -> tuple[pl.DataFrame, Array]:
    y = words.read(table)
    known = np.isfinite(y)
    if not known.any():
        raise InputError(f"{title}: no row has an outcome in {words.column!r}")
    if not known.all():
        alike = np.unique(y[known]).size == 1
        hint = "; if an empty cell means the other outcome, write that word into it" if alike else ""
        notes.append(f"{title}: {int((~known).sum())} rows have no outcome and were left out{hint}")
        table = table.filter(pl.Series(known))
    return table, y[known]


def _with_time(
    table: pl.DataFrame, y: Array, time: str | None, notes: list[str]
) -> tuple[pl.DataFrame, Array]:
    if time is None:
        return table, y
    known = np.isfinite(moments_of(table, time))
    if not known.all():
        notes.append(f"{int((~known).sum())} rows have no readable {time} and were not learnt from")
    return table.filter(pl.Series(known)), y[known]
