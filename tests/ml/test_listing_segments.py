"""Columns that change: any sequence of imports, withdrawals and compactions answers like an index built afresh."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.listing_segments import MOST_ROWS, UNKNOWN_TYPE, Segment
from ghl_real_estate_ai.ml.match_kernel import NUMPY, Kernel
from ghl_real_estate_ai.ml.property_matching import ListingIndex
from ghl_real_estate_ai.ml.relaxation import relaxations
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.properties import Listing, Wishes
from tests.support.homes import a_home, listings, wishes

changes = st.lists(st.lists(listings, max_size=12) | st.just("compact"), max_size=10)


@given(st.lists(listings, max_size=25), changes, wishes)
@settings(max_examples=150, deadline=None)
def test_any_sequence_of_changes_answers_like_a_fresh_build(
    numba_kernel: Kernel, first: list[Listing], steps: list[list[Listing] | str], wished: Wishes
) -> None:
    truth = {home.listing_key: home for home in first}
    index = ListingIndex.build(first)
    for step in steps:
        if isinstance(step, str):
            index = index.compacted()
            continue
        index = index.updated(step)
        truth |= {home.listing_key: home for home in step}
        fresh = ListingIndex.build(truth.values())
        assert len(index) == len(fresh)
        for kernel in (NUMPY, numba_kernel):
            assert index.query(wished, 7, kernel=kernel) == fresh.query(wished, 7)
            assert relaxations(index, wished, enough=1, kernel=kernel) == relaxations(fresh, wished, enough=1)


@given(st.lists(listings, max_size=40, unique_by=lambda home: home.listing_key), st.integers(1, 12), wishes)
@settings(max_examples=60, deadline=None)
def test_pages_make_the_index_that_one_read_makes(homes: list[Listing], size: int, wished: Wishes) -> None:
    pages = [Segment.of(homes[start : start + size]) for start in range(0, len(homes), size)]
    index = ListingIndex.of_pages(pages)
    assert index.query(wished, 9) == ListingIndex.build(homes).query(wished, 9)


def test_an_index_asks_for_compaction_when_a_fiftieth_has_changed_and_never_for_a_few() -> None:
    homes = [a_home(f"K{number}") for number in range(2_100)]
    index = ListingIndex.build(homes)
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
    index = ListingIndex.build([castle, a_home("hut")])
    (hit,) = index.query(Wishes(min_bedrooms=20), 5)
    assert hit.listing_key == "castle"
    assert index.query(Wishes(city="waco", max_list_price=Decimal("99999999.98")), 1)[0].score < 1.0 + 1e-9


@pytest.mark.parametrize(("count", "types"), [(MOST_ROWS, ()), (0, tuple(map(str, range(UNKNOWN_TYPE))))])
def test_a_segment_says_when_it_is_full(count: int, types: tuple[str, ...]) -> None:
    column = np.broadcast_to(np.zeros(1), count)
    codes = np.broadcast_to(np.zeros(1, dtype=np.int64), count)
    with pytest.raises(ValueError, match="one segment"):
        Segment.of_columns(
            keys=codes, market=codes, markets=(), types=types, price=column, area=column, codes=codes
        )
