"""Leads as of the newest applied event, each with the intelligence last shown, and the erasure of one.

The intelligence orchestrator puts them, the API reads them, ``enterprisehub lead forget`` erases them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from pydantic import ValidationError

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.models.events import LEAD_FACTS
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.storage.forgetting import erase_lead
from ghl_real_estate_ai.storage.schema import EPOCH, events, leads, on_both

_log = telemetry.get_logger("leads")

_NO_DIGIT: Final = re.compile(r"\D")
_IN_PHONES: Final = re.compile(r"[+(\d][\d\s().-]{2,}")
"""A query that may be a part of a phone number, however it is written."""
_FEWEST_DIGITS: Final = 3
"""Of a phone's part: fewer are in every number, and signs alone would find everybody."""

_REPLACED: Final = ("position", "search_name", "last_activity_at", "simulated", "assigned_to", "state")
_PUT: Final = on_both(
    lambda insert: (row := insert(leads)).on_conflict_do_update(
        index_elements=["location_id", "lead_id"],
        set_={name: row.excluded[name] for name in _REPLACED}
        | {
            "intelligence": sa.func.coalesce(row.excluded.intelligence, leads.c.intelligence),
            "open_priority": sa.case(
                (row.excluded.intelligence.is_(None), leads.c.open_priority), else_=row.excluded.open_priority
            ),
        },
    )
)
_PUT_OFF: Final = -1.0
"""An action that was put off is below all others, whose priorities are 0 or more."""
_BOTH: Final = sa.select(leads.c.state, leads.c.intelligence)
_GET: Final = _BOTH.where(
    leads.c.location_id == sa.bindparam("tenant"), leads.c.lead_id == sa.bindparam("lead")
)

_GET_MANY: Final = sa.select(leads.c.lead_id, leads.c.state).where(
    leads.c.location_id == sa.bindparam("tenant"),
    leads.c.lead_id.in_(sa.bindparam("leads", expanding=True)),
)
_SHOWN: Final = sa.select(leads.c.lead_id, leads.c.intelligence).where(
    leads.c.location_id == sa.bindparam("tenant"),
    leads.c.lead_id.in_(sa.bindparam("leads", expanding=True)),
)
# From each lead to the rows behind its position: whoever walked the log first would walk through all of it.
_UNAPPLIED: Final = (
    sa.select(events.c.lead_id, events.c.type, sa.func.max(events.c.occurred_at).label("newest"))
    .select_from(
        leads.join(
            events,
            sa.and_(
                events.c.location_id == leads.c.location_id,
                events.c.lead_id == leads.c.lead_id,
                events.c.position > leads.c.position,
            ),
        )
    )
    .where(
        leads.c.location_id == sa.bindparam("tenant"),
        leads.c.lead_id.in_(sa.bindparam("leads", expanding=True)),
        events.c.type.in_(sorted(LEAD_FACTS)),
    )
    .group_by(events.c.lead_id, events.c.type)
)


