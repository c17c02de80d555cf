"""Invented tables of leads with columns planted that were filled in after the outcome, and honest ones beside them.

Used by tests/ml/test_availability.py. Everything is drawn from a seed; names can be hidden, as in an export without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
Values = list[object]

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 500
"""Length of a table's time, first lead to last."""


@dataclass(frozen=True)
class Drawn:
    """Rows before their columns: the outcome, the hidden wish to buy, the day of each row, chance."""

    y: Array
    intent: Array
    day: Array
    chance: np.random.Generator

    @property
    def won(self) -> npt.NDArray[np.bool_]:
        return self.y > 0

    def either(self, won: float, lost: float) -> npt.NDArray[np.bool_]:
        """True for that share of won and of lost rows."""
        return self.chance.random(self.y.size) < np.where(self.won, won, lost)

    def normal(self, shift: float = 0.0) -> Array:
        """Standard normal, higher by ``shift`` for won rows."""
        return self.chance.normal(size=self.y.size) + shift * self.y


@dataclass(frozen=True)
class LateTable:
    """One table: what is known to be late in it, and the time of its rows."""

    title: str
    table: pl.DataFrame
    y: Array
    at: Array
    late: frozenset[str]

    def without_names(self) -> LateTable:
        """The same with columns called ``c0``, ``c1`` ..."""
        names = {name: f"c{place}" for place, name in enumerate(self.table.columns)}
        return LateTable(
            f"{self.title}, no names",
            self.table.rename(names),
            self.y,
            self.at,
            frozenset(names[name] for name in self.late),
        )


def _where(keep: npt.NDArray[np.bool_], values: Values) -> Values:
    return [value if kept else None for kept, value in zip(keep, values, strict=True)]


def _words(d: Drawn, won: dict[str, float], lost: dict[str, float]) -> Values:
    """A word for each row, drawn by the outcome."""
    a = d.chance.choice(list(won), size=d.y.size, p=np.array(list(won.values())) / sum(won.values()))
    b = d.chance.choice(list(lost), size=d.y.size, p=np.array(list(lost.values())) / sum(lost.values()))
    return [str(one if won else other) for won, one, other in zip(d.won, a, b, strict=True)]


def _dates(days: Array) -> Values:
    return [(START + timedelta(days=float(day))).strftime("%Y-%m-%d") for day in days]


LATE: dict[str, Callable[[Drawn], Values]] = {
    "close_date": lambda d: _where(d.won, _dates(d.day + 5 + 40 * d.chance.random(d.y.size))),
    "decided_on": lambda d: _where(d.either(0.95, 0.6), _dates(d.day + 5 + 20 * d.chance.random(d.y.size))),
    "commission": lambda d: [round(v, 2) for v in np.where(d.won, 9000 + 2000 * d.normal(), 0.0)],
    "cancel_reason": lambda d: _where(
        d.either(0.0, 0.6), _words(d, {"price": 1}, {"price": 3, "timing": 2, "other agent": 2})
    ),
    "number_of_touches": lambda d: [int(v) for v in np.exp(1.0 + 0.6 * d.normal(1.6))],
    "call_duration": lambda d: [int(v) for v in np.exp(5.0 + 0.7 * d.normal(1.9))],
    "call_minutes": lambda d: [round(v, 1) for v in np.exp(0.9 + 0.7 * d.normal(1.9))],
    "lead_status": lambda d: _words(
        d, {"closed": 7, "open": 2, "nurture": 1}, {"lost": 5, "open": 4, "junk": 2, "nurture": 2}
    ),
    "last_activity": lambda d: _words(
        d,
        {"Email Opened": 3, "SMS Sent": 5, "Had a Phone Conversation": 2},
        {"Email Opened": 4, "Email Bounced": 2, "SMS Sent": 2, "Unsubscribed": 1},
    ),
    "agent_rating": lambda d: _words(d, {"hot": 6, "warm": 3, "cold": 1}, {"hot": 1, "warm": 4, "cold": 5}),
    "days_to_close": lambda d: _where(d.won, [int(v) for v in 20 + 30 * d.chance.random(d.y.size)]),
    "agreement_sent": lambda d: [bool(v) for v in d.either(0.55, 0.0)],
    "feedback": lambda d: _where(d.either(0.92, 0.08), _words(d, {"fine": 1, "long wait": 1}, {"fine": 1})),
    "engagement_index": lambda d: _where(
        d.day < 0.4 * DAYS,
        _words(d, {"01.High": 4, "02.Medium": 5}, {"02.Medium": 5, "03.Low": 2, "01.High": 2}),
    ),
    "engagement_score": lambda d: _where(d.day < 0.4 * DAYS, [int(v) for v in 15 + 2 * d.normal(0.3)]),
}
"""Filled in after the outcome, or while it came about."""

