"""Top-20 of a million homes, beside the same question put to numpy, Polars and DuckDB. Called by ``benchmarks``.

The homes are synthetic and say so: 400 markets of skewed size, the largest with a quarter of them. All engines must give the
same scores, or the row fails.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.dtypes import StringDType

from ghl_real_estate_ai import budgets
from ghl_real_estate_ai.commands.measuring import Say, quantile
from ghl_real_estate_ai.commands.rows import Row
from ghl_real_estate_ai.ml.listing_segments import (
    BATHS_SHIFT,
    FEATURES,
    KNOWN_SHIFT,
    TYPE_SHIFT,
    UNKNOWN_ROOMS,
    YES_SHIFT,
    Floats,
    Segment,
)
from ghl_real_estate_ai.ml.match_kernel import Kernel, compiled
from ghl_real_estate_ai.ml.match_plan import NOISE
from ghl_real_estate_ai.ml.property_matching import ListingIndex
from ghl_real_estate_ai.ml.relaxation import relaxations
from ghl_real_estate_ai.models.matching_models import LIVING_AREA_TOLERANCE, PRICE_TOLERANCE
from ghl_real_estate_ai.models.properties import Feature, Wishes

HOMES: Final = 1_000_000
MARKETS: Final = 400
QUERIES: Final = 400
BEST: Final = 20
_TYPES: Final = ("condominium", "singlefamilyresidence", "townhouse")


def synthetic_homes(count: int, *, markets: int = MARKETS, seed: int = 7) -> Segment:
    """Invented homes: prices log-normal around their market's own level, one field in ten left out."""
    rng = np.random.default_rng(seed)
    share = np.arange(1, markets + 1) ** -1.25
    market = rng.choice(markets, size=count, p=share / share.sum())
    level = rng.uniform(220_000, 900_000, size=markets)
    price = np.round(level[market] * rng.lognormal(0, 0.45, size=count), -3).clip(min=20_000)
    beds = rng.choice([1, 2, 3, 4, 5, 6], p=[0.08, 0.22, 0.36, 0.24, 0.08, 0.02], size=count)
    baths = np.clip(beds - rng.integers(0, 3, size=count), 1, None)
    area = np.round(beds * 420 + rng.normal(350, 180, size=count)).clip(min=300)
    area[rng.random(count) < 0.1] = np.nan
    beds[rng.random(count) < 0.1] = UNKNOWN_ROOMS
    codes = beds | baths << BATHS_SHIFT | rng.choice(3, p=[0.25, 0.6, 0.15], size=count) << TYPE_SHIFT
    for bit, chance in enumerate((0.6, 0.15, 0.35, 0.04, 0.07)):
        known, has = rng.random(count) < 0.9, rng.random(count) < chance
        codes |= (known & has).astype(np.int64) << YES_SHIFT + bit | known.astype(
            np.int64
        ) << KNOWN_SHIFT + bit
    numbers = (
        np.arange(count) * 618_033_989 % count
    )  # no two alike, in no order, as long as 618,033,989 and count share no factor
    keys = np.array([f"SYN{number:08d}" for number in numbers], dtype=StringDType())
    return Segment.of_columns(
        keys=keys,
        market=market,
        markets=tuple(f"market{number:03d}" for number in range(markets)),
        types=_TYPES,
        price=price,
        area=area,
        codes=codes,
    )


def synthetic_wishes(homes: Segment, count: int, *, seed: int = 11) -> list[Wishes]:
    """Wishes of two kinds in turn: narrow ones in any market, and wide ones in the ten largest."""
    rng = np.random.default_rng(seed)
    sizes = np.diff(homes.starts)
    largest = np.argsort(sizes)[::-1]
    wishes = []
    for number in range(count):
        narrow = number % 2 == 0
        market = int(
            rng.choice(len(sizes), p=sizes / sizes.sum()) if narrow else largest[rng.integers(0, 10)]
        )
        prices = homes.price[homes.starts[market] : homes.starts[market + 1]]
        centre = float(prices[int(rng.uniform(0.1, 0.9) * len(prices))])
        width = 0.08 if narrow else rng.uniform(0.15, 0.6)
        bounded = narrow or rng.random() < 0.9
        wishes.append(
            Wishes(
                city=homes.markets[market],
                min_list_price=Decimal(round(centre * (1 - width))) if bounded else None,
                max_list_price=Decimal(round(centre * (1 + width))) if bounded else None,
                min_bedrooms=int(rng.integers(1, 5)),
                min_bathrooms=int(rng.integers(1, 3)),
                min_living_area=float(rng.integers(6, 30) * 100) if rng.random() < 0.6 else None,
                property_sub_type=_TYPES[rng.integers(0, 3)] if narrow or rng.random() < 0.5 else None,
                features=frozenset(
                    rng.choice(list(Feature), size=int(rng.integers(0, 4)), replace=False).tolist()
                ),
            )
        )
    return wishes


