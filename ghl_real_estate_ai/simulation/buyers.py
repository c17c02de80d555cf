"""Who a simulated buyer is (hidden traits), and the kinds of thing that can happen to one.

Called by simulation/life.py, simulation/scribe.py and simulation/city.py.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from ghl_real_estate_ai.simulation.talk import Topic

DAY: Final = 24.0


class Kind(StrEnum):
    """What can happen in a life. DIED is hidden: nothing of it leaves the city."""

    ARRIVED = "arrived"
    SEARCHED = "searched"
    VIEWED = "viewed"
    SAVED = "saved"
    WROTE = "wrote"
    CALLED = "called"
    MISSED_CALL = "missed_call"
    WISHES_STATED = "wishes_stated"
    BOOKED = "booked"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    SHOWED = "showed"
    NO_SHOW = "no_show"
    AGENT_WROTE = "agent_wrote"
    AGENT_CALLED = "agent_called"
    AUTOMATED = "automated"
    DEAL_OPENED = "deal_opened"
    DEAL_MOVED = "deal_moved"
    WON = "won"
    LOST = "lost"
    TAGGED = "tagged"
    FAREWELL = "farewell"
    OPTED_OUT = "opted_out"
    NOTED = "noted"
    TASKED = "tasked"
    DIED = "died"


LEAD_INITIATED: Final = frozenset(
    {
        Kind.SEARCHED,
        Kind.VIEWED,
        Kind.SAVED,
        Kind.WROTE,
        Kind.CALLED,
        Kind.MISSED_CALL,
        Kind.BOOKED,
        Kind.FAREWELL,
    }
)


@dataclass(frozen=True, slots=True)
class Traits:
    """What one buyer is like, for life. Never visible in any event."""

    intent: float
    """0 (just looking) to 1 (buys this month)."""
    patience_hours: float
    """How long a human answer may take before the buyer cools."""
    sessions_per_day: float
    """Own activity while interested and unexcited."""
    excitability: float
    """How much an answer of a human stirs further activity."""
    talkativeness: float
    """Share of sessions that end in a message or call."""
    call_share: float
    agent_hours: float
    """Median answering time of the agent in charge."""


class Happening(NamedTuple):
    """One thing that happened, ``hours`` after the city began. ``home`` is an index into its listings.

    ``starts``: the hour of the meeting it is about, which also tells one meeting from another.
    """

    hours: float
    kind: Kind
    home: int | None = None
    topic: Topic | None = None
    starts: float | None = None


def draw_traits(rng: random.Random) -> Traits:
    """One buyer at random. Mean intent is about 0.4; median patience 7 hours."""
    intent = rng.betavariate(1.5, 2.2)
    return Traits(
        intent=intent,
        patience_hours=min(96.0, rng.lognormvariate(math.log(7.0), 0.8)),
        sessions_per_day=rng.gammavariate(2.0, 0.125) * (0.4 + 1.2 * intent),
        excitability=rng.gammavariate(3.0, 0.35),
        talkativeness=rng.betavariate(2.0, 3.5),
        call_share=rng.betavariate(1.2, 4.0),
        agent_hours=rng.choice((0.2, 0.5, 1.0, 2.0, 4.0, 9.0)),
    )
