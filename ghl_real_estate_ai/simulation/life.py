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
from ghl_real_estate_ai.simulation.talk import Topic

_NEEDS_INTEREST: Final = (LEAD_INITIATED - {Kind.FAREWELL}) | {Kind.WISHES_STATED, Kind.WON}

# The physics of the city: invented, and stated here. Hours, and rates per day. It is a simulator, not a market.
_EXCITEMENT_HALF_LIFE: Final = 36.0  # an answer stirs more activity for a day or two
_EXCITEMENT_MAX: Final = 5.0
_WARMTH_HALF_LIFE: Final = 12 * DAY  # fitting homes and good answers are remembered for weeks
_WARMTH_MAX: Final = 3.0
_DEATH_PER_DAY: Final = 0.055  # at intent 0, while nobody waits
_DEATH_WAIT_FACTOR: Final = 5.0  # per patience spent waiting beyond patience
_DEATH_WAIT_MAX: Final = 4.0
_BOOK_PER_DAY: Final = 0.11
_WISH_PER_DAY: Final = 0.05
_WISHES_MAX: Final = 3
_NEGLECT: Final = 0.14  # share of messages that an agent never answers
_HOURLY: Final = (
    .10, .05, .03, .02, .03, .08, .20, .40, .60, .70, .75, .80, .95, .85, .75, .75, .80, .90, 1.0, 1.0, 1.0, .85, .50, .25,
)  # fmt: skip
"""Activity by local hour, evenings fullest."""
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
        self.waiting_since: float | None = born
        self._excitement, self._excited_at = 1.5, born
        self._warmth, self._warm_at = 0.0, born
        self._last_own = born
        self._answer_due = self._greeted = False
        self._meeting_open = self._deal_open = False
        self._follow_ups = 0
        self._wish_count = 0
        self._home: int | None = None
        self._starts: float | None = None
        self._sequence = 0
        self.pending: list[tuple[float, int, Kind, int | None, Topic | None]] = []
        self._be_born()

    def fork(self, rng: random.Random, at: float) -> Life:
        """The same life at hour ``at``, to be continued with other luck."""
        twin = copy(self)
        twin.rng, twin.now, twin.pending = rng, at, list(self.pending)
        return twin

    def next(self, until: float) -> Happening | None:
        """The next happening at an hour <= ``until``, or None (the life then stands at ``until``)."""
        while True:
            due = self.pending[0][0] if self.pending else math.inf
            arisen = self._arise(min(due, until))
            if arisen is not None:
                happening = self._begin(arisen)
                if happening is not None:
                    return happening
            elif due > until:
                return None
            else:
                hours, _, kind, home, topic = heapq.heappop(self.pending)
                self.now = hours
                if self._undergo(kind, home, topic):
                    return Happening(hours, kind, home, topic)

    # --- what arises by itself -------------------------------------------------------------------------------------

    def _arise(self, limit: float) -> Kind | None:
        """Ogata's thinning: candidates at a ceiling rate, kept in proportion to the true one at their hour."""
        if not self.interested:
            self.now = max(self.now, min(limit, 1e9))
            return None
        ceiling = sum(self._rates(1.0, self._excited(), _DEATH_WAIT_MAX))
        while True:
            self.now += self.rng.expovariate(ceiling)
            if self.now >= limit:
                self.now = limit
                return None
            day_part = _HOURLY[int(self.now + self._midnight) % 24]
            rates = self._rates(day_part, self._excited(), self._impatience())
            luck = self.rng.random() * ceiling
            for kind, rate in zip(
                (Kind.VIEWED, Kind.BOOKED, Kind.DIED, Kind.WISHES_STATED), rates, strict=True
            ):
                if luck < rate:
                    return kind
                luck -= rate

    def _rates(
        self, day_part: float, excitement: float, impatience: float
    ) -> tuple[float, float, float, float]:
        """Per hour: session, booking, death, wish stated."""
        traits = self.traits
        # 0.58 is the mean of _HOURLY: it keeps sessions_per_day true over a whole day
        session = traits.sessions_per_day / DAY * (1.0 + excitement) * day_part / 0.58
        readiness = traits.intent**1.6 * (0.15 + self._warmth_now()) * (0.25 + excitement)
        book = 0.0 if self._meeting_open else _BOOK_PER_DAY / DAY * readiness * day_part
        death = (
            _DEATH_PER_DAY / DAY * math.exp(-2.6 * traits.intent) * (1.0 + _DEATH_WAIT_FACTOR * impatience)
        )
        wish = (
            _WISH_PER_DAY / DAY * (0.3 + traits.intent) * day_part if self._wish_count < _WISHES_MAX else 0.0
        )
        return session, book, death, wish

    def _excited(self) -> float:
        return self._excitement * math.exp2((self._excited_at - self.now) / _EXCITEMENT_HALF_LIFE)

    def _warmth_now(self) -> float:
        return self._warmth * math.exp2((self._warm_at - self.now) / _WARMTH_HALF_LIFE)

    def _impatience(self) -> float:
        """0 while nobody waits beyond patience, rising to _DEATH_WAIT_MAX."""
        if self.waiting_since is None:
            return 0.0
        beyond = (self.now - self.waiting_since) / self.traits.patience_hours - 1.0
        return min(_DEATH_WAIT_MAX, max(0.0, beyond))

    def _stir(self, excitement: float, warmth: float = 0.0) -> None:
        self._excitement = min(_EXCITEMENT_MAX, self._excited() + excitement)
        self._excited_at = self.now
        self._warmth = min(_WARMTH_MAX, max(0.0, self._warmth_now() + warmth))
        self._warm_at = self.now

    def _begin(self, arisen: Kind) -> Happening | None:
        if arisen is Kind.VIEWED:
            self._begin_session()
            return None
        if not self._undergo(arisen, None, None):
            return None
        booked = arisen is Kind.BOOKED
        return Happening(
            self.now, arisen, self._home if booked else None, starts=self._starts if booked else None
        )

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
        self, after: float, kind: Kind, home: int | None = None, topic: Topic | None = None
    ) -> None:
        self._sequence += 1
        heapq.heappush(self.pending, (self.now + max(0.0, after), self._sequence, kind, home, topic))

    def _schedule_word(self, after: float) -> None:
        """The buyer writes or calls."""
        rng = self.rng
        if rng.random() < self.traits.call_share:
            answered = rng.random() < 0.55 and self._office_open(self.now + after)
            self._schedule(after, Kind.CALLED if answered else Kind.MISSED_CALL)
            return
        impatient = self._impatience() > 0
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

    def _undergo(self, kind: Kind, home: int | None, topic: Topic | None) -> bool:
        """Let it happen: change the hidden state. False: it did not come about."""
        if kind in _NEEDS_INTEREST and not self.interested:
            return False
        if kind in LEAD_INITIATED:
            self._last_own = self.now
        react = self._REACTIONS.get(kind)
        return True if react is None else react(self, home, topic)

    def _on_view(self, home: int | None, _: Topic | None) -> bool:
        self._home = home
        self._stir(0.08, 0.07 if home in self._good else 0.0)
        return True

    def _on_save(self, _home: int | None, _: Topic | None) -> bool:
        self._stir(0.25, 0.15)
        if self.rng.random() < 0.15:
            self._schedule(0.02, Kind.TAGGED)
        return True

    def _on_word(self, _home: int | None, topic: Topic | None) -> bool:
        self._stir(0.15)
        if topic is not Topic.THANKS:
            self.waiting_since = self.waiting_since if self.waiting_since is not None else self.now
            self._schedule_answer(Kind.WROTE)
        if self.rng.random() < 0.12 and self._wish_count < _WISHES_MAX:
            self._schedule(self.rng.uniform(0.1, 2.0), Kind.WISHES_STATED)
        return True

    def _on_call(self, _home: int | None, _: Topic | None) -> bool:
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

    def _on_agent(self, _home: int | None, topic: Topic | None) -> bool:
        if topic is Topic.CHECK_IN:
            self._follow_ups += 1
            if self._follow_ups < _FOLLOW_UPS:
                self._schedule_follow_up()
            if self.now - self._last_own < 2 * DAY:
                return False  # no need to chase who is active
        else:
            self._answer_due = False
        self._hear_from_human(0.0 if self.waiting_since is None else self.now - self.waiting_since)
        if not self._deal_open and self.rng.random() < 0.35:
            self._schedule(0.2, Kind.DEAL_OPENED)
        if self.rng.random() < 0.06:
            self._schedule(0.1, Kind.TASKED)
        return True

    def _hear_from_human(self, waited: float) -> None:
        rng, traits = self.rng, self.traits
        self.waiting_since = None
        in_time = waited <= traits.patience_hours
        self._stir(traits.excitability * (1.0 if in_time else 0.35), 0.3 if in_time else 0.1)
        if self.interested and rng.random() < (0.25 + 0.4 * traits.intent) * (1.0 if in_time else 0.6):
            topic = rng.choices((Topic.ANSWER, Topic.THANKS, Topic.SEE_HOME), (5, 2, 3 * traits.intent))[0]
            self._schedule(rng.lognormvariate(math.log(0.8), 1.1), Kind.WROTE, self._home, topic)

    def _on_wishes(self, _home: int | None, _: Topic | None) -> bool:
        if self._wish_count >= _WISHES_MAX:
            return False
        self._wish_count += 1
        self._stir(0.1, 0.1)
        return True

    # --- meetings, deals and the end -------------------------------------------------------------------------------

    def _on_booked(self, _home: int | None, _: Topic | None) -> bool:
        rng = self.rng
        self._meeting_open = True
        self._stir(0.6, 0.2)
        start = self._starts = self._office_hour(self.now + rng.uniform(0.8, 5.0) * DAY)
        self._schedule(0.5 * (start - self.now), Kind.CONFIRMED)
        fate = rng.random() + 0.15 * self.traits.intent
        if fate < 0.13:
            self._schedule(0.7 * (start - self.now), Kind.CANCELLED)
        else:
            self._schedule(start - self.now + 1.0, Kind.NO_SHOW if fate < 0.24 else Kind.SHOWED)
        if not self._deal_open:
            self._schedule(0.1, Kind.DEAL_OPENED)
        return True

    def _on_meeting_over(self, _home: int | None, _: Topic | None) -> bool:
        self._meeting_open = False
        self._stir(0.0, -0.4)
        return True

    def _on_showed(self, _home: int | None, _: Topic | None) -> bool:
        rng = self.rng
        self._meeting_open = False
        self.waiting_since = None
        if not self.interested:
            return True  # came out of courtesy
        self._stir(0.9, 0.4)
        if rng.random() < 0.5:
            self._schedule(2.0, Kind.NOTED)
        self._schedule(3.0, Kind.DEAL_MOVED)
        if rng.random() < 0.06 + 0.30 * self.traits.intent:
            self._schedule(rng.uniform(6.0, 30.0) * DAY, Kind.WON)
        return True

    def _on_deal(self, _home: int | None, _: Topic | None) -> bool:
        opened, self._deal_open = not self._deal_open, True
        return opened

    def _on_won(self, _home: int | None, _: Topic | None) -> bool:
        self.interested = self._deal_open = False
        return True

    def _on_lost(self, _home: int | None, _: Topic | None) -> bool:
        was_open, self._deal_open = self._deal_open, False
        return was_open

    def _on_died(self, _home: int | None, _: Topic | None) -> bool:
        rng = self.rng
        self.interested = False
        if rng.random() < 0.12:
            self._schedule(0.01, Kind.FAREWELL, None, Topic.FAREWELL)
        if rng.random() < 0.5:
            self._schedule(self._office_hour(self.now + rng.uniform(10, 45) * DAY) - self.now, Kind.LOST)
        return True

    def _on_farewell(self, _home: int | None, _: Topic | None) -> bool:
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

    _REACTIONS: ClassVar[dict[Kind, Callable[[Life, int | None, Topic | None], bool]]] = {
        Kind.VIEWED: _on_view,
        Kind.SAVED: _on_save,
        Kind.WROTE: _on_word,
        Kind.MISSED_CALL: _on_word,
        Kind.CALLED: _on_call,
        Kind.AGENT_WROTE: _on_agent,
        Kind.AGENT_CALLED: _on_agent,
        Kind.WISHES_STATED: _on_wishes,
        Kind.BOOKED: _on_booked,
        Kind.CANCELLED: _on_meeting_over,
        Kind.NO_SHOW: _on_meeting_over,
        Kind.SHOWED: _on_showed,
        Kind.DEAL_OPENED: _on_deal,
        Kind.WON: _on_won,
        Kind.LOST: _on_lost,
        Kind.DIED: _on_died,
        Kind.FAREWELL: _on_farewell,
    }
