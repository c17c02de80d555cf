"""Access to GoHighLevel accounts: consent of their owners, the tokens it gives, and new tokens for old ones.

Implements ``crm_ports.CrmAccess`` for services/crm_connections.py; tokens.py renews through it. Connections leave here sealed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    CrmError,
    CrmRefused,
    CrmUnreadable,
    EnterpriseHubError,
    GrantRefused,
    NeedsReconnect,
    ScopeMissing,
)
from ghl_real_estate_ai.integrations.gohighlevel.account_resources import InstalledLocation, TokenGrant
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.client import AccessToken, GoHighLevelClient, TokenSource
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.integrations.gohighlevel.sealing import ACCESS, REFRESH, TokenSeal
from ghl_real_estate_ai.limits import COMPANY_LOCATIONS
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, OwnerKind
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import Clock

SCOPES: Final = (
    "contacts.readonly",
    "contacts.write",
    "conversations.readonly",
    "conversations.write",
    "conversations/message.readonly",
    "conversations/message.write",
    "opportunities.readonly",
    "opportunities.write",
    "calendars.readonly",
    "calendars/events.readonly",
    "calendars/events.write",
    "locations.readonly",
    "locations/customFields.readonly",
    "locations/customFields.write",
    "locations/tags.readonly",
    "locations/tags.write",
    "locations/tasks.readonly",
    "users.readonly",
    "workflows.readonly",
    "objects/schema.readonly",
    "objects/record.readonly",
    "oauth.readonly",
    "oauth.write",
)
"""What an app asks for. They also decide which webhooks it gets. The last two are used by agencies' apps only."""

_USER_TYPES: Final = {OwnerKind.LOCATION: "Location", OwnerKind.COMPANY: "Company"}
_INVALID_GRANT: Final = re.compile(r"invalid[_ ]grant|refresh token is invalid", re.IGNORECASE)
"""GoHighLevel's list of errors is not published; these are the texts of its OpenAPI file and of its users' reports."""


@dataclass(frozen=True, slots=True)
class InstallPages:
    """``install_url``: where an owner gives consent; ``callback_url``: where GoHighLevel sends them then."""

    install_url: str
    callback_url: str


class GivenToken:
    """A ``TokenSource`` of one token that is in nobody's keeping yet."""

    def __init__(self, value: str) -> None:
        self._token: Final = AccessToken(value, generation=0)

    async def token(self, owner_id: str) -> AccessToken:
        """The token, whoever asks."""
        return self._token

    async def renewed(self, owner_id: str, *, generation: int) -> AccessToken:
        """There is no other. Raises NeedsReconnect."""
        raise NeedsReconnect(
            f"GoHighLevel does not accept this token for {owner_id}; copy it again, or make a new one"
        )


