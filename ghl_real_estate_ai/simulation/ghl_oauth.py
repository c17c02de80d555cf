"""Who may call the fake GoHighLevel: an OAuth app with single-use refresh tokens, and private integration tokens.

Called by the routes and ghl_front_desk.py. Nothing here is a secret of anybody: client, tokens and accounts are made up.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, Literal

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.vendor_servers import APP_ID

PRIVATE_OVERLAP: Final = timedelta(days=7)
"""How long a private token works on after its rotation."""

CODE_LIFE: Final = timedelta(minutes=10)
USER_ID: Final = "simAgentAlex00000001"

ALL_SCOPES: Final = frozenset((
    "contacts.readonly", "contacts.write", "conversations.readonly", "conversations.write",
    "conversations/message.readonly", "conversations/message.write", "opportunities.readonly",
    "opportunities.write", "calendars.readonly", "calendars.write", "calendars/events.readonly",
    "calendars/events.write", "locations.readonly", "locations/customFields.readonly",
    "locations/customFields.write", "locations/tags.readonly", "locations/tags.write",
    "locations/tasks.readonly", "users.readonly", "workflows.readonly", "objects/schema.readonly",
    "objects/record.readonly", "objects/record.write", "oauth.readonly", "oauth.write",
    "companies.readonly",
))  # fmt: skip

UserType = Literal["Location", "Company"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a bearer may do. ``location_id`` '': the whole company. ``until`` None: no end."""

    app_id: str
    company_id: str
    location_id: str
    scopes: frozenset[str]
    until: datetime | None = None

    @property
    def user_type(self) -> UserType:
        return "Location" if self.location_id else "Company"

    @property
    def is_private(self) -> bool:
        """A private integration token's: no app, so no app webhooks."""
        return self.app_id != APP_ID


@dataclass(frozen=True, slots=True)
class Issued:
    """A new pair of tokens; ``refresh`` '' where none is given."""

    access: str
    refresh: str
    grant: Grant


@dataclass
class Authority:
    """Codes, tokens, installations. ``app_scopes``: what the app was registered with."""

    company_id: str
    now: Callable[[], datetime]
    access_token_s: Callable[[], int]
    client_id: str = f"{APP_ID}-client"  # as GoHighLevel makes them: the app's id, a hyphen, some letters
    client_secret: str = "fake-client-secret"  # noqa: S105  # reason: of a made-up app
    app_scopes: frozenset[str] = ALL_SCOPES
    installed: dict[str, datetime] = field(default_factory=dict)
    """Location id ('' for the whole company) -> since when."""
    _codes: dict[str, tuple[Grant, datetime]] = field(default_factory=dict)
    _access: dict[str, Grant] = field(default_factory=dict)
    _refresh: dict[str, Grant] = field(default_factory=dict)

    # --- the app ---------------------------------------------------------------------------------------------------

    def authorize(self, location_id: str, scopes: Iterable[str] = ()) -> str:
        """The account's owner said yes: a code for the callback. ``location_id`` '': for the whole company."""
        wanted = frozenset(scopes) & self.app_scopes or self.app_scopes
        code = secrets.token_hex(20)
        grant = Grant(APP_ID, self.company_id, location_id, wanted)
        self._codes[code] = (grant, self.now() + CODE_LIFE)
        return code

    def exchange(self, code: str) -> Issued:
        """A code for the first pair of tokens; a code works once. The app counts as installed from now on."""
        grant, until = self._codes.pop(code, (None, None))
        if grant is None or until is None or until < self.now():
            raise invalid_grant("authorization code")
        self.installed.setdefault(grant.location_id, self.now())
        return self._issue(grant, with_refresh=True)

    def refresh(self, token: str) -> Issued:
        """A new pair; the old refresh token is dead from now on."""
        grant = self._refresh.pop(token, None)
        if grant is None:
            raise invalid_grant("refresh token")
        return self._issue(grant, with_refresh=True)

    def refreshes(self, token: str) -> Grant | None:
        """Whose refresh token it is, without using it up."""
        return self._refresh.get(token)

    def location_token(self, agency: Grant, location_id: str, *, with_refresh: bool) -> Issued:
        """A location's token for a company that holds the app."""
        return self._issue(replace(agency, location_id=location_id), with_refresh=with_refresh)

    def uninstall(self, location_id: str) -> None:
        """The owner took the app away: its tokens are dead."""
        self.installed.pop(location_id, None)
        for tokens in (self._access, self._refresh):
            for token in [t for t, g in tokens.items() if g.location_id == location_id and not g.is_private]:
                del tokens[token]

    def is_installed(self, location_id: str) -> bool:
        """Whether app webhooks of this location are sent."""
        return bool({location_id, ""} & self.installed.keys())

    def _issue(self, grant: Grant, *, with_refresh: bool) -> Issued:
        grant = replace(grant, until=self.now() + timedelta(seconds=self.access_token_s()))
        access, refresh = f"access-{secrets.token_hex(24)}", f"refresh-{secrets.token_hex(24)}"
        self._access[access] = grant
        if with_refresh:
            self._refresh[refresh] = replace(grant, until=None)
        return Issued(access, refresh if with_refresh else "", grant)

    # --- private integrations --------------------------------------------------------------------------------------

    def private_token(self, location_id: str, scopes: Iterable[str] = ALL_SCOPES) -> str:
        """A static token of one location."""
        token = f"pit-{secrets.token_hex(16)}"
        self._access[token] = Grant(f"private-{token[-6:]}", self.company_id, location_id, frozenset(scopes))
        return token

    def rotate(self, token: str) -> str:
        """A new private token with the same rights; the old one works on for seven days."""
        grant = self._access.get(token)
        if grant is None or not grant.is_private:
            raise VendorRefusal(HTTPStatus.NOT_FOUND, "no such private integration token")
        fresh = self.private_token(grant.location_id, grant.scopes)
        self._access[fresh] = replace(grant, until=None)
        self._access[token] = replace(grant, until=self.now() + PRIVATE_OVERLAP)
        return fresh

    # --- bearers ---------------------------------------------------------------------------------------------------

    def grant_of(self, token: str) -> Grant | None:
        """What the bearer may do; None for one that is unknown or over."""
        grant = self._access.get(token)
        return None if grant is None or (grant.until is not None and grant.until <= self.now()) else grant

    def revoke_access(self) -> int:
        """Every access token is dead (401); refresh tokens still work. Returns how many there were."""
        count = len(self._access)
        self._access.clear()
        return count

    def kill_refresh_tokens(self) -> int:
        """Every refresh token is dead (400 invalid_grant). Returns how many there were."""
        count = len(self._refresh)
        self._refresh.clear()
        return count


class InvalidGrant(VendorRefusal):
    """400 with OAuth's own ``error: invalid_grant`` beside GoHighLevel's ``message``."""


def invalid_grant(what: str) -> InvalidGrant:
    """The refusal of a used or unknown code or token."""
    return InvalidGrant(HTTPStatus.BAD_REQUEST, f"Invalid grant: {what} is invalid")
