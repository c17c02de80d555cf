"""Erasure of one lead: what counts as a trace of it, and what becomes of each row that holds one.

Called by ``SqlLeadStore.forget``. Three fates, by whose row it is:

- the lead's own rows, and rows that belong to no lead: a log row keeps its place and type and loses its content (so
  positions and dedupe stay true); a lead row or a dead letter is deleted;
- another lead's rows: only the mention is cut out, for the rest is that lead's own history;
- an email or phone that another lead has too (a couple) is that lead's data as well, and is left where it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.leads import Contact, Lead
from ghl_real_estate_ai.storage.schema import (
    UNKNOWN_LOCATION,
    crm_changes,
    dead_letters,
    events,
    forgotten_leads,
    leads,
    on_both,
    reread_requests,
    risk_timers,
    sync_progress,
    track_record,
)

_ERASED: Final = "[erased]"
_SHORTEST_PHONE: Final = 7
"""Fewer digits than this are an extension or a placeholder, and would cut numbers out of other people's texts."""
_AFTER_JSON_ESCAPE: Final = r"(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4})"
_REMEMBER: Final = on_both(lambda insert: insert(forgotten_leads).on_conflict_do_nothing())


class Traces:
    """The strings that give a lead away: its id, its emails, its phones in the ways they are usually written."""

    def __init__(self, lead_id: LeadId, *, emails: Iterable[str], phones: Iterable[str]) -> None:
        numbers = {spelling for phone in phones for spelling in _spellings(phone)}
        mails = {email.lower() for email in emails if "@" in email}
        self.needles: Final = sorted({lead_id.lower(), *mails, *numbers})
        patterns = [rf"(?:(?<![\w-])|{_AFTER_JSON_ESCAPE}){re.escape(lead_id)}(?![\w-])"]
        patterns += [rf"(?:(?<![\w.+-])|{_AFTER_JSON_ESCAPE}){re.escape(m)}(?![\w-]|\.\w)" for m in mails]
        patterns += [rf"(?:(?<!\d)|{_AFTER_JSON_ESCAPE}){re.escape(n)}(?!\d)" for n in numbers]
        self._pattern = re.compile("|".join(patterns), re.IGNORECASE)

    def in_any(self, *texts: str | None) -> bool:
        """Whether one of the texts holds a trace, as a whole word: ``lead-1`` is not in ``lead-10``."""
        return any(text is not None and self._pattern.search(text) for text in texts)

    def cut(self, text: str | None) -> str | None:
        """The text with every trace replaced. JSON stays JSON: traces lie inside its strings."""
        return None if text is None else self._pattern.sub(_ERASED, text)

    def maybe_in(self, *columns: sa.Column[str]) -> sa.ColumnElement[bool]:
        """A wide net in SQL; ``in_any`` looks closely at what it caught."""
        return sa.or_(
            *(
                sa.func.lower(column).contains(needle, autoescape=True)
                for column in columns
                for needle in self.needles
            )
        )


def _spellings(phone: str) -> Iterator[str]:
    """As stored, digits only, and without the US country code."""
    digits = re.sub(r"\D", "", phone)
    if len(digits) < _SHORTEST_PHONE:
        return
    yield phone.strip()
    yield digits
    if len(digits) == len("1NPANXXXXXX") and digits.startswith("1"):
        yield digits[1:]


def erase_lead(connection: sa.Connection, location_id: LocationId, lead_id: LeadId, *, lead_hash: str) -> int:
    """Erase the lead from every table of its tenant, and remember its hash. Returns the number of log rows changed."""
    traces = _traces(connection, location_id, lead_id)
    changed = _erase_from_log(connection, location_id, lead_id, traces)
    _erase_from_dead_letters(connection, location_id, lead_id, traces)
    _erase_from_leads(connection, location_id, lead_id, traces)
    _erase_judgements(connection, location_id, lead_id)
    _erase_from_crm_tables(connection, location_id, lead_id, traces)
    connection.execute(
        _REMEMBER[connection.dialect.name],
        {"location_id": location_id, "lead_hash": lead_hash, "forgotten_at": datetime.now(UTC)},
    )
    return changed


def _traces(connection: sa.Connection, location_id: LocationId, lead_id: LeadId) -> Traces:
    """From the lead as it is now and from every earlier version in the log, less what another lead shares."""
    contacts = [
        *_contacts_now(connection, location_id, lead_id),
        *_contacts_then(connection, location_id, lead_id),
    ]
    emails = {contact.email.lower() for contact in contacts if contact.email}
    phones = {contact.phone for contact in contacts if contact.phone}
    sharers = _contacts_of_others(connection, location_id, lead_id, [*emails, *phones])
    return Traces(
        lead_id,
        emails=emails - {contact.email.lower() for contact in sharers if contact.email},
        phones=phones - {contact.phone for contact in sharers if contact.phone},
    )


def _contacts_now(connection: sa.Connection, location_id: LocationId, lead_id: LeadId) -> list[Contact]:
    query = sa.select(leads.c.state).where(leads.c.location_id == location_id, leads.c.lead_id == lead_id)
    return [Lead.model_validate_json(state).contact for state in connection.scalars(query)]


def _contacts_then(connection: sa.Connection, location_id: LocationId, lead_id: LeadId) -> list[Contact]:
    query = sa.select(events.c.payload).where(
        events.c.location_id == location_id, events.c.lead_id == lead_id, events.c.type == "LeadUpserted"
    )
    stated = (json.loads(payload)["contact"] for payload in connection.scalars(query))
    return [Contact(email=fields.get("email"), phone=fields.get("phone")) for fields in stated]


