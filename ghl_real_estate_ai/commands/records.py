"""What an operator does with the stored records: places and users, export and erasure of a lead, replay, training input.

Called by ``cli.py`` and ``launch.py``; one function per command, each returning plain data that can be printed or
written as JSON.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from ghl_real_estate_ai.api.auth import hash_password
from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.errors import InputError, NotFound, TranslationError
from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.models.events import (
    LEAD_NEWS,
    Delivery,
    LeadForgotten,
    RecordedEvent,
    Source,
    VendorEventKept,
)
from ghl_real_estate_ai.models.identifiers import (
    CorrelationId,
    LeadId,
    LocationId,
    lead_hash,
    new_event_id,
)
from ghl_real_estate_ai.models.leads import Lead, Location, Role, User
from ghl_real_estate_ai.ports import Memory, UnitOfWork, WebhookReader
from ghl_real_estate_ai.services import user_accounts
from ghl_real_estate_ai.services.admission import admit
from ghl_real_estate_ai.services.dead_letters import DeadLetters, letters

PAGE = 1_000
"""Log rows read at a time."""

APPLIED = LEAD_NEWS
"""Types that change the state of a lead, if only its position."""


async def the_location(memory: Memory, given: str | None) -> LocationId:
    """The location that was named, or the only one there is."""
    places = await memory.read(lambda uow: uow.tenants.locations())
    if given is None and len(places) == 1:
        return places[0].location_id
    if given is None:
        known = (
            ", ".join(place.location_id for place in places)
            or "none yet: `enterprisehub location add ID --name NAME`"
        )
        raise InputError(f"--location is needed, one of: {known}")
    if given not in {place.location_id for place in places}:
        raise NotFound(
            f"location {given!r} is not known; `enterprisehub location add {given} --name NAME` adds it"
        )
    return LocationId(given)


async def add_location(memory: Memory, location: Location) -> Location:
    """Serve this GHL location from now on; a second call changes its name."""
    if not location.location_id.strip():
        raise InputError("location id is empty; it is GHL's locationId, e.g. ve9EPM428h8vShlRW1KT")
    await memory.write(lambda uow: uow.tenants.put_location(location))
    return location


async def add_user(
    memory: Memory,
    *,
    location_id: LocationId,
    email: str,
    name: str,
    role: Role,
    password: str,
    replace: bool = False,
) -> User:
    """Add somebody who may sign in, or ``replace`` name, role and password. Raises InputError, Conflict or NotFound."""
    user = user_accounts.new_user(location_id=location_id, email=email, name=name, role=role)
    user_accounts.check_password(password)
    digest, now = await hash_password(password), SystemClock().now()

    def change(uow: UnitOfWork) -> User:
        if not replace:
            user_accounts.add(uow, user, password_hash=digest, now=now)
            return user
        known = next((one for one in uow.tenants.users(location_id) if one.email == user.email), None)
        if known is None:
            raise NotFound(
                f"{user.email} is not a user of location {location_id}; leave --replace out to add them"
            )
        changed, _ = user_accounts.change(
            uow, location_id, known.user_id, name=user.name, role=role, password_hash=digest, now=now
        )
        return changed

    return await memory.write(change)


async def export_lead(memory: Memory, location_id: LocationId, lead_id: LeadId) -> dict[str, object]:
    """Everything that is held about a lead: state, intelligence, log rows with the vendor's own text, what was said of
    it and came true, when its risk rises, what is written or to be written into the CRM, what is to be read there again, dead letters.
    """

    def query(uow: UnitOfWork) -> dict[str, object] | None:
        lead = uow.leads.get(location_id, lead_id)
        events = uow.events.of_lead(location_id, lead_id, before=None, limit=1_000_000)
        changes, reread = uow.changes.of_lead(location_id, lead_id), uow.sync.reread_of(location_id, lead_id)
        if lead is None and not events and not changes and reread is None:
            return None
        shown = uow.leads.intelligence(location_id, lead_id)
        raw = uow.events.raw_of_lead(location_id, lead_id)
        return {
            "location_id": location_id,
            "lead_id": lead_id,
            "lead": lead.model_dump(mode="json") if lead else None,
            "intelligence": shown.model_dump(mode="json") if shown else None,
            "events": [
                {**recorded.model_dump(mode="json"), "raw": raw.get(recorded.position)}
                for recorded in reversed(events)
            ],
            "said": [record.model_dump(mode="json") for record in uow.record.of_lead(location_id, lead_id)],
            "risk_timers": [
                timer.model_dump(mode="json") for timer in uow.timers.of_lead(location_id, lead_id)
            ],
            "crm_changes": [change.model_dump(mode="json") for change in changes],
            "reread_request": reread.model_dump(mode="json") if reread else None,
        }

    found = await memory.read(query)
    if found is None:
        raise NotFound(f"lead {lead_id!r} is not known in location {location_id}")
    dead = [
        letter.model_dump(mode="json")
        async for letter in letters(memory, location_id)
        if lead_id in (letter.raw or "")
    ]
    return {**found, "dead_letters": dead}


async def forget_lead(memory: Memory, location_id: LocationId, lead_id: LeadId) -> dict[str, object]:
    """Erase a lead's personal data from log, tables and files, and refuse its later deliveries.

    Safe to repeat: a compaction that found the database busy is made up for. Raises NotFound for a lead never known.
    """
    digest = lead_hash(location_id, lead_id)
    if not await memory.read(lambda uow: uow.tenants.is_forgotten(location_id, digest)):
        await export_lead(memory, location_id, lead_id)  # raises NotFound before anything is touched
    now = SystemClock().now()

    def change(uow: UnitOfWork) -> int:
        scrubbed = uow.leads.forget(location_id, lead_id, lead_hash=digest)
        event_id = new_event_id()
        event = LeadForgotten(
            event_id=event_id,
            location_id=location_id,
            occurred_at=now,
            correlation_id=CorrelationId(event_id),
            source=Source.API,
            lead_hash=digest,
        )
        uow.events.append(Delivery(delivery_id=f"forget:{event_id}", event=event, received_at=now))
        return scrubbed

    rows = await memory.write(change)
    await memory.compact()
    return {"location_id": location_id, "lead_id": lead_id, "log_rows_scrubbed": rows}


# --- replay -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rebuilt:
    """Lead states computed from the log alone, against the stored ones."""

    events: int
    leads: int
    different: tuple[LeadId, ...]
    written: bool

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "events": self.events,
            "leads": self.leads,
            "different": list(self.different),
            "written": self.written,
        }


async def log_events(
    memory: Memory, location_id: LocationId, *, after: int = 0
) -> AsyncIterator[RecordedEvent]:
    """The tenant's log from a position on, in order, read page by page."""
    position = after
    while page := await memory.read(
        lambda uow: uow.events.read(location_id, after=position, limit=PAGE)  # noqa: B023  # reason: awaited before the next turn
    ):
        for recorded in page:
            yield recorded
        position = page[-1].position


