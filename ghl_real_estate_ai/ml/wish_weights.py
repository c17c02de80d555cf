"""What a lead's judgements of homes say about the weight of each stated wish: a Bayesian logistic regression in the small.

Called by: services/property_matching_service.

A home's shortfall of a wish is 1 - its closeness (0 where it is not known). P(the lead likes it) = sigmoid(base - SCALE *
sum of weight * shortfall): for homes of which everything is known, that is the very order of the matching score. Prior: each
weight is normal around WISH_WEIGHTS with a deviation of 0.7 of it; the answer is the mode (Laplace; Bishop 2006, 4.5), which is
unique, does not depend on the order of judgements, and moves little by few of them. Only stated wishes can gain weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from ghl_real_estate_ai.ml.evaluation import Array
from ghl_real_estate_ai.ml.match_plan import Closeness, Weights, stated_wishes, weight_of
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.matching_models import (
    LIKED,
    WISH_WEIGHTS,
    JudgedBy,
    LearnedWeight,
    Verdict,
)
from ghl_real_estate_ai.models.properties import Wishes

SCALE: Final = 0.25
"""A miss of a wish that weighs 8 is worth 2 in log-odds."""
PRIOR_SPREAD: Final = 0.7  # deviation of a weight, as a share of the usual one
BASE_SPREAD: Final = 1.5  # of the base, around 0: a lead may be choosy or easy to please
MOST_CHANGE: Final = 3.0
"""A weight stays between a third and three times the usual one: no string of clicks makes a stated wish void."""
LEAST_SAID: Final = 1.0
"""Opinions worth less than one verdict in all say nothing: eight visits are no taste yet."""
TOLD_FROM: Final = 0.05  # change of a weight, as a share, from which it is worth a sentence
VIEWS_COUNTED: Final = 8
"""Newest homes viewed that count: a click is cheap."""

STRENGTHS: Final[Mapping[Verdict, float]] = {
    Verdict.PASS: 1.0,
    Verdict.LIKE: 1.0,
    Verdict.SAVE: 1.5,
    Verdict.SHOWING: 2.0,
}
"""How much a verdict counts, in observations. An agent's guess counts AGENT_SHARE of the lead's own word."""
AGENT_SHARE: Final = 0.5
SAVED_STRENGTH: Final = 0.5
VIEWED_STRENGTH: Final = 0.1
_STEPS: Final = 20
_STILL: Final = 1e-5
_LONG_STEP: Final = 1.0  # only a long step can overshoot this curve


class Opinion(NamedTuple):
    """One home, whether it was liked, and in how many observations that counts."""

    listing_key: ListingKey
    liked: bool
    strength: float


def opinions_of(lead: Lead) -> list[Opinion]:
    """One per home: the verdict where there is one, else that it was saved or viewed on the brokerage's site."""
    found = {
        key: Opinion(
            key,
            judged.verdict in LIKED,
            STRENGTHS[judged.verdict] * (AGENT_SHARE if judged.by is JudgedBy.AGENT else 1.0),
        )
        for key, judged in lead.judged.items()
        if judged.verdict is not Verdict.UNDO
    }
    for key in lead.saved:
        found.setdefault(key, Opinion(key, liked=True, strength=SAVED_STRENGTH))
    viewed = lead.activity.recent_listings
    for key in sorted(viewed, key=lambda key: (viewed[key], key), reverse=True)[:VIEWS_COUNTED]:
        found.setdefault(key, Opinion(key, liked=True, strength=VIEWED_STRENGTH))
    return sorted(found.values())


def weights_of(
    wishes: Wishes, opinions: Sequence[Opinion], closeness: Mapping[ListingKey, Closeness]
) -> Weights:
    """Weights of the stated wishes after these opinions, as the index takes them.

    A home without ``closeness`` (not known any more) says nothing, and so do opinions that add up to less than one verdict.
    """
    stated = stated_wishes(wishes)
    known = _known(opinions, closeness)
    if not stated or sum(opinion.strength for opinion in known) < LEAST_SAID:
        return WISH_WEIGHTS
    usual = np.array([weight_of(wish, WISH_WEIGHTS) for wish in stated])
    found = _mode(
        _shortfalls(known, closeness, stated),
        np.array([float(opinion.liked) for opinion in known]),
        np.array([opinion.strength for opinion in known]),
        usual=usual,
    )
    weights = np.clip(found, usual / MOST_CHANGE, usual * MOST_CHANGE)
    return {**WISH_WEIGHTS, **dict(zip(stated, weights.tolist(), strict=True))}


