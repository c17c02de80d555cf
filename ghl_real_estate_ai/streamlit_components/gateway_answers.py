"""What the gateway answers to the admin's page, in the page's own words for it. Called by ``administration.py`` and its parts.

The screens know the gateway by HTTP only: what a newer gateway adds is passed over.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from ghl_real_estate_ai.models.diagnosis import Finding, FindingStatus
from ghl_real_estate_ai.models.identifiers import LocationId, UserId, UtcTime
from ghl_real_estate_ai.models.leads import Role


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SwitchView(_Answer):
    """One switch. ``changed_by``: a name."""

    switch: str
    words: str
    on: bool
    changed_at: UtcTime | None = None
    changed_by: str | None = None


class Switches(_Answer):
    """All switches of the location."""

    items: tuple[SwitchView, ...]


class UserView(_Answer):
    """Somebody who signs in here; ``crm_user_id``: whom an admin said they are in the CRM."""

    user_id: UserId
    name: str
    email: str
    role: Role
    crm_user_id: UserId | None = None


class Users(_Answer):
    """Everybody of the location."""

    items: tuple[UserView, ...]


class LocationView(_Answer):
    """A location in which the caller is an admin. ``connection`` None: none."""

    location_id: LocationId
    name: str
    connection: str | None = None
    leads: int
    here: bool


class Locations(_Answer):
    """The caller's locations."""

    items: tuple[LocationView, ...]


class DeadLetterView(_Answer):
    """Something that came in or was to be done, and could not be worked on."""

    dead_letter_id: int
    subscriber: str
    delivery_id: str | None = None
    position: int | None = None
    reason: str
    failed_at: UtcTime
    simulated: bool = False
    has_raw: bool = False


class DeadLetters(_Answer):
    """One page of them, newest first."""

    items: tuple[DeadLetterView, ...]
    total: int


class Replayed(_Answer):
    """``reason``: why what failed again did."""

    replayed: int
    left: int
    reason: str | None = None


class Health(_Answer):
    """What the doctor knows without asking the CRM."""

    location_id: LocationId
    status: FindingStatus
    findings: tuple[Finding, ...]


class RefusedListing(_Answer):
    """A row that is no listing, counted from 0."""

    row: int
    field: str
    reason: str


class CheckedListings(_Answer):
    """What an import of some rows would do."""

    new: int
    changed: int
    same: int
    refused: tuple[RefusedListing, ...] = ()


class StoredListings(_Answer):
    """How many rows were saved."""

    stored: int


class FirstStep(_Answer):
    """One thing to do before leads come. ``how``: a command, or where to click."""

    name: str
    title: str
    done: bool
    how: str
    href: str | None = None


class FirstSteps(_Answer):
    """All of them."""

    complete: bool
    leads: int
    listings: int
    steps: tuple[FirstStep, ...]
    simulated: bool = False
