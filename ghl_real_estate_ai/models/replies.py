"""A reply that is suggested to an agent for copying. Nothing sends it.

Made by services/suggested_reply.py from the words of ml/reply_words.py; served by api/routes/suggested_reply.py.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from ghl_real_estate_ai.models.identifiers import EventId, Frozen

SMS_CHARS: Final = 320
"""Longest suggested text message: two segments of plain letters."""

UNANSWERED_LOOKED_AT: Final = 5
"""Of the messages since the last human answer, so many may be the one that asks; the newest come first."""

EARLIER_LOOKED_AT: Final = 10
"""Messages before it in which a home may have been named that is meant by "it"."""


class Ground(Frozen):
    """A claim of the reply, and what it rests on: a field of a listing, a stated wish, or a message."""

    claim: str
    source: str


class SuggestedReply(Frozen):
    """``text`` None: there is none, and ``withheld`` says why and what to do."""

    text: str | None = None
    withheld: str | None = None
    note: str | None = Field(default=None, description="what to know before sending it")
    grounds: tuple[Ground, ...] = ()
    answers: EventId | None = Field(default=None, description="the inbound message that it answers")
    by: Literal["rules"] = "rules"
