"""The requests about access: tokens for a code, for a refresh token, for a location of a company. Pure.

Called by client.py and by whoever keeps the tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ghl_real_estate_ai.integrations.gohighlevel.api_request import (
    ApiProfile,
    ApiRequest,
    api_request,
    checked_id,
)


@dataclass(frozen=True, slots=True)
class AppCredentials:
    """A marketplace app's own id and secret."""

    client_id: str
    client_secret: str = field(repr=False)

    @property
    def app_id(self) -> str:
        """The app's id: GoHighLevel makes client ids of it, a hyphen and some letters. '' without an app."""
        return self.client_id.rpartition("-")[0] or self.client_id


def exchange_code(
    api: ApiProfile, app: AppCredentials, *, code: str, user_type: str | None = None, redirect_uri: str
) -> ApiRequest:
    """The first tokens, for the code of an installation, which is good once.

    ``user_type``: Location or Company; None: whatever the owner chose, the answer says it.
    """
    more: dict[str, str | None] = {"code": code, "user_type": user_type, "redirect_uri": redirect_uri}
    return _token_request(api, app, "authorization_code", more)


def refresh_token(api: ApiProfile, app: AppCredentials, *, token: str, user_type: str) -> ApiRequest:
    """New tokens for a refresh token, which is good once: a lost answer must not be asked for again blindly."""
    return _token_request(api, app, "refresh_token", {"refresh_token": token, "user_type": user_type})


def location_token(api: ApiProfile, company_id: str, location_id: str) -> ApiRequest:
    """A location's token for a company that installed the app in bulk. Authorised by the company's own token."""
    return api_request(
        api,
        "POST /oauth/location-token" if api is ApiProfile.V3 else "POST /oauth/locationToken",
        form={
            "companyId": checked_id("companyId", company_id),
            "locationId": checked_id("locationId", location_id),
        },
        scope="oauth.write",
        repeatable=True,
    )


def installed_locations(
    api: ApiProfile, company_id: str, *, app_id: str, limit: int = 100, after: str | None = None
) -> ApiRequest:
    """The locations of a company that have the app. ``after``: the page's ``next_page``."""
    query = {
        "companyId": checked_id("companyId", company_id),
        "appId": checked_id("appId", app_id),
        "isInstalled": True,
    }
    if api is ApiProfile.V3:
        operation, page = "GET /oauth/installed-locations", {"pageSize": limit, "pageToken": after}
    else:
        operation, page = "GET /oauth/installedLocations", {"limit": limit, "skip": after}
    return api_request(api, operation, query={**query, **page}, scope="oauth.readonly")


def _token_request(
    api: ApiProfile, app: AppCredentials, grant: str, more: dict[str, str | None]
) -> ApiRequest:
    said = {"client_id": app.client_id, "client_secret": app.client_secret, "grant_type": grant, **more}
    form: dict[str, str | None] = {api.named(name): value for name, value in said.items()}
    request = api_request(api, "POST /oauth/token", form=form, authorized=False)
    # The dated version documents no Version header for this one call.
    return request if api is ApiProfile.V3 else replace(request, version=None)
