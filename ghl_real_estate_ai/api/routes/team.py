"""The team: who is who, how soon people are answered, who carries how much. Called by the screens; the page by managers.

An agent sees names only: figures about colleagues are for those who lead the team.
"""

from __future__ import annotations

import json
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Depends, Query, Response

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep, allowed
from ghl_real_estate_ai.errors import UnprocessableInput
from ghl_real_estate_ai.limits import TEAM_ANSWER_S, TEAM_NAMES_S
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.models.team import Team, TeamResponse
from ghl_real_estate_ai.services.team_directory import Directory, directory

router = APIRouter(prefix="/v1/team", tags=["team"])

MOST_DAYS = 365
_NO_ZONES = frozenset({"localtime", "posixrules"})
"""Files of the machine that stand beside the zones."""


@router.get("")
async def team(identity: IdentityDep, services: ServicesDep) -> Team:
    """Names for the ids that leads are assigned to, and which of them the caller is. May be a minute old."""
    location_id = identity.location_id

    async def make() -> bytes:
        return (await directory(services.memory, location_id)).model_dump_json().encode()

    body = await services.cache.get_or_make(json.dumps(["team", location_id]), make, seconds=TEAM_NAMES_S)
    return Directory.model_validate_json(body).team_of(identity.user_id, identity.email)


@router.get("/response", response_model=TeamResponse)
async def response(
    identity: Annotated[Identity, Depends(allowed(Role.MANAGER, Role.ADMIN))],
    services: ServicesDep,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="leads that arrived within so many")] = 30,
    zone: Annotated[
        str, Query(max_length=100, description="IANA name, e.g. America/Chicago: where the hours are")
    ] = "UTC",
) -> Response:
    """The first human response to the leads of the last days, each agent's load, and hot leads that nobody touched.

    May be TEAM_ANSWER_S old.
    """
    location_id, there = identity.location_id, _zone(zone)

    async def make() -> bytes:
        return (await services.team.report(location_id, days=days, zone=there)).model_dump_json().encode()

    key = json.dumps(["team response", location_id, days, zone])
    body = await services.cache.get_or_make(key, make, seconds=TEAM_ANSWER_S)
    return Response(body, media_type="application/json")


def _zone(name: str) -> ZoneInfo:
    try:
        if name not in _NO_ZONES:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise UnprocessableInput("zone: not an IANA time zone; use one such as America/Chicago")