class SqlLeadStore:
    """``ports.LeadStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, location_id: LocationId, lead_id: LeadId) -> Lead | None:
        """The lead, or None."""
        row = self._connection.execute(_GET, {"tenant": location_id, "lead": lead_id}).first()
        return Lead.model_validate_json(row.state) if row else None

    def get_many(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> dict[LeadId, Lead]:
        """Those of them that there are, and that this version can read."""
        rows = self._connection.execute(_GET_MANY, {"tenant": location_id, "leads": sorted(lead_ids)})
        read = ((LeadId(row.lead_id), _lead(row.state)) for row in rows)
        return {lead_id: lead for lead_id, lead in read if lead is not None}

    def unapplied(
        self, location_id: LocationId, lead_ids: Collection[LeadId]
    ) -> dict[LeadId, dict[str, datetime]]:
        """Of leads that are behind their log: the types of facts that they do not hold yet, each with its newest time."""
        found: dict[LeadId, dict[str, datetime]] = {}
        for row in self._connection.execute(_UNAPPLIED, {"tenant": location_id, "leads": sorted(lead_ids)}):
            found.setdefault(LeadId(row.lead_id), {})[row.type] = row.newest
        return found

    def put(self, lead: Lead, intelligence: LeadIntelligence | None) -> None:
        """Insert or replace. ``intelligence`` None keeps the stored one."""
        self._connection.execute(
            _PUT[self._connection.dialect.name],
            {
                "location_id": lead.location_id,
                "lead_id": lead.lead_id,
                "position": lead.position,
                "search_name": _sought(lead),
                "last_activity_at": _last_activity(lead),
                "simulated": lead.simulated,
                "assigned_to": lead.contact.assigned_to,
                "state": lead.model_dump_json(),
                "intelligence": None if intelligence is None else intelligence.model_dump_json(),
                "open_priority": _open_priority(intelligence),
            },
        )

    def intelligence(self, location_id: LocationId, lead_id: LeadId) -> LeadIntelligence | None:
        """What was last concluded about the lead, or None."""
        row = self._connection.execute(_GET, {"tenant": location_id, "lead": lead_id}).first()
        return _intelligence(row.intelligence) if row else None

    def newest(
        self, location_id: LocationId, *, limit: int, offset: int = 0, query: str | None = None
    ) -> list[tuple[Lead, LeadIntelligence | None]]:
        """Leads with the newest activity first, those deleted in the CRM too; ``query``: a part of the name, in any case and with or without accents, or of the phone."""
        rows = (
            _BOTH.where(leads.c.location_id == location_id)
            .order_by(leads.c.last_activity_at.desc(), leads.c.lead_id.desc())
            .limit(limit)
            .offset(offset)
        )
        if query:
            found = (leads.c.search_name.contains(one, autoescape=True) for one in _parts(query))
            rows = rows.where(sa.or_(sa.false(), *found))
        return [
            (Lead.model_validate_json(row.state), _intelligence(row.intelligence))
            for row in self._connection.execute(rows)
        ]

    def to_show(self, location_id: LocationId, *, newest: int, urgent: int) -> list[LeadId]:
        """The newest leads, then who else is among those with the most urgent next actions; what was put off comes last."""
        here = sa.select(leads.c.lead_id).where(leads.c.location_id == location_id)
        by_time = here.order_by(leads.c.last_activity_at.desc(), leads.c.lead_id.desc()).limit(newest)
        by_priority = (
            here.where(leads.c.open_priority.is_not(None))
            .order_by(leads.c.open_priority.desc(), leads.c.lead_id)
            .limit(urgent)
        )
        found = [
            *self._connection.execute(by_time).scalars(),
            *self._connection.execute(by_priority).scalars(),
        ]
        return [LeadId(lead_id) for lead_id in dict.fromkeys(found)]

    def shown(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> dict[LeadId, LeadIntelligence]:
        """What was last concluded about them, as far as anything was."""
        rows = self._connection.execute(_SHOWN, {"tenant": location_id, "leads": sorted(lead_ids)})
        read = ((LeadId(row.lead_id), _intelligence(row.intelligence)) for row in rows)
        return {lead_id: known for lead_id, known in read if known is not None}

    def count(self, location_id: LocationId) -> int:
        """How many there are."""
        query = sa.select(sa.func.count()).select_from(leads).where(leads.c.location_id == location_id)
        return self._connection.execute(query).scalar_one()

    def newest_simulated(self, location_id: LocationId) -> datetime | None:
        """The newest activity of all simulated leads: what time it is on their time line. None: there are none."""
        query = (
            sa.select(leads.c.last_activity_at)
            .where(leads.c.location_id == location_id, leads.c.simulated)
            .order_by(leads.c.last_activity_at.desc())
            .limit(1)
        )
        return self._connection.execute(query).scalar()

    def forget(self, location_id: LocationId, lead_id: LeadId, *, lead_hash: str) -> int:
        """Erase the lead and its personal data from every table and the log; returns the number of log rows changed."""
        return erase_lead(self._connection, location_id, lead_id, lead_hash=lead_hash)


def _lead(stored: str) -> Lead | None:
    """None, loudly, for a row of a newer version or a damaged one: it must not hide the others."""
    try:
        return Lead.model_validate_json(stored)
    except ValidationError as error:
        _log.error("row.unreadable", table="leads", problems=error.error_count())
        return None


def _intelligence(stored: str | None) -> LeadIntelligence | None:
    return None if stored is None else LeadIntelligence.model_validate_json(stored)


def _last_activity(lead: Lead) -> datetime:
    """The newest time that the lead's summary knows; 1970 for a lead that nothing happened to."""
    activity = lead.activity
    return max(time or EPOCH for time in (activity.first_at, activity.last_lead_at, activity.last_agent_at))


def _sought(lead: Lead) -> str:
    """What a search looks into: the name without accents, and the digits of the phone."""
    return f"{_plain(lead.contact.display_name)}\n{_NO_DIGIT.sub('', lead.contact.phone or '')}"


def _parts(query: str) -> set[str]:
    """What is sought of it. As it was typed too: rows of leads to which nothing happened lately still hold accents."""
    parts = {query.casefold().replace("\x00", ""), _plain(query)} - {""}
    digits = _NO_DIGIT.sub("", query)
    if _IN_PHONES.fullmatch(query) and len(digits) >= _FEWEST_DIGITS:
        parts.add(digits)
    return parts


def _plain(text: str) -> str:
    """As it is compared, like ``searched`` of live_filters.js: neither case nor accents count."""
    text = text.replace("\x00", "")
    if not text.isascii():
        text = "".join(
            sign for sign in unicodedata.normalize("NFD", text) if unicodedata.category(sign)[0] != "M"
        )
    return text.casefold()


def _open_priority(known: LeadIntelligence | None) -> float | None:
    if known is None or known.next_action is None:
        return None
    return _PUT_OFF if known.next_action.snoozed_until else known.next_action.priority
