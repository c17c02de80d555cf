"""How a simulated buyer feels: excitement that fades in days, warmth that fades in weeks, and waiting for an answer.

Called by simulation/life.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ghl_real_estate_ai.simulation.buyers import DAY

_EXCITEMENT_HALF_LIFE: Final = 36.0  # hours: an answer stirs more activity for a day or two
_EXCITEMENT_MAX: Final = 5.0
_WARMTH_HALF_LIFE: Final = 12 * DAY  # fitting homes and good answers are remembered for weeks
_WARMTH_MAX: Final = 3.0
IMPATIENCE_MAX: Final = 4.0


@dataclass(slots=True)
class Mood:
    """Hours are those of the city. ``waiting_since``: since when a human answer is owed."""

    since: float
    waiting_since: float | None
    excited: float = 1.5
    warm: float = 0.0

    def excitement(self, now: float) -> float:
        """0 to _EXCITEMENT_MAX; multiplies own activity by 1 + itself."""
        return self.excited * math.exp2((self.since - now) / _EXCITEMENT_HALF_LIFE)

    def warmth(self, now: float) -> float:
        """0 to _WARMTH_MAX: trust that these homes and these agents are the right ones."""
        return self.warm * math.exp2((self.since - now) / _WARMTH_HALF_LIFE)

    def impatience(self, now: float, patience_hours: float) -> float:
        """0 while nobody waits beyond patience, then rising by 1 per patience waited, to IMPATIENCE_MAX."""
        if self.waiting_since is None:
            return 0.0
        beyond = (now - self.waiting_since) / patience_hours - 1.0
        return min(IMPATIENCE_MAX, max(0.0, beyond))

    def stir(self, now: float, excitement: float, warmth: float = 0.0) -> None:
        """Something pleased (or, below 0, disappointed)."""
        excited, warm = self.excitement(now) + excitement, self.warmth(now) + warmth
        self.excited = min(_EXCITEMENT_MAX, max(0.0, excited))
        self.warm = min(_WARMTH_MAX, max(0.0, warm))
        self.since = now
