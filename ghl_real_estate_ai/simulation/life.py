"""The hidden life of one simulated buyer: excitement, waiting, and the moment interest dies.

Called by simulation/city.py, which has each happening written down, and by its oracle.

A life is a point process in hours since the city began. Between scheduled happenings (an agent's answer on its way, a
drip, an appointment) four things can arise, at a rate that depends on the hidden state only: a session of own activity,
a booking, the death of interest, a wish stated. Rates hold no memory beyond the state, so a copied life may be continued
with other luck: that is how the oracle knows the true probabilities.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from copy import copy
from typing import ClassVar, Final

from ghl_real_estate_ai.simulation.buyers import DAY, LEAD_INITIATED, Happening, Kind, Traits
from ghl_real_estate_ai.simulation.mood import IMPATIENCE_MAX, Mood
from ghl_real_estate_ai.simulation.talk import Topic

_NEEDS_INTEREST: Final = (LEAD_INITIATED - {Kind.FAREWELL}) | {Kind.WISHES_STATED, Kind.WON}

# The physics of the city: invented, and stated here. Hours, and rates per day. It is a simulator, not a market.
_DEATH_PER_DAY: Final = 0.032  # at intent 0, while nobody waits
_DEATH_WAIT_FACTOR: Final = 5.0  # per unit of impatience
_BOOK_PER_DAY: Final = 0.11
_WISH_PER_DAY: Final = 0.05
_WISHES_MAX: Final = 3
_MEETINGS_MAX: Final = 2  # showings that lie ahead at one time
_NEGLECT: Final = 0.12  # share of messages that an agent never answers
_TOURING: Final = 1.8  # who has one showing ahead is out touring, and books the next one sooner
_COMMITTED: Final = 0.3  # ... and rarely loses interest before it
_ARISING: Final = (
    Kind.VIEWED,
    Kind.BOOKED,
    Kind.DIED,
    Kind.WISHES_STATED,
)  # VIEWED stands for a whole session
_HOURLY: Final = (
    .10, .05, .03, .02, .03, .08, .20, .40, .60, .70, .75, .80, .95, .85, .75, .75, .80, .90, 1.0, 1.0, 1.0, .85, .50, .25,
)  # fmt: skip
"""Activity by local hour, evenings fullest."""
_HOURLY_MEAN: Final = sum(_HOURLY) / len(_HOURLY)
_OFFICE: Final = (8.0, 20.0)
_DRIPS: Final = (0.02, 1 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 21 * DAY, 35 * DAY, 56 * DAY)
_FOLLOW_UPS: Final = 6


class Life:
    """One buyer's life from arrival on. ``next`` moves it forward; ``fork`` copies it for another future."""

    def __init__(
        self,
        traits: Traits,
        rng: random.Random,
        *,
        born: float,
        midnight: float,
        good: tuple[int, ...],
        poor: tuple[int, ...],
    ) -> None:
        """``midnight``: local hour of day at hour 0. ``good``, ``poor``: homes that meet the wishes, and not."""
        self.traits, self.rng = traits, rng
        self._midnight, self._good, self._poor = midnight, good, poor
        self.now = born
        self.interested = True
        self.mood = Mood(since=born, waiting_since=born)
        self._last_own = born
        self._answer_due = self._greeted = self._deal_open = False
        self._meetings_ahead = 0
        self._follow_ups = 0
        self._wish_count = 0
        self._home: int | None = None
        self._sequence = 0
        self.pending: list[tuple[float, int, Happening]] = []
        self._be_born()

    def fork(self, rng: random.Random, at: float) -> Life:
        """The same life at hour ``at``, to be continued with other luck."""
        twin = copy(self)
        twin.rng, twin.now, twin.mood, twin.pending = rng, at, copy(self.mood), list(self.pending)
        return twin

    def next(self, until: float) -> Happening | None:
        """The next happening at an hour <= ``until``, or None (the life then stands at ``until``)."""
        while True:
            due = self.pending[0][0] if self.pending else math.inf
            arisen = self._arise(min(due, until))
            if arisen is Kind.VIEWED:
                self._begin_session()
                continue
            if arisen is not None:
                happening = self._bring_about(arisen)
            elif due > until:
                return None
            else:
                self.now, _, happening = heapq.heappop(self.pending)
            if self._undergo(happening):
                return happening

    # --- what arises by itself -------------------------------------------------------------------------------------

    def _arise(self, limit: float) -> Kind | None:
        """Ogata's thinning: candidates at a ceiling rate, kept in proportion to the true one at their hour."""
        if not self.interested:
            self.now = max(self.now, min(limit, 1e9))
            return None
        patience = self.traits.patience_hours
        ceiling = sum(self._rates(1.0, self.mood.excitement(self.now), IMPATIENCE_MAX))
        while True:
            self.now += self.rng.expovariate(ceiling)
            if self.now >= limit:
                self.now = limit
                return None
            day_part = _HOURLY[int(self.now + self._midnight) % 24]
            rates = self._rates(
                day_part, self.mood.excitement(self.now), self.mood.impatience(self.now, patience)
            )
            luck = self.rng.random() * ceiling
            for kind, rate in zip(_ARISING, rates, strict=True):
                if luck < rate:
                    return kind
                luck -= rate

    def _rates(
        self, day_part: float, excitement: float, impatience: float
    ) -> tuple[float, float, float, float]:
        """Per hour, in the order of _ARISING."""
        intent = self.traits.intent
        session = self.traits.sessions_per_day / DAY * (1.0 + excitement) * day_part / _HOURLY_MEAN
        readiness = intent**1.6 * (0.15 + self.mood.warmth(self.now)) * (0.25 + excitement)
        book = _BOOK_PER_DAY / DAY * readiness * day_part if self._meetings_ahead < _MEETINGS_MAX else 0.0
        if self._meetings_ahead:
            book *= _TOURING
        death = _DEATH_PER_DAY / DAY * math.exp(-2.6 * intent) * (1.0 + _DEATH_WAIT_FACTOR * impatience)
        if self._meetings_ahead:
            death *= _COMMITTED
        wish = _WISH_PER_DAY / DAY * (0.3 + intent) * day_part if self._wish_count < _WISHES_MAX else 0.0
        return session, book, death, wish

    def _bring_about(self, kind: Kind) -> Happening:
        """What arose, with its details."""
        if kind is not Kind.BOOKED:
            return Happening(self.now, kind)
        start = self._office_hour(self.now + self.rng.uniform(0.8, 5.0) * DAY)
        return Happening(self.now, kind, self._home, starts=start)

    def _begin_session(self) -> None:
        rng, traits = self.rng, self.traits
        after = 0.0
        if rng.random() < 0.75:
            if rng.random() < 0.35:
                self._schedule(after, Kind.SEARCHED)
            for _ in range(1 + min(5, int(rng.expovariate(0.9)))):
                after += rng.uniform(0.01, 0.07)
                home = self._pick_home()
                self._schedule(after, Kind.VIEWED, home)
                if home in self._good and rng.random() < 0.06 + 0.22 * traits.intent:
                    self._schedule(after + 0.005, Kind.SAVED, home)
        if rng.random() < traits.talkativeness:
            self._schedule_word(after + rng.uniform(0.02, 0.1))

    def _pick_home(self) -> int | None:
        of_interest = self.rng.random() < 0.55 + 0.4 * self.traits.intent
        homes = (self._good if of_interest else self._poor) or self._good or self._poor
        self._home = self.rng.choice(homes) if homes else None
        return self._home

    # --- what was scheduled ----------------------------------------------------------------------------------------

    def _schedule(
        self,
        after: float,
        kind: Kind,
        home: int | None = None,
        topic: Topic | None = None,
        starts: float | None = None,
    ) -> None:
        hours = self.now + max(0.0, after)
        self._sequence += 1
        heapq.heappush(self.pending, (hours, self._sequence, Happening(hours, kind, home, topic, starts)))

    def _schedule_word(self, after: float) -> None:
        """The buyer writes or calls."""
        rng = self.rng
        if rng.random() < self.traits.call_share:
            answered = rng.random() < 0.55 and self._office_open(self.now + after)
            self._schedule(after, Kind.CALLED if answered else Kind.MISSED_CALL)
            return
        impatient = self.mood.impatience(self.now, self.traits.patience_hours) > 0
        weights = (5, 2 + 6 * self.traits.intent, 2, 2 * (1 - self.traits.intent), 8 if impatient else 0)
        topics = (Topic.ASK_HOME, Topic.SEE_HOME, Topic.BUDGET, Topic.OBJECTION, Topic.NUDGE)
        self._schedule(after, Kind.WROTE, self._home or self._pick_home(), rng.choices(topics, weights)[0])

    def _be_born(self) -> None:
        rng = self.rng
        self._pick_home()
        self._schedule(0.0, Kind.ARRIVED)
        if rng.random() < 0.6:
            self._schedule(rng.uniform(0.005, 0.02), Kind.WROTE, self._home, Topic.INQUIRY)
        else:
            self._schedule(rng.uniform(0.005, 0.05), Kind.VIEWED, self._home)
            self._schedule_answer(Kind.ARRIVED)
        for number, after in enumerate(_DRIPS):
            self._schedule(after, Kind.AUTOMATED, self._home, Topic.DRIP if number else Topic.WELCOME)
        self._schedule_follow_up()

    def _undergo(self, happening: Happening) -> bool:
        """Let it happen: change the hidden state. False: it did not come about."""
        kind = happening.kind
        if kind in _NEEDS_INTEREST and not self.interested:
            return False
        if kind in LEAD_INITIATED:
            self._last_own = self.now
        react = self._REACTIONS.get(kind)
        return True if react is None else react(self, happening)

    def _on_view(self, happening: Happening) -> bool:
        self._home = happening.home
        self.mood.stir(self.now, 0.08, 0.07 if happening.home in self._good else 0.0)
        return True

    def _on_save(self, _: Happening) -> bool:
        self.mood.stir(self.now, 0.25, 0.15)
        if self.rng.random() < 0.15:
            self._schedule(0.02, Kind.TAGGED)
        return True

    def _on_word(self, happening: Happening) -> bool:
        self.mood.stir(self.now, 0.15)
        if happening.topic is not Topic.THANKS:
            if self.mood.waiting_since is None:
                self.mood.waiting_since = self.now
            self._schedule_answer(Kind.WROTE)
        if self.rng.random() < 0.12 and self._wish_count < _WISHES_MAX:
            self._schedule(self.rng.uniform(0.1, 2.0), Kind.WISHES_STATED)
        return True

    def _on_call(self, _: Happening) -> bool:
        """Answered at once: as good as a quick reply."""
        self._hear_from_human(0.0)
        if self.rng.random() < 0.5:
            self._schedule(0.3, Kind.NOTED)
        return True

    def _schedule_answer(self, cause: Kind) -> None:
        rng = self.rng
        if self._answer_due or rng.random() < _NEGLECT:
            return
        delay = rng.lognormvariate(math.log(self.traits.agent_hours), 0.9)
        call = rng.random() < (0.4 if cause is Kind.ARRIVED else 0.2)
        self._answer_due = True
        kind = Kind.AGENT_CALLED if call else Kind.AGENT_WROTE
        first, self._greeted = not self._greeted, True
        topic = (
            Topic.HELLO
            if first
            else rng.choices((Topic.REPLY, Topic.OFFER_TIMES, Topic.SEND_HOMES), (5, 2, 3))[0]
        )
        self._schedule(self._office_hour(self.now + delay) - self.now, kind, self._home, topic)

    def _schedule_follow_up(self) -> None:
        after = self.rng.uniform(3.0, 9.0) * DAY
        self._schedule(self._office_hour(self.now + after) - self.now, Kind.AGENT_WROTE, None, Topic.CHECK_IN)

    def _on_agent(self, happening: Happening) -> bool:
        if happening.topic is Topic.CHECK_IN:
            self._follow_ups += 1
            if self._follow_ups < _FOLLOW_UPS:
                self._schedule_follow_up()
            if self.now - self._last_own < 2 * DAY:
                return False  # no need to chase who is active
        else:
            self._answer_due = False
        waiting = self.mood.waiting_since
        self._hear_from_human(0.0 if waiting is None else self.now - waiting)
        serious = 0.05 + 0.6 * self.traits.intent  # agents sense who is: a deal opened says something
        if not self._deal_open and self.rng.random() < serious:
            self._schedule(0.2, Kind.DEAL_OPENED)
        if self.rng.random() < 0.06:
            self._schedule(0.1, Kind.TASKED)
        return True

    def _hear_from_human(self, waited: float) -> None:
        rng, traits = self.rng, self.traits
        self.mood.waiting_since = None
        in_time = waited <= traits.patience_hours
        self.mood.stir(self.now, traits.excitability * (1.0 if in_time else 0.35), 0.3 if in_time else 0.1)
        if self.interested and rng.random() < (0.25 + 0.4 * traits.intent) * (1.0 if in_time else 0.6):
            topic = rng.choices((Topic.ANSWER, Topic.THANKS, Topic.SEE_HOME), (5, 2, 3 * traits.intent))[0]
            self._schedule(rng.lognormvariate(math.log(0.8), 1.1), Kind.WROTE, self._home, topic)

    def _on_wishes(self, _: Happening) -> bool:
        if self._wish_count >= _WISHES_MAX:
            return False
        self._wish_count += 1
        self.mood.stir(self.now, 0.1, 0.1)
        return True

    # --- meetings, deals and the end -------------------------------------------------------------------------------

    def _on_booked(self, happening: Happening) -> bool:
        self._meetings_ahead += 1
        self.mood.stir(self.now, 0.6, 0.2)
        home, start = happening.home, happening.starts or self.now
        ahead = start - self.now
        self._schedule(0.5 * ahead, Kind.CONFIRMED, home, starts=start)
        fate = self.rng.random() + 0.15 * self.traits.intent
        if fate < 0.13:
            self._schedule(0.7 * ahead, Kind.CANCELLED, home, starts=start)
        else:
            self._schedule(ahead + 1.0, Kind.NO_SHOW if fate < 0.24 else Kind.SHOWED, home, starts=start)
        if not self._deal_open:
            self._schedule(0.1, Kind.DEAL_OPENED)
        return True

    def _on_confirmed(self, _: Happening) -> bool:
        if self.rng.random() < 0.5:
            self._schedule(self.rng.uniform(0.1, 3.0), Kind.WROTE, self._home, Topic.THANKS)
        return True

    def _on_meeting_missed(self, _: Happening) -> bool:
        self._meetings_ahead -= 1
        self.mood.stir(self.now, -1.0, -1.2)
        return True

    def _on_showed(self, _: Happening) -> bool:
        rng = self.rng
        self._meetings_ahead -= 1
        self.mood.waiting_since = None
        if not self.interested:
            return True  # came out of courtesy
        self.mood.stir(self.now, 0.9, 0.4)
        if rng.random() < 0.5:
            self._schedule(2.0, Kind.NOTED)
        self._schedule(3.0, Kind.DEAL_MOVED)
        if rng.random() < 0.06 + 0.30 * self.traits.intent:
            self._schedule(rng.uniform(6.0, 30.0) * DAY, Kind.WON)
        return True

    def _on_deal(self, _: Happening) -> bool:
        opened, self._deal_open = not self._deal_open, True
        return opened

    def _on_won(self, _: Happening) -> bool:
        self.interested = self._deal_open = False
        return True

    def _on_lost(self, _: Happening) -> bool:
        was_open, self._deal_open = self._deal_open, False
        return was_open

    def _on_died(self, _: Happening) -> bool:
        rng = self.rng
        self.interested = False
        if rng.random() < 0.12:
            self._schedule(0.01, Kind.FAREWELL, None, Topic.FAREWELL)
        if rng.random() < 0.5:
            self._schedule(self._office_hour(self.now + rng.uniform(10, 45) * DAY) - self.now, Kind.LOST)
        return True

    def _on_farewell(self, _: Happening) -> bool:
        if self.rng.random() < 0.6:
            self._schedule(0.05, Kind.OPTED_OUT)
        return True

    def _office_open(self, at: float) -> bool:
        return _OFFICE[0] <= (at + self._midnight) % DAY < _OFFICE[1]

    def _office_hour(self, at: float) -> float:
        """``at``, or the next morning's first hour when the office is closed then."""
        if self._office_open(at):
            return at
        local = (at + self._midnight) % DAY
        return at + (_OFFICE[0] - local) % DAY + self.rng.uniform(0.1, 1.2)

    _REACTIONS: ClassVar[dict[Kind, Callable[[Life, Happening], bool]]] = {
        Kind.VIEWED: _on_view,
        Kind.SAVED: _on_save,
        Kind.WROTE: _on_word,
        Kind.MISSED_CALL: _on_word,
        Kind.CALLED: _on_call,
        Kind.AGENT_WROTE: _on_agent,
        Kind.AGENT_CALLED: _on_agent,
        Kind.WISHES_STATED: _on_wishes,
        Kind.BOOKED: _on_booked,
        Kind.CONFIRMED: _on_confirmed,
        Kind.CANCELLED: _on_meeting_missed,
        Kind.NO_SHOW: _on_meeting_missed,
        Kind.SHOWED: _on_showed,
        Kind.DEAL_OPENED: _on_deal,
        Kind.WON: _on_won,
        Kind.LOST: _on_lost,
        Kind.DIED: _on_died,
        Kind.FAREWELL: _on_farewell,
    }
