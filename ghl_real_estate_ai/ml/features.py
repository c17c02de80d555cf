"""What the models know of a lead, as numbers: the running summary (one step per event) and the feature vector.

Called by: ml/lead_state (``observe``, ``seen``), the scoring services and ``enterprisehub train`` (``vector``).

Offline and online are the same code: replaying the log gives the live features. No name, contact detail, tag, source,
language, area or home is an input; of the wishes only their number counts. Every feature that moves with the clock
alone is constrained in both models, so under silence a score can only fall and a churn risk can only rise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.models.identifiers import ListingKey, UtcTime
from ghl_real_estate_ai.models.leads import (
    DECAY_HALF_LIVES_DAYS,
    LEAD_INITIATED,
    RECENT_DAYS_KEPT,
    RECENT_LISTINGS_KEPT,
    ActivityKind,
    DecayedCounts,
    Lead,
    LeadActivity,
    OpportunityStatus,
)

Vector = npt.NDArray[np.float64]
Direction = Literal[-1, 0, 1]

_DAY_S: Final = 86_400.0
_HOUR_S: Final = 3_600.0
_RATES: Final = tuple(1.0 / (half_life * _DAY_S) for half_life in DECAY_HALF_LIVES_DAYS)


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One input of the models. Directions are monotone constraints: +1 raises the output, -1 lowers it, 0 is free."""

    name: str
    description: str
    score_direction: Direction
    churn_direction: Direction


# --- the running summary ------------------------------------------------------------------------------------------


def observe(
    activity: LeadActivity, kind: ActivityKind, at: datetime, *, listing_key: ListingKey | None = None
) -> LeadActivity:
    """The summary with one more event at ``at`` (aware UTC). O(1); any order of events gives the same summary.

    Not idempotent: the log's unique delivery id is what stops an event from being observed twice.
    """
    changes: dict[str, object] = {
        "first_at": _earlier(activity.first_at, at),
        "counts": {**activity.counts, kind: activity.counts.get(kind, 0) + 1},
        "decayed": {**activity.decayed, kind: _one_more(activity.decayed.get(kind), at)},
    }
    if kind in LEAD_INITIATED:
        days = _with_day(activity.recent_days, at.toordinal())
        changes["first_lead_at"] = _earlier(activity.first_lead_at, at)
        changes["last_lead_at"] = _later(activity.last_lead_at, at)
        changes["recent_days"] = days
        changes["active_days"] = len(days)
    elif kind is ActivityKind.AGENT_TOUCH:
        changes["first_agent_at"] = _earlier(activity.first_agent_at, at)
        changes["last_agent_at"] = _later(activity.last_agent_at, at)
    if listing_key is not None:
        changes["recent_listings"] = _with_listing(activity.recent_listings, listing_key, at)
    # model_copy skips validation: every value above was checked when its event was read
    return activity.model_copy(update=changes)


def seen(activity: LeadActivity, at: datetime) -> LeadActivity:
    """The summary after an event that is no activity (a changed contact, a note): it only dates the first sight."""
    if activity.first_at is not None and activity.first_at <= at:
        return activity
    return activity.model_copy(update={"first_at": at})


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None or at < known else known


def _later(known: datetime | None, at: datetime) -> datetime:
    return at if known is None or at > known else known


def _one_more(known: DecayedCounts | None, at: datetime) -> DecayedCounts:
    """Counts are kept as of the newest event; an older event joins at its decayed weight."""
    if known is None:
        return DecayedCounts.model_construct(at=at, values=(1.0,) * len(_RATES))
    gap = (at - known.at).total_seconds()
    pairs = zip(known.values, _RATES, strict=True)
    if gap >= 0:
        return known.model_copy(
            update={"at": at, "values": tuple(v * math.exp2(-gap * rate) + 1.0 for v, rate in pairs)}
        )
    return known.model_copy(update={"values": tuple(v + math.exp2(gap * rate) for v, rate in pairs)})


def _with_day(days: tuple[int, ...], day: int) -> tuple[int, ...]:
    if day in days:
        return days
    return tuple(sorted((*days, day), reverse=True)[:RECENT_DAYS_KEPT])


def _with_listing(
    known: dict[ListingKey, UtcTime], listing_key: ListingKey, at: datetime
) -> dict[ListingKey, UtcTime]:
    """The newest time per home, of the homes touched last; ties fall by key, so arrival order never shows."""
    listings = {**known, listing_key: _later(known.get(listing_key), at)}
    if len(listings) > RECENT_LISTINGS_KEPT:
        del listings[min(listings, key=lambda key: (listings[key], key))]
    return listings


# --- the features -------------------------------------------------------------------------------------------------

