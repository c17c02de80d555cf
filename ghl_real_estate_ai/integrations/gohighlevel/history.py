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
from functools import partial
from itertools import chain
from typing import Final, TypedDict

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.crm_ports import CrmPage
from ghl_real_estate_ai.errors import (
    CrmRefused,
    CrmUnreadable,
    InputError,
    NotFound,
    NotInThisVersion,
    ScopeMissing,
)
from ghl_real_estate_ai.integrations.gohighlevel import polled_bodies as bodies
from ghl_real_estate_ai.integrations.gohighlevel.api_request import iso
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.contact_endpoints import SEARCH_PAGE
from ghl_real_estate_ai.integrations.gohighlevel.conversation_endpoints import EXPORT_PAGE
from ghl_real_estate_ai.integrations.gohighlevel.deal_endpoints import OPPORTUNITY_PAGE
from ghl_real_estate_ai.integrations.gohighlevel.deliveries import POLLED, delivery_from, without_nul
from ghl_real_estate_ai.integrations.gohighlevel.field_types import BrokenItem, KeptResource, whole
from ghl_real_estate_ai.integrations.gohighlevel.location_endpoints import RECORD_PAGE
from ghl_real_estate_ai.integrations.gohighlevel.reading_place import OVERLAP, Mark, Place, place_of
from ghl_real_estate_ai.integrations.gohighlevel.resources import Appointment, AppointmentList, ExportPage
from ghl_real_estate_ai.integrations.gohighlevel.translation import Translator
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.events import Delivery, VendorEventKept
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import AnyDelivery

CALENDAR_BACK: Final = timedelta(days=30)
"""Meetings that began longer ago are not read again."""

CALENDAR_AHEAD: Final = timedelta(days=120)
HISTORY_BACK: Final = timedelta(days=730)
"""How far the first reading of a calendar goes back."""

DEALS_QUIET: Final = timedelta(days=7)
"""Deals come newest first, and the young ones move: a round ends at the first page where nothing has changed for so long."""

QUIET_PAGES_EVERY: Final = 3
"""Of so many pages of deals one is of those behind it, as long as there are any."""

LEAD_MESSAGES: Final = 100
"""Newest messages of a lead, and newest emails, that are read after a hint."""

_EMAIL: Final = "Email"

_ONE_OF_MANY: Final = (CrmRefused, CrmUnreadable, InputError, NotFound)
"""What keeps one thing of a kind from being read and says nothing of the others."""

_A_PART: Final = (*_ONE_OF_MANY, NotInThisVersion, ScopeMissing)
"""What keeps one part of a lead from being read and says nothing of the other parts."""

_log = telemetry.get_logger("crm_history")


