"""By which channel a lead may be reached for an action, and if by none, why.

Called by: ml/next_action, services/suggested_reply; ``heard`` by ml/lead_state.

It reads what the lead and the CRM say: a wish to hear no more, do not disturb, addresses. Quiet hours are not judged here:
nothing is ever sent by itself, and whether to call now is the agent's own decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from ghl_real_estate_ai.compliance.revocation import (
    NOT_INTERESTED,
    STOP,
    WRONG_NUMBER,
    revocation,
    takes_back,
)
from ghl_real_estate_ai.ml.message_facts import asks
from ghl_real_estate_ai.ml.message_text import MessageText
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.intelligence import ActionKind, Reach
from ghl_real_estate_ai.models.leads import Contact, LastMessage, Lead, Stamp

_BY_PHONE: Final = frozenset({Channel.SMS, Channel.CALL, Channel.VOICEMAIL, Channel.WHATSAPP})

NO_ADDRESS: Final = "no phone or email in the CRM"
_AGAIN: Final = "wants messages again"


class Refusal(NamedTuple):
    """``words``: what was asked, as compliance/revocation has it; ``asks``: the lead's newest message is a later one and asks something."""

    words: str
    at: datetime
    asks: bool


def channel_for(
    contact: Contact, kind: ActionKind, *, answers: LastMessage | None, refused: Refusal | None = None
) -> Reach | str:
    """The permitted channel with its address, or why there is none.

    ``answers``: the lead's message that the action answers. ``refused``: see ``refusal``. Who asks something after a stop is
    answered by the channel that they used, by no other.
    """
    own = None if answers is None else _own_channel(contact, answers.channel)
    if refused is not None:
        return (own if refused.asks else None) or f"the lead on {refused.at:%Y-%m-%d}: {refused.words}"
    if contact.dnd is True:
        return own or _blocked(answers)
    if kind is ActionKind.FIRST_RESPONSE and contact.phone:
        return Reach(channel=Channel.CALL, to=contact.phone)
    if own is not None and kind is ActionKind.REPLY:
        return own
    if contact.phone:
        return Reach(channel=Channel.SMS, to=contact.phone)
    return Reach(channel=Channel.EMAIL, to=contact.email) if contact.email else NO_ADDRESS


def refusal(lead: Lead) -> Refusal | None:
    """What the lead asked that still holds: nothing but its own later questions is answered then."""
    newest = lead.last_inbound
    if newest is None:
        return None
    refusals = lead.refusals or heard(
        {}, newest.text, newest.stamp
    )  # a lead that was stored before they were kept
    return standing(refusals, newest, touched_at=lead.activity.last_agent_at) if refusals else None


def heard(refusals: Mapping[str, Stamp], text: str | None, stamp: Stamp) -> Mapping[str, Stamp]:
    """``refusals`` after one more message of the lead; the newest of each kind, in any order of arrival."""
    low = MessageText.of(text).low if text else ""
    asked = revocation(low) if low else None
    words = _AGAIN if asked is None and takes_back(low) else None if asked is None else asked.words
    if words is None or (words in refusals and not refusals[words] < stamp):
        return refusals
    return {**refusals, words: stamp}


def standing(
    refusals: Mapping[str, Stamp], newest: LastMessage, *, touched_at: datetime | None
) -> Refusal | None:
    """What holds of them. ``newest``: the lead's newest message; ``touched_at``: the newest human touch.

    A stop and a wrong number hold until START. "Not interested" is over when a human answered and the lead wrote again.
    """
    again = refusals.get(_AGAIN)
    for words in (WRONG_NUMBER, STOP, NOT_INTERESTED):
        said = refusals.get(words)
        if said is None or (again is not None and said < again):
            continue
        later = said < newest.stamp
        if words == NOT_INTERESTED and later and touched_at is not None and touched_at > said.at:
            continue
        asked = later and words != WRONG_NUMBER and bool(newest.text) and asks(newest.text or "")
        return Refusal(words, said.at, asked)
    return None


def _own_channel(contact: Contact, channel: Channel) -> Reach | None:
    """The channel that the lead used, if the CRM has an address for it. A voicemail is answered by a call."""
    if channel in _BY_PHONE and contact.phone:
        return Reach(channel=Channel.CALL if channel is Channel.VOICEMAIL else channel, to=contact.phone)
    return Reach(channel=channel, to=contact.email) if channel is Channel.EMAIL and contact.email else None


def _blocked(answers: LastMessage | None) -> str:
    if answers is None:
        return "do not disturb is set in the CRM"
    words = answers.channel.replace("_", " ")
    return f"do not disturb is set, and the CRM has no address to answer by {words}"
