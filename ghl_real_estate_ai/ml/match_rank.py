"""The order of matches, learnt from a location's own judged lists: LambdaRank over what a home offers to each stated wish.

Called by: commands/learning (``JudgedHomes``, ``fit_match_rank``), services/match_ranking (``MatchRank``).

A list is what one lead judged on one day (UTC), each home as it was known at the click. Inputs are the closeness of each stated
wish and the score by the lead's own weights, nothing else, and none of them can ever lower a home: a closer home never falls.
Which homes are candidates at all is not learnt: filters and closeness decide that.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import numpy as np

from ghl_real_estate_ai.errors import ModelArtifactError
from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole
from ghl_real_estate_ai.ml.artifacts import Booster, content_version
from ghl_real_estate_ai.ml.evaluation import Array, mrr, ndcg_at_k
from ghl_real_estate_ai.ml.lambdarank import JudgedLists, fit_lambdarank
from ghl_real_estate_ai.ml.match_plan import weight_of
from ghl_real_estate_ai.models.events import ListingJudged, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LeadId, ListingKey, LocationId
from ghl_real_estate_ai.models.matching_models import WISH_WEIGHTS, Verdict
from ghl_real_estate_ai.models.properties import Feature

NAME: Final = "match_rank"
WISHES: Final = (
    *(wish for wish in WISH_WEIGHTS if wish != "feature"),
    *(f"feature:{feature}" for feature in Feature),
)
INPUTS: Final = (*WISHES, "usual_score", "own_score")
"""All rising: closeness of each wish (unknown or not stated: NaN), score by the usual and by the lead's own weights."""

FEWEST_LISTS: Final = 1_000
"""Judged lists with two different verdicts from which on an order is learnt; below, weights alone decide."""
SHARES: Final = (0.6, 0.2)
"""Of the lists, oldest first: to learn from, to choose the number of trees. The newest are looked at once, for the verdict."""
CLEAR_GAIN: Final = 0.005
"""NDCG@10 by which it must better the weights on the newest lists before it answers."""
MOST_TREES: Final = 200
_GRADES: Final[Mapping[Verdict, int]] = {
    Verdict.PASS: 0,
    Verdict.LIKE: 1,
    Verdict.SAVE: 2,
    Verdict.SHOWING: 3,
}


def inputs_of(closeness: Mapping[str, float | None], own_score: float | None) -> list[float]:
    """One home in the order of INPUTS."""
    near = [closeness.get(wish) for wish in WISHES]
    known = [(weight_of(w, WISH_WEIGHTS), c) for w, c in closeness.items() if c is not None]
    weight = sum(one for one, _ in known)
    usual = sum(one * c for one, c in known) / weight if weight else None
    return [np.nan if value is None else float(value) for value in (*near, usual, own_score)]


@dataclass
class JudgedHomes:
    """Collects judged lists from a location's log, event by event. The newest verdict on a home within a list counts."""

    simulated: bool = False
    _lists: dict[tuple[LeadId, date], dict[ListingKey, ListingJudged]] = field(default_factory=dict)

    def add(self, recorded: RecordedEvent) -> None:
        """Anything but a verdict is passed over."""
        event = recorded.event
        if not isinstance(event, ListingJudged) or event.lead_id is None or not event.closeness:
            return
        self.simulated = self.simulated or event.simulated
        homes = self._lists.setdefault((event.lead_id, event.occurred_at.date()), {})
        known = homes.get(event.listing_key)
        if known is None or (known.occurred_at, known.event_id) < (event.occurred_at, event.event_id):
            homes[event.listing_key] = event

    def lists(self) -> JudgedLists:
        """Oldest first; lists whose verdicts are all alike teach no order and are left out."""
        rows: list[list[float]] = []
        grades: list[int] = []
        numbers: list[int] = []
        number = 0
        for _, homes in sorted(self._lists.items(), key=lambda one: (one[0][1], one[0][0])):
            said = [event for event in homes.values() if event.verdict is not Verdict.UNDO]
            if len({_GRADES[event.verdict] for event in said}) < 2:
                continue
            for event in sorted(said, key=lambda event: event.listing_key):
                rows.append(inputs_of(event.closeness, event.score))
                grades.append(_GRADES[event.verdict])
                numbers.append(number)
            number += 1
        return JudgedLists(
            np.array(rows, dtype=np.float64).reshape(len(rows), len(INPUTS)),
            np.array(grades, dtype=np.float64),
            np.array(numbers, dtype=np.int64),
        )


