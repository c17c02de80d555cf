"""Suggests a reply to a lead's newest unanswered message, or says why there is none. Nothing is ever sent from here.

Called by: api/routes/suggested_reply. Every claim rests on a field of a listing as it is now, or on a stated wish; every
draft passes the fair-housing check; the same state gives the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ghl_real_estate_ai.compliance.fair_housing import area_topics, check, wished_topics
from ghl_real_estate_ai.compliance.revocation import WRONG_NUMBER, takes_back
from ghl_real_estate_ai.errors import NotFound
from ghl_real_estate_ai.limits import TIMELINE_EVENTS
from ghl_real_estate_ai.ml.asked_topics import asks_for_homes, only_thanks, rules_out
from ghl_real_estate_ai.ml.lead_clicks import said_answered
from ghl_real_estate_ai.ml.message_facts import facts_of
from ghl_real_estate_ai.ml.message_text import MessageText
from ghl_real_estate_ai.ml.named_homes import meant
from ghl_real_estate_ai.ml.offered_home import offered, wants_homes, wishes_with, without_aside
from ghl_real_estate_ai.ml.reachability import heard, standing
from ghl_real_estate_ai.ml.reply_words import Draft, Question, Writer, draft
from ghl_real_estate_ai.models.conversations import Channel, FactKind, MessageFact
from ghl_real_estate_ai.models.events import MessageReceived, MessageSent, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LeadId, ListingKey, LocationId
from ghl_real_estate_ai.models.leads import Identity, LastMessage, Lead, Stamp
from ghl_real_estate_ai.models.matching_models import Verdict
from ghl_real_estate_ai.models.properties import Listing, Wishes
from ghl_real_estate_ai.models.replies import EARLIER_LOOKED_AT, UNANSWERED_LOOKED_AT, SuggestedReply
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.ports import Memory, UnitOfWork

_ASKS: Final = frozenset({FactKind.QUESTION, FactKind.MEETING, FactKind.HOME})
_NUMBER: Final = re.compile(r"\d[\d,.]*\d|\d")
_ADDRESS: Final = re.compile(r"\d+[a-z]?(?: [\w.'#-]+){1,4}", re.IGNORECASE)
"""A house number and a name. A longer text in that field may say anything, so it is checked like any other."""
MARKED: Final = "This message was marked as answered: look first at what was said to the lead."
_Said = MessageReceived | MessageSent


class _View(NamedTuple):
    """What one look at the memory gives: messages newest first, homes as they are now. ``matches``: the best first."""

    lead: Lead
    brokerage: str
    switched_on: bool
    messages: tuple[_Said, ...]
    homes: tuple[Listing, ...]
    matches: tuple[ListingKey, ...]


class _Newest(NamedTuple):
    """The message to answer, with what it states."""

    message: MessageReceived
    low: str
    facts: tuple[MessageFact, ...]


class SuggestedReplies:
    """Replies for agents to copy."""

    def __init__(self, *, memory: Memory) -> None:
        self._memory = memory

    async def suggest(self, lead_id: LeadId, *, by: Identity) -> SuggestedReply:
        """For the caller's own tenant, signed by the caller. Raises NotFound."""
        view = await self._memory.read(lambda uow: _look(uow, by.location_id, lead_id))
        if view is None:
            raise NotFound("no such lead in this location")
        reason = _barred(view)
        if reason is not None:
            return SuggestedReply(withheld=reason)
        through = said_answered(view.lead)
        waiting = _unanswered(view.messages, through)
        if isinstance(waiting, str):
            return SuggestedReply(withheld=waiting)
        owed = [event for event in waiting if through is None or event.occurred_at > through]
        writer = Writer(agent=_first(by.name), brokerage=view.brokerage)
        read = _read(owed or waiting)
        newest = _asking(read, to=writer.agent)
        ruled_out = any(rules_out(without_aside(one.low, one.facts)[0]) for one in read)
        written = _written(view, newest, writer, ruled_out=ruled_out)
        return _checked(written, newest, note=None if owed else MARKED)


def _look(uow: UnitOfWork, location_id: LocationId, lead_id: LeadId) -> _View | None:
    lead = uow.leads.get(location_id, lead_id)
    if lead is None:
        return None
    known = uow.leads.intelligence(location_id, lead_id)
    matches = () if known is None else tuple(match.listing_key for match in known.matches.value or ())
    names = {place.location_id: place.name for place in uow.tenants.locations()}
    keys = _known_homes(lead, matches)
    homes = uow.listings.get_many(location_id, keys) if keys else []
    events = uow.events.of_lead(location_id, lead_id, before=None, limit=TIMELINE_EVENTS)
    return _View(
        lead=lead,
        brokerage=names.get(location_id, location_id),
        switched_on=uow.switches.is_on(location_id, Switch.SUGGESTED_REPLIES),
        messages=_newest_first(events),
        homes=tuple(sorted(homes, key=lambda home: home.listing_key)),
        matches=matches,
    )