class GoHighLevelAccess:
    """Holds no tokens. Waits and attempts are those of the client that ``client_for`` makes."""

    def __init__(
        self,
        *,
        client_for: Callable[[TokenSource], GoHighLevelClient],
        app: AppCredentials,
        pages: InstallPages,
        seal: TokenSeal,
        clock: Clock,
        simulated: bool,
    ) -> None:
        """``simulated``: the API behind the client is not GoHighLevel's own."""
        self._client_for: Final = client_for
        self._app: Final = app
        self._pages: Final = pages
        self._seal: Final = seal
        self._clock: Final = clock
        self._simulated: Final = simulated

    # --- consent ----------------------------------------------------------------------------------------------------

    def install_url(self, state: str) -> str:
        """Where the account's owner chooses a location, or the whole agency. Raises ConfigurationError without an app."""
        self._check_app()
        asked = {
            "response_type": "code",
            "client_id": self._app.client_id,
            "redirect_uri": self._pages.callback_url,
            "scope": " ".join(SCOPES),
            "state": state,
        }
        joint = "&" if "?" in self._pages.install_url else "?"
        return f"{self._pages.install_url}{joint}{urlencode(asked)}"

    async def of_code(self, code: str) -> Connection:
        """The connection that the owner agreed to. A code is good once. Raises GrantRefused, CrmError, Unreachable."""
        self._check_app()
        client = self._client_for(GivenToken(""))
        try:
            grant = await client.exchange_code(
                "oauth", self._app, code=code, redirect_uri=self._pages.callback_url
            )
        except (CrmRefused, NeedsReconnect) as error:
            raise _grant_error(error) from error
        kind = OwnerKind.COMPANY if grant.user_type == "Company" else OwnerKind.LOCATION
        owner_id = grant.company_id if kind is OwnerKind.COMPANY else grant.location_id
        if not owner_id:
            raise CrmUnreadable("POST /oauth/token: the answer does not say whose tokens they are")
        return self._connection(grant, owner_id=owner_id, owner_kind=kind, company_id=grant.company_id)

    async def of_private_token(self, location_id: LocationId, token: str) -> Connection:
        """A connection by a private integration token, after one call with it. Raises NeedsReconnect or ScopeMissing."""
        place = await self._client_for(GivenToken(token)).get_location(location_id)
        if place.id != location_id:
            raise CrmUnreadable(
                f"GET /locations/{{locationId}}: asked for {location_id}, got another location"
            )
        return Connection(
            owner_id=location_id,
            owner_kind=OwnerKind.LOCATION,
            company_id=place.company_id,
            kind=ConnectionKind.PRIVATE_TOKEN,
            access_token=self._seal.seal(token, owner_id=location_id, field=ACCESS),
            obtained_at=self._clock.now(),
            simulated=self._simulated,
        )

    async def of_company(
        self, company: Connection, location_id: LocationId, *, tokens: TokenSource | None = None
    ) -> Connection:
        """A location's own connection, by its agency's. ``tokens``: who keeps the agency's, if somebody does."""
        client = self._client_for(tokens or self._opened(company))
        grant = await client.location_token(company.owner_id, location_id)
        if grant.location_id not in {None, location_id}:
            raise CrmUnreadable(f"POST /oauth/location-token: asked for {location_id}, got another location")
        return self._connection(
            grant, owner_id=location_id, owner_kind=OwnerKind.LOCATION, company_id=company.owner_id
        )

    async def places(self, connection: Connection) -> list[Location]:
        """The location itself, or those of the agency that have the app; with the names they have there."""
        client = self._client_for(self._opened(connection))
        if connection.owner_kind is OwnerKind.LOCATION:
            place = await client.get_location(connection.owner_id)
            return [_location(connection.owner_id, place.name)]
        return await self._installed(client, connection.owner_id)

    async def _installed(self, client: GoHighLevelClient, company_id: str) -> list[Location]:
        """Page by page, until one says that it is the last, or says nothing new."""
        after: str | None = None
        seen: dict[str, InstalledLocation] = {}
        while len(seen) < COMPANY_LOCATIONS:
            page = await client.installed_locations(company_id, app_id=self._app.app_id, after=after)
            known = len(seen)
            seen.update({place.id: place for place in page.items})
            # The date versions know no next page: they skip as many as were seen.
            after = page.next_page if client.api is ApiProfile.V3 else str(len(seen))
            if after is None or len(seen) == known:
                break
        return [_location(place.id, place.name) for place in seen.values() if place.is_installed is not False]

    # --- renewal ----------------------------------------------------------------------------------------------------

    async def renewed(self, connection: Connection) -> Connection:
        """The next generation, by the refresh token, which is used up by it.

        Raises GrantRefused when the token is definitely no longer good; anything else that is raised leaves it good.
        """
        owner_id = connection.owner_id
        token = self._seal.open(connection.refresh_token, owner_id=owner_id, field=REFRESH)
        if not token:
            raise GrantRefused(f"there is no refresh token of {owner_id}")
        try:
            grant = await self._client_for(GivenToken("")).refresh_token(
                owner_id, self._app, token=token, user_type=_USER_TYPES[connection.owner_kind]
            )
        except (CrmRefused, NeedsReconnect) as error:
            raise _grant_error(error) from error
        said = grant.company_id if connection.owner_kind is OwnerKind.COMPANY else grant.location_id
        if said not in {None, owner_id}:
            raise CrmUnreadable(f"POST /oauth/token: asked for tokens of {owner_id}, got another account's")
        fresh = self._connection(
            grant, owner_id=owner_id, owner_kind=connection.owner_kind, company_id=connection.company_id
        )
        kept = {"scopes": fresh.scopes or connection.scopes, "generation": connection.generation + 1}
        return fresh.model_copy(update=kept)

    async def confirmed(self, connection: Connection) -> Connection:
        """A private token cannot be renewed, only tried once more: the same as the next generation if it is accepted.

        Raises GrantRefused when it is refused again; anything else that is raised leaves it good.
        """
        try:
            await self._client_for(self._opened(connection)).get_location(connection.owner_id)
        except NeedsReconnect as error:
            raise GrantRefused(
                "the private integration token was refused twice; it cannot be renewed, only replaced"
            ) from error
        except ScopeMissing:
            pass  # accepted, only not for this call
        return connection.model_copy(update={"generation": connection.generation + 1})

    # --- parts ------------------------------------------------------------------------------------------------------

    def _check_app(self) -> None:
        if not (self._app.client_id and self._app.client_secret):
            raise ConfigurationError(
                "set ENTERPRISEHUB_GHL_CLIENT_ID and ENTERPRISEHUB_GHL_CLIENT_SECRET to those of your marketplace app, "
                "or connect by a private integration token, which needs none"
            )

    def _opened(self, connection: Connection) -> GivenToken:
        token = self._seal.open(connection.access_token, owner_id=connection.owner_id, field=ACCESS)
        return GivenToken(token)

    def _connection(
        self, grant: TokenGrant, *, owner_id: str, owner_kind: OwnerKind, company_id: str | None
    ) -> Connection:
        now = self._clock.now()
        life_s = grant.expires_in
        return Connection(
            owner_id=owner_id,
            owner_kind=owner_kind,
            company_id=company_id,
            kind=ConnectionKind.OAUTH,
            access_token=self._seal.seal(grant.access_token, owner_id=owner_id, field=ACCESS),
            refresh_token=self._seal.seal(grant.refresh_token or "", owner_id=owner_id, field=REFRESH),
            expires_at=None if life_s is None else now + timedelta(seconds=life_s),
            scopes=grant.scopes,
            obtained_at=now,
            simulated=self._simulated,
        )


def _location(location_id: str, name: str | None) -> Location:
    return Location(location_id=LocationId(location_id), name=name or location_id)


def _grant_error(error: CrmError) -> EnterpriseHubError:
    """What a refused token call means: this grant is void, the app's own secret is wrong, or something that may pass."""
    if _INVALID_GRANT.search(str(error)):
        return GrantRefused(str(error))
    if isinstance(error, NeedsReconnect):  # a 401 without a token in the call
        return ConfigurationError(
            "GoHighLevel does not accept ENTERPRISEHUB_GHL_CLIENT_ID with ENTERPRISEHUB_GHL_CLIENT_SECRET; "
            "compare both with your marketplace app"
        )
    return error