def _contacts_of_others(
    connection: sa.Connection, location_id: LocationId, lead_id: LeadId, values: Sequence[str]
) -> list[Contact]:
    if not values:
        return []
    holds_one = sa.or_(
        *(sa.func.lower(leads.c.state).contains(value.lower(), autoescape=True) for value in values)
    )
    query = sa.select(leads.c.state).where(
        leads.c.location_id == location_id, leads.c.lead_id != lead_id, holds_one
    )
    return [Lead.model_validate_json(state).contact for state in connection.scalars(query)]


def _erase_from_log(
    connection: sa.Connection, location_id: LocationId, lead_id: LeadId, traces: Traces
) -> int:
    texts = (events.c.payload, events.c.raw, events.c.delivery_id)
    caught = sa.select(events.c.position, events.c.event_id, events.c.lead_id, *texts).where(
        events.c.location_id == location_id, sa.or_(events.c.lead_id == lead_id, traces.maybe_in(*texts))
    )
    changes = []
    for row in connection.execute(caught).all():
        if row.lead_id != lead_id and not traces.in_any(row.payload, row.raw, row.delivery_id):
            continue
        others = row.lead_id not in {lead_id, None}
        changes.append(
            {
                "at": row.position,
                "new_lead_id": row.lead_id if others else None,
                "new_payload": traces.cut(row.payload) if others else None,
                "new_raw": traces.cut(row.raw) if others else None,
                "new_delivery_id": f"forgotten:{row.event_id}"
                if traces.in_any(row.delivery_id)
                else row.delivery_id,
            }
        )
    if changes:
        rewrite = sa.update(events).where(
            events.c.location_id == location_id, events.c.position == sa.bindparam("at")
        )
        names = ("lead_id", "payload", "raw", "delivery_id")
        connection.execute(rewrite.values({name: sa.bindparam(f"new_{name}") for name in names}), changes)
    return len(changes)


def _erase_from_dead_letters(
    connection: sa.Connection, location_id: LocationId, lead_id: LeadId, traces: Traces
) -> None:
    table = dead_letters.c
    texts = (table.raw, table.reason, table.delivery_id)
    caught = sa.select(table.dead_letter_id, table.lead_id, *texts).where(
        table.location_id.in_((location_id, UNKNOWN_LOCATION)),
        sa.or_(table.lead_id == lead_id, traces.maybe_in(*texts)),
    )
    for row in connection.execute(caught).all():
        this = table.dead_letter_id == row.dead_letter_id
        if row.lead_id != lead_id and not traces.in_any(row.raw, row.reason, row.delivery_id):
            continue
        if row.lead_id in {lead_id, None}:
            connection.execute(sa.delete(dead_letters).where(this))
        else:
            kept = {"raw": traces.cut(row.raw), "reason": traces.cut(row.reason)}
            connection.execute(sa.update(dead_letters).where(this).values(kept))


def _erase_from_leads(
    connection: sa.Connection, location_id: LocationId, lead_id: LeadId, traces: Traces
) -> None:
    table = leads.c
    connection.execute(sa.delete(leads).where(table.location_id == location_id, table.lead_id == lead_id))
    texts = (table.state, table.intelligence)
    caught = sa.select(table.lead_id, *texts).where(table.location_id == location_id, traces.maybe_in(*texts))
    for row in connection.execute(caught).all():
        kept = {"state": traces.cut(row.state), "intelligence": traces.cut(row.intelligence)}
        this = sa.and_(table.location_id == location_id, table.lead_id == row.lead_id)
        connection.execute(sa.update(leads).where(this).values(kept))


def _erase_judgements(connection: sa.Connection, location_id: LocationId, lead_id: LeadId) -> None:
    for table in (risk_timers, track_record):
        connection.execute(
            sa.delete(table).where(table.c.location_id == location_id, table.c.lead_id == lead_id)
        )


def _erase_from_crm_tables(
    connection: sa.Connection, location_id: LocationId, lead_id: LeadId, traces: Traces
) -> None:
    for table in (crm_changes, reread_requests):
        connection.execute(
            sa.delete(table).where(table.c.location_id == location_id, table.c.lead_id == lead_id)
        )
    _erase_from_cursors(connection, location_id, traces)
    texts = (crm_changes.c.content, crm_changes.c.error)
    caught = sa.select(crm_changes.c.change_id, *texts).where(
        crm_changes.c.location_id == location_id, traces.maybe_in(*texts)
    )
    for row in connection.execute(caught).all():
        kept = {"content": traces.cut(row.content), "error": traces.cut(row.error)}
        this = sa.and_(crm_changes.c.location_id == location_id, crm_changes.c.change_id == row.change_id)
        connection.execute(sa.update(crm_changes).where(this).values(kept))


def _erase_from_cursors(connection: sa.Connection, location_id: LocationId, traces: Traces) -> None:
    """In the middle of a round a cursor names the contact that was read last. A source without one begins its round anew."""
    table = sync_progress.c
    caught = sa.select(table.source, table.cursor).where(
        table.location_id == location_id, traces.maybe_in(table.cursor)
    )
    for row in connection.execute(caught).all():
        if traces.in_any(row.cursor):
            this = sa.and_(table.location_id == location_id, table.source == row.source)
            connection.execute(sa.update(sync_progress).where(this).values(cursor=""))