def _known_homes(lead: Lead, matches: Sequence[ListingKey]) -> set[ListingKey]:
    """Homes that the lead has to do with: shown to it, looked at, saved, judged."""
    return {
        *matches,
        *(view.listing_key for view in lead.views),
        *lead.saved,
        *lead.judged,
        *lead.activity.recent_listings,
    }


def _newest_first(events: Sequence[RecordedEvent]) -> tuple[_Said, ...]:
    """Messages of the lead and of humans; automations answer nothing."""
    said = [
        (recorded.event.occurred_at, recorded.position, recorded.event)
        for recorded in events
        if isinstance(recorded.event, MessageReceived)
        or (isinstance(recorded.event, MessageSent) and recorded.event.human)
    ]
    return tuple(event for *_, event in sorted(said, key=lambda one: one[:2], reverse=True))


# --- why there is none --------------------------------------------------------------------------------------------------


def _barred(view: _View) -> str | None:
    """What forbids any reply, whatever was asked."""
    lead = view.lead
    if not view.switched_on:
        return "Suggested replies are switched off in this location. An admin can turn them on again."
    if lead.deleted:
        return "The lead was deleted in the CRM. There is nobody to answer."
    if lead.contact.dnd is True:
        return "Do not disturb is set in the CRM. Write only what the lead has asked for, in your own words."
    return _refused(lead, view.messages) or _represented(view.messages)


def _refused(lead: Lead, messages: Sequence[_Said]) -> str | None:
    """As the queue has it (ml/reachability): what the lead remembers, and what its messages say."""
    inbound = [event for event in messages if isinstance(event, MessageReceived)]
    refusals: Mapping[str, Stamp] = lead.refusals
    for event in inbound:
        refusals = heard(refusals, event.text, _stamp(event))
    if not inbound or not refusals:
        return None
    newest = LastMessage(stamp=_stamp(inbound[0]), channel=inbound[0].channel, text=inbound[0].text)
    touched_at = next((event.occurred_at for event in messages if isinstance(event, MessageSent)), None)
    found = standing(refusals, newest, touched_at=touched_at)
    if found is None or found.asks:
        return None
    day = f"on {found.at:%Y-%m-%d}"
    if found.words == WRONG_NUMBER:
        return f"The lead wrote {day} that this is a wrong number. Do not write again; correct the number in the CRM."
    return f"The lead asked {day} not to be written to. Do not write; set do not disturb in the CRM."


def _stamp(event: MessageReceived) -> Stamp:
    return Stamp(at=event.occurred_at, event_id=event.event_id)


def _represented(messages: Sequence[_Said]) -> str | None:
    for event in messages:
        if not isinstance(event, MessageReceived) or not event.text:
            continue
        day = f"on {event.occurred_at:%Y-%m-%d}"
        if takes_back(MessageText.of(event.text).low):
            return None
        if any(fact.value == "has an agent" for fact in facts_of(event.text)):
            return f"The lead wrote {day} to be represented by another agent. Do not solicit; ask your broker if that may have ended."
    return None


def _unanswered(messages: Sequence[_Said], through: datetime | None) -> list[MessageReceived] | str:
    """The lead's messages since the last human one, newest first; in words why there is none to answer.

    ``through``: up to when they were marked as answered.
    """
    waiting: list[MessageReceived] = []
    for event in messages:
        if isinstance(event, MessageSent):
            break
        waiting.append(event)
    if not waiting:
        if any(isinstance(event, MessageReceived) for event in messages):
            return "Nothing waits for an answer: a human wrote or called after the lead's last message."
        return "The lead has not written yet: there is nothing to answer. See the next action for a first contact."
    told = [event for event in waiting if event.text and event.text.strip()]
    if told:
        return told[:UNANSWERED_LOOKED_AT]
    if through is not None and waiting[0].occurred_at <= through:
        return "This was marked as answered, and the lead left no text: nothing waits for an answer."
    if waiting[0].channel in {Channel.CALL, Channel.VOICEMAIL}:
        return "The lead called and left no text. Call back."
    return "The lead's message holds no text. Look at it in the CRM."


# --- the draft ----------------------------------------------------------------------------------------------------------