# --- the engines --------------------------------------------------------------------------------------------------------

Engine = Callable[[Wishes], list[float]]
"""Scores of the best, best first."""


@dataclass(frozen=True)
class Measured:
    """CPU milliseconds of each query by engine, what else was seen, and which engine does not agree with ours."""

    ours: list[float]
    peers: dict[str, list[float]]
    beside: dict[str, str]
    disagree: str


@functools.cache
def measure(say: Say, *, homes: int = HOMES, queries: int = QUERIES) -> Measured:
    """One run for both rows."""
    say(f"MATCH_*: {homes:,} synthetic homes in {MARKETS} markets, {queries} wishes, CPU of one thread")
    segment = synthetic_homes(homes)
    wishes = synthetic_wishes(segment, queries)
    index = ListingIndex(segment)
    with tempfile.TemporaryDirectory(prefix="enterprisehub-bench-") as folder:
        started = time.process_time()
        kernel = compiled(Path(folder))
        compiling = time.process_time() - started

    def ours(wished: Wishes) -> list[float]:
        return [hit.score for hit in index.query(wished, BEST, kernel=kernel)]

    for wished in wishes[:20]:
        ours(wished)
    taken, answers = _asked(ours, wishes * 3)
    every_fourth = [*wishes[::8], *wishes[1::8]]
    expected = [answers[wishes.index(wished)] for wished in every_fourth]
    peers: dict[str, list[float]] = {}
    disagree = ""
    for name, engine in _peers(segment, index).items():
        say(f"  {name}: {len(every_fourth)} of them")
        peers[name], found = _asked(engine, every_fourth)
        if not _agree(expected, found):
            disagree = f"{name} gives other scores"
    return Measured(taken, peers, _beside(index, kernel, wishes, compiling=compiling), disagree)


def _asked(engine: Engine, wishes: Sequence[Wishes]) -> tuple[list[float], list[list[float]]]:
    taken, found = [], []
    for wished in wishes:
        started = time.process_time()
        found.append(engine(wished))
        taken.append((time.process_time() - started) * 1_000)
    return taken, found


def _agree(expected: Sequence[list[float]], found: Sequence[list[float]]) -> bool:
    return all(
        len(ours) == len(theirs) and np.allclose(ours, theirs, rtol=0, atol=2 * NOISE)
        for ours, theirs in zip(expected, found, strict=True)
    )


def _beside(
    index: ListingIndex, kernel: Kernel, wishes: Sequence[Wishes], *, compiling: float
) -> dict[str, str]:
    anywhere = [wished.model_copy(update={"city": None}) for wished in wishes[:20]]
    nationwide, _ = _asked(lambda w: [hit.score for hit in index.query(w, BEST, kernel=kernel)], anywhere)
    relaxing, _ = _asked(lambda w: [relaxations(index, w, kernel=kernel).meeting], wishes[:100])
    started = time.process_time()
    index.compacted()
    return {
        "without a city": f"p50 {quantile(nationwide, 0.5):.1f} ms",
        "cheapest relaxations": f"p50 {quantile(relaxing, 0.5):.2f} ms, p99 {quantile(relaxing, 0.99):.1f} ms",
        "columns": f"{index.nbytes / 1e6:.0f} MB",
        "made one segment anew in": f"{time.process_time() - started:.1f} s",
        "kernel compiled, once per machine, in": f"{compiling:.1f} s",
    }


