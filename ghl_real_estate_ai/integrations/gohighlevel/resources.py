"""What the API answers about people, talk, deals and meetings, typed. Called by client.py.

Both generations of the API are read: names that differ have both spellings, shapes that differ are made one.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, Field, field_validator, model_validator

from ghl_real_estate_ai.integrations.gohighlevel.field_types import (
    Amount,
    ByName,
    Count,
    Flag,
    Id,
    Items,
    KeptResource,
    List,
    Mark,
    Moment,
    Resource,
    Text,
    Texts,
    unwrapped,
)

# --- people -------------------------------------------------------------------------------------------------------


class CustomFieldValue(Resource):
    """A contact's answer to a custom field: text, number, list or object."""

    id: Text = None
    value: Any = Field(
        default=None, validation_alias=AliasChoices("value", "fieldValue", "field_value", "fieldValueString")
    )


class DndSetting(Resource):
    """Do not disturb, on one channel. ``active`` means: do not disturb; ``permanent``: the carrier refuses for good."""

    status: Text = None
    message: Text = None
    code: Text = None


class Contact(KeptResource):
    """A person."""

    id: Id
    location_id: Text = None
    assigned_to: Text = None
    source: Text = None
    timezone: Text = None
    dnd: Flag = None
    dnd_settings: dict[str, DndSetting] = Field(
        default_factory=dict, description="by channel in lower case: sms, email, call, whatsapp, gmb, fb"
    )
    tags: Texts = ()
    custom_fields: Annotated[tuple[CustomFieldValue, ...], List] = ()
    date_added: Moment = None
    date_updated: Moment = None
    search_after: Mark = ()

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        return unwrapped(value, "contact")

    @field_validator("dnd_settings", mode="before")
    @classmethod
    def _channels(cls, value: Any) -> Any:
        by_channel = value.items() if isinstance(value, dict) else ()
        return {name.lower(): entry for name, entry in by_channel if isinstance(entry, dict)}


class UpsertedContact(Resource):
    """What an upsert did."""

    created: Flag = Field(default=None, validation_alias="new")
    contact: Contact


class ContactPage(Resource):
    """One page of a search."""

    contacts: Items[Contact] = ()
    total: Count = None

    @property
    def search_after(self) -> tuple[Any, ...] | None:
        """Where the next page starts; None when the API did not say."""
        return next((one.search_after for one in reversed(self.contacts) if one.search_after), None)


class Tags(Resource):
    """A contact's tags after a change."""

    tags: Texts = ()


class Task(KeptResource):
    """A to-do."""

    id: Id
    contact_id: Text = None
    title: Text = None
    assigned_to: Text = None
    due_date: Moment = None
    completed: Flag = None

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        return unwrapped(value, "task")


class TaskList(Resource):
    """A contact's tasks."""

    tasks: Annotated[tuple[Task, ...], List] = ()


class Note(KeptResource):
    """A note."""

    id: Id
    contact_id: Text = None
    user_id: Text = None
    body: Text = None
    date_added: Moment = None

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        return unwrapped(value, "note")


class NoteList(Resource):
    """A contact's notes."""

    notes: Annotated[tuple[Note, ...], List] = ()


class Outcome(Resource):
    """Whether it was done; the API spells the word in three ways."""

    succeeded: Flag = Field(default=None, validation_alias=AliasChoices("succeeded", "succeded", "success"))


# --- talk ---------------------------------------------------------------------------------------------------------


class Message(KeptResource):
    """Something that was said."""

    id: Id
    contact_id: Text = None
    conversation_id: Text = None
    location_id: Text = None
    direction: Text = None
    message_type: Text = None
    status: Text = None
    source: Text = None
    user_id: Text = None
    body: Text = None
    date_added: Moment = None
    date_updated: Moment = None

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        return unwrapped(value, "message")


class MessagePage(Resource):
    """One page of a conversation. The documents show it flat, the API nests it in ``messages``: both are read."""

    messages: Annotated[tuple[Message, ...], List] = ()
    last_message_id: Text = None
    next_page: Flag = None

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        return unwrapped(value, "messages")


class ExportPage(Resource):
    """One page of an export; the last one has no ``next_cursor``."""

    messages: Items[Message] = ()
    next_cursor: Text = None
    total: Count = None