class _DealMark(TypedDict):
    start_after: int | None
    start_after_id: str | None


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
        return await self._sources[source](setup, place_of(cursor, since=since), received_at)

    async def lead(
        self, setup: LocationSetup, lead_id: LeadId, *, received_at: datetime
    ) -> Sequence[AnyDelivery]:
        """What the CRM shows of one lead; a part that it refuses is passed over. Raises NotFound for a lead it does not know."""
        place = setup.location_id
        contact = await self._client.get_contact(place, lead_id)
        if contact.location_id not in {None, place}:
            raise NotFound("the contact belongs to another location")
        told = list(bodies.contact_bodies({"locationId": place, **contact.raw}, place))
        parts = {
            "messages": partial(self._messages_of, place, lead_id, received_at, channel=None),
            "emails": partial(self._messages_of, place, lead_id, received_at, channel=_EMAIL),
            "deals": partial(self._deals_of, place, lead_id),
            "meetings": partial(self._meetings_of, place, lead_id, received_at),
        }
        for name, part in parts.items():
            try:
                told += await part()
            except _A_PART as error:
                _log.warning("part.passed_over", location=place, part=name, reason=str(error))
        return self._deliveries(told, received_at)

    # --- parts of a lead ------------------------------------------------------------------------------------------

    async def _messages_of(
        self, place: LocationId, lead_id: LeadId, now: datetime, *, channel: str | None
    ) -> list[bodies.Body]:
        page = await self._client.export_messages(
            place, contact_id=lead_id, channel=channel, sort_order="desc", limit=LEAD_MESSAGES
        )
        told = (bodies.message_bodies(message.raw, place, now=now) for message in page.messages)
        return list(chain.from_iterable(told))

    async def _deals_of(self, place: LocationId, lead_id: LeadId) -> list[bodies.Body]:
        page = await self._client.search_opportunities(place, contact_id=lead_id)
        told = (
            bodies.opportunity_bodies({"contactId": lead_id, **deal.raw}, place)
            for deal in page.opportunities
        )
        return list(chain.from_iterable(told))

    async def _meetings_of(self, place: LocationId, lead_id: LeadId, now: datetime) -> list[bodies.Body]:
        page = await self._client.list_contact_appointments(place, lead_id)
        zoned = [await self._with_zone(place, meeting, now) for meeting in page.events]
        told = (
            bodies.appointment_bodies({"contactId": lead_id, **meeting.raw}, place)
            for meeting in zoned
            if meeting is not None
        )
        return list(chain.from_iterable(told))

    async def _with_zone(
        self, location_id: LocationId, meeting: Appointment | BrokenItem, now: datetime
    ) -> Appointment | BrokenItem | None:
        """A contact's list shows times without a zone, in the calendar's own; the meeting itself tells it.

        None: it does not, or the meeting is so far off that nobody asks; a wrong time is worse than none.
        """
        said = meeting.raw.get("startTime")
        if isinstance(meeting, BrokenItem) or (isinstance(said, str) and _has_zone(said)):
            return meeting
        start = meeting.start_time or now
        if not now - CALENDAR_BACK <= start <= now + CALENDAR_AHEAD:
            return None
        try:
            return await self._client.get_appointment(location_id, meeting.id)
        except _ONE_OF_MANY as error:
            _log.warning("meeting.passed_over", location=location_id, reason=str(error))
            return None

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
        after = page.search_after or ()
        onwards = place.on(*seen, after=after, now=now) if more else place.around(*seen, now=now)
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
        unfinished = [
            one.date_added for one in messages if one.date_added and bodies.is_unfinished(one.raw, now=now)
        ]
        if more:
            onwards = place.on(*seen, after=(page.next_cursor,), now=now, unfinished=unfinished)
        else:
            onwards = place.around(*seen, now=now, unfinished=unfinished)
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
        since = place.since if place.newest is None else place.newest - OVERLAP
        again = place.model_copy(update={"since": since, "after": ()})
        return await ask(again), again

    async def _opportunities(self, setup: LocationSetup, place: Place, now: datetime) -> CrmPage:
        """The API sorts deals by no time of change. So: newest first, down to where all is quiet, round after round; what is
        quiet a page at a time in between. ``newest`` marks that all were read once.
        """
        in_tail = bool(place.tail) and place.pages % QUIET_PAGES_EVERY == QUIET_PAGES_EVERY - 1
        page = await self._client.search_opportunities(
            setup.location_id, order="added_desc", **_deal_mark(place.tail if in_tail else place.after)
        )
        changed = [bodies.changed_at(deal.raw) or now for deal in page.opportunities]
        full = len(page.opportunities) >= OPPORTUNITY_PAGE and page.start_after is not None
        mark: Mark = (page.start_after, page.start_after_id) if full else ()
        onwards = place.model_copy(update={"pages": place.pages + 1})
        if in_tail:
            onwards, more = onwards.model_copy(update={"tail": mark}), True
        elif full and (place.newest is None or max(changed) > now - DEALS_QUIET):
            onwards, more = onwards.model_copy(update={"after": mark}), True
        else:
            tail = (place.tail or mark) if full else ()
            onwards, more = onwards.model_copy(update={"after": (), "tail": tail, "newest": now}), False
        told = (
            bodies.opportunity_bodies(deal.raw, setup.location_id)
            for deal, at in zip(page.opportunities, changed, strict=True)
            if place.since is None or at >= place.since
        )
        return self._page(told, now, shown=page.opportunities, place=onwards, more=more)

    async def _appointments(self, setup: LocationSetup, place: Place, now: datetime) -> CrmPage:
        """One calendar after the other; ``newest`` marks that each was read once. One that is refused, for it may have been
        deleted, hides none behind it.
        """
        if not setup.calendars:
            return CrmPage(deliveries=(), items=0, cursor=place.model_dump_json(), more=False)
        number = place.calendar % len(setup.calendars)
        first = place.since is None and place.newest is None
        try:
            page = await self._client.list_calendar_events(
                setup.location_id,
                start=now - (HISTORY_BACK if first else CALENDAR_BACK),
                end=now + CALENDAR_AHEAD,
                calendar_id=setup.calendars[number],
            )
        except _ONE_OF_MANY as error:
            _log.warning("calendar.passed_over", location=setup.location_id, reason=str(error))
            page = AppointmentList()
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
            onwards = place.on(*times, after=after or place.after, now=now)
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


def _deal_mark(mark: Mark) -> _DealMark:
    at, deal_id = mark or (None, None)
    return {
        "start_after": int(at) if isinstance(at, int | float) else None,
        "start_after_id": None if deal_id is None else str(deal_id),
    }


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