def _peers(segment: Segment, index: ListingIndex) -> dict[str, Engine]:
    frame = _frame(segment)
    engines: dict[str, Engine] = {
        "numpy, all homes": _numpy_scan(frame, segment),
        "numpy, sorted by market and price": lambda w: [hit.score for hit in index.query(w, BEST)],
        "Polars, lazy": _polars(frame, segment),
    }
    with contextlib.suppress(ImportError):  # a tool of developers: the other figures stand without it
        engines["DuckDB"] = _duckdb(frame, segment)
    return engines


def _frame(segment: Segment) -> pl.DataFrame:
    """The same homes as a table that an analyst would make."""
    codes = segment.codes
    beds, baths = codes & UNKNOWN_ROOMS, codes >> BATHS_SHIFT & UNKNOWN_ROOMS
    columns = {
        "market": np.repeat(np.arange(len(segment.markets)), np.diff(segment.starts)),
        "price": segment.price,
        "area": segment.area,
        "kind": codes >> TYPE_SHIFT,
        "beds": np.where(beds == UNKNOWN_ROOMS, np.nan, beds),
        "baths": baths.astype(np.float64),
    }
    for bit, feature in enumerate(FEATURES):
        has = (codes >> YES_SHIFT + bit & 1).astype(np.float64)
        columns[feature] = np.where(codes >> KNOWN_SHIFT + bit & 1, has, np.nan)
    return pl.DataFrame(columns).fill_nan(None)


def _terms(wished: Wishes, segment: Segment) -> tuple[str, str, str]:
    """In SQL, which Polars and DuckDB both read: the filter, the weighted closeness, the weight known."""
    keep, total, known = [f"market = {segment.markets.index(str(wished.city))}"], ["2.0"], ["2.0"]
    for bound, weight, sign in ((wished.max_list_price, 8, 1), (wished.min_list_price, 4, -1)):
        if bound is not None:
            span = PRICE_TOLERANCE * float(bound)
            outside = f"({sign} * (price - {float(bound)}))"
            keep.append(f"{outside} <= {span * (1 + NOISE)}")
            total.append(f"{weight} * CASE WHEN {outside} <= 0 THEN 1.0 ELSE 1.0 - {outside} / {span} END")
            known.append(f"{weight}")
    for name, wanted, weight in (("beds", wished.min_bedrooms, 6), ("baths", wished.min_bathrooms, 4)):
        keep.append(f"({name} >= {(wanted or 0) - 1} OR {name} IS NULL)")
        total.append(
            f"CASE WHEN {name} IS NULL THEN 0.0 WHEN {name} >= {wanted} THEN {weight}.0 ELSE {weight / 2} END"
        )
        known.append(f"CASE WHEN {name} IS NULL THEN 0 ELSE {weight} END")
    if wished.min_living_area is not None:
        span = LIVING_AREA_TOLERANCE * wished.min_living_area
        short = f"(({wished.min_living_area} - area) / {span})"
        total.append(
            f"4 * CASE WHEN area IS NULL OR {short} >= 1 THEN 0.0 WHEN {short} <= 0 THEN 1.0 ELSE 1.0 - {short} END"
        )
        known.append("CASE WHEN area IS NULL THEN 0 ELSE 4 END")
    if wished.property_sub_type is not None:
        keep.append(f"kind = {_TYPES.index(wished.property_sub_type)}")
        total.append("4")
        known.append("4")
    for feature in wished.features:
        total.append(f"3 * CASE WHEN {feature} IS NULL THEN 0.0 ELSE {feature} END")
        known.append(f"CASE WHEN {feature} IS NULL THEN 0 ELSE 3 END")
    return " AND ".join(keep), " + ".join(total), " + ".join(known)


def _polars(frame: pl.DataFrame, segment: Segment) -> Engine:
    def best(wished: Wishes) -> list[float]:
        keep, total, known = map(pl.sql_expr, _terms(wished, segment))
        scores = frame.lazy().filter(keep).select((total / known).alias("score")).top_k(BEST, by="score")
        return list(scores.collect()["score"].sort(descending=True))

    return best