async def rebuild(
    memory: Memory, location_id: LocationId, *, write: bool, progress: Callable[[], None] = lambda: None
) -> Rebuilt:
    """Replay the log into fresh lead states; compare with the stored ones, and with ``write`` replace them."""
    fresh: dict[LeadId, Lead] = {}
    count = 0
    async for recorded in log_events(memory, location_id):
        count += 1
        lead_id = recorded.event.lead_id
        if lead_id is not None and recorded.event.type in APPLIED:
            with contextlib.suppress(TranslationError):  # live handling buried it; no state holds it either
                fresh[lead_id] = apply(fresh.get(lead_id), recorded)
        progress()

    def stored(uow: UnitOfWork) -> dict[LeadId, Lead | None]:
        return {lead_id: uow.leads.get(location_id, lead_id) for lead_id in fresh}

    held = await memory.read(stored)
    different = tuple(lead_id for lead_id, lead in fresh.items() if held[lead_id] != lead)

    def replace(uow: UnitOfWork) -> None:
        for lead_id in different:
            uow.leads.put(fresh[lead_id], None)

    if write and different:
        await memory.write(replace)
    return Rebuilt(events=count, leads=len(fresh), different=different, written=write and bool(different))


async def retry_dead_letters(memory: Memory, reader: WebhookReader) -> dict[str, object]:
    """Try every dead letter again: what can be read now is appended to the log, where handlers hear it as new."""
    done = await DeadLetters(memory=memory, reader=reader, clock=SystemClock()).replay_all()
    kept = [
        {
            "dead_letter_id": one.letter.dead_letter_id,
            "subscriber": one.letter.subscriber,
            "reason": one.reason,
        }
        for one in done.kept
    ]
    return {"dead_letters": done.tried, "revived": done.used, "kept": kept}


async def retranslate(memory: Memory, reader: WebhookReader, location_id: LocationId) -> dict[str, object]:
    """Read kept vendor events again: those that the house understands by now are appended as what they are."""
    kept = understood = 0
    async for recorded in log_events(memory, location_id):
        if not isinstance(recorded.event, VendorEventKept):
            continue
        if recorded.event.source is Source.WORKFLOW_WEBHOOK:  # unsigned: what it hints at is read by API
            continue
        kept += 1
        read = reader.translate(
            json.dumps(recorded.event.body),
            delivery_id=f"retranslated:{recorded.event.event_id}",
            received_at=recorded.received_at,
            simulated=recorded.event.simulated,
        )
        if isinstance(read, Delivery) and not isinstance(read.event, VendorEventKept):
            await memory.write(partial(_replace, position=recorded.position, delivery=read))
            understood += 1
    return {"kept": kept, "understood_now": understood}


def _replace(uow: UnitOfWork, *, position: int, delivery: Delivery) -> None:
    uow.events.withdraw(delivery.event.location_id, position)
    admit(uow, delivery)
