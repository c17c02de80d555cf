"""The cheapest way to more homes: exact counts, the smallest change, by cost, and never another place."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.match_kernel import NUMPY, Kernel
from ghl_real_estate_ai.ml.relaxation import MOST_SHARE, relaxations
from ghl_real_estate_ai.models.matching_models import WISH_WEIGHTS
from ghl_real_estate_ai.models.properties import Feature, Listing, Wishes
from tests.support.homes import a_home, index_of, listings, per_wish, wishes


def meeting(homes: Iterable[Listing], wished: Wishes) -> int:
    """By definition: on the market, and every stated wish is known and met."""
    return sum(
        home.standard_status in {"Active", "ComingSoon"}
        and all(closeness == Fraction(1) for _, closeness in per_wish(home, wished))
        for home in homes
    )


@given(st.lists(listings, max_size=80), wishes, st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_what_is_promised_is_what_asking_again_gives(
    numba_kernel: Kernel, drawn: list[Listing], wished: Wishes, enough: int
) -> None:
    homes = {home.listing_key: home for home in drawn}.values()
    index = index_of(homes)
    found = relaxations(index, wished, enough=enough)
    assert relaxations(index, wished, enough=enough, kernel=numba_kernel) == found
    if not wished.stated or wished == Wishes(min_list_price=Decimal(0)):
        assert found == (0, ())
        return
    now = meeting(homes, wished)
    assert found.meeting == now
    for change in found.changes:
        assert change.more >= enough
        assert meeting(homes, change.wishes) - now == change.more
        assert change.wishes.city == wished.city
    assert [change.cost for change in found.changes] == sorted(change.cost for change in found.changes)


def homes_at(*prices: int, **fields: object) -> list[Listing]:
    return [a_home(f"{price}-{n}", list_price=Decimal(price), **fields) for n, price in enumerate(prices)]


@pytest.mark.parametrize("kernel_name", ["numpy", "numba"])
def test_the_change_is_the_smallest_round_one_that_gives_enough(
    kernel_name: str, numba_kernel: Kernel
) -> None:
    kernel = NUMPY if kernel_name == "numpy" else numba_kernel
    index = index_of(homes_at(390_000, 401_000, 409_000, 412_000, 414_000, 480_000))
    wished = Wishes(city="Austin", max_list_price=Decimal(400_000))
    (change,) = relaxations(index, wished, enough=3, kernel=kernel).changes
    assert change.change == "raise the maximum by $15,000 to $415,000"
    assert change.more == 4
    assert change.cost == pytest.approx(8 * 15_000 / 40_000)
    assert change.wishes.max_list_price == 415_000


def test_each_kind_of_wish_has_its_smallest_change_and_its_price() -> None:
    homes = [
        *(a_home(f"bed{n}", bedrooms_total=2) for n in range(3)),
        *(a_home(f"bath{n}", bathrooms_total_integer=1) for n in range(2)),
        *(a_home(f"area{n}", living_area=1_390) for n in range(3)),
        *(a_home(f"type{n}", property_sub_type="Condominium") for n in range(4)),
        *(a_home(f"pool{n}", pool_private_yn=fact) for n, fact in enumerate((False, None, False))),
        *(a_home(f"cheap{n}", list_price=Decimal(291_000)) for n in range(3)),
        *(a_home(f"two{n}", pool_private_yn=False, bedrooms_total=2) for n in range(9)),
    ]
    full = {"bathrooms_total_integer": 2, "living_area": 1_500.0, "property_sub_type": "Townhouse"}
    homes = [
        home.model_copy(update={name: value for name, value in full.items() if getattr(home, name) is None})
        for home in homes
    ]
    wished = Wishes(
        city="Austin",
        min_list_price=Decimal(300_000),
        max_list_price=Decimal(450_000),
        min_bedrooms=3,
        min_bathrooms=2,
        min_living_area=1_500,
        property_sub_type="Townhouse",
        features=frozenset({Feature.POOL}),
    )
    found = relaxations(index_of(homes), wished)
    assert found.meeting == 0
    assert [(change.wish, change.change, change.more, change.cost) for change in found.changes] == [
        ("min_list_price", "lower the minimum by $10,000 to $290,000", 3, pytest.approx(4 / 3, abs=1e-3)),
        ("min_living_area", "120 sq ft less: 1,380 or more", 3, pytest.approx(1.6)),
        ("feature:pool", "without pool", 3, 3.0),
        ("min_bedrooms", "one bedroom fewer", 3, 3.0),
        ("property_sub_type", "any type of home", 4, 4.0),
    ]


def test_nothing_is_moved_beyond_its_limit_and_the_city_never() -> None:
    far = int(400_000 * (1 + MOST_SHARE)) + 10_000
    index = index_of([*homes_at(far, far, far), *homes_at(*[390_000] * 9, city="Waco")])
    wished = Wishes(city="Austin", max_list_price=Decimal(400_000))
    assert relaxations(index, wished) == (0, ())
    assert relaxations(index, Wishes(city="Paris", min_bedrooms=2)) == (0, ())


def test_rooms_may_fall_by_several_and_weights_may_be_a_leads_own() -> None:
    index = index_of([a_home(f"K{n}", bedrooms_total=2) for n in range(5)])
    (change,) = relaxations(index, Wishes(city="Austin", min_bedrooms=4)).changes
    assert (change.change, change.more, change.cost) == ("2 bedrooms fewer", 5, 6.0)
    own = {**WISH_WEIGHTS, "min_bedrooms": 1.5}
    (change,) = relaxations(index, Wishes(city="Austin", min_bedrooms=4), weights=own).changes
    assert change.cost == 1.5


def test_a_change_to_cents_stays_within_its_limit_and_counts_what_asking_again_gives() -> None:
    # the furthest whole step, whose nearest float lies a little above it
    homes = [a_home(f"K{n}", list_price=Decimal("183156.23")) for n in range(3)]
    homes += [a_home("beyond", list_price=Decimal("184000"))]
    index = index_of(homes)
    wished = Wishes(city="Austin", max_list_price=Decimal("147156.23"))
    (change,) = relaxations(index, wished).changes
    assert change.wishes.max_list_price == Decimal("183156.23")
    assert change.more == 3 == relaxations(index, change.wishes).meeting
    low = Wishes(city="Austin", min_list_price=Decimal("240000.03"))
    cheap = index_of([a_home(f"K{n}", list_price=Decimal("180000.03")) for n in range(3)])
    (change,) = relaxations(cheap, low).changes
    assert change.wishes.min_list_price == Decimal("180000.03")
    assert change.more == 3 == relaxations(cheap, change.wishes).meeting


@pytest.mark.parametrize(
    "wished", [Wishes(property_sub_type="Condominium"), Wishes(features=frozenset({Feature.POOL}))]
)
def test_the_only_wish_is_never_given_up_whole(wished: Wishes) -> None:
    index = index_of(
        [a_home(f"K{n}", property_sub_type="Townhouse", pool_private_yn=False) for n in range(4)]
    )
    assert relaxations(index, wished) == (0, ())


def test_what_is_asked_then_may_be_asked_at_the_ends_of_the_scale() -> None:
    index = index_of(homes_at(1, 1, 1, 10**9, 10**9, 10**9))
    for wished in (Wishes(min_list_price=Decimal("1.2")), Wishes(max_list_price=Decimal(900_000_000))):
        (change,) = relaxations(index, wished).changes
        assert Wishes.model_validate(change.wishes.model_dump()) == change.wishes