_FADING: Final = tuple(
    (f"{label}_{half_life:g}d", kind, DECAY_HALF_LIVES_DAYS.index(half_life), words)
    for label, kind, words, half_lives in (
        ("messages_in", ActivityKind.MESSAGE_IN, "messages from the lead", (1.0, 7.0, 30.0)),
        ("calls_in", ActivityKind.CALL_IN, "calls and voicemails from the lead", (30.0,)),
        ("views", ActivityKind.PROPERTY_VIEW, "homes viewed", (1.0, 7.0, 30.0)),
        ("saves", ActivityKind.PROPERTY_SAVE, "homes saved", (7.0, 30.0)),
        ("searches", ActivityKind.PROPERTY_SEARCH, "searches", (7.0,)),
        ("appointments", ActivityKind.APPOINTMENT, "appointments booked", (30.0,)),
        ("agent_touches", ActivityKind.AGENT_TOUCH, "messages and calls by a human of the team", (7.0,)),
    )
    for half_life in half_lives
)

FEATURES: Final[tuple[FeatureSpec, ...]] = (
    FeatureSpec("silence_days", "log(1 + days since the lead's last own event, or since first seen)", -1, 1),
    FeatureSpec(
        "silence_over_rhythm", "log(1 + that silence / the lead's mean gap between active days)", -1, 1
    ),
    FeatureSpec(
        "silence_odds",
        "log-odds of 14 more days of silence by BG/NBD with fixed parameters, from active days",
        -1,
        1,
    ),
    FeatureSpec("waiting_hours", "log(1 + hours the lead's newest message has waited for a human)", -1, 1),
    FeatureSpec(
        "first_response_hours", "log(1 + hours from the lead's first own event to the first human)", -1, 1
    ),
    FeatureSpec("tenure_days", "log(1 + days from first seen to the lead's last own event)", 0, 0),
    FeatureSpec("active_days", "log(1 + distinct days with an own event of the lead)", 1, -1),
    *(
        FeatureSpec(name, f"log(1 + {words}, half-life {DECAY_HALF_LIVES_DAYS[index]:g} d)", 1, -1)
        for name, _, index, words in _FADING
    ),
    FeatureSpec("messages_in_total", "log(1 + messages and calls from the lead, ever)", 1, -1),
    FeatureSpec("saves_total", "log(1 + homes saved, ever)", 1, -1),
    FeatureSpec("conversation_share", "messages and calls among all own events of the lead, 0 to 1", 0, 0),
    FeatureSpec("answers_per_touch", "messages and calls from the lead / (1 + human touches)", 0, 0),
    FeatureSpec("homes_looked_at", "log(1 + distinct homes viewed or saved lately, at most 20)", 0, 0),
    FeatureSpec("appointment_ahead", "1 while an appointment lies ahead", 1, -1),
    FeatureSpec("appointments_kept", "appointments the lead came to", 1, -1),
    FeatureSpec("appointments_missed", "appointments cancelled or missed", -1, 1),
    FeatureSpec("wishes_stated", "number of wishes stated (never which)", 1, -1),
    FeatureSpec("open_opportunity", "1 while a deal is open", 1, -1),
    FeatureSpec("opted_out", "1 when the lead is known to want no messages", -1, 1),
)
"""In the order of the vector. Age is left out on purpose: it is silence + tenure, and would move freely in silence."""

FEATURE_NAMES: Final = tuple(spec.name for spec in FEATURES)
_SILENCE, _OVER_RHYTHM, _ODDS, _WAITING, _RESPONSE, _MEETING = (
    FEATURE_NAMES.index(name)
    for name in (
        "silence_days",
        "silence_over_rhythm",
        "silence_odds",
        "waiting_hours",
        "first_response_hours",
        "appointment_ahead",
    )
)
_FADING_OF: Final = {
    kind: tuple((FEATURE_NAMES.index(name), index) for name, of, index, _ in _FADING if of is kind)
    for kind in dict.fromkeys(of for _, of, _, _ in _FADING)
}
"""By kind of activity: place in the vector, and which half-life."""

_KEPT: Final = frozenset({"showed", "completed"})
_MISSED: Final = frozenset({"cancelled", "noshow"})
_WISH_FIELDS: Final = (
    "city",
    "min_list_price",
    "max_list_price",
    "min_bedrooms",
    "min_bathrooms",
    "min_living_area",
    "property_sub_type",
)
_MIN_RHYTHM_DAYS: Final = 1.0  # activity is counted per day, so no rhythm is faster
_PACE_SHAPE, _PACE_DAYS, _STOPS, _GOES_ON = 1.0, 7.0, 1.0, 10.0
"""BG/NBD's r, alpha, a, b, as nobody fitted them: an active day a week, one in eleven the last. The trees learn the rest."""
_AHEAD_DAYS: Final = 14.0
_SURE: Final = 12.0  # log-odds; beyond them a baseline that adds up would see nothing else


def vector(lead: Lead, now: datetime) -> Vector:
    """The lead as of ``now`` (aware UTC): float64, shape (len(FEATURES),), in the order of FEATURES.

    NaN = unknown: only the silences of a lead of whom nothing at all was ever seen. Closed form in ``now``: a later
    ``now`` without events is the same as waiting. Events later than ``now`` count as happening now.
    """
    return Course(lead, now).x


