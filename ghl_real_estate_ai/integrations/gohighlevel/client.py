"""GoHighLevel's API as typed calls: one line per endpoint. Holds no tokens and no limits: those are handed in.

Wired by bootstrap.py; called by whatever reads from or writes into the CRM. Every call starts with the owner's id: the
account whose token is used and whose limits count, a location, or the company for an agency's own calls.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Final

from pydantic import BaseModel, ValidationError

from ghl_real_estate_ai.errors import CrmUnreadable, OutcomeUnknown
from ghl_real_estate_ai.integrations.gohighlevel import account_resources as accounts
from ghl_real_estate_ai.integrations.gohighlevel import contact_endpoints as contact
from ghl_real_estate_ai.integrations.gohighlevel import conversation_endpoints as conversation
from ghl_real_estate_ai.integrations.gohighlevel import deal_endpoints as deal
from ghl_real_estate_ai.integrations.gohighlevel import location_endpoints as location
from ghl_real_estate_ai.integrations.gohighlevel import oauth_endpoints as oauth
from ghl_real_estate_ai.integrations.gohighlevel import resources
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile, ApiRequest
from ghl_real_estate_ai.integrations.gohighlevel.exchange import AccessToken, Exchange, TokenSource
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standing, Standings
from ghl_real_estate_ai.integrations.http import HttpAnswer, HttpClient
from ghl_real_estate_ai.ports import Clock

__all__ = ["AccessToken", "GoHighLevelClient", "TokenSource"]


def _of_owner[**P, R: BaseModel](
    build: Callable[Concatenate[ApiProfile, str, P], ApiRequest], kind: type[R]
) -> Callable[Concatenate[GoHighLevelClient, str, P], Coroutine[Any, Any, R]]:
    """A call about the account itself: the owner's id is part of the request."""

    async def call(self: GoHighLevelClient, owner_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.read(build(self.api, owner_id, *args, **kwargs), kind, owner_id)

    return call


def _within_owner[**P, R: BaseModel](
    build: Callable[Concatenate[ApiProfile, P], ApiRequest], kind: type[R]
) -> Callable[Concatenate[GoHighLevelClient, str, P], Coroutine[Any, Any, R]]:
    """A call about something in the account, which its own id finds."""

    async def call(self: GoHighLevelClient, owner_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.read(build(self.api, *args, **kwargs), kind, owner_id)

    return call


class GoHighLevelClient:
    """Safe to share."""

    def __init__(
        self,
        *,
        http: HttpClient,
        tokens: TokenSource,
        limiter: RateLimiter,
        standings: Standings,
        clock: Clock,
        base_url: str,
        api: ApiProfile = ApiProfile.V3,
        urgent: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """``limiter`` and ``standings`` are shared by all clients of one app. ``urgent``: somebody waits for its calls, they may
        use the day's reserve. ``sleep`` and ``luck`` make the waits between attempts.
        """
        self.api: Final = api
        self._urgent: Final = urgent
        self._standings: Final = standings
        self._exchange: Final = Exchange(
            http=http,
            tokens=tokens,
            limiter=limiter,
            standings=standings,
            clock=clock,
            base_url=base_url,
            sleep=sleep,
            luck=luck,
        )

    async def call(self, request: ApiRequest, owner_id: str) -> HttpAnswer:
        """Any request, and its successful answer. Raises what exchange.py lists."""
        return await self._exchange.send(request, owner_id, urgent=self._urgent)

    async def read[R: BaseModel](self, request: ApiRequest, kind: type[R], owner_id: str) -> R:
        """Any request, and its answer as ``kind``. Raises CrmUnreadable besides."""
        answer = await self.call(request, owner_id)
        try:
            return kind.model_validate(answer.parsed())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            problem = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
        except ValueError:
            problem = "not JSON"
        # Raised outside the handlers: the caught errors hold the answer.
        if request.repeatable:
            raise CrmUnreadable(f"{request.operation}: cannot read the answer; {problem}")
        raise OutcomeUnknown(f"{request.operation}: done, but the answer cannot be read; {problem}")

    def standing(self, owner_id: str) -> Standing:
        """An account's newest limits and clock skew; asks nothing."""
        return self._standings.of(owner_id)

    # --- people: contact_endpoints.py ---
    get_contact = _within_owner(contact.get_contact, resources.Contact)
    update_contact = _within_owner(contact.update_contact, resources.Contact)
    upsert_contact = _of_owner(contact.upsert_contact, resources.UpsertedContact)
    search_contacts = _of_owner(contact.search_contacts, resources.ContactPage)
    add_tags = _within_owner(contact.add_tags, resources.Tags)
    remove_tags = _within_owner(contact.remove_tags, resources.Tags)
    create_task = _within_owner(contact.create_task, resources.Task)
    list_tasks = _within_owner(contact.list_tasks, resources.TaskList)
    create_note = _within_owner(contact.create_note, resources.Note)
    list_notes = _within_owner(contact.list_notes, resources.NoteList)
    list_contact_appointments = _within_owner(contact.list_contact_appointments, resources.AppointmentList)
    add_to_workflow = _within_owner(contact.add_to_workflow, resources.Outcome)
    remove_from_workflow = _within_owner(contact.remove_from_workflow, resources.Outcome)

    # --- talk: conversation_endpoints.py ---
    send_message = _within_owner(conversation.send_message, resources.SentMessage)
    cancel_scheduled_message = _within_owner(
        conversation.cancel_scheduled_message, resources.CancelledMessage
    )
    update_message_status = _within_owner(conversation.update_message_status, resources.MessageStatus)
    get_message = _within_owner(conversation.get_message, resources.Message)
    read_messages = _within_owner(conversation.read_messages, resources.MessagePage)
    export_messages = _of_owner(conversation.export_messages, resources.ExportPage)
    search_conversations = _of_owner(conversation.search_conversations, resources.ConversationPage)
    get_transcription = _of_owner(conversation.get_transcription, resources.Transcription)
    get_unsubscribe_state = _of_owner(conversation.get_unsubscribe_state, accounts.UnsubscribeState)
    change_subscription = _of_owner(conversation.change_subscription, accounts.UnsubscribeState)

    async def get_recording(self, location_id: str, message_id: str) -> bytes:
        """The sound of a call, as the vendor stores it."""
        return (
            await self.call(conversation.get_recording(self.api, location_id, message_id), location_id)
        ).body

    # --- deals and meetings: deal_endpoints.py ---
    search_opportunities = _of_owner(deal.search_opportunities, resources.OpportunityPage)
    get_opportunity = _within_owner(deal.get_opportunity, resources.Opportunity)
    update_opportunity_status = _within_owner(deal.update_opportunity_status, resources.Outcome)
    list_pipelines = _of_owner(deal.list_pipelines, resources.PipelineList)
    list_calendars = _of_owner(deal.list_calendars, resources.CalendarList)
    list_calendar_events = _of_owner(deal.list_calendar_events, resources.AppointmentList)
    list_free_slots = _within_owner(deal.list_free_slots, resources.FreeSlots)
    book_appointment = _of_owner(deal.book_appointment, resources.Appointment)
    get_appointment = _within_owner(deal.get_appointment, resources.Appointment)

    # --- the account: location_endpoints.py ---
    get_location = _of_owner(location.get_location, accounts.Location)
    list_custom_fields = _of_owner(location.list_custom_fields, accounts.CustomFieldList)
    create_custom_field = _of_owner(location.create_custom_field, accounts.CustomField)
    update_custom_field = _of_owner(location.update_custom_field, accounts.CustomField)
    list_location_tags = _of_owner(location.list_location_tags, accounts.LocationTagList)
    search_users = _within_owner(location.search_users, accounts.UserPage)
    list_workflows = _of_owner(location.list_workflows, accounts.WorkflowList)
    list_objects = _of_owner(location.list_objects, accounts.ObjectSchemaList)
    search_records = _of_owner(location.search_records, accounts.RecordPage)

    # --- access: oauth_endpoints.py ---
    exchange_code = _within_owner(oauth.exchange_code, accounts.TokenGrant)
    refresh_token = _within_owner(oauth.refresh_token, accounts.TokenGrant)
    location_token = _of_owner(oauth.location_token, accounts.TokenGrant)
    installed_locations = _of_owner(oauth.installed_locations, accounts.InstalledLocationPage)
