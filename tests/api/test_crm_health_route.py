"""The CRM's health over HTTP: for the admin of a location, about that location."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, OwnerKind
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Role
from tests.support.gateway import AWAY, HOME, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def told(gateway: Gateway, location: LocationId) -> dict[str, dict[str, str]]:
    answer = await gateway.get("/v1/health/crm", user_of(Role.ADMIN, location))
    assert answer.status_code == 200
    said = answer.json()
    assert said["location_id"] == location
    return {finding["check"]: finding for finding in said["findings"]} | {"": said}


async def test_an_admin_sees_connection_lag_and_deliveries_of_their_own_location(gateway: Gateway) -> None:
    connection = Connection(
        owner_id=HOME,
        owner_kind=OwnerKind.LOCATION,
        kind=ConnectionKind.PRIVATE_TOKEN,
        obtained_at=SystemClock().now(),
        simulated=True,
    )
    await gateway.services.memory.write(lambda uow: uow.connections.put(connection))
    await gateway.lead()

    async def counted() -> bool:
        await gateway.services.inbox.counter.flush()
        return (await told(gateway, HOME))["app_webhook"]["what"].startswith("last one")

    await eventually(counted)
    home, away = await told(gateway, HOME), await told(gateway, AWAY)
    assert home["connection"]["status"] == "ok"
    assert "0 days old" in home["token"]["what"]
    assert home["deliveries"]["status"] == "ok"
    assert home["bus_lag"]["status"] == "ok"
    assert away["connection"]["status"] == "failure"
    assert away[""]["status"] == "failure"
    assert away["connection"]["fix"]
    assert "none is expected" in away["app_webhook"]["what"]