class SentMessage(Resource):
    """What became of a message that was sent. An email has an ``email_message_id`` besides."""

    message_id: Id
    conversation_id: Text = None
    email_message_id: Text = None
    status: Text = None


class MessageStatus(Resource):
    """A message's status after a change."""

    message_id: Text = None
    status: Text = None


class CancelledMessage(Resource):
    """Whether a scheduled message was taken back; ``status`` is a number, 200 when it was."""

    status: Count = None
    message: Text = None


class Conversation(KeptResource):
    """A contact's thread."""

    id: Id
    contact_id: Text = None
    last_message_type: Text = None
    last_message_direction: Text = None
    last_message_date: Moment = None
    unread_count: Count = None


class ConversationPage(Resource):
    """One page of a search."""

    conversations: Annotated[tuple[Conversation, ...], List] = ()
    total: Count = None


class Sentence(Resource):
    """One sentence of a call. ``media_channel`` tells the speakers apart; times are seconds into the call."""

    media_channel: Count = None
    sentence_index: Count = None
    start_time: Amount = None
    end_time: Amount = None
    transcript: Text = None
    confidence: Amount = None


class Transcription(Resource):
    """A call in words. The documents show one sentence, a list is to be expected: both are read."""

    sentences: tuple[Sentence, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        found = value.get("transcription", value) if isinstance(value, dict) else value
        return {"sentences": found if isinstance(found, list) else [found]}


# --- deals and meetings -------------------------------------------------------------------------------------------


class Opportunity(KeptResource):
    """A deal."""

    id: Id
    contact_id: Text = None
    pipeline_id: Text = None
    pipeline_stage_id: Text = None
    status: Text = None
    monetary_value: Amount = None
    assigned_to: Text = None
    created_at: Moment = None
    updated_at: Moment = None
    last_stage_change_at: Moment = None
    last_status_change_at: Moment = None

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        return unwrapped(value, "opportunity")


class OpportunityPage(Resource):
    """One page of a search; ``start_after`` and ``start_after_id`` lead to the next. The last one is shorter than asked for."""

    opportunities: Items[Opportunity] = ()
    total: Count = Field(default=None, validation_alias=AliasPath("meta", "total"))
    start_after: Count = Field(default=None, validation_alias=AliasPath("meta", "startAfter"))
    start_after_id: Text = Field(default=None, validation_alias=AliasPath("meta", "startAfterId"))


class PipelineStage(Resource):
    """A step of a pipeline."""

    id: Id
    name: Text = None
    position: Count = None


class Pipeline(Resource):
    """Where deals walk."""

    id: Id
    name: Text = None
    stages: Annotated[tuple[PipelineStage, ...], List] = ()


class PipelineList(Resource):
    """A location's pipelines."""

    pipelines: Annotated[tuple[Pipeline, ...], List] = ()


class Calendar(Resource):
    """Something that can be booked."""

    id: Id
    name: Text = None
    is_active: Flag = None


class CalendarList(Resource):
    """A location's calendars."""

    calendars: Annotated[tuple[Calendar, ...], List] = ()


class Appointment(KeptResource):
    """A meeting. Times without a zone are the vendor's own; ``raw`` has them as they came."""

    id: Id
    calendar_id: Text = None
    contact_id: Text = None
    assigned_user_id: Text = None
    appointment_status: Text = Field(
        default=None, validation_alias=AliasChoices("appointmentStatus", "appoinmentStatus", "status")
    )
    start_time: Moment = None
    end_time: Moment = None
    date_added: Moment = None
    date_updated: Moment = None
    deleted: Flag = None

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        return unwrapped(unwrapped(value, "event"), "appointment")


class AppointmentList(Resource):
    """Meetings of a calendar, user, group or contact."""

    events: Items[Appointment] = ()


class FreeSlots(Resource):
    """When a calendar can be booked, by day."""

    days: dict[date, ByName] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _days_only(cls, value: Any) -> Any:
        days = value.items() if isinstance(value, dict) else ()  # beside the days stands a ``traceId``
        return {"days": {day: slots for day, slots in days if isinstance(slots, dict)}}

    def on(self, day: date) -> tuple[str, ...]:
        """The starts of one day, as the API wrote them."""
        slots = self.days.get(day, {}).get("slots")
        return tuple(slots) if isinstance(slots, list) else ()
