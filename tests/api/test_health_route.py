"""Health and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fastapi import Response

from ghl_real_estate_ai.api.routes.health import ready
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.event_bus import EventBus
from tests.support.fake_memory import FakeMemory
from tests.support.gateway import HOME, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_running_gateway_is_live_and_ready(gateway: Gateway) -> None:
    assert (await gateway.http.get("/health/live")).json() == {"status": "live"}

    async def is_ready() -> bool:
        return (await gateway.http.get("/health/ready")).status_code == 200

    await eventually(is_ready)
    assert (await gateway.http.get("/health/ready")).json() == {
        "role": "all",
        "ready": True,
        "checks": {"database": "ok", "models": "ok", "dispatcher": "ok"},
    }


async def test_metrics_hold_counters_but_nothing_of_a_tenant(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Xenia Unmistakable")
    text = (await gateway.http.get("/metrics")).text
    assert 'webhooks_received_total{outcome="stored"}' in text
    for private in (HOME, lead_id, "Unmistakable", user_of(Role.ADMIN).email):
        assert private not in text


async def test_the_api_describes_itself_without_pages_that_load_scripts(gateway: Gateway) -> None:
    assert (await gateway.http.get("/openapi.json")).status_code == 200
    for page in ("/docs", "/redoc"):
        assert (await gateway.http.get(page)).status_code == 404


class AwayMemory(FakeMemory):
    """A database that does not answer."""

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        raise StorageUnavailable("the database is away")


async def test_without_database_or_dispatcher_it_is_not_ready_and_says_why(gateway: Gateway) -> None:
    memory = AwayMemory()
    stopped = EventBus(memory=memory, clock=gateway.services.clock)
    response = Response()
    answer = await ready(replace(gateway.services, memory=memory, bus=stopped), response)
    assert response.status_code == 503
    assert not answer.ready
    assert answer.checks == {
        "database": "not available; the log says why",
        "models": "ok",
        "dispatcher": "not running",
    }