def learned_of(
    wishes: Wishes, opinions: Sequence[Opinion], closeness: Mapping[ListingKey, Closeness]
) -> tuple[LearnedWeight, ...]:
    """What ``weights_of`` has changed, in words, the largest change first."""
    weights, stated, known = (
        weights_of(wishes, opinions, closeness),
        stated_wishes(wishes),
        _known(opinions, closeness),
    )
    short = _shortfalls(known, closeness, stated)
    said = []
    for place, wish in enumerate(stated):
        usual = weight_of(wish, WISH_WEIGHTS)
        change = weight_of(wish, weights) / usual - 1.0
        if abs(change) >= TOLD_FROM:
            reason = _reason(wish, short[:, place], known, change=change)
            weight = round(weight_of(wish, weights), 4)
            said.append(
                (abs(change), LearnedWeight(wish=wish, weight=weight, usual_weight=usual, reason=reason))
            )
    return tuple(one for _, one in sorted(said, key=lambda pair: (-pair[0], pair[1].wish)))


def _known(opinions: Sequence[Opinion], closeness: Mapping[ListingKey, Closeness]) -> list[Opinion]:
    return [opinion for opinion in opinions if opinion.listing_key in closeness]


def _shortfalls(
    opinions: Sequence[Opinion], closeness: Mapping[ListingKey, Closeness], stated: Sequence[str]
) -> Array:
    """Shape (opinions, wishes)."""
    rows = [[_shortfall(closeness[one.listing_key], wish) for wish in stated] for one in opinions]
    return np.array(rows, dtype=np.float64).reshape(len(opinions), len(stated))


def _shortfall(closeness: Closeness, wish: str) -> float:
    known = closeness.get(wish)
    return 0.0 if known is None else 1.0 - known


def _mode(short: Array, liked: Array, strength: Array, *, usual: Array) -> Array:
    """Newton's method on a strictly concave log posterior; steps are halved where they overshoot."""
    design = np.column_stack([-SCALE * short, np.ones(len(short))])
    prior = np.append(usual, 0.0)
    precision = 1.0 / np.append(PRIOR_SPREAD * usual, BASE_SPREAD) ** 2

    def loss(w: Array) -> float:
        z = design @ w
        return float(strength @ (np.logaddexp(0.0, z) - liked * z) + 0.5 * precision @ (w - prior) ** 2)

    w = prior
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-(design @ w)))
        slope = design.T @ (strength * (p - liked)) + precision * (w - prior)
        curvature = (design * (strength * p * (1 - p))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, slope)
        while np.abs(step).max() > _LONG_STEP and loss(w - step) > loss(w):
            step /= 2
        w = w - step
        if float(np.abs(step).max()) < _STILL:
            break
    return w[:-1]


def _reason(wish: str, short: Array, opinions: Sequence[Opinion], *, change: float) -> str:
    """What the homes that lacked it, or had it, were told."""
    lacking = [opinion for opinion, missed in zip(opinions, short, strict=True) if missed > 0]
    passed = sum(not opinion.liked for opinion in lacking)
    taken = len(lacking) - passed
    having = sum(opinion.liked for opinion, missed in zip(opinions, short, strict=True) if missed == 0)
    facts = [
        f"passed on {_homes(passed)} that fell short of it" if passed else "",
        f"liked {_homes(taken)} that fell short of it" if taken else "",
        f"liked {_homes(having)} that met it" if having and change > 0 else "",
    ]
    more = "more" if change > 0 else "less"
    told = ", ".join(fact for fact in facts if fact) or "judged homes"
    return f"{told}: {wish_words(wish)} weighs {more} ({change:+.0%})"


def wish_words(wish: str) -> str:
    """A wish as an agent says it."""
    return _WORDS.get(wish, wish.removeprefix("feature:").replace("_", " "))


_WORDS: Final = {
    "city": "the city",
    "max_list_price": "the maximum price",
    "min_list_price": "the minimum price",
    "min_bedrooms": "the number of bedrooms",
    "min_bathrooms": "the number of bathrooms",
    "min_living_area": "the living area",
    "property_sub_type": "the type",
}


def _homes(count: int) -> str:
    return "1 home" if count == 1 else f"{count} homes"
