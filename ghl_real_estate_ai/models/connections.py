"""How a location's CRM account is connected, and what the account's owner has set up for it.

Made by ``enterprisehub connect`` and the OAuth callback; read by everything that speaks to the CRM.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UserId, UtcTime
from ghl_real_estate_ai.models.leads import StageRole

PRIVATE_TOKEN_ROTATION_DAYS = 90
"""GoHighLevel asks for a new private integration token this often; the old one works for PRIVATE_TOKEN_GRACE_DAYS more."""

PRIVATE_TOKEN_GRACE_DAYS = 7

PRIVATE_TOKEN_WARNING_DAYS = 14
"""The reminder to rotate comes this long before the token is due."""

WORKFLOW_PATH = "/webhooks/ghl/workflow/"
"""At the gateway; behind it stands the secret of a location's workflow webhook URL."""


class OwnerKind(StrEnum):
    """Whose account a token opens: one location, or an agency (GHL: company) with many."""

    LOCATION = "location"
    COMPANY = "company"


class ConnectionKind(StrEnum):
    """``oauth``: a marketplace app, with webhooks and tokens that renew. ``private_token``: one static token, no webhooks."""

    OAUTH = "oauth"
    PRIVATE_TOKEN = "private_token"  # noqa: S105  # reason: the name of a kind, not a secret


class ConnectionStatus(StrEnum):
    """Only ACTIVE sends anything. The others say what the owner has to do."""

    ACTIVE = "active"
    NEEDS_RECONNECT = "needs_reconnect"
    UNINSTALLED = "uninstalled"


class Connection(Frozen):
    """One owner's access. Tokens are sealed: readable only with the key of the settings.

    ``generation`` counts the tokens that this connection has had; who wants to renew names the one it saw.
    """

    owner_id: str = Field(description="locationId or companyId")
    owner_kind: OwnerKind
    company_id: str | None = None
    kind: ConnectionKind
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    access_token: str = Field(default="", repr=False, description="sealed; empty when there is none")
    refresh_token: str = Field(default="", repr=False, description="sealed; empty when there is none")
    expires_at: UtcTime | None = Field(default=None, description="None: a static token")
    scopes: tuple[str, ...] = ()
    generation: int = 1
    obtained_at: UtcTime = Field(description="when the token came: private tokens are due for rotation by it")
    simulated: bool = Field(
        default=False, description="the API behind it is not GoHighLevel's own: what it says is stored so"
    )


class RotationState(StrEnum):
    """How urgent a new private token is. OVERDUE: past the days that GoHighLevel leaves an old one."""

    NOT_NEEDED = "not_needed"
    FRESH = "fresh"
    SOON = "soon"
    DUE = "due"
    OVERDUE = "overdue"


class Rotation(Frozen):
    """When a private token is to be replaced by a new one. Tokens of an app renew themselves: ``due_at`` None."""

    state: RotationState
    due_at: UtcTime | None = None


def rotation(connection: Connection, *, now: datetime) -> Rotation:
    """What the owner has to do about the age of the connection's token."""
    if (
        connection.kind is not ConnectionKind.PRIVATE_TOKEN
        or connection.status is ConnectionStatus.UNINSTALLED
    ):
        return Rotation(state=RotationState.NOT_NEEDED)
    due_at = connection.obtained_at + timedelta(days=PRIVATE_TOKEN_ROTATION_DAYS)
    if now < due_at - timedelta(days=PRIVATE_TOKEN_WARNING_DAYS):
        state = RotationState.FRESH
    elif now < due_at:
        state = RotationState.SOON
    elif now < due_at + timedelta(days=PRIVATE_TOKEN_GRACE_DAYS):
        state = RotationState.DUE
    else:
        state = RotationState.OVERDUE
    return Rotation(state=state, due_at=due_at)


def workflow_key_hash(key: str) -> str:
    """What is stored of the secret in a location's workflow webhook URL (SHA-256, hex)."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


class WriteBackPart(StrEnum):
    """What may be written into the CRM; each is off until the location's owner turns it on."""

    FIELDS = "fields"
    TAGS = "tags"
    TASKS = "tasks"
    NOTES = "notes"


class LocationSetup(Frozen):
    """What the owner decided for a location, and the ids that ``connect`` found in the account."""

    location_id: LocationId
    stages: dict[str, StageRole] = Field(
        default_factory=dict, description="pipeline stage id -> what the stage means"
    )
    polling: bool = Field(default=True, description="read changes by API, beside webhooks or instead of them")
    write_back: frozenset[WriteBackPart] = frozenset()
    field_ids: dict[str, str] = Field(
        default_factory=dict, description="our custom field's name -> its id in the account"
    )
    calendars: tuple[str, ...] = Field(default=(), description="calendar ids whose events are read")
    activity_object: str | None = Field(
        default=None, description="schema key of the custom object that holds site activity, if there is one"
    )
    crm_users: tuple[AccountUser, ...] = Field(
        default=(),
        description="who works in the account, as last read: names for the ids that leads are assigned to",
    )
    linked_users: dict[UserId, UserId] = Field(
        default_factory=dict, description="our user -> the CRM's, where the email address does not tell"
    )
    workflow_key_hash: str | None = Field(
        default=None, description="SHA-256 (hex) of the secret in the location's workflow webhook URL"
    )
