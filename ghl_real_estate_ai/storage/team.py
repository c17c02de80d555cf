"""Leads as the work of a team: the few fields that its page counts by, read from the rows of the leads.

Called by the services of the team's page, by way of the unit of work.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from pydantic import ValidationError

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, UserId, fact_id
from ghl_real_estate_ai.models.team import LeadGist, LookGist
from ghl_real_estate_ai.storage.schema import Microseconds, events, leads
from ghl_real_estate_ai.team_ports import LeadPlace, TeamRow

_log = telemetry.get_logger("team")

_ROWS: Final = sa.select(
    leads.c.lead_id, leads.c.last_activity_at, leads.c.state, leads.c.intelligence
).order_by(leads.c.last_activity_at.desc(), leads.c.lead_id.desc())


class SqlTeamStore:
    """``team_ports.TeamStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def page(
        self, location_id: LocationId, *, simulated: bool, after: LeadPlace | None, limit: int
    ) -> list[TeamRow]:
        """The next real or simulated leads, newest activity first; rows that cannot be read are left out."""
        query = _ROWS.where(leads.c.location_id == location_id, leads.c.simulated == simulated).limit(limit)
        if after is not None:
            here = sa.tuple_(sa.literal(after.last_activity_at, Microseconds), sa.literal(after.lead_id))
            query = query.where(sa.tuple_(leads.c.last_activity_at, leads.c.lead_id) < here)
        found = []
        for row in self._connection.execute(query):
            read = _read(row.state, row.intelligence)
            if read is not None:
                found.append(TeamRow(*read, LeadPlace(row.last_activity_at, LeadId(row.lead_id))))
        return found

    def has_real_leads(self, location_id: LocationId) -> bool:
        """Whether any lead is not simulated."""
        query = (
            sa.select(sa.literal(1)).where(leads.c.location_id == location_id, ~leads.c.simulated).limit(1)
        )
        return self._connection.execute(query).first() is not None

    def created(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> set[LeadId]:
        """Those whose creation the log holds, by the fact's own id: one look into an index each."""
        facts = {fact_id(location_id, "contact", lead_id, "created"): lead_id for lead_id in lead_ids}
        query = sa.select(events.c.event_id).where(
            events.c.location_id == location_id, events.c.event_id.in_(sorted(facts))
        )
        return {facts[row.event_id] for row in self._connection.execute(query)}

    def assignees(self, location_id: LocationId) -> list[UserId]:
        """The CRM's ids of everybody whom a lead is assigned to."""
        query = (
            sa.select(leads.c.assigned_to)
            .where(leads.c.location_id == location_id, leads.c.assigned_to.is_not(None))
            .distinct()
            .order_by(leads.c.assigned_to)
        )
        return [UserId(row.assigned_to) for row in self._connection.execute(query)]


def _read(state: str, intelligence: str | None) -> tuple[LeadGist, LookGist | None] | None:
    """None, loudly, for a row of a newer version or a damaged one: it must not hide the others."""
    try:
        look = None if intelligence is None else LookGist.model_validate_json(intelligence)
        return LeadGist.model_validate_json(state), look
    except ValidationError as error:
        _log.error("row.unreadable", table="leads", problems=error.error_count())
        return None
