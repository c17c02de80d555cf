"""Every model that learns from a table or log of others passes the shared battery: score, churn, journey, order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pytest

from ghl_real_estate_ai.ml.event_logs import LogColumns, read_log
from ghl_real_estate_ai.ml.journey import evaluate_journey
from ghl_real_estate_ai.ml.lapse import ChurnQuestion, evaluate_churn
from ghl_real_estate_ai.ml.lapse_features import rows_at
from ghl_real_estate_ai.ml.lapse_model import fit_lapse
from ghl_real_estate_ai.ml.list_ranking import RankingQuestion, evaluate_ranking
from ghl_real_estate_ai.ml.table_score import LeadScoreQuestion, evaluate_lead_score
from tests.contracts import model_checks
from tests.contracts.model_checks import Task
from tests.support.case_log import QUESTION, case_log, later_cases
from tests.support.judged_tables import BEGIN, judged_lists, lead_table, purchase_log

pytestmark = pytest.mark.untraced


def _silent(_: str) -> None:
    """Progress is not wanted here."""


CHURN = ChurnQuestion(
    lead="lead",
    time="time",
    value="amount",
    train_cutoff=BEGIN + timedelta(days=200),
    test_cutoff=BEGIN + timedelta(days=240),
    horizon=timedelta(days=40),
)
TASKS = (
    Task(
        name="lead score",
        train=lead_table(400, seed=1),
        test=lead_table(150, seed=2),
        inputs=("source", "visits", "budget"),
        evaluate=lambda train, test: evaluate_lead_score(
            train, test, LeadScoreQuestion(outcome="won", time="created"), say=_silent
        ),
    ),
    Task(
        name="churn",
        train=purchase_log(250, seed=1),
        test=purchase_log(150, seed=2),
        inputs=("time", "amount"),
        evaluate=lambda train, test: evaluate_churn(train, test, CHURN, say=_silent),
    ),
    Task(
        name="journey",
        train=case_log(300),
        test=later_cases(80, after=300),
        inputs=("activity", "state", "time", "agent", "amount"),
        evaluate=lambda train, test: evaluate_journey(train, test, QUESTION, say=_silent),
    ),
    Task(
        name="order",
        train=judged_lists(40, seed=1),
        test=judged_lists(20, seed=2, first=40),
        inputs=("bedrooms", "price", "photos", "features"),
        evaluate=lambda train, test: evaluate_ranking(
            train, test, RankingQuestion(label="interest", group=("day",)), say=_silent
        ),
        judged_by="ndcg_at_10",
    ),
)


@pytest.fixture(name="task", params=TASKS, ids=lambda task: task.name, scope="module")
def _task(request: pytest.FixtureRequest) -> Task:
    found = request.param
    assert isinstance(found, Task)
    return found


@pytest.fixture(name="before", scope="module")
def _before(task: Task) -> Mapping[str, object]:
    """What is said of the tables as they are."""
    return task.said()


def test_asking_again_changes_nothing(task: Task, before: Mapping[str, object]) -> None:
    model_checks.asking_again_changes_nothing(task, before)


def test_the_order_of_columns_is_irrelevant(task: Task, before: Mapping[str, object]) -> None:
    model_checks.order_of_columns_is_irrelevant(task, before)


def test_missing_and_unseen_values_survive(task: Task) -> None:
    model_checks.missing_and_unseen_survive(task)


def test_each_input_moves_the_answer(task: Task, before: Mapping[str, object]) -> None:
    model_checks.each_input_moves_the_answer(task, before)


def test_a_hazard_of_any_log_is_monotone_where_it_promises() -> None:
    log = read_log(TASKS[1].train, LogColumns(lead="lead", time="time", value="amount"), source="log")
    until = float(log.at.max())
    model = fit_lapse(log, known_until=until, horizon=40.0)
    assert model is not None
    assert model.hazard
    rows = rows_at(log, until, horizon=40.0, model=model.bgnbd)
    model_checks.monotone_where_promised(
        lambda x: -np.mean([scores(x) for scores in model.hazard], axis=0),
        rows.x[:40],
        {feature.name: feature.direction for feature in rows.features},
    )