def _duckdb(frame: pl.DataFrame, segment: Segment) -> Engine:
    import duckdb  # a tool of developers

    connection = duckdb.connect(config={"threads": 1})
    connection.register("source", frame.to_arrow())
    connection.execute("CREATE TABLE homes AS SELECT * FROM source")

    def best(wished: Wishes) -> list[float]:
        keep, total, known = _terms(wished, segment)
        query = (
            f"SELECT ({total}) / ({known}) AS score FROM homes WHERE {keep} ORDER BY score DESC LIMIT {BEST}"  # noqa: S608  # numbers of our own
        )
        return [row[0] for row in connection.execute(query).fetchall()]

    return best


def _numpy_scan(frame: pl.DataFrame, segment: Segment) -> Engine:
    column = {name: frame[name].to_numpy() for name in frame.columns}  # what is not known is NaN

    def scan(wished: Wishes) -> list[float]:
        keep = column["market"] == segment.markets.index(str(wished.city))
        for bound, sign in ((wished.max_list_price, 1), (wished.min_list_price, -1)):
            if bound is not None:
                keep &= sign * (column["price"] - float(bound)) <= PRICE_TOLERANCE * float(bound) * (
                    1 + NOISE
                )
        for name, wanted in (("beds", wished.min_bedrooms), ("baths", wished.min_bathrooms)):
            keep &= ~(column[name] < (wanted or 0) - 1)
        if wished.property_sub_type is not None:
            keep &= column["kind"] == _TYPES.index(wished.property_sub_type)
        rows = np.flatnonzero(keep)
        total, known = np.full(len(rows), 2.0), np.full(len(rows), 2.0)
        for weight, closeness in _closenesses(
            wished, {name: values[rows] for name, values in column.items()}
        ):
            total += weight * np.nan_to_num(closeness)
            known += weight * ~np.isnan(closeness)
        score = total / known
        best = np.sort(np.partition(score, -BEST)[-BEST:] if len(score) > BEST else score)[::-1]
        return [float(one) for one in best]

    return scan


def _closenesses(wished: Wishes, column: Mapping[str, Floats]) -> Iterator[tuple[int, Floats]]:
    for bound, weight, sign in ((wished.max_list_price, 8, 1), (wished.min_list_price, 4, -1)):
        if bound is not None:
            outside = sign * (column["price"] - float(bound))
            yield weight, 1.0 - np.maximum(outside, 0.0) / (PRICE_TOLERANCE * float(bound))
    for name, wanted, weight in (("beds", wished.min_bedrooms, 6), ("baths", wished.min_bathrooms, 4)):
        rooms = column[name]
        yield weight, np.where(np.isnan(rooms), np.nan, np.where(rooms >= (wanted or 0), 1.0, 0.5))
    if wished.min_living_area is not None:
        short = (wished.min_living_area - column["area"]) / (LIVING_AREA_TOLERANCE * wished.min_living_area)
        yield 4, np.clip(1.0 - short, 0.0, 1.0)
    if wished.property_sub_type is not None:
        yield 4, np.ones(len(column["price"]))
    for feature in wished.features:
        yield 3, column[feature]


# --- the rows -----------------------------------------------------------------------------------------------------------


def match_median(say: Say) -> Row:
    """p50 of the top-20 of a million homes; beside numpy over all of them."""
    return match_row("MATCH_P50_MS", measure(say), 0.5)


def match_tail(say: Say) -> Row:
    """p99 of the same run."""
    return match_row("MATCH_P99_MS", measure(say), 0.99)


def match_row(name: str, run: Measured, share: float) -> Row:
    """What the run says of one promise."""
    peers = {
        peer: f"p50 {quantile(taken, 0.5):.2f} ms, p99 {quantile(taken, 0.99):.1f} ms (n = {len(taken)})"
        for peer, taken in run.peers.items()
    }
    plain = "numpy, all homes"
    return Row(
        name=name,
        what=f"CPU of the exact top {BEST} of {HOMES:,} synthetic homes, one market, p{round(100 * share)}",
        measured=quantile(run.ours, share),
        unit="ms",
        budget={"MATCH_P50_MS": budgets.MATCH_P50_MS, "MATCH_P99_MS": budgets.MATCH_P99_MS}[name],
        samples=len(run.ours),
        peer=plain,
        peer_measured=quantile(run.peers[plain], share),
        beside={**peers, **run.beside},
        failed=run.disagree,
    )
