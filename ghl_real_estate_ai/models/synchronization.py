"""How far the CRM was read, what is to be read again, what is to be written there, and what came in by which door.

Stored by ``storage/synchronization.py`` and ``storage/crm_changes.py``.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import Field, JsonValue

from ghl_real_estate_ai.models.identifiers import Frozen, LeadId, LocationId, UtcTime


class SyncSource(StrEnum):
    """What can be read page by page. Emails are apart: GHL's message export leaves them out unless they are asked for."""

    CONTACTS = "contacts"
    MESSAGES = "messages"
    EMAILS = "emails"
    OPPORTUNITIES = "opportunities"
    APPOINTMENTS = "appointments"
    ACTIVITY = "activity"


class SyncProgress(Frozen):
    """Where reading a source goes on. The cursor is the adapter's own; it moves in the transaction that stores its page."""

    location_id: LocationId
    source: SyncSource
    cursor: str = ""
    items: int = Field(default=0, description="vendor items read so far")
    caught_up_at: UtcTime | None = Field(default=None, description="when the end was last reached")
    updated_at: UtcTime


class RereadRequest(Frozen):
    """A hint (an unsigned workflow webhook) said that something happened to a lead: read it by API before believing it."""

    location_id: LocationId
    lead_id: LeadId
    requested_at: UtcTime = Field(description="of the newest hint")
    attempts: int = 0
    due_at: UtcTime


class ChangeKind(StrEnum):
    """What is written into the CRM. FIELDS and TAGS hold a state (the newest wins), the others happen once each."""

    FIELDS = "fields"
    TAGS = "tags"
    TASK = "task"
    NOTE = "note"
    MESSAGE = "message"


class ChangeStatus(StrEnum):
    """PENDING until the CRM has it (DONE) or never will (FAILED, with the error)."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class CrmChange(Frozen):
    """One intended change in the CRM, stored before anything leaves. ``change_id`` is its idempotency key.

    ``version`` counts its contents: who settles it names the version that was sent.
    """

    location_id: LocationId
    change_id: str
    lead_id: LeadId
    kind: ChangeKind
    content: dict[str, JsonValue]
    version: int = 1
    status: ChangeStatus = ChangeStatus.PENDING
    attempts: int = 0
    due_at: UtcTime = Field(description="not before this time")
    remote_id: str | None = Field(default=None, description="the CRM's id of what was made")
    error: str | None = None
    created_at: UtcTime
    settled_at: UtcTime | None = None


class DeliveryTally(Frozen):
    """How many deliveries of a door had an outcome on a day; doctor and health read it."""

    day: date
    location_id: str = Field(description="'' while nobody knows whose it was")
    source: str
    outcome: str
    count: int
    last_at: UtcTime
