"""An invented log of cases: people ask, are called, get an offer, and accept, cancel or are declined."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import polars as pl

from ghl_real_estate_ai.ml.journey import JourneyQuestion

BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)
QUESTION = JourneyQuestion(
    case="case",
    activity="activity",
    time="time",
    name="cancelled",
    decided_by="CANCELLED",
    cut=("ACCEPTED", "DECLINED"),
)
"""What is asked of it."""


def case_log(
    cases: int,
    *,
    seed: int = 0,
    per_day: float = 8.0,
    begin: datetime = BEGIN,
    first_case: int = 0,
    signal: float = 1.0,
) -> pl.DataFrame:
    """Columns case, activity, state, time, agent, amount; rows in time order.

    Whoever is called often and answers late cancels more, as do large amounts; ``signal`` 0: endings are chance.
    """
    rng = random.Random(seed)
    rows: list[tuple[str, str, str, datetime, str | None, float]] = []
    for number in range(cases):
        case, at = f"case-{first_case + number}", begin + timedelta(days=(number + rng.random()) / per_day)
        coldness, amount = rng.random(), float(rng.randrange(5, 50) * 1_000)
        rows.append((case, "ASKED", "COMPLETE", at, None, amount))
        calls = 1 + int(rng.random() < 0.7) + int(4 * coldness * rng.random())
        for _ in range(calls):
            at += timedelta(hours=2 + 30 * coldness * rng.random())
            agent = f"agent-{rng.randrange(4)}"
            rows.append((case, "CALL", "START", at, agent, amount))
            at += timedelta(minutes=5)
            rows.append((case, "CALL", "COMPLETE", at, agent, amount))
        offered = rng.random() < 0.8
        if offered:
            at += timedelta(hours=1)
            rows.append((case, "OFFER", "COMPLETE", at, f"agent-{rng.randrange(4)}", amount))
        lean = 0.35 + signal * (0.9 * (coldness - 0.5) + (amount - 25_000) / 150_000 - 0.2 * offered + 0.1)
        at += timedelta(days=0.2 + 3 * rng.random())
        if rng.random() < lean:
            rows.append((case, "CANCELLED", "COMPLETE", at, None, amount))
        else:
            ending = "ACCEPTED" if offered else "DECLINED"
            rows.append((case, ending, "COMPLETE", at, f"agent-{rng.randrange(4)}", amount))
        rows.append((case, "FILED", "COMPLETE", at + timedelta(hours=1), None, amount))
    names = ["case", "activity", "state", "time", "agent", "amount"]
    return pl.DataFrame(rows, schema=names, orient="row").sort("time", maintain_order=True)


def later_cases(cases: int, *, seed: int = 1, after: int = 600, signal: float = 1.0) -> pl.DataFrame:
    """The cases that come after the first ``after`` ones."""
    begin = BEGIN + timedelta(days=after / 8.0)
    return case_log(cases, seed=seed, begin=begin, first_case=after, signal=signal)