HONEST: dict[str, Callable[[Drawn], Values]] = {
    "source": lambda d: [
        "Referral" if i > 1.9 else str(word)
        for i, word in zip(
            d.intent, d.chance.choice(["Google", "Zillow", "Direct", "Facebook"], d.y.size), strict=True
        )
    ],
    "minutes_on_site": lambda d: [round(v, 1) for v in np.exp(1 + 0.8 * (d.intent + 0.6 * d.normal()))],
    "homes_viewed": lambda d: [int(v) for v in np.exp(0.7 + 0.5 * (d.intent + d.normal()))],
    "budget": lambda d: _where(
        d.chance.random(d.y.size) < 0.5 + 0.12 * d.intent, [int(v) for v in 400_000 + 90_000 * d.normal()]
    ),
    "specialization": lambda d: _where(
        d.chance.random(d.y.size) < 0.75 + 0.1 * d.intent,
        _words(d, {"condo": 1, "house": 2}, {"condo": 1, "house": 2}),
    ),
    "mortgage_rate": lambda d: [round(v, 3) for v in 6.5 - 1.5 * d.day / DAYS + 0.05 * d.normal()],
    "previous_outcome": lambda d: [
        "success" if i > 2.3 else "failure" if u < 0.1 else "nonexistent"
        for i, u in zip(d.intent, d.chance.random(d.y.size), strict=True)
    ],
    "opted_out": lambda d: ["yes" if i < -1.7 else "no" for i in d.intent],
    "move_date_wished": lambda d: _where(
        d.chance.random(d.y.size) < 0.4, _dates(d.day + 30 + 240 * d.chance.random(d.y.size))
    ),
    "credit_score": lambda d: [int(v) for v in 690 + 40 * (0.5 * d.intent + d.normal())],
    "walk_score": lambda d: [int(v) for v in 60 + 12 * d.normal()],
    "page_views": lambda d: [int(v) for v in np.exp(1.2 + 0.6 * d.normal())],
    "reason_for_moving": lambda d: _words(
        d, {"work": 2, "more space": 2, "other": 1}, {"work": 2, "more space": 2, "other": 1}
    ),
    "created_at": lambda d: _dates(d.day),
}
"""Known when the lead is scored; some are strong, some drift, some are often missing."""


def drawn(*, seed: int, rows: int, base_rate: float, strength: float = 1.0) -> Drawn:
    """Rows oldest first; intent tells the outcome by a logistic curve."""
    chance = np.random.default_rng(seed)
    intent = chance.normal(size=rows)
    day = np.sort(chance.random(rows)) * DAYS
    noisy = strength * intent + 0.3 * (day / DAYS - 0.5) + chance.logistic(size=rows) * 0.5
    cut = np.quantile(noisy, 1 - base_rate)
    return Drawn((noisy > cut).astype(np.float64), intent, day, chance)


def late_table(
    title: str, rows: Drawn, late: tuple[str, ...], honest: tuple[str, ...] = tuple(HONEST)
) -> LateTable:
    """A table with those columns."""
    columns = {name: LATE[name](rows) for name in late} | {name: HONEST[name](rows) for name in honest}
    at = np.array([START.timestamp()]) + rows.day * 86_400.0
    return LateTable(title, pl.DataFrame(columns, strict=False), rows.y, at, frozenset(late))


def ordinal_table(*, seed: int, rows: int, columns: int, base_rate: float) -> LateTable:
    """Anonymous ordinal columns in groups that belong together, a few of them weakly telling; none late."""
    d = drawn(seed=seed, rows=rows, base_rate=base_rate, strength=0.4)
    groups = d.chance.normal(size=(rows, columns // 6 + 1))
    values = {
        f"V{place}": np.clip(
            np.round(
                2
                + 1.6 * groups[:, place // 6]
                + d.chance.normal(size=rows)
                + (place % 9 == 0) * 0.7 * d.intent
            ),
            0,
            9,
        ).astype(np.int64)
        for place in range(columns)
    }
    return LateTable(f"{columns} ordinal columns", pl.DataFrame(values), d.y, d.day * 86_400.0, frozenset())


def small_table(*, seed: int) -> LateTable:
    """Four numbers and 750 rows, two of them strong together; none late."""
    d = drawn(seed=seed, rows=750, base_rate=0.24)
    often = np.exp(1 + 0.7 * (d.intent + d.normal()))
    table = pl.DataFrame(
        {
            "Recency (months)": np.exp(2 - 0.6 * (d.intent + d.normal())).astype(np.int64),
            "Frequency (times)": often.astype(np.int64),
            "Monetary (c.c.)": often.astype(np.int64) * 250,
            "Time (months)": (often + np.exp(3 + 0.5 * d.normal())).astype(np.int64),
        }
    )
    return LateTable("four columns", table, d.y, d.day * 86_400.0, frozenset())


def bench(seed: int = 0) -> list[LateTable]:
    """Twenty tables: each mechanism alone, several together, and six in which nothing is late."""

    def rows(number: int, count: int = 3000, base: float = 0.2) -> Drawn:
        return drawn(seed=1000 * seed + number, rows=count, base_rate=base)

    alone = [
        late_table(name, rows(place, 1500 + 300 * place, (0.05, 0.2, 0.4)[place % 3]), (name,))
        for place, name in enumerate(
            (
                "close_date",
                "commission",
                "cancel_reason",
                "number_of_touches",
                "call_duration",
                "lead_status",
                "last_activity",
                "agent_rating",
                "agreement_sent",
                "feedback",
            )
        )
    ]
    together = [
        late_table("a closed deal", rows(20), ("close_date", "commission", "days_to_close")),
        late_table("calls", rows(21), ("call_duration", "call_minutes")),
        late_table("a vendor's index", rows(22, 4000, 0.35), ("engagement_index", "engagement_score")),
        late_table(
            "a whole CRM",
            rows(23, 6000),
            ("lead_status", "last_activity", "number_of_touches", "cancel_reason", "decided_on"),
        ),
    ]
    nothing = [
        late_table("nothing, 2 % won", rows(30, 6000, 0.02), ()),
        late_table("nothing, 20 % won", rows(31), ()),
        late_table("nothing, 60 % won", rows(32, 2000, 0.6), ()),
        late_table("nothing, 400 rows", rows(33, 400, 0.25), ()),
        ordinal_table(seed=1000 * seed + 34, rows=5800, columns=85, base_rate=0.06),
        small_table(seed=1000 * seed + 35),
    ]
    return [*alone, *together, *nothing]
