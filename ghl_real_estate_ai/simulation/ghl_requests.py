"""One authorised call of the fake API: whose, in which version, with which query and body; and how it is answered.

Called by every ghl_routes module. ``needs`` is the doorman: Version header, bearer, scope, location.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from pydantic import JsonValue
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_account import Body, SubAccount
from ghl_real_estate_ai.simulation.ghl_oauth import Grant, InvalidGrant
from ghl_real_estate_ai.simulation.ghl_vendor import Vendor

V3: Final = "v3"
JULY: Final = "2021-07-28"
APRIL: Final = "2021-04-15"

_ID: Final = re.compile(r"[A-Za-z0-9_-]{6,64}")
_WORDS: Final = {
    str: "a string",
    bool: "a boolean value",
    list: "an array",
    dict: "an object",
    int: "a number",
}


@dataclass(frozen=True, slots=True)
class Call:
    """An authorised call. ``sub_account`` is the token's location, or the one that a company's call names."""

    vendor: Vendor
    sub_account: SubAccount
    grant: Grant
    version: str
    query: Mapping[str, str]
    body: Body

    @property
    def is_v3(self) -> bool:
        return self.version == V3

    def succeeded(self) -> Body:
        """``succeded`` is GoHighLevel's spelling; v3 adds the right one."""
        if not self.is_v3:
            return {"succeded": True}
        return {"succeeded": True, **({"succeded": True} if self.vendor.habits.both_spellings else {})}

    def spelled(self, old: str, new: str) -> str:
        """A query parameter by the version's name."""
        return self.query.get(new if self.is_v3 else old, "")

    def required(self, **kinds: type) -> None:
        """Raises VendorRefusal (422) naming the fields of the body that are missing or of another kind."""
        wrong = [
            f"{name} must be {_WORDS[kind]}"
            for name, kind in kinds.items()
            if not _is_a(self.body.get(name), kind) or self.body.get(name) == ""
        ]
        if wrong:
            raise VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, wrong)

    def number(self, name: str, default: int, *, least: int = 1, most: int) -> int:
        """A number of the query. Raises VendorRefusal (422) outside its bounds."""
        said = self.query.get(name)
        if said is None or said == "":
            return default
        if not said.isascii() or not said.isdigit() or not least <= int(said) <= most:
            raise VendorRefusal(
                HTTPStatus.UNPROCESSABLE_ENTITY, [f"{name} must be a number from {least} to {most}"]
            )
        return int(said)


def vendor_of(request: Request) -> Vendor:
    """The vendor behind the app."""
    return cast("Vendor", request.app.state.vendor)


def needs(
    scope: str, dated: str, *, company: bool = False, only: str = "", unversioned: bool = False
) -> object:
    """A FastAPI dependency that gives the ``Call``.

    ``dated``: the date version beside v3. ``company``: an agency's token will do. ``only``: the one version that has the call.
    ``unversioned``: the call may come without a Version header.
    """
    accepted = {only} if only else {V3, dated}

    async def admitted(request: Request) -> Call:
        vendor = vendor_of(request)
        version = _version(request, vendor, accepted | {""} if unversioned else accepted)
        grant = _grant(request, vendor, scope, version)
        body = await _body(request)
        sub_account = _sub_account(request, vendor, grant, body, company=company)
        return Call(vendor, sub_account, grant, version, request.query_params, body)

    return Depends(admitted)


def _version(request: Request, vendor: Vendor, accepted: set[str]) -> str:
    said = request.headers.get("version", "")
    if said not in accepted:
        problem = "version header is invalid." if said else "version header was not found."
        raise VendorRefusal(vendor.habits.missing_version_status, problem)
    return said


def bearer_of(header: str) -> str:
    """The token of an Authorization header."""
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _grant(request: Request, vendor: Vendor, scope: str, version: str) -> Grant:
    token = bearer_of(request.headers.get("authorization", ""))
    grant = vendor.authority.grant_of(token)
    if grant is None:
        raise VendorRefusal(HTTPStatus.UNAUTHORIZED, "Invalid token: access token is invalid")
    if grant.location_id in vendor.faults.inactive_locations:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "Location is not active")
    if scope and scope not in grant.scopes:
        status = vendor.habits.scope_refusal_status or (
            HTTPStatus.FORBIDDEN if version == V3 else HTTPStatus.UNAUTHORIZED
        )
        raise VendorRefusal(status, "The token is not authorized for this scope.")
    return grant


def _sub_account(request: Request, vendor: Vendor, grant: Grant, body: Body, *, company: bool) -> SubAccount:
    named = [
        *(request.query_params.get(name) for name in ("locationId", "location_id")),
        body.get("locationId"),
        request.path_params.get("location_id"),
    ]
    asked = [str(name) for name in named if name]
    wanted = grant.location_id or (asked[0] if asked else "")
    if not wanted and company:
        return vendor.account.first
    allowed = wanted in vendor.account.sub_accounts and all(name == wanted for name in asked)
    if not allowed or not (grant.location_id or company):
        raise VendorRefusal(HTTPStatus.FORBIDDEN, "The token does not have access to this location.")
    return vendor.account.sub_accounts[wanted]


async def _body(request: Request) -> Body:
    """A JSON object or a form; {} without one."""
    raw = await request.body()
    if not raw:
        return {}
    if "form" in request.headers.get("content-type", ""):
        return {**dict(parse_qsl(raw.decode("utf-8", "replace")))}
    try:
        content: JsonValue = json.loads(raw)
    except ValueError:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "Unexpected token in JSON") from None
    if not isinstance(content, dict):
        raise VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, ["body must be an object"])
    return content


def _is_a(value: JsonValue, kind: type) -> bool:
    if kind is int:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind)


# --- answers ------------------------------------------------------------------------------------------------------


def answer(content: Mapping[str, JsonValue], status: int = HTTPStatus.OK) -> Response:
    """JSON, small."""
    return as_json(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), status)


def as_json(content: bytes, status: int = HTTPStatus.OK) -> Response:
    """Ready-made JSON."""
    return Response(content, status_code=status, media_type="application/json")


def refused(refusal: VendorRefusal) -> Response:
    """The error as GoHighLevel words it: a list of messages on 422, one message otherwise."""
    status = refusal.http_status
    content: Body = {
        "statusCode": status,
        "message": [*refusal.said] if isinstance(refusal.said, list) else refusal.said,
        "error": HTTPStatus(status).phrase,
    }
    if isinstance(refusal, InvalidGrant):
        content |= {"error": "invalid_grant", "error_description": refusal.said}  # type: ignore[dict-item]  # reason: one text
    return answer(content, status)


def found[T](thing: T | None, what: str, id_: str, vendor: Vendor) -> T:
    """The thing, or GoHighLevel's refusal for an id of nothing: 500 when it looks like no id at all."""
    if thing is not None:
        return thing
    if not _ID.fullmatch(id_):
        raise VendorRefusal(vendor.habits.unreadable_id_status, "Internal server error")
    raise VendorRefusal(vendor.habits.unknown_id_status, f"{what} with id {id_} not found")
