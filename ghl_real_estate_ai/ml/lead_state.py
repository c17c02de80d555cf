"""One event into one lead: the merge that gives the same lead in whatever order the deliveries come.

Called by: services/realtime_lead_intelligence (live) and ``enterprisehub train | replay`` (from the log): same code.

Fields, deals, appointments and messages keep the value with the newest stamp (time, then event id), and so does each
voice that states wishes (ml/wish_voices); times keep a minimum or a maximum; counts add up. Adding up is the one part that a doubled event would spoil: the log's unique
delivery id keeps doubles out, before this room.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from ghl_real_estate_ai.errors import TranslationError
from ghl_real_estate_ai.ml.features import observe, seen
from ghl_real_estate_ai.ml.lead_clicks import bounded, clicked
from ghl_real_estate_ai.ml.reachability import heard
from ghl_real_estate_ai.ml.waiting import is_talk
from ghl_real_estate_ai.ml.wish_voices import crm_words, stated
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import (
    LEAD_FACTS,
    ActionAcknowledged,
    ActionReopened,
    ActionSnoozed,
    AppointmentChanged,
    Event,
    LeadDeclined,
    LeadDeleted,
    LeadUpserted,
    LeadWentQuiet,
    ListingJudged,
    MarkedAnswered,
    MessageReceived,
    MessageSent,
    NoteAdded,
    OpportunityChanged,
    PropertyActivityRecorded,
    PropertyInteraction,
    RecordedEvent,
    TaskChanged,
    WishesCorrected,
)
from ghl_real_estate_ai.models.identifiers import Frozen, ListingKey
from ghl_real_estate_ai.models.intelligence import RiskStage
from ghl_real_estate_ai.models.leads import (
    INBOUND_TIMES_KEPT,
    JUDGED_KEPT,
    LAST_MESSAGE_CHARS,
    SAVED_KEPT,
    VIEWS_KEPT,
    ActivityKind,
    Appointment,
    Contact,
    HomeView,
    Judgement,
    LastMessage,
    Lead,
    LeadActivity,
    Opportunity,
    Stamp,
    Voice,
    VoiceWords,
)
from ghl_real_estate_ai.models.matching_models import Verdict
from ghl_real_estate_ai.models.properties import Wishes

_CALLS: Final = frozenset({Channel.CALL, Channel.VOICEMAIL})
_INTERACTIONS: Final = {
    PropertyInteraction.VIEWED: ActivityKind.PROPERTY_VIEW,
    PropertyInteraction.SAVED: ActivityKind.PROPERTY_SAVE,
    PropertyInteraction.SEARCHED: ActivityKind.PROPERTY_SEARCH,
}


_VERDICT_WORDS: Final = {
    Verdict.PASS: "passed on a home",
    Verdict.LIKE: "liked a home",
    Verdict.SAVE: "kept a home in mind",
    Verdict.SHOWING: "asked to see a home",
    Verdict.UNDO: "took back a verdict on a home",
}


def activity_kind(event: Event) -> ActivityKind | None:
    """What the running summary counts the event as; None when it is no activity of lead or team."""
    match event:
        case MessageReceived():
            return ActivityKind.CALL_IN if event.channel in _CALLS else ActivityKind.MESSAGE_IN
        case MessageSent():
            return ActivityKind.AGENT_TOUCH if event.human else ActivityKind.AUTOMATED_TOUCH
        case AppointmentChanged(created=True, deleted=False):
            return ActivityKind.APPOINTMENT
        case PropertyActivityRecorded():
            return _INTERACTIONS[event.interaction]
        case _:
            return None


def apply(lead: Lead | None, recorded: RecordedEvent) -> Lead:
    """The lead after the event (None: a lead not seen before). Pure; any order of events gives the same lead.

    Raises TranslationError when the event names no lead, or states a contact or wish field that cannot be read.
    """
    event = recorded.event
    if event.lead_id is None:
        raise TranslationError(f"{event.type} at position {recorded.position} names no lead")
    if lead is None:
        lead = Lead(location_id=event.location_id, lead_id=event.lead_id)
    changes = _changes(lead, event, Stamp.model_construct(at=event.occurred_at, event_id=event.event_id))
    if event.type in LEAD_FACTS:
        changes["activity"] = _activity(lead.activity, event)
    changes["position"] = max(lead.position, recorded.position)
    changes["simulated"] = lead.simulated or event.simulated
    # model_copy skips validation: every value was checked in its event, or just now by Contact and Wishes
    return lead.model_copy(update=changes)


def states_something_new(lead: Lead | None, event: Event) -> bool:
    """Whether a lead would hold something else after the event, stamps aside.

    What happens once (a message, a visit, a creation) always is; a state that is held already, or is older than what is
    held, is not. So a page of the CRM that is read again says nothing. Called by services/admission and services/loop_guard.
    """
    if lead is None or not is_state(event):
        return True
    changes = _changes(lead, event, Stamp(at=event.occurred_at, event_id=event.event_id))
    return any(
        _without_stamps(value) != _without_stamps(getattr(lead, name))
        for name, value in changes.items()
        if name != "stamps"
    )


def held_since(lead: Lead, event: Event) -> datetime:
    """Since when the lead is known to hold what a state says that is no news to it: the oldest stamp of it.

    Called by services/admission.
    """
    match event:
        case LeadUpserted():
            said = crm_words(lead).stamps
            stamps = [lead.stamps[name] for name in ("deleted", *event.contact) if name in lead.stamps]
            stamps += [said[name] for name in event.wishes if name in said]
        case LeadDeleted():
            stamps = [lead.stamps["deleted"]] if "deleted" in lead.stamps else []
        case OpportunityChanged():
            stamps = [lead.opportunities[event.opportunity_id].stamp]
        case AppointmentChanged():
            stamps = [lead.appointments[event.appointment_id].stamp]
        case _:
            stamps = []
    return min((stamp.at for stamp in stamps), default=event.occurred_at)


def is_state(event: Event) -> bool:
    """Whether it tells how something stands, rather than what happened once."""
    match event:
        case LeadUpserted() | AppointmentChanged():
            return not event.created
        case LeadDeleted() | OpportunityChanged():
            return True
        case _:
            return False


def _without_stamps(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_stamps(part) for key, part in value.items()}
    if isinstance(value, Opportunity | Appointment | VoiceWords):
        return value.model_dump(exclude={"stamp", "stamps"})
    return value


def summary(event: Event) -> str:
    """The event in words, without personal data."""
    match event:
        case LeadUpserted():
            return "new lead" if event.created else "contact changed"
        case LeadDeleted():
            return "contact deleted"
        case MessageReceived():
            return f"lead's {_words(event.channel)}"
        case MessageSent():
            return f"{'our' if event.human else 'automated'} {_words(event.channel)}"
        case OpportunityChanged():
            return f"deal {'deleted' if event.deleted else event.status or 'changed'}"
        case AppointmentChanged():
            return f"appointment {_appointment_words(event)}"
        case PropertyActivityRecorded(interaction=PropertyInteraction.SEARCHED):
            return "searched homes"
        case PropertyActivityRecorded():
            return f"{event.interaction} a home"
        case NoteAdded():
            return "note added"
        case TaskChanged():
            return f"task {'deleted' if event.deleted else 'completed' if event.completed else 'changed'}"
        case ActionAcknowledged():
            return "action taken on"
        case ActionSnoozed():
            return "action put off"
        case MarkedAnswered():
            return "said to be answered"
        case LeadDeclined():
            return "said to be somebody else's lead"
        case ActionReopened():
            return "action open again"
        case WishesCorrected():
            return "wishes corrected"
        case LeadWentQuiet():
            return _silence_words(event)
        case ListingJudged():
            return _VERDICT_WORDS[event.verdict]
        case _:
            return event.type


def _silence_words(event: LeadWentQuiet) -> str:
    if event.stage is RiskStage.NONE:
        return "what was put off is due"
    if event.silent_since is None:
        return "silent"
    hours = (event.occurred_at - event.silent_since).total_seconds() / 3_600
    return f"silent for {hours:.0f} h" if hours < 48 else f"silent for {hours / 24:.0f} days"


def _words(channel: Channel) -> str:
    if channel in _CALLS:
        return str(channel)
    return "message" if channel is Channel.OTHER else f"{channel.replace('_', ' ')} message"


def _appointment_words(event: AppointmentChanged) -> str:
    if event.deleted:
        return "deleted"
    return "booked" if event.created else event.status or "changed"


def _activity(activity: LeadActivity, event: Event) -> LeadActivity:
    kind = activity_kind(event)
    if kind is None:
        return seen(activity, event.occurred_at)
    listing_key = event.listing_key if isinstance(event, PropertyActivityRecorded) else None
    return observe(activity, kind, event.occurred_at, listing_key=listing_key)


def _changes(lead: Lead, event: Event, stamp: Stamp) -> dict[str, object]:
    match event:
        case LeadUpserted():
            return _upserted(lead, event, stamp)
        case LeadDeleted():
            return _existence(lead, stamp, deleted=True)
        case PropertyActivityRecorded():
            return {**_searched(lead, event, stamp), **_looked_at(lead, event, stamp)}
        case ListingJudged():
            return {"judged": _judged(lead, event, stamp)}
        case MessageReceived():
            return {
                "last_inbound": _newest(lead.last_inbound, _last_message(event, stamp)),
                "inbound_times": _inbound_times(lead, event.occurred_at),
                "refusals": _refusals(lead, event, stamp),
                **_talked(lead, event),
            }
        case MessageSent(human=True):
            return {"last_outbound": _newest(lead.last_outbound, _last_message(event, stamp))}
        case OpportunityChanged():
            deal = _opportunity(event, stamp)
            kept = _newest(lead.opportunities.get(event.opportunity_id), deal)
            return {"opportunities": {**lead.opportunities, event.opportunity_id: kept}}
        case AppointmentChanged():
            meeting = _appointment(event, stamp)
            booked = _newest(lead.appointments.get(event.appointment_id), meeting)
            return {"appointments": {**lead.appointments, event.appointment_id: booked}}
        case ActionAcknowledged() | ActionSnoozed() | MarkedAnswered() | LeadDeclined() | ActionReopened():
            return clicked(lead, event, stamp)
        case WishesCorrected():
            return _corrected(lead, event, stamp)
        case _:
            return {}


def _newest[T: (LastMessage, Opportunity, Appointment, Judgement)](known: T | None, new: T) -> T:
    return new if known is None or known.stamp < new.stamp else known


def _last_message(event: MessageReceived | MessageSent, stamp: Stamp) -> LastMessage:
    text = event.text[:LAST_MESSAGE_CHARS] if event.text else None
    return LastMessage.model_construct(stamp=stamp, channel=event.channel, text=text)


def _opportunity(event: OpportunityChanged, stamp: Stamp) -> Opportunity:
    return Opportunity.model_construct(
        stamp=stamp,
        status=event.status,
        pipeline_id=event.pipeline_id,
        pipeline_stage_id=event.pipeline_stage_id,
        stage_role=event.stage_role,
        monetary_value=event.monetary_value,
        deleted=event.deleted,
    )


def _appointment(event: AppointmentChanged, stamp: Stamp) -> Appointment:
    return Appointment.model_construct(
        stamp=stamp, status=event.status, start_time=event.start_time, deleted=event.deleted
    )


def _inbound_times(lead: Lead, at: datetime) -> tuple[datetime, ...]:
    """The newest INBOUND_TIMES_KEPT moments at which the lead wrote or called, each once."""
    times = lead.inbound_times
    if not times or (at > times[0] and len(times) < INBOUND_TIMES_KEPT):
        return (at, *times)
    return tuple(sorted({at, *times}, reverse=True)[:INBOUND_TIMES_KEPT])


def _talked(lead: Lead, event: MessageReceived) -> dict[str, object]:
    if not is_talk(event):
        return {}
    at = event.occurred_at
    return {
        "first_talk_at": min(lead.first_talk_at or at, at),
        "last_talk_at": max(lead.last_talk_at or at, at),
    }


def _refusals(lead: Lead, event: MessageReceived, stamp: Stamp) -> Mapping[str, Stamp]:
    """With the word of a lead that was stored before they were kept."""
    known = lead.refusals
    if not known and lead.last_inbound is not None:
        known = dict(heard(known, lead.last_inbound.text, lead.last_inbound.stamp))
    return heard(known, event.text, stamp)


def _judged(lead: Lead, event: ListingJudged, stamp: Stamp) -> dict[ListingKey, Judgement]:
    """The newest verdict per home, of the homes judged last; ties fall by event id, so that arrival order never shows."""
    new = Judgement.model_construct(stamp=stamp, verdict=event.verdict, by=event.by)
    kept = {**lead.judged, event.listing_key: _newest(lead.judged.get(event.listing_key), new)}
    return bounded(kept, JUDGED_KEPT, lambda key: (kept[key].stamp.at, kept[key].stamp.event_id))


def _looked_at(lead: Lead, event: PropertyActivityRecorded, stamp: Stamp) -> dict[str, object]:
    """A view or a save of a home that is named."""
    if event.listing_key is None or event.interaction is PropertyInteraction.SEARCHED:
        return {}
    view = HomeView.model_construct(
        at=stamp.at, event_id=stamp.event_id, listing_key=ListingKey(event.listing_key)
    )
    views = sorted((view, *lead.views), key=lambda one: (one.at, one.event_id), reverse=True)
    changes: dict[str, object] = {"views": tuple(views[:VIEWS_KEPT])}
    if event.interaction is PropertyInteraction.SAVED:
        changes["saved"] = _saved(lead, view.listing_key, stamp.at)
    return changes


def _saved(lead: Lead, listing_key: ListingKey, at: datetime) -> dict[ListingKey, datetime]:
    """The newest time per home, of the homes saved last; ties fall by key, so that arrival order never shows."""
    known = lead.saved.get(listing_key)
    kept = {**lead.saved, listing_key: at if known is None else max(known, at)}
    return bounded(kept, SAVED_KEPT, lambda key: (kept[key], key))


def _upserted(lead: Lead, event: LeadUpserted, stamp: Stamp) -> dict[str, object]:
    contact = _checked(Contact, event.contact, event)
    wished = stated(lead, Voice.CRM, _checked(Wishes, event.wishes, event), stamp)
    lead = lead.model_copy(update=wished) if wished else lead
    existence = _existence(lead, stamp, deleted=False)
    stamps = {**lead.stamps, "deleted": stamp} if existence else dict(lead.stamps)
    told = _merged(lead.contact, contact, stamps, stamp)
    return {**wished, **existence, "contact": told, "stamps": stamps}


def _searched(lead: Lead, event: PropertyActivityRecorded, stamp: Stamp) -> dict[str, object]:
    """A search states wishes; what it left open is not unsaid by it."""
    asked = {name: value for name, value in event.wishes.items() if value not in (None, "", [], ())}
    return stated(lead, Voice.SITE, _checked(Wishes, asked, event), stamp) if asked else {}


def _corrected(lead: Lead, event: WishesCorrected, stamp: Stamp) -> dict[str, object]:
    crm = _wishes_of(event.instead_of, event)
    return stated(lead, Voice.AGENT, _wishes_of(event.wishes, event), stamp, instead_of=crm)


def _wishes_of(fields: dict[str, object], event: WishesCorrected) -> Wishes:
    """None takes a wish out; of the features, which are a set, all."""
    no_features = {"features": ()} if fields.get("features", ()) is None else {}
    return _checked(Wishes, {**fields, **no_features}, event)


def _existence(lead: Lead, stamp: Stamp, *, deleted: bool) -> dict[str, object]:
    """A contact that is written about after its deletion exists again (GHL restores contacts)."""
    known = lead.stamps.get("deleted")
    if known is not None and not known < stamp:
        return {}
    return {"deleted": deleted, "stamps": {**lead.stamps, "deleted": stamp}}


def _merged(known: Contact, told: Contact, stamps: dict[str, Stamp], stamp: Stamp) -> Contact:
    """``known`` with the told fields that are newer; their stamps are noted in ``stamps``."""
    changes: dict[str, object] = {}
    for name in told.model_fields_set:
        if name not in stamps or stamps[name] < stamp:
            changes[name] = getattr(told, name)
            stamps[name] = stamp
    return known.model_copy(update=changes) if changes else known


def _checked[T: Frozen](kind: type[T], fields: dict[str, object], event: Event) -> T:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        # the offending value stays out: it may be personal, and dead letters are shown to operators
        raise TranslationError(f"{event.type}: {kind.__name__} field {field!r}: {first['msg']}") from None
