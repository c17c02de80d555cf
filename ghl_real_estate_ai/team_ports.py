"""What the team's page reads of leads, as a Protocol: the few fields that it counts by, not the leads whole.

Part of the unit of work (ports.py). Used by services/team_response and services/team_directory; the adapter is storage/team.py.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple, Protocol

from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, UserId
from ghl_real_estate_ai.models.team import LeadGist, LookGist


class LeadPlace(NamedTuple):
    """Where a lead stands in the order of newest activity."""

    last_activity_at: datetime
    lead_id: LeadId


class TeamRow(NamedTuple):
    """A lead, what was last concluded of it (None: nothing), and its place in the order."""

    lead: LeadGist
    look: LookGist | None
    place: LeadPlace


class TeamStore(Protocol):
    """Leads as the work of a team."""

    def page(
        self, location_id: LocationId, *, simulated: bool, after: LeadPlace | None, limit: int
    ) -> list[TeamRow]:
        """The next real or simulated leads, newest activity first; rows that cannot be read are left out."""
        ...

    def has_real_leads(self, location_id: LocationId) -> bool:
        """Whether any lead is not simulated."""
        ...

    def created(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> set[LeadId]:
        """Those whose creation the log holds: for them it is known when they came."""
        ...

    def assignees(self, location_id: LocationId) -> list[UserId]:
        """The CRM's ids of everybody whom a lead is assigned to."""
        ...
