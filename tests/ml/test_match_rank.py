"""The learned order of matches: from judged lists in a log, only where it wins, and a closer home never falls. Simulated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ghl_real_estate_ai.errors import ModelArtifactError
from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole
from ghl_real_estate_ai.ml.match_rank import (
    INPUTS,
    NAME,
    JudgedHomes,
    MatchRank,
    MatchRankReport,
    fit_match_rank,
    inputs_of,
)
from ghl_real_estate_ai.models.events import ListingJudged, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import (
    CorrelationId,
    EventId,
    LeadId,
    ListingKey,
    LocationId,
    UserId,
)
from ghl_real_estate_ai.models.matching_models import JudgedBy, Verdict
from tests.support.fake_learning_stores import FakeLearnedModelStore

pytestmark = pytest.mark.untraced

PLACE = LocationId("ours")
START = datetime(2026, 1, 1, tzinfo=UTC)
WISHES = ("max_list_price", "min_bedrooms", "feature:garage", "feature:pool")


def verdict(
    number: int, *, lead: str, home: str, said: Verdict, closeness: dict[str, float | None], at: datetime
) -> RecordedEvent:
    event = ListingJudged(
        event_id=EventId(f"e{number}"),
        location_id=PLACE,
        occurred_at=at,
        correlation_id=CorrelationId("c"),
        source=Source.API,
        simulated=True,
        lead_id=LeadId(lead),
        listing_key=ListingKey(home),
        verdict=said,
        by=JudgedBy.LEAD,
        user_id=UserId("u"),
        closeness=closeness,
        score=float(np.mean([near for near in closeness.values() if near is not None])),
    )
    return RecordedEvent(
        position=number + 1, delivery_id=f"d{number}", received_at=at, recorded_at=at, event=event
    )


def judgements(
    lists: int,
    *,
    seed: int,
    garage: float,
    noise: float = 0.5,
    begin: datetime = START,
    after: JudgedHomes | None = None,
) -> JudgedHomes:
    """``lists`` leads judge six homes each, one lead an hour; to them a garage is worth ``garage``, each other wish 1."""
    rng = np.random.default_rng(seed)
    judged = JudgedHomes() if after is None else after
    for number in range(lists):
        for home in range(6):
            near: dict[str, float | None] = {wish: float(rng.choice([0.0, 0.5, 1.0])) for wish in WISHES}
            liking = sum(
                (garage if wish == "feature:garage" else 1.0) * (c or 0.0) for wish, c in near.items()
            )
            said = Verdict.LIKE if liking + noise * rng.normal() > 1.5 + garage / 2 else Verdict.PASS
            row = verdict(
                6 * number + home,
                lead=f"lead{seed}-{number}",
                home=f"H{seed}-{number}-{home}",
                said=said,
                closeness=near,
                at=begin + timedelta(hours=number),
            )
            judged.add(row)
    return judged


@pytest.fixture(scope="module")
def fitted() -> MatchRankReport:
    return fit_match_rank(judgements(400, seed=1, garage=4.0), PLACE, now=START, fewest=300)


def test_below_enough_judged_lists_the_weights_decide() -> None:
    report = fit_match_rank(judgements(20, seed=2, garage=4.0), PLACE, now=START)
    assert report.model is None
    assert report.reason.startswith("not enough data")


def test_an_order_that_wins_on_the_newest_lists_answers(fitted: MatchRankReport) -> None:
    assert fitted.model is not None
    assert fitted.model.role is ModelRole.CHAMPION
    figures = fitted.figures
    assert figures["match_rank"]["ndcg_at_10"] > figures["own weights"]["ndcg_at_10"] + 0.02
    assert figures["own weights"]["ndcg_at_10"] > figures["random order (expected)"]["ndcg_at_10"]
    assert '"simulated": true' in fitted.model.card


def test_an_order_that_does_not_win_stays_a_challenger() -> None:
    """To these leads all wishes weigh the same, which is what their score says already."""
    report = fit_match_rank(judgements(300, seed=3, garage=1.0, noise=0.1), PLACE, now=START, fewest=200)
    assert report.model is not None
    assert report.model.role is ModelRole.CHALLENGER


LATER = START + timedelta(days=20)
"""After the last of 400 hourly lists."""


def test_an_order_that_answers_stays_until_enough_lists_have_come_that_it_has_not_seen(
    fitted: MatchRankReport,
) -> None:
    judged = judgements(50, seed=6, garage=4.0, begin=LATER, after=judgements(400, seed=1, garage=4.0))
    report = fit_match_rank(judged, PLACE, now=START, champion=fitted.model, fewest=300)
    assert (report.answers, report.model, report.retired) == (True, None, None)
    assert "judged lists since the learned order was fitted, 60 needed" in report.reason


def test_an_order_that_answers_is_judged_on_newer_lists_and_a_new_one_must_beat_it(
    fitted: MatchRankReport,
) -> None:
    judged = judgements(100, seed=6, garage=4.0, begin=LATER, after=judgements(400, seed=1, garage=4.0))
    report = fit_match_rank(judged, PLACE, now=START, champion=fitted.model, fewest=300)
    assert report.figures["champion"]["ndcg_at_10"] > report.figures["own weights"]["ndcg_at_10"]
    assert (report.answers, report.retired) == (True, None)
    assert report.model is not None
    assert report.model.role is ModelRole.CHALLENGER, "the same taste, learnt again, is not clearly better"


def test_an_order_that_has_lost_to_the_weights_is_retired(fitted: MatchRankReport) -> None:
    """The leads of today do not care for a garage any more than for anything else."""
    assert fitted.model is not None
    judged = judgements(
        150, seed=7, garage=1.0, noise=0.1, begin=LATER, after=judgements(400, seed=1, garage=4.0)
    )
    report = fit_match_rank(judged, PLACE, now=START, champion=fitted.model, fewest=300)
    assert report.figures["champion"]["ndcg_at_10"] < report.figures["usual weights"]["ndcg_at_10"]
    assert not report.answers
    assert report.retired == fitted.model.model_copy(update={"role": ModelRole.RETIRED})
    kept: dict[tuple[str, str, str], LearnedModel] = {}
    store = FakeLearnedModelStore(kept)
    for model in (fitted.model, report.model, report.retired):
        assert model is not None
        store.put(model)
    assert store.champion(PLACE, NAME) is None


def test_served_it_puts_what_the_leads_like_first(fitted: MatchRankReport) -> None:
    assert fitted.model is not None
    rank = MatchRank(fitted.model)
    with_garage: dict[str, float | None] = {**dict.fromkeys(WISHES, 0.5), "feature:garage": 1.0}
    without: dict[str, float | None] = {**dict.fromkeys(WISHES, 1.0), "feature:garage": 0.0}
    with_it, without_it = rank.scores([inputs_of(with_garage, 0.625), inputs_of(without, 0.75)])
    assert 0 < without_it < with_it < 1


def test_a_closer_home_never_falls(fitted: MatchRankReport) -> None:
    assert fitted.model is not None
    rank = MatchRank(fitted.model)
    rng = np.random.default_rng(5)
    rows = rng.random((60, len(INPUTS)))
    for column in range(len(INPUTS)):
        higher = rows.copy()
        higher[:, column] = np.minimum(1.0, rows[:, column] + 0.3)
        below, above = rank.scores(rows.tolist()), rank.scores(higher.tolist())
        assert all(b >= a for a, b in zip(below, above, strict=True))


def test_a_model_that_was_damaged_or_of_other_inputs_is_refused(fitted: MatchRankReport) -> None:
    assert fitted.model is not None
    with pytest.raises(ModelArtifactError):
        MatchRank(fitted.model.model_copy(update={"content": fitted.model.content + " "}))
    with pytest.raises(ModelArtifactError):
        MatchRank(fitted.model.model_copy(update={"card": "{}"}))


def test_the_newest_verdict_of_a_day_counts_undone_ones_do_not_and_lists_of_one_mind_are_left_out() -> None:
    judged = JudgedHomes()
    near: dict[str, float | None] = {"city": 1.0}
    said = [
        ("ana", "H1", Verdict.PASS, 0),
        ("ana", "H1", Verdict.SAVE, 1),
        ("ana", "H2", Verdict.PASS, 2),
        ("ana", "H3", Verdict.UNDO, 3),
        ("ben", "H1", Verdict.LIKE, 0),
        ("ben", "H2", Verdict.LIKE, 1),
    ]
    for number, (lead, home, what, minute) in enumerate(said):
        judged.add(
            verdict(
                number, lead=lead, home=home, said=what, closeness=near, at=START + timedelta(minutes=minute)
            )
        )
    lists = judged.lists()
    assert lists.grades.tolist() == [2.0, 0.0]
    assert lists.lists.tolist() == [0, 0]