def _read(waiting: Sequence[MessageReceived]) -> list[_Newest]:
    return [
        _Newest(event, MessageText.of(event.text or "").low, facts_of(event.text or "")) for event in waiting
    ]


def _asking(read: Sequence[_Newest], *, to: str) -> _Newest:
    """The newest message that asks something: "hello?" stands for the question before it. Else the newest; before mere thanks
    comes what was stated.
    """
    for one in read:
        if area_topics(one.low) or any(fact.kind in _ASKS for fact in one.facts):
            return one
    if only_thanks(read[0].low, to=to):
        return next((one for one in read if one.facts), read[0])
    return read[0]


def _written(view: _View, newest: _Newest, writer: Writer, *, ruled_out: bool) -> Draft:
    """``ruled_out``: the lead says what a home must not be, which no wish holds; then none is named to it, nor its wishes."""
    low, facts = without_aside(newest.low, newest.facts)
    area = area_topics(low) or wished_topics(_without_homes(newest))
    noted = Wishes() if ruled_out else view.lead.wishes
    names_home = any(fact.kind is FactKind.HOME for fact in facts)
    offers = not area and not ruled_out and wants_homes(low, facts)
    wished = wishes_with(noted, facts) if offers else None
    asked = Question(
        facts=facts,
        area=area,
        names_home=names_home,
        home=meant(facts, view.homes) if names_home else _spoken_of(view, newest),
        for_homes=asks_for_homes(low),
        thanks=only_thanks(low, to=writer.agent),
        offer=None if wished is None else offered(_unspoken_matches(view, newest), wished, facts),
        wished=wished or noted,
        noted=noted,
        by_email=newest.message.channel is Channel.EMAIL,
    )
    return draft(asked, first_name=view.lead.contact.first_name, writer=writer)


def _without_homes(newest: _Newest) -> str:
    text = newest.message.text or ""
    for fact in newest.facts:
        if fact.kind is FactKind.HOME:
            text = text.replace(fact.quote, "the home")
    return text


def _unspoken_matches(view: _View, newest: _Newest) -> Iterator[Listing]:
    """The lead's matches, the best first, but those that were talked of lately or now, or that the lead does not like."""
    homes = {home.listing_key: home for home in view.homes}
    spoken = {
        home.listing_key
        for text in (newest.message.text or "", *_earlier(view.messages, newest.message))
        if (home := meant(facts_of(text), view.homes))
    }
    for key in view.matches:
        judged = view.lead.judged.get(key)
        if key in homes and key not in spoken and (judged is None or judged.verdict is not Verdict.PASS):
            yield homes[key]


def _spoken_of(view: _View, newest: _Newest) -> Listing | None:
    """What "it" means: the home that was named last before, by either side; else the only one that the lead knows."""
    if not any(fact.kind in _ASKS for fact in newest.facts):
        return None
    for text in _earlier(view.messages, newest.message):
        facts = [fact for fact in facts_of(text) if fact.kind is FactKind.HOME]
        if facts:
            return meant(facts, view.homes)
    return view.homes[0] if len(view.homes) == 1 else None


def _earlier(messages: Sequence[_Said], than: MessageReceived) -> Iterator[str]:
    place = messages.index(than) + 1
    for event in messages[place : place + EARLIER_LOOKED_AT]:
        if event.text:
            yield event.text


def _checked(written: Draft, newest: _Newest, *, note: str | None) -> SuggestedReply:
    """Withheld when a word must not be said, or a number has no ground."""
    answers = newest.message.event_id
    violations = check(_without(written.streets, written.text))
    if violations:
        first = violations[0]
        reason = f"The draft held “{first.phrase}” ({first.category}; {first.source}), so it is not shown. Write it yourself, without that."
        return SuggestedReply(withheld=reason, answers=answers)
    claims = " ".join(ground.claim for ground in written.grounds)
    grounded = set(_NUMBER.findall(claims))
    if not set(_NUMBER.findall(written.body)) <= grounded:
        return SuggestedReply(
            withheld="A number in the draft has no source, so it is not shown. Write it yourself.",
            answers=answers,
        )
    return SuggestedReply(text=written.text, note=note, grounds=written.grounds, answers=answers)


def _without(streets: Sequence[str], text: str) -> str:
    """The text but for the addresses of its listings: 12 White Street is where a home is, and says nothing of who lives there."""
    for street in streets:
        if _ADDRESS.fullmatch(street):
            text = text.replace(street, "the home")
    return text


def _first(name: str) -> str:
    return (name.split() or ["Your agent"])[0]
