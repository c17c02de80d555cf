"""An account read by API, as the deliveries that its webhooks would have been. Implements crm_ports.CrmReader.

Wired by bootstrap.py; called by services/crm_sync (pages) and services/crm_reread (one lead). A page is one call.

What the API cannot tell: that a contact, deal or record was deleted; the states between two readings; notes and tasks,
which it shows one contact at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.crm_ports import CrmPage
from ghl_real_estate_ai.errors import CrmRefused, NotFound
from ghl_real_estate_ai.integrations.gohighlevel import polled_bodies as bodies
from ghl_real_estate_ai.integrations.gohighlevel.api_request import iso
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.contact_endpoints import SEARCH_PAGE
from ghl_real_estate_ai.integrations.gohighlevel.conversation_endpoints import EXPORT_PAGE
from ghl_real_estate_ai.integrations.gohighlevel.deal_endpoints import OPPORTUNITY_PAGE
from ghl_real_estate_ai.integrations.gohighlevel.deliveries import POLLED, delivery_from, without_nul
from ghl_real_estate_ai.integrations.gohighlevel.field_types import BrokenItem, KeptResource, whole
from ghl_real_estate_ai.integrations.gohighlevel.location_endpoints import RECORD_PAGE
from ghl_real_estate_ai.integrations.gohighlevel.reading_place import OVERLAP, Place
from ghl_real_estate_ai.integrations.gohighlevel.resources import Appointment, ExportPage
from ghl_real_estate_ai.integrations.gohighlevel.translation import Translator
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.events import Delivery, VendorEventKept
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import UnreadableDelivery

CALENDAR_BACK: Final = timedelta(days=30)
"""Meetings that began longer ago are not read again."""

CALENDAR_AHEAD: Final = timedelta(days=120)
HISTORY_BACK: Final = timedelta(days=730)
"""How far the first reading of a calendar goes back."""

_EMAIL: Final = "Email"
AnyDelivery = Delivery | UnreadableDelivery

_log = telemetry.get_logger("crm_history")


class GoHighLevelHistory:
    """Holds no state: cursors are the caller's."""

    def __init__(self, *, client: GoHighLevelClient, wish_fields: Mapping[str, str], simulated: bool) -> None:
        """``simulated``: the API behind the client is not GoHighLevel's own. Raises ConfigurationError for an unknown wish."""
        self._client: Final = client
        self._translator: Final = Translator(wish_fields=wish_fields)
        self._simulated: Final = simulated
        self._sources: Final[
            Mapping[SyncSource, Callable[[LocationSetup, Place, datetime], Awaitable[CrmPage]]]
        ] = {
            SyncSource.CONTACTS: self._contacts,
            SyncSource.MESSAGES: self._messages,
            SyncSource.EMAILS: self._emails,
            SyncSource.OPPORTUNITIES: self._opportunities,
            SyncSource.APPOINTMENTS: self._appointments,
            SyncSource.ACTIVITY: self._activity,
        }

    async def page(
        self,
        setup: LocationSetup,
        source: SyncSource,
        *,
        cursor: str,
        since: datetime | None,
        received_at: datetime,
    ) -> CrmPage:
        """The next page. Cursor '': from the beginning, or from what changed after ``since``."""
        place = Place.model_validate_json(cursor) if cursor else Place(since=since)
        return await self._sources[source](setup, place, received_at)

    async def lead(
        self, setup: LocationSetup, lead_id: LeadId, *, received_at: datetime
    ) -> Sequence[AnyDelivery]:
        """All that the CRM shows of one lead, its newest EXPORT_PAGE messages. Raises NotFound for one it does not know."""
        place = setup.location_id
        contact = await self._client.get_contact(place, lead_id)
        if contact.location_id not in {None, place}:
            raise NotFound("the contact belongs to another location")
        told = list(bodies.contact_bodies({"locationId": place, **contact.raw}, place))
        for channel in (None, _EMAIL):
            page = await self._client.export_messages(
                place, contact_id=lead_id, channel=channel, sort_order="desc"
            )
            for message in page.messages:
                told += bodies.message_bodies(message.raw, place, now=received_at)
        deals = await self._client.search_opportunities(place, contact_id=lead_id)
        for deal in deals.opportunities:
            told += bodies.opportunity_bodies({"contactId": lead_id, **deal.raw}, place)
        meetings = await self._client.list_contact_appointments(place, lead_id)
        for meeting in meetings.events:
            shown = (await self._with_zone(place, meeting)).raw
            told += bodies.appointment_bodies({"contactId": lead_id, **shown}, place)
        return self._deliveries(told, received_at)

    # --- sources: one call each -----------------------------------------------------------------------------------

    async def _contacts(self, setup: LocationSetup, place: Place, now: datetime) -> CrmPage:
        """By their newest change."""
        since = None if place.since is None else iso("since", place.since)
        changed = {"field": "dateUpdated", "operator": "range", "value": {"gte": since}}
        page = await self._client.search_contacts(
            setup.location_id,
            filters=[] if since is None else [changed],
            sort=[("dateUpdated", "asc")],
            search_after=place.after or None,
        )
        seen = [contact.date_updated or contact.date_added for contact in whole(page.contacts)]
        more = len(page.contacts) >= SEARCH_PAGE and page.search_after is not None
        onwards = place.on(*seen, after=page.search_after or ()) if more else place.around(*seen, now=now)
        told = (bodies.contact_bodies(contact.raw, setup.location_id) for contact in page.contacts)
        return self._page(told, now, shown=page.contacts, total=page.total, place=onwards, more=more)

    async def _messages(self, setup: LocationSetup, place: Place, now: datetime) -> CrmPage:
        """Everything that is no email."""
        return await self._export(setup, place, now, channel=None)

    async def _emails(self, setup: LocationSetup, place: Place, now: datetime) -> CrmPage:
        """The export leaves them out unless they are asked for."""
        return await self._export(setup, place, now, channel=_EMAIL)

    async def _export(
        self, setup: LocationSetup, place: Place, now: datetime, *, channel: str | None
    ) -> CrmPage:
        """By their newest change: a call is read again when it has ended, a scheduled message when it was sent."""
        page, place = await self._exported(setup, place, channel=channel)
        more = bool(page.messages) and page.next_cursor is not None
        messages = whole(page.messages)
        seen = [message.date_added for message in messages]
        # Until a call has ended it is no fact yet; the next round must not begin after it.
        open_calls = [m.date_added for m in messages if m.date_added and bodies.is_under_way(m.raw, now=now)]
        onwards = place.on(*seen, after=(page.next_cursor,)) if more else place.around(*seen, now=now)
        if open_calls and not more and onwards.since is not None:
            onwards = onwards.model_copy(update={"since": min(onwards.since, *open_calls)})
        told = (bodies.message_bodies(one.raw, setup.location_id, now=now) for one in page.messages)
        return self._page(told, now, shown=page.messages, total=page.total, place=onwards, more=more)

    async def _exported(
        self, setup: LocationSetup, place: Place, *, channel: str | None
    ) -> tuple[ExportPage, Place]:
        """The next page of an export; when its cursor has died of age, anew from the newest message seen."""

        async def ask(at: Place) -> ExportPage:
            return await self._client.export_messages(
                setup.location_id,
                cursor=str(at.after[0]) if at.after else None,
                limit=EXPORT_PAGE,
                channel=channel,
                sort_by="updatedAt",
                start=at.since,
            )

        try:
            return await ask(place), place
        except (CrmRefused, NotFound):
            if not place.after:
                raise
        again = Place(since=place.since if place.newest is None else place.newest - OVERLAP)
        return await ask(again), again

    async def _opportunities(self, setup: LocationSetup, place: Place, now: datetime) -> CrmPage:
        """All of them, round after round: the API sorts deals by no time of change."""
        at, deal_id = place.after or (None, None)
        page = await self._client.search_opportunities(
            setup.location_id,
            start_after=None if at is None else int(at),
            start_after_id=None if deal_id is None else str(deal_id),
        )
        more = len(page.opportunities) >= OPPORTUNITY_PAGE and page.start_after is not None
        after = (page.start_after, page.start_after_id) if more else ()
        told = (
            bodies.opportunity_bodies(deal.raw, setup.location_id)
            for deal in page.opportunities
            if place.since is None or (bodies.changed_at(deal.raw) or now) >= place.since
        )
        onwards = Place(since=place.since, after=after)
        return self._page(told, now, shown=page.opportunities, place=onwards, more=more)

    async def _appointments(self, setup: LocationSetup, place: Place, now: datetime) -> CrmPage:
        """One calendar after the other; ``newest`` marks that each was read once."""
        if not setup.calendars:
            return CrmPage(deliveries=(), items=0, cursor=place.model_dump_json(), more=False)
        number = place.calendar % len(setup.calendars)
        first = place.since is None and place.newest is None
        page = await self._client.list_calendar_events(
            setup.location_id,
            start=now - (HISTORY_BACK if first else CALENDAR_BACK),
            end=now + CALENDAR_AHEAD,
            calendar_id=setup.calendars[number],
        )
        more = number + 1 < len(setup.calendars)
        onwards = Place(
            since=place.since,
            newest=place.newest if more else now,
            calendar=number + 1 if more else 0,
        )
        told = (bodies.appointment_bodies(meeting.raw, setup.location_id) for meeting in page.events)
        return self._page(told, now, shown=page.events, place=onwards, more=more)

    async def _activity(self, setup: LocationSetup, place: Place, now: datetime) -> CrmPage:
        """Records of the site. No document tells their order: newest first ends a round at what is known, oldest first
        goes on from its end.
        """
        if setup.activity_object is None:
            return CrmPage(deliveries=(), items=0, cursor=place.model_dump_json(), more=False)
        page = await self._client.search_records(
            setup.location_id, setup.activity_object, page_limit=RECORD_PAGE, search_after=place.after
        )
        times = [record.created_at for record in whole(page.records) if record.created_at is not None]
        oldest_first = place.oldest_first or (len(times) > 1 and times[0] < times[-1])
        known = place.since is not None and bool(times) and min(times) < place.since
        after = page.search_after
        more = len(page.records) >= RECORD_PAGE and bool(after) and (oldest_first or not known)
        if more or oldest_first:
            onwards = place.on(*times, after=after or place.after)
        else:
            onwards = place.around(*times, now=now)
        told = (bodies.record_bodies(record.raw, setup.location_id) for record in page.records)
        return self._page(
            told,
            now,
            shown=page.records,
            total=page.total,
            place=onwards.model_copy(update={"oldest_first": oldest_first}),
            more=more,
        )

    # --- deliveries -----------------------------------------------------------------------------------------------

    async def _with_zone(
        self, location_id: str, meeting: Appointment | BrokenItem
    ) -> Appointment | BrokenItem:
        """A contact's list shows times without a zone, in the calendar's own; the meeting itself tells it."""
        said = meeting.raw.get("startTime")
        if isinstance(meeting, BrokenItem) or (isinstance(said, str) and _has_zone(said)):
            return meeting
        return await self._client.get_appointment(location_id, meeting.id)

    def _page(
        self,
        told: Iterable[Iterable[bodies.Body]],
        now: datetime,
        *,
        shown: Sequence[KeptResource],
        total: int | None = None,
        place: Place,
        more: bool,
    ) -> CrmPage:
        """``shown`` without an id becomes a dead letter where it tells of anything; it is never waited for."""
        broken = sum(isinstance(one, BrokenItem) for one in shown)
        if broken:
            _log.warning("items.broken", count=broken, of=len(shown))
        return CrmPage(
            deliveries=self._deliveries(chain.from_iterable(told), now),
            items=len(shown),
            total=total,
            cursor=place.model_dump_json(exclude_defaults=True),
            more=more,
        )

    def _deliveries(self, told: Iterable[bodies.Body], now: datetime) -> tuple[AnyDelivery, ...]:
        """What the house has a use for: webhooks keep what they cannot place, a page can be asked for again."""
        made = (self._delivery(body, now) for body in told)
        return tuple(
            one for one in made if not (isinstance(one, Delivery) and isinstance(one.event, VendorEventKept))
        )

    def _delivery(self, body: bodies.Body, now: datetime) -> AnyDelivery:
        """Its id is the hash of what it says: the same state read again is the same delivery."""
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        if "\\u0000" in raw or not _is_text(raw):
            body = without_nul(json.loads(raw.encode("utf-8", "replace")))
            raw = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return delivery_from(
            self._translator,
            body,
            raw=raw,
            delivery_id=POLLED + hashlib.sha256(raw.encode()).hexdigest(),
            received_at=now,
            simulated=self._simulated,
        )


def _has_zone(said: str) -> bool:
    try:
        return datetime.fromisoformat(said).tzinfo is not None
    except ValueError:
        return True  # nothing that a second look would mend


def _is_text(raw: str) -> bool:
    """Whether it holds no half of a surrogate pair, which JSON can escape and no database stores."""
    try:
        raw.encode()
    except UnicodeEncodeError:
        return False
    return True
