"""The fake's OAuth: the page that says yes by itself, tokens, an agency's locations. Served by ghl_server.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from pydantic import JsonValue
from starlette.responses import RedirectResponse, Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_account import Body
from ghl_real_estate_ai.simulation.ghl_oauth import USER_ID, Issued
from ghl_real_estate_ai.simulation.ghl_requests import JULY, V3, Call, answer, needs, vendor_of
from ghl_real_estate_ai.simulation.ghl_vendor import Vendor
from ghl_real_estate_ai.simulation.scribe import stamp
from ghl_real_estate_ai.simulation.vendor_servers import APP_ID

router = APIRouter()

_V3_NAMES: Final = {
    "client_id": "clientId",
    "client_secret": "clientSecret",
    "grant_type": "grantType",
    "refresh_token": "refreshToken",
    "user_type": "userType",
    "redirect_uri": "redirectUri",
    "code": "code",
}
_V3_ANSWERS: Final = {
    "access_token": "accessToken",
    "token_type": "tokenType",
    "expires_in": "expiresIn",
    "refresh_token": "refreshToken",
}


@router.get("/v2/oauth/chooselocation")
@router.get("/oauth/chooselocation")
async def choose_location(request: Request) -> Response:
    """The owner's page. It says yes at once, for the first location.

    Ours, not GoHighLevel's: ``location_id`` chooses another one, ``user_type=Company`` the whole agency.
    """
    vendor, query = vendor_of(request), request.query_params
    if query.get("client_id") != vendor.authority.client_id or not query.get("redirect_uri"):
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "client_id or redirect_uri is not that of the app")
    location_id = query.get("location_id") or vendor.account.first.location_id
    if query.get("user_type") == "Company":
        location_id = ""
    elif location_id not in vendor.account.sub_accounts:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, f"no location {location_id} in this account")
    code = vendor.authority.authorize(location_id, query.get("scope", "").split())
    state = {"state": query["state"]} if "state" in query else {}
    joint = "&" if "?" in query["redirect_uri"] else "?"
    return RedirectResponse(
        query["redirect_uri"] + joint + urlencode({"code": code, **state}), HTTPStatus.FOUND
    )


@router.post("/oauth/token")
async def token(request: Request) -> Response:
    """A code or a refresh token for a new pair."""
    vendor = vendor_of(request)
    is_v3 = _is_v3(request)
    said = await _form(request, json_too=is_v3)
    names = _V3_NAMES if is_v3 else {name: name for name in _V3_NAMES}
    missing = [
        names[name] for name in ("client_id", "client_secret", "grant_type") if not said.get(names[name])
    ]
    if missing:
        raise VendorRefusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, [f"{name} should not be empty" for name in missing]
        )
    authority = vendor.authority
    if (said[names["client_id"]], said[names["client_secret"]]) != (
        authority.client_id,
        authority.client_secret,
    ):
        raise VendorRefusal(HTTPStatus.UNAUTHORIZED, "Invalid client credentials!")
    kind = said[names["grant_type"]]
    if kind == "authorization_code":
        issued = authority.exchange(said.get(names["code"], ""))
        vendor.tell_of_app("INSTALL", issued.grant.location_id)
    elif kind == "refresh_token":
        issued = _refreshed(vendor, said.get(names["refresh_token"], ""))
    else:
        raise VendorRefusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, ["grant_type must be authorization_code or refresh_token"]
        )
    return answer(_spelled(_pair(vendor, issued), is_v3=is_v3))


def _refreshed(vendor: Vendor, refresh_token: str) -> Issued:
    grant = vendor.authority.refreshes(refresh_token)
    if grant is not None and grant.location_id in vendor.faults.inactive_locations:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "Location is not active")
    return vendor.authority.refresh(refresh_token)


@router.post("/oauth/locationToken")
async def location_token(
    call: Annotated[Call, needs("oauth.write", JULY, company=True, only=JULY)],
) -> Response:
    """An agency's token for one of its locations, in the date version."""
    return _location_token(call)


