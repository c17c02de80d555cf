"""What judged homes say of a lead's wishes: the right way, a little at a time, explained, and only of what was stated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.wish_weights import (
    MOST_CHANGE,
    Closeness,
    Opinion,
    learned_of,
    opinions_of,
    weights_of,
)
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, ListingKey, LocationId
from ghl_real_estate_ai.models.leads import Judgement, Lead, LeadActivity, Stamp
from ghl_real_estate_ai.models.matching_models import WISH_WEIGHTS, JudgedBy, Verdict
from ghl_real_estate_ai.models.properties import Feature, Wishes

WISHES = Wishes(city="Austin", min_bedrooms=3, features=frozenset({Feature.GARAGE, Feature.POOL}))
GARAGE, POOL = "feature:garage", "feature:pool"
FULL: Closeness = {"city": 1.0, "min_bedrooms": 1.0, GARAGE: 1.0, POOL: 1.0}
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def homes(*lacking: str | None) -> dict[ListingKey, Closeness]:
    """One home per entry, which lacks the named wish (None: lacks nothing)."""
    return {
        ListingKey(f"H{number:02}"): FULL if wish is None else {**FULL, wish: 0.0} for number, wish in enumerate(lacking)
    }  # fmt: skip


def judged(closeness: dict[ListingKey, Closeness], *liked: bool, strength: float = 1.0) -> list[Opinion]:
    return [Opinion(key, one, strength) for key, one in zip(closeness, liked, strict=True)]


def test_passing_on_homes_without_a_garage_makes_the_garage_weigh_more_and_says_so() -> None:
    seen = homes(GARAGE, GARAGE, GARAGE, GARAGE)
    weights = weights_of(WISHES, judged(seen, False, False, False, False), seen)
    assert weights[GARAGE] > WISH_WEIGHTS["feature"] * 1.1
    assert weights[POOL] == pytest.approx(WISH_WEIGHTS["feature"], rel=0.02)
    learned = learned_of(WISHES, judged(seen, False, False, False, False), seen)
    assert [one.wish for one in learned] == [GARAGE]
    assert learned[0].reason.startswith("passed on 4 homes that fell short of it: garage weighs more (+")


def test_liking_homes_without_a_pool_makes_the_pool_weigh_less() -> None:
    seen = homes(POOL, POOL, POOL, None)
    weights = weights_of(WISHES, judged(seen, True, True, True, False), seen)
    assert weights[POOL] < WISH_WEIGHTS["feature"] * 0.95
    assert "pool weighs less" in learned_of(WISHES, judged(seen, True, True, True, False), seen)[0].reason


def test_one_judgement_moves_little_and_each_further_one_moves_on() -> None:
    moved = []
    for count in (1, 2, 4, 8, 16):
        seen = homes(*[GARAGE] * count)
        weights = weights_of(WISHES, judged(seen, *[False] * count), seen)
        moved.append(weights[GARAGE] / WISH_WEIGHTS["feature"] - 1)
    assert moved == sorted(moved)
    assert 0 < moved[0] < 0.15
    assert moved[-1] > 0.25


def test_homes_that_meet_everything_say_nothing_of_a_single_wish() -> None:
    seen = homes(None, None, None)
    weights = weights_of(WISHES, judged(seen, False, False, False), seen)
    for wish in FULL:
        assert weights[wish] == pytest.approx(WISH_WEIGHTS.get(wish, WISH_WEIGHTS["feature"]))
    assert learned_of(WISHES, judged(seen, False, False, False), seen) == ()


def test_the_order_of_judgements_changes_nothing() -> None:
    seen = homes(GARAGE, POOL, None, "min_bedrooms")
    opinions = judged(seen, False, True, True, False)
    found = [weights_of(WISHES, list(order), seen) for order in permutations(opinions)]
    for weights in found:
        assert weights == pytest.approx(found[0], abs=1e-6)


def test_a_wish_that_was_not_stated_gains_nothing() -> None:
    wishes = Wishes(city="Austin", min_bedrooms=3)
    seen = homes(GARAGE, GARAGE, GARAGE)
    weights = weights_of(wishes, judged(seen, False, False, False), seen)
    assert GARAGE not in weights
    assert weights["feature"] == WISH_WEIGHTS["feature"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.floats(0.1, 2.0),
            st.fixed_dictionaries({wish: st.none() | st.floats(0.0, 1.0) for wish in FULL}),
        ),
        max_size=30,
    )
)
def test_weights_stay_positive_and_bounded_whatever_was_clicked(
    drawn: list[tuple[bool, float, dict[str, float | None]]],
) -> None:
    seen: dict[ListingKey, Closeness] = {ListingKey(f"H{n}"): one[2] for n, one in enumerate(drawn)}
    opinions = [Opinion(ListingKey(f"H{n}"), liked, strength) for n, (liked, strength, _) in enumerate(drawn)]
    weights = weights_of(WISHES, opinions, seen)
    for wish in FULL:
        usual = WISH_WEIGHTS.get(wish, WISH_WEIGHTS["feature"])
        weight = weights.get(wish, weights["feature"])
        assert usual / MOST_CHANGE - 1e-9 <= weight <= usual * MOST_CHANGE + 1e-9


def test_the_weights_of_a_simulated_buyer_are_approached() -> None:
    """Simulated: verdicts drawn from known weights; garage three times as heavy as usual, pool a third."""
    rng = np.random.default_rng(3)
    truth = {**{wish: float(WISH_WEIGHTS.get(wish, 3)) for wish in FULL}, GARAGE: 9.0, POOL: 1.0}
    seen: dict[ListingKey, Closeness] = {
        ListingKey(f"H{n}"): {**FULL, GARAGE: float(rng.random() < 0.5), POOL: float(rng.random() < 0.5)}
        for n in range(100)
    }
    short = {
        key: sum(truth[wish] * (1 - (near or 0.0)) for wish, near in one.items()) for key, one in seen.items()
    }
    liked = {key: rng.random() < 1 / (1 + np.exp(-(1.0 - 0.25 * loss))) for key, loss in short.items()}
    weights = weights_of(WISHES, [Opinion(key, bool(liked[key]), 1.0) for key in seen], seen)
    assert weights[GARAGE] > 1.3 * WISH_WEIGHTS["feature"]
    assert weights[POOL] < 0.9 * WISH_WEIGHTS["feature"]


def test_homes_that_are_not_known_any_more_say_nothing() -> None:
    assert weights_of(WISHES, [Opinion(ListingKey("gone"), liked=False, strength=1.0)], {}) is WISH_WEIGHTS


def test_visits_alone_are_no_taste_yet() -> None:
    seen = homes(*[GARAGE] * 8)
    assert weights_of(WISHES, judged(seen, *[True] * 8, strength=0.1), seen) is WISH_WEIGHTS


def said(verdict: Verdict, by: JudgedBy = JudgedBy.LEAD) -> Judgement:
    return Judgement(stamp=Stamp(at=NOW, event_id=EventId("e")), verdict=verdict, by=by)


def test_a_verdict_outweighs_a_visit_an_agent_counts_half_and_undo_leaves_the_visit() -> None:
    keys = {name: ListingKey(name) for name in ("passed", "agent", "undone", "saved", "viewed")}
    lead = Lead(
        location_id=LocationId("loc"),
        lead_id=LeadId("lead"),
        judged={
            keys["passed"]: said(Verdict.PASS),
            keys["agent"]: said(Verdict.LIKE, JudgedBy.AGENT),
            keys["undone"]: said(Verdict.UNDO),
        },
        saved={keys["saved"]: NOW},
        activity=LeadActivity(
            recent_listings={
                keys[name]: NOW + timedelta(minutes=1) for name in ("passed", "undone", "viewed")
            }
        ),
    )
    found = {opinion.listing_key: (opinion.liked, opinion.strength) for opinion in opinions_of(lead)}
    assert found == {
        "passed": (False, 1.0), "agent": (True, 0.5), "saved": (True, 0.5), "viewed": (True, 0.1), "undone": (True, 0.1),
    }  # fmt: skip