@dataclass(frozen=True, slots=True)
class MatchRankReport:
    """What came of it. ``model`` is None when there was too little to learn from."""

    lists: int
    reason: str
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    model: LearnedModel | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain values."""
        return {
            "name": NAME,
            "lists": self.lists,
            "answers": self.model is not None and self.model.role is ModelRole.CHAMPION,
            "reason": self.reason,
            "figures": {name: dict(row) for name, row in self.figures.items()},
        }


def fit_match_rank(
    judged: JudgedHomes, location_id: LocationId, *, now: datetime, fewest: int = FEWEST_LISTS
) -> MatchRankReport:
    """Learn, compare on the newest lists with the weights, and say who answers."""
    fold = judged.lists()
    count = int(fold.lists.max()) + 1 if fold.lists.size else 0
    if count < fewest:
        return MatchRankReport(
            count, f"not enough data: {count} judged lists, {fewest} needed; weights decide the order"
        )
    first, second = (round(count * share) for share in np.cumsum(SHARES))
    older = fold.rows(fold.lists < first)
    newer = fold.rows((fold.lists >= first) & (fold.lists < second))
    newest = fold.rows(fold.lists >= second)
    directions = [1] * len(INPUTS)
    tried = fit_lambdarank(older, directions=directions, validation=newer, rounds=MOST_TREES)
    judged_by = _Scorer(tried.text)
    figures = {
        NAME: _figures(newest, judged_by.scores(newest.x)),
        "own weights": _figures(newest, np.nan_to_num(newest.x[:, INPUTS.index("own_score")])),
        "usual weights": _figures(newest, np.nan_to_num(newest.x[:, INPUTS.index("usual_score")])),
        "random order (expected)": _figures(newest, np.zeros(newest.grades.size)),
    }
    gain = figures[NAME]["ndcg_at_10"] - max(
        figures[name]["ndcg_at_10"] for name in ("own weights", "usual weights")
    )
    wins = gain >= CLEAR_GAIN
    final = fit_lambdarank(fold, directions=directions, rounds=tried.trees)
    card = {
        "name": NAME,
        "inputs": list(INPUTS),
        "lists": count,
        "trees": final.trees,
        "simulated": judged.simulated,
        "fitted_on": f"{count} judged lists" + (" (simulated)" if judged.simulated else ""),
        "figures": {
            name: {key: round(value, 4) for key, value in row.items()} for name, row in figures.items()
        },
    }
    model = LearnedModel(
        location_id=location_id,
        name=NAME,
        version=content_version(final.text),
        role=ModelRole.CHAMPION if wins else ModelRole.CHALLENGER,
        card=json.dumps(card, sort_keys=True),
        content=final.text,
        fitted_at=now,
    )
    verdict = "it answers" if wins else "weights go on answering"
    return MatchRankReport(
        count, f"NDCG@10 {gain:+.3f} against weights on the newest lists: {verdict}", figures, model
    )


class MatchRank:
    """A learned order, ready to answer. Safe to share between threads."""

    def __init__(self, model: LearnedModel) -> None:
        """Raises ModelArtifactError for a model of another version of the house."""
        card = json.loads(model.card)
        if tuple(card.get("inputs", ())) != INPUTS or content_version(model.content) != model.version:
            raise ModelArtifactError(f"{NAME} {model.version}: of another version; run `enterprisehub train`")
        self.version = model.version
        self._scorer = _Scorer(model.content)

    def scores(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """0 to 1, higher stands first, of homes in the order of INPUTS: how the odds stand against a middling one."""
        raw = self._scorer.scores(np.array(rows, dtype=np.float64).reshape(len(rows), len(INPUTS)))
        return [float(p) for p in 1.0 / (1.0 + np.exp(-raw))]


class _Scorer:
    def __init__(self, text: str) -> None:
        self._booster = Booster(text, len(INPUTS))
        self._lock = threading.Lock()

    def scores(self, x: Array) -> Array:
        with self._lock:
            return np.array([self._booster.raw(row) for row in x], dtype=np.float64)


def _figures(fold: JudgedLists, score: Array) -> dict[str, float]:
    return {
        "ndcg_at_10": ndcg_at_k(fold.grades, score, fold.lists),
        "mrr": mrr(fold.grades, score, fold.lists),
    }
