"""Columns that change: any sequence of imports, withdrawals and compactions answers like an index built afresh."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.dtypes import StringDType

from ghl_real_estate_ai.ml.listing_segments import MOST_ROWS, TYPE_SHIFT, UNKNOWN_TYPE, Segment
from ghl_real_estate_ai.ml.match_kernel import NUMPY, Kernel
from ghl_real_estate_ai.ml.property_matching import ListingIndex
from ghl_real_estate_ai.ml.relaxation import relaxations
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.properties import Listing, Wishes
from tests.support.homes import a_home, index_of, listings, wishes

changes = st.lists(st.lists(listings, max_size=12) | st.just("compact"), max_size=10)


@given(st.lists(listings, max_size=25), changes, wishes)
@settings(max_examples=150, deadline=None)
def test_any_sequence_of_changes_answers_like_a_fresh_build(
    numba_kernel: Kernel, first: list[Listing], steps: list[list[Listing] | str], wished: Wishes
) -> None:
    truth = {home.listing_key: home for home in first}
    index = index_of(first)
    for step in steps:
        if isinstance(step, str):
            index = index.compacted()
            continue
        index = index.updated(step)
        truth |= {home.listing_key: home for home in step}
        fresh = index_of(truth.values())
        assert len(index) == len(fresh)
        for kernel in (NUMPY, numba_kernel):
            assert index.query(wished, 7, kernel=kernel) == fresh.query(wished, 7)
            assert relaxations(index, wished, enough=1, kernel=kernel) == relaxations(fresh, wished, enough=1)


@given(st.lists(listings, max_size=40, unique_by=lambda home: home.listing_key), st.integers(1, 12), wishes)
@settings(max_examples=60, deadline=None)
def test_pages_make_the_index_that_one_read_makes(homes: list[Listing], size: int, wished: Wishes) -> None:
    pages = [Segment.of(homes[start : start + size]) for start in range(0, len(homes), size)]
    index = ListingIndex.of_pages(pages)
    assert index.query(wished, 9) == index_of(homes).query(wished, 9)


def test_an_index_asks_for_compaction_when_a_fiftieth_has_changed_and_never_for_a_few() -> None:
    homes = [a_home(f"K{number}") for number in range(2_100)]
    index = index_of(homes)
    assert not index.updated(homes[:900]).wants_compaction
    changed = index.updated(homes[:1_200])
    assert changed.wants_compaction
    assert not changed.compacted().wants_compaction
    assert len(changed) == len(changed.compacted()) == 2_100


def test_keys_of_any_length_and_script_are_found_and_ordered_as_text() -> None:
    keys = ["a", "A", "a" * 255, "Ω-7", "z", "😀", "a\x00"]
    segment = Segment.of([a_home(key) for key in keys])
    assert [segment.row(ListingKey(key)) for key in keys] != [None] * len(keys)
    assert list(segment.keys) == sorted(keys)
    assert segment.row(ListingKey("absent")) is None
    index = ListingIndex(segment)
    assert [hit.listing_key for hit in index.query(Wishes(city="austin"), 9)] == sorted(keys)


def test_a_million_homes_fit_into_fifty_megabytes_of_columns() -> None:
    segment = Segment.of([a_home(f"MLS{number:09d}") for number in range(500)])
    assert ListingIndex(segment).nbytes / 500 < 50


def test_prices_may_have_cents_and_rooms_may_be_many() -> None:
    castle = a_home("castle", list_price=Decimal("99999999.99"), bedrooms_total=400, city="Waco")
    index = index_of([castle, a_home("hut")])
    (hit,) = index.query(Wishes(min_bedrooms=20), 5)
    assert hit.listing_key == "castle"
    assert index.query(Wishes(city="waco", max_list_price=Decimal("99999999.98")), 1)[0].score < 1.0 + 1e-9


def test_a_segment_says_when_it_is_full() -> None:
    column = np.broadcast_to(np.zeros(1), MOST_ROWS)
    codes = np.broadcast_to(np.zeros(1, dtype=np.int64), MOST_ROWS)
    with pytest.raises(ValueError, match="one segment"):
        Segment.of_columns(
            keys=codes, market=codes, markets=(), types=(), price=column, area=column, codes=codes
        )


def test_each_of_very_many_types_is_told_from_the_others(numba_kernel: Kernel) -> None:
    count = 70_000
    segment = Segment.of_columns(
        keys=np.array([f"K{number:06d}" for number in range(count)], dtype=StringDType()),
        market=np.zeros(count, dtype=np.int64),
        markets=("austin",),
        types=tuple(f"t{number:06d}" for number in range(count - 1)),
        price=np.full(count, 400_000.0),
        area=np.full(count, np.nan),
        codes=np.append(np.arange(count - 1), UNKNOWN_TYPE) << TYPE_SHIFT,
    )
    for kernel in (NUMPY, numba_kernel):
        found = ListingIndex(segment).query(Wishes(property_sub_type="T 065535"), 3, kernel=kernel)
        assert [hit.listing_key for hit in found] == ["K065535"]
    assert (
        ListingIndex(segment).compacted().query(Wishes(property_sub_type="t069998"), 3)[0].listing_key
        == "K069998"
    )
