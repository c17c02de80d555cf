"""The order of matches, learnt from a location's own judged lists: LambdaRank over what a home offers to each stated wish.

Called by: commands/learning (``JudgedHomes``, ``fit_match_rank``), services/match_ranking (``MatchRank``).

A list is what one lead judged on one day (UTC), each home as it was known at the click. Inputs are the closeness of each stated
wish and the score by the lead's own weights, nothing else, and none of them can ever lower a home: a closer home never falls.
Which homes are candidates at all is not learnt: filters and closeness decide that.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
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
"""NDCG@10 by which it must better the weights, and the order that answers now, on the newest lists before it answers. The
one that answers goes on while it is ahead of the weights."""
STANDING: Final = "champion"
"""Who answers now, among the figures."""
MOST_TREES: Final = 200
_RISING: Final = [1] * len(INPUTS)
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
        for number, (_, said) in enumerate(self._telling()):
            for event in sorted(said, key=lambda event: event.listing_key):
                rows.append(inputs_of(event.closeness, event.score))
                grades.append(_GRADES[event.verdict])
                numbers.append(number)
        return JudgedLists(
            np.array(rows, dtype=np.float64).reshape(len(rows), len(INPUTS)),
            np.array(grades, dtype=np.float64),
            np.array(numbers, dtype=np.int64),
        )

    def days(self) -> list[date]:
        """The day of each of ``lists``."""
        return [day for day, _ in self._telling()]

    def _telling(self) -> Iterator[tuple[date, list[ListingJudged]]]:
        for (_, day), homes in sorted(self._lists.items(), key=lambda one: (one[0][1], one[0][0])):
            said = [event for event in homes.values() if event.verdict is not Verdict.UNDO]
            if len({_GRADES[event.verdict] for event in said}) > 1:
                yield day, said


@dataclass(frozen=True, slots=True)
class MatchRankReport:
    """What came of it."""

    lists: int
    reason: str
    answers: bool
    """Whether a learned order answers from now on, a new one or the one that did; else weights decide."""
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    model: LearnedModel | None = None
    """What was fitted; None when there was too little to learn from or to judge on."""
    retired: LearnedModel | None = None
    """The champion, where weights have won."""

    def as_dict(self) -> dict[str, object]:
        """Plain values."""
        return {
            "name": NAME,
            "lists": self.lists,
            "answers": self.answers,
            "reason": self.reason,
            "figures": {name: dict(row) for name, row in self.figures.items()},
        }


def fit_match_rank(
    judged: JudgedHomes,
    location_id: LocationId,
    *,
    now: datetime,
    champion: LearnedModel | None = None,
    fewest: int = FEWEST_LISTS,
) -> MatchRankReport:
    """Learn, compare on the newest lists with the weights and with who answers now, and say who answers from now on.

    ``champion``: the order that answers now. Judged on lists that it has not seen; until there are enough, it stays.
    """
    fold, days = judged.lists(), judged.days()
    count = len(days)
    standing = _readable(champion)
    if count < fewest:
        answer = "the learned order stays" if standing else "weights decide the order"
        reason = f"not enough data: {count} judged lists, {fewest} needed; {answer}"
        return MatchRankReport(count, reason, standing is not None)
    first, second = (round(count * share) for share in np.cumsum(SHARES))
    unseen, needed = second, round(fewest * (1.0 - sum(SHARES)))
    if standing is not None:
        unseen = max(second, sum(day <= standing.until for day in days))
        if count - unseen < needed:
            reason = f"{count - unseen} judged lists since the learned order was fitted, {needed} needed to judge it; it stays"
            return MatchRankReport(count, reason, answers=True)
    older = fold.rows(fold.lists < first)
    newer = fold.rows((fold.lists >= first) & (fold.lists < second))
    tried = fit_lambdarank(older, directions=_RISING, validation=newer, rounds=MOST_TREES)
    figures = _judged(fold.rows(fold.lists >= unseen), tried.text, standing)
    reason, wins, stays = _verdict(figures)
    final = fit_lambdarank(fold, directions=_RISING, rounds=tried.trees)
    card = {
        "name": NAME,
        "inputs": list(INPUTS),
        "lists": count,
        "until": days[-1].isoformat(),
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
    lost = champion is not None and not wins and not stays
    retired = champion.model_copy(update={"role": ModelRole.RETIRED}) if champion and lost else None
    return MatchRankReport(count, reason, wins or stays, figures, model, retired)


def _readable(champion: LearnedModel | None) -> MatchRank | None:
    try:
        return None if champion is None else MatchRank(champion)
    except ModelArtifactError:
        return None  # of an older version of the house: it could not answer either


def _judged(newest: JudgedLists, text: str, standing: MatchRank | None) -> dict[str, dict[str, float]]:
    """Figures of all who stand, on the same lists."""
    said = {NAME: _Scorer(text).scores(newest.x)}
    if standing is not None:
        said[STANDING] = standing.raw(newest.x)
    return {
        **{who: _figures(newest, scores) for who, scores in said.items()},
        "own weights": _figures(newest, np.nan_to_num(newest.x[:, INPUTS.index("own_score")])),
        "usual weights": _figures(newest, np.nan_to_num(newest.x[:, INPUTS.index("usual_score")])),
        "random order (expected)": _figures(newest, np.zeros(newest.grades.size)),
    }


def _verdict(figures: Mapping[str, Mapping[str, float]]) -> tuple[str, bool, bool]:
    """In words; whether the new order answers from now on; whether the one that answers now goes on."""
    weights = max(figures[name]["ndcg_at_10"] for name in ("own weights", "usual weights"))
    gain = figures[NAME]["ndcg_at_10"] - weights
    words = f"NDCG@10 {gain:+.3f} against weights"
    ahead = None
    if STANDING in figures:
        ahead = figures[STANDING]["ndcg_at_10"] - weights
        words += f", where the order that answers now has {ahead:+.3f}"
    words += " on the newest lists: "
    if gain - max(0.0, ahead or 0.0) >= CLEAR_GAIN:
        return words + "it answers", True, False
    if ahead is not None and ahead > 0.0:
        return words + "the one that answers now stays", False, True
    return words + ("weights go on answering" if ahead is None else "weights answer again"), False, False


class MatchRank:
    """A learned order, ready to answer. Safe to share between threads."""

    def __init__(self, model: LearnedModel) -> None:
        """Raises ModelArtifactError for a model of another version of the house."""
        card = json.loads(model.card)
        if tuple(card.get("inputs", ())) != INPUTS or content_version(model.content) != model.version:
            raise ModelArtifactError(f"{NAME} {model.version}: of another version; run `enterprisehub train`")
        self.version = model.version
        self.until = date.fromisoformat(card["until"]) if "until" in card else model.fitted_at.date()
        """Day of the last list that it has seen."""
        self._scorer = _Scorer(model.content)

    def scores(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """0 to 1, higher stands first, of homes in the order of INPUTS: how the odds stand against a middling one."""
        raw = self.raw(np.array(rows, dtype=np.float64).reshape(len(rows), len(INPUTS)))
        return [float(p) for p in 1.0 / (1.0 + np.exp(-raw))]

    def raw(self, x: Array) -> Array:
        """The same order before it is squeezed between 0 and 1, of rows of shape (n, len(INPUTS))."""
        return self._scorer.scores(x)


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