@router.post("/oauth/location-token")
async def location_token_v3(
    call: Annotated[Call, needs("oauth.write", JULY, company=True, only=V3)],
) -> Response:
    """The same in v3, which gives a refresh token too."""
    return _location_token(call)


def _location_token(call: Call) -> Response:
    call.required(companyId=str, locationId=str)
    said, location_id = call.body, str(call.body["locationId"])
    vendor = call.vendor
    if call.grant.user_type != "Company":
        raise VendorRefusal(HTTPStatus.UNAUTHORIZED, "This route takes an agency's token only")
    if said.get("companyId") != vendor.account.company_id or location_id not in vendor.account.sub_accounts:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "companyId or locationId is not of this agency")
    issued = vendor.authority.location_token(call.grant, location_id, with_refresh=call.is_v3)
    pair = _pair(vendor, issued) | {"appId": APP_ID, "versionId": APP_ID}
    return answer(_spelled(pair, is_v3=call.is_v3))


@router.get("/oauth/installedLocations")
async def installed_locations(
    call: Annotated[Call, needs("oauth.readonly", JULY, company=True, only=JULY)],
) -> Response:
    """The agency's locations, in the date version."""
    places = _installed(call)
    return answer({"locations": places, "count": len(places), "installToFutureLocations": False})


@router.get("/oauth/installed-locations")
async def installed_locations_v3(
    call: Annotated[Call, needs("oauth.readonly", JULY, company=True, only=V3)],
) -> Response:
    """The same in v3."""
    places = _installed(call)
    pagination: Body = {
        "totalRecords": len(places),
        "hasNextPage": False,
        "hasPrevPage": False,
        "currentPageSize": len(places),
    }
    return answer({"items": places, "pagination": pagination, "installToFutureLocations": False})


def _installed(call: Call) -> list[JsonValue]:
    missing = [name for name in ("companyId", "appId") if not call.query.get(name)]
    if missing:
        raise VendorRefusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, [f"{name} should not be empty" for name in missing]
        )
    authority, places = call.vendor.authority, list[JsonValue]()
    for sub_account in call.vendor.account.sub_accounts.values():
        place: Body = {
            "_id": sub_account.location_id,
            "name": sub_account.name,
            "address": "",
            "isInstalled": authority.is_installed(sub_account.location_id),
            "versionId": APP_ID,
        }
        since = authority.installed.get(sub_account.location_id, authority.installed.get(""))
        places.append(place if since is None else place | {"installedAt": stamp(since)})
    wanted = call.query.get("isInstalled")
    return [
        p
        for p in places
        if wanted is None or (isinstance(p, dict) and p["isInstalled"] == (wanted == "true"))
    ]


# --- words --------------------------------------------------------------------------------------------------------


def _is_v3(request: Request) -> bool:
    """The token call has no Version header in the date versions, and needs ``v3`` in v3."""
    return request.headers.get("version") == V3


async def _form(request: Request, *, json_too: bool) -> dict[str, str]:
    raw = (await request.body()).decode("utf-8", "replace")
    if json_too and "json" in request.headers.get("content-type", ""):
        content: JsonValue = json.loads(raw or "{}")
        return {name: str(value) for name, value in content.items()} if isinstance(content, dict) else {}
    return dict(parse_qsl(raw))


def _pair(vendor: Vendor, issued: Issued) -> Body:
    grant = issued.grant
    pair: Body = {
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": vendor.habits.access_token_s,
        "scope": " ".join(sorted(grant.scopes)),
        "userType": grant.user_type,
        "companyId": grant.company_id,
        "userId": USER_ID,
    }
    if issued.refresh:
        pair["refresh_token"] = issued.refresh
    if grant.location_id:
        return pair | {"locationId": grant.location_id}
    return pair | {"isBulkInstallation": True, "approvedLocations": [*vendor.account.sub_accounts]}


def _spelled(pair: Mapping[str, JsonValue], *, is_v3: bool) -> Body:
    return {_V3_ANSWERS.get(name, name) if is_v3 else name: value for name, value in pair.items()}
