"""By which channel a lead may be reached for an action, and if by none, why.

Called by: ml/next_action.

It reads what the lead and the CRM say: a wish to hear no more, do not disturb, addresses. Quiet hours are not judged here:
nothing is ever sent by itself, and whether to call now is the agent's own decision.
"""

from __future__ import annotations

from typing import Final

from ghl_real_estate_ai.compliance.revocation import revocation
from ghl_real_estate_ai.ml.message_text import MessageText
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.intelligence import ActionKind, Reach
from ghl_real_estate_ai.models.leads import Contact, LastMessage, Lead

_BY_PHONE: Final = frozenset({Channel.SMS, Channel.CALL, Channel.VOICEMAIL, Channel.WHATSAPP})

NO_ADDRESS: Final = "no phone or email in the CRM"


def channel_for(contact: Contact, kind: ActionKind, *, answers: LastMessage | None) -> Reach | str:
    """The permitted channel with its address, or why there is none; ask ``refusal`` first.

    ``answers``: the lead's message that the action answers.
    """
    own = None if answers is None else _own_channel(contact, answers.channel)
    if contact.dnd is True:
        return own or _blocked(answers)
    if kind is ActionKind.FIRST_RESPONSE and contact.phone:
        return Reach(channel=Channel.CALL, to=contact.phone)
    if own is not None and kind is ActionKind.REPLY:
        return own
    if contact.phone:
        return Reach(channel=Channel.SMS, to=contact.phone)
    return Reach(channel=Channel.EMAIL, to=contact.email) if contact.email else NO_ADDRESS


def refusal(lead: Lead) -> str | None:
    """Why nothing at all may be sent: the lead's newest word. One who writes again after a stop wants an answer to that."""
    newest = lead.last_inbound
    if newest is None or not newest.text:
        return None
    asked = revocation(MessageText.of(newest.text).low)
    return None if asked is None else f"the lead's newest message: {asked.words}"


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
