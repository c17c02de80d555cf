"""What the running summary and the feature vector promise: any order, bounded memory, silence only ever hurts."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.bgnbd import BgNbd, Histories
from ghl_real_estate_ai.ml.features import (
    FEATURE_NAMES,
    FEATURES,
    observe,
    seen,
    vector,
    waiting_since,
)
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, ListingKey, LocationId, UserId
from ghl_real_estate_ai.models.leads import (
    RECENT_DAYS_KEPT,
    RECENT_LISTINGS_KEPT,
    ActivityKind,
    Appointment,
    Contact,
    LastMessage,
    Lead,
    LeadActivity,
    Opportunity,
    OpportunityStatus,
    Stamp,
)
from ghl_real_estate_ai.models.properties import Feature, Wishes

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
Seen = tuple[ActivityKind, datetime, ListingKey | None]

_HOMES = frozenset({ActivityKind.PROPERTY_VIEW, ActivityKind.PROPERTY_SAVE})


@st.composite
def histories(draw: st.DrawFn) -> list[Seen]:
    count = draw(st.integers(0, 60))
    events = []
    for _ in range(count):
        kind = draw(st.sampled_from(ActivityKind))
        at = START + timedelta(minutes=draw(st.integers(0, 150 * 24 * 60)))
        home = ListingKey(f"H{draw(st.integers(0, 40))}") if kind in _HOMES else None
        events.append((kind, at, home))
    return events


def summary(events: list[Seen], activity: LeadActivity | None = None) -> LeadActivity:
    activity = activity or LeadActivity()
    for kind, at, home in events:
        activity = observe(activity, kind, at, listing_key=home)
    return activity


def assert_same(left: LeadActivity, right: LeadActivity) -> None:
    assert left.model_dump(exclude={"decayed"}) == right.model_dump(exclude={"decayed"})
    assert left.decayed.keys() == right.decayed.keys()
    for kind, known in left.decayed.items():
        assert known.at == right.decayed[kind].at
        assert known.values == pytest.approx(right.decayed[kind].values, abs=1e-9, rel=1e-9)


def a_lead(activity: LeadActivity, **fields: object) -> Lead:
    return Lead(location_id=LocationId("loc"), lead_id=LeadId("lead"), activity=activity, **fields)  # type: ignore[arg-type]


def feature(lead: Lead, name: str, now: datetime) -> float:
    return float(vector(lead, now)[FEATURE_NAMES.index(name)])


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_order_of_events_gives_the_same_summary(events: list[Seen], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert_same(summary(events), summary(shuffled))


@given(histories(), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_any_split_survives_storage_in_between(events: list[Seen], cut: int) -> None:
    stored = LeadActivity.model_validate_json(summary(events[:cut]).model_dump_json())
    assert_same(summary(events[cut:], stored), summary(events))


@given(histories())
@settings(max_examples=40, deadline=None)
def test_decayed_counts_are_the_sum_over_events(events: list[Seen]) -> None:
    activity = summary(events)
    for kind, known in activity.decayed.items():
        times = [at for seen_kind, at, _ in events if seen_kind is kind]
        days = [(known.at - at).total_seconds() / 86_400 for at in times]
        for value, half_life in zip(known.values, (1.0, 7.0, 30.0), strict=True):
            assert value == pytest.approx(sum(0.5 ** (age / half_life) for age in days), abs=1e-9)


def test_memory_stays_bounded_and_keeps_the_newest() -> None:
    activity = LeadActivity()
    for day in range(100):
        home = ListingKey(f"H{day:03}")
        activity = observe(
            activity, ActivityKind.PROPERTY_VIEW, START + timedelta(days=day), listing_key=home
        )
    assert activity.active_days == len(activity.recent_days) == RECENT_DAYS_KEPT
    assert activity.recent_days[0] == (START + timedelta(days=99)).toordinal()
    assert sorted(activity.recent_listings) == [
        f"H{day:03}" for day in range(100 - RECENT_LISTINGS_KEPT, 100)
    ]


@given(histories(), st.floats(0, 60), st.floats(0, 60))
@settings(max_examples=80, deadline=None)
def test_silence_moves_every_timed_feature_the_bad_way(
    events: list[Seen], first: float, second: float
) -> None:
    """Lower score, higher churn; features that are free in a model must not move with the clock at all."""
    lead = a_lead(
        summary(events),
        appointments={
            "a": Appointment(
                stamp=Stamp(at=START, event_id=EventId("e")), start_time=START + timedelta(days=170)
            )
        },
    )
    sooner, later = sorted((first, second))
    early, late = (vector(lead, START + timedelta(days=150 + days)) for days in (sooner, later))
    for spec, before, after in zip(FEATURES, early, late, strict=True):
        if math.isnan(before):
            continue
        moved = after - before
        for direction, bad in ((spec.score_direction, -1), (spec.churn_direction, 1)):
            assert moved * direction * bad >= -1e-12, spec.name
            assert direction or abs(moved) < 1e-12, spec.name


def test_waiting_longer_without_events_needs_no_event() -> None:
    lead = a_lead(summary([(ActivityKind.MESSAGE_IN, START, None)]))
    assert feature(lead, "silence_days", START + timedelta(days=3)) == pytest.approx(math.log1p(3))
    assert feature(lead, "waiting_hours", START + timedelta(hours=5)) == pytest.approx(math.log1p(5))
    assert feature(lead, "messages_in_7d", START + timedelta(days=7)) == pytest.approx(math.log1p(0.5))


@pytest.mark.parametrize(("days", "silence"), [(1, 0.0), (1, 30.0), (2, 0.5), (6, 3.0), (40, 9.0)])
def test_silence_odds_are_those_of_bgnbd(days: int, silence: float) -> None:
    model = BgNbd(r=1.0, alpha=7.0, a=1.0, b=10.0)
    events = [(ActivityKind.MESSAGE_IN, START + timedelta(days=2 * day), None) for day in range(days)]
    span = 2.0 * (days - 1)
    now = START + timedelta(days=span + silence)
    history = Histories(*(np.array([value]) for value in (days - 1.0, span, span + silence)))
    p = float(model.p_silent(history, 14.0)[0])
    assert feature(a_lead(summary(events)), "silence_odds", now) == pytest.approx(math.log(p / (1 - p)))


def test_only_a_human_ends_the_wait() -> None:
    asked = [(ActivityKind.MESSAGE_IN, START, None)]
    robot = [*asked, (ActivityKind.AUTOMATED_TOUCH, START + timedelta(minutes=1), None)]
    human = [*robot, (ActivityKind.AGENT_TOUCH, START + timedelta(hours=2), None)]
    now = START + timedelta(hours=9)
    assert waiting_since(summary(robot)) == START
    assert vector(a_lead(summary(robot)), now).tolist() == vector(a_lead(summary(asked)), now).tolist()
    assert waiting_since(summary(human)) is None
    assert feature(a_lead(summary(human)), "waiting_hours", now) == 0
    assert feature(a_lead(summary(human)), "first_response_hours", now) == pytest.approx(math.log1p(2))


def test_a_lead_of_whom_nothing_was_seen_has_an_unknown_silence() -> None:
    unknown = {
        name
        for name, value in zip(FEATURE_NAMES, vector(a_lead(LeadActivity()), START), strict=True)
        if math.isnan(value)
    }
    assert unknown == {"silence_days", "silence_over_rhythm", "silence_odds"}
    assert waiting_since(LeadActivity()) is None


def test_being_seen_dates_the_lead_but_is_no_sign_of_life() -> None:
    activity = seen(seen(seen(LeadActivity(), START), START + timedelta(days=2)), START - timedelta(days=1))
    assert activity == LeadActivity(first_at=START - timedelta(days=1))
    assert feature(a_lead(activity), "silence_days", START) == pytest.approx(math.log1p(1))


def test_a_time_before_the_newest_event_counts_as_that_event() -> None:
    lead = a_lead(summary([(ActivityKind.MESSAGE_IN, START, None)]))
    assert (vector(lead, START - timedelta(days=9)) == vector(lead, START)).all()


def test_deals_meetings_and_opt_out_are_read_from_their_newest_state() -> None:
    stamp = Stamp(at=START, event_id=EventId("e"))
    lead = a_lead(
        LeadActivity(),
        contact=Contact(dnd=True),
        opportunities={"o": Opportunity(stamp=stamp, status=OpportunityStatus.OPEN)},
        appointments={
            "kept": Appointment(stamp=stamp, status="showed"),
            "missed": Appointment(stamp=stamp, status="noshow"),
            "ahead": Appointment(stamp=stamp, status="confirmed", start_time=START + timedelta(days=1)),
            "gone": Appointment(stamp=stamp, status="noshow", deleted=True),
        },
    )
    names = ("opted_out", "open_opportunity", "appointments_kept", "appointments_missed", "appointment_ahead")
    assert [feature(lead, name, START) for name in names] == [1, 1, 1, 1, 1]
    assert feature(lead, "appointment_ahead", START + timedelta(days=2)) == 0


def test_who_the_lead_is_and_where_it_looks_never_moves_the_vector() -> None:
    events: list[Seen] = [
        (ActivityKind.MESSAGE_IN, START, None),
        (ActivityKind.PROPERTY_VIEW, START + timedelta(hours=1), ListingKey("H1")),
    ]
    other_home: list[Seen] = [events[0], (events[1][0], events[1][1], ListingKey("H2"))]
    stamp = Stamp(at=START, event_id=EventId("e"))

    def person(contact: Contact, city: str, text: str, channel: Channel, homes: list[Seen]) -> Lead:
        return a_lead(
            summary(homes),
            contact=contact,
            wishes=Wishes(city=city, features=frozenset({Feature.POOL})),
            last_inbound=LastMessage(stamp=stamp, channel=channel, text=text),
        )

    one = person(
        Contact(
            name="Emily Walsh", email="e@a.example", phone="+14105550000", source="zillow", tags=("vip",)
        ),
        "Rockville",
        "Is it close to a church?",
        Channel.SMS,
        events,
    )
    two = person(
        Contact(
            name="Lakisha Nguyen",
            first_name="Lakisha",
            email="l@b.example",
            phone="+13055550000",
            source="craigslist",
            assigned_to=UserId("u2"),
            tags=("hispanic", "familia"),
        ),
        "Hialeah",
        "Estamos buscando casa para la familia",
        Channel.WHATSAPP,
        other_home,
    )
    now = START + timedelta(days=2)
    assert np.array_equal(vector(one, now), vector(two, now))


def test_feature_names_are_unique_described_and_free_of_persons_and_places() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURES) == vector(a_lead(LeadActivity()), START).shape[0]
    banned = (
        "name",
        "tag",
        "source",
        "city",
        "zip",
        "postal",
        "language",
        "phone",
        "email",
        "school",
        "crime",
    )
    for spec in FEATURES:
        assert spec.description
        assert not any(word in spec.name for word in banned)
