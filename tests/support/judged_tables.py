"""Small invented tables with an outcome that leans on their columns, for whatever learns from a table or a log."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import polars as pl

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


def lead_table(rows: int, *, seed: int) -> pl.DataFrame:
    """Leads with source, visits and budget, oldest first; ``won`` leans on all three."""
    rng = random.Random(seed)
    out = []
    for number in range(rows):
        source = rng.choice(("portal", "referral", "sign", "walk-in"))
        visits, budget = rng.randrange(0, 12), rng.uniform(100_000, 900_000)
        lean = 0.1 + 0.04 * visits + 0.35 * (source == "referral") - 0.2 * (budget > 600_000)
        created = BEGIN + timedelta(hours=7 * number)
        out.append((created, source, visits, round(budget), int(rng.random() < lean)))
    return pl.DataFrame(out, schema=["created", "source", "visits", "budget", "won"], orient="row")


def purchase_log(leads: int, *, seed: int, days: int = 300) -> pl.DataFrame:
    """Events of leads who act at their own rate until they stop: lead, time, amount."""
    rng = random.Random(seed)
    out = []
    for number in range(leads):
        rate = rng.gammavariate(1.5, 0.03)
        day = rng.uniform(0, days / 2)
        while day < days:
            out.append((f"lead-{seed}-{number}", BEGIN + timedelta(days=day), round(rng.uniform(5, 90), 2)))
            if rng.random() < 0.12:
                break
            day += rng.expovariate(rate)
    return pl.DataFrame(out, schema=["lead", "time", "amount"], orient="row")


def judged_lists(lists: int, *, seed: int, first: int = 0) -> pl.DataFrame:
    """Homes in lists by day, with an interest that leans on price, photos and what is said of them."""
    rng = random.Random(seed)
    out = []
    for day in range(first, first + lists):
        for _ in range(8):
            bedrooms, photos = rng.randrange(1, 5), rng.randrange(0, 12)
            price = round((900 + 700 * bedrooms) * rng.uniform(0.7, 1.4))
            features = rng.choice(("pool", "garage", "none"))
            lean = (900 + 700 * bedrooms) / price + photos / 12 + (features == "pool") + rng.gauss(0, 0.5)
            interest = "high" if lean > 2.6 else "medium" if lean > 2.0 else "low"
            out.append((BEGIN + timedelta(days=day), bedrooms, price, photos, features, interest))
    names = ["day", "bedrooms", "price", "photos", "features", "interest"]
    return pl.DataFrame(out, schema=names, orient="row")
