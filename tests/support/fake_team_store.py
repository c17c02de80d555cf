"""The team's store over a memory of dicts: reads of each lead what the SQL store reads of its row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, UserId, fact_id
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.team import LeadGist, LookGist
from ghl_real_estate_ai.storage.schema import EPOCH
from ghl_real_estate_ai.team_ports import LeadPlace, TeamRow


class FakeTeamStore:
    """``team_ports.TeamStore``."""

    def __init__(
        self,
        *,
        leads: Mapping[tuple[LocationId, LeadId], Lead],
        intelligence: Mapping[tuple[LocationId, LeadId], LeadIntelligence],
        log: Mapping[LocationId, Sequence[RecordedEvent]],
    ) -> None:
        self._leads = leads
        self._intelligence = intelligence
        self._log = log

    def page(
        self, location_id: LocationId, *, simulated: bool, after: LeadPlace | None, limit: int
    ) -> list[TeamRow]:
        own = (lead for (place, _), lead in self._leads.items() if place == location_id)
        rows = sorted(
            (self._row(lead) for lead in own if lead.simulated is simulated),
            key=lambda row: row.place,
            reverse=True,
        )
        return [row for row in rows if after is None or row.place < after][:limit]

    def has_real_leads(self, location_id: LocationId) -> bool:
        return any(place == location_id and not lead.simulated for (place, _), lead in self._leads.items())

    def created(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> set[LeadId]:
        held = {recorded.event.event_id for recorded in self._log.get(location_id, ())}
        return {one for one in lead_ids if fact_id(location_id, "contact", one, "created") in held}

    def assignees(self, location_id: LocationId) -> list[UserId]:
        found = {lead.contact.assigned_to for (place, _), lead in self._leads.items() if place == location_id}
        return sorted(one for one in found if one is not None)

    def _row(self, lead: Lead) -> TeamRow:
        look = self._intelligence.get((lead.location_id, lead.lead_id))
        return TeamRow(
            LeadGist.model_validate_json(lead.model_dump_json()),
            None if look is None else LookGist.model_validate_json(look.model_dump_json()),
            LeadPlace(_newest(lead), lead.lead_id),
        )


def _newest(lead: Lead) -> datetime:
    activity = lead.activity
    return max(at or EPOCH for at in (activity.first_at, activity.last_lead_at, activity.last_agent_at))
