"""What an admin may turn off in a location, and what stops then. All are on until somebody turns them off.

Read by whoever obeys a switch, at the moment of acting; turned by ``api/routes/switches`` and ``enterprisehub switch``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ghl_real_estate_ai.models.identifiers import Frozen, UserId, UtcTime


class Switch(StrEnum):
    """OUTGOING is the kill switch: off, nothing leaves the house for anybody, whatever else is on."""

    OUTGOING = "outgoing"
    SUGGESTED_REPLIES = "suggested_replies"
    SILENCE_WATCH = "silence_watch"
    LEARNING = "learning"


SWITCH_WORDS: Final[dict[Switch, str]] = {
    Switch.OUTGOING: "Everything that is sent or written into the CRM from here. Stopped: nothing leaves, what waits goes on waiting.",
    Switch.SUGGESTED_REPLIES: "Replies that are suggested to agents for copying.",
    Switch.SILENCE_WATCH: "Leads are judged anew when they have been silent for long enough to enter a stage of risk.",
    Switch.LEARNING: "Models are fitted anew each day from the location's own history.",
}


class SwitchState(Frozen):
    """A switch as it stands. ``changed_at`` None: nobody has ever turned it."""

    switch: Switch
    on: bool = True
    changed_at: UtcTime | None = None
    changed_by: UserId | None = None