class Course:
    """A lead as of ``now``, and as of any other time if nothing happens: what the clock does not move is computed once."""

    def __init__(self, lead: Lead, now: datetime) -> None:
        self.lead, self.now = lead, now
        activity = lead.activity
        last, first = activity.last_lead_at, activity.first_at
        self._since = last or first
        self._tenure = _seconds(first, last) / _DAY_S if last and first else 0.0
        self._repeats = max(0, activity.active_days - 1)
        self._own_gap = max(_MIN_RHYTHM_DAYS, self._tenure / max(1, activity.active_days - 1))
        self._waiting = waiting_since(activity)
        self._fading = [
            (known.at, [(place, known.values[index], _RATES[index]) for place, index in _FADING_OF[kind]])
            for kind, known in activity.decayed.items()
            if kind in _FADING_OF
        ]
        standing, self._last_meeting = _standing(lead)
        values = {**_totals(activity), **standing}
        values["tenure_days"] = math.log1p(self._tenure)
        values["active_days"] = math.log1p(activity.active_days)
        self._still = [values.get(name, 0.0) for name in FEATURE_NAMES]

    @cached_property
    def x(self) -> Vector:
        """``vector`` as of ``now``."""
        return self.at(self.now)

    def at(self, then: datetime) -> Vector:
        """``vector`` as of ``then``."""
        activity, values = self.lead.activity, self._still.copy()
        silence = _seconds(self._since, then) / _DAY_S if self._since else math.nan
        waited = _seconds(self._waiting, then) / _HOUR_S if self._waiting else 0.0
        first = activity.first_lead_at
        response = _seconds(first, activity.first_agent_at or then) / _HOUR_S if first else 0.0
        values[_SILENCE] = math.log1p(silence)
        values[_OVER_RHYTHM] = math.log1p(silence / self._own_gap)
        values[_ODDS] = _silence_odds(self._repeats, self._tenure, silence) if self._since else math.nan
        values[_WAITING] = math.log1p(waited)
        values[_RESPONSE] = math.log1p(response)
        values[_MEETING] = float(self._last_meeting is not None and self._last_meeting > then)
        for at, fading in self._fading:
            age = _seconds(at, then)
            for place, value, rate in fading:
                values[place] = math.log1p(value * math.exp2(-age * rate))
        return np.array(values, dtype=np.float64)


def waiting_since(activity: LeadActivity) -> datetime | None:
    """When the lead last wrote or called, if no human has answered since; None when nobody waits."""
    inbound = [
        known.at
        for kind in (ActivityKind.MESSAGE_IN, ActivityKind.CALL_IN)
        if (known := activity.decayed.get(kind)) is not None
    ]
    if not inbound:
        return None
    newest = max(inbound)
    answered = activity.last_agent_at is not None and activity.last_agent_at >= newest
    return None if answered else newest


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())


def _silence_odds(repeats: int, span: float, silence: float) -> float:
    """Log-odds of no active day in the next _AHEAD_DAYS, after ``repeats`` active days over ``span`` days and then silence.

    BG/NBD (ml/bgnbd.py): stopped for good, or alive and merely quiet for so long. Rises with the silence.
    """
    events, age = _PACE_SHAPE + repeats, _PACE_DAYS + span + silence
    quiet = events * math.log(age / (age + _AHEAD_DAYS))
    if not repeats:  # in BG/NBD nobody stops after the first
        return quiet - math.log1p(-math.exp(quiet))
    stopped = math.log(_STOPS / (_GOES_ON + repeats - 1.0)) + events * math.log(age / (_PACE_DAYS + span))
    either = max(stopped, quiet) + math.log1p(math.exp(-abs(stopped - quiet)))
    return min(_SURE, either - math.log1p(-math.exp(quiet)))


def _totals(activity: LeadActivity) -> dict[str, float]:
    counts = activity.counts
    talks = counts.get(ActivityKind.MESSAGE_IN, 0) + counts.get(ActivityKind.CALL_IN, 0)
    own = sum(count for kind, count in counts.items() if kind in LEAD_INITIATED)
    return {
        "messages_in_total": math.log1p(talks),
        "saves_total": math.log1p(counts.get(ActivityKind.PROPERTY_SAVE, 0)),
        "conversation_share": talks / own if own else 0.0,
        "answers_per_touch": talks / (1 + counts.get(ActivityKind.AGENT_TOUCH, 0)),
        "homes_looked_at": math.log1p(len(activity.recent_listings)),
    }


def _standing(lead: Lead) -> tuple[dict[str, float], datetime | None]:
    """What the clock does not move, and when the last appointment begins that was neither kept nor missed."""
    kept = missed = 0
    last = None
    for meeting in lead.appointments.values():
        if meeting.deleted:
            continue
        if meeting.status in _MISSED:
            missed += 1
        elif meeting.status in _KEPT:
            kept += 1
        elif meeting.start_time is not None and (last is None or meeting.start_time > last):
            last = meeting.start_time
    wishes = lead.wishes
    stated = sum(getattr(wishes, name) is not None for name in _WISH_FIELDS) + bool(wishes.features)
    standing: dict[str, float] = {
        "appointments_kept": kept,
        "appointments_missed": missed,
        "wishes_stated": stated,
        "open_opportunity": any(
            deal.status is OpportunityStatus.OPEN and not deal.deleted for deal in lead.opportunities.values()
        ),
        "opted_out": lead.contact.dnd is True,
    }
    return standing, last
