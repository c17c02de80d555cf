"""Is it alive, is it ready, how is it doing. Called by process supervisors, load balancers and Prometheus.

Open to anybody who reaches the port, so: no tenant's data, no names.
"""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.api.dependencies import ServicesDep
from ghl_real_estate_ai.bootstrap import ProcessRole
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.models.identifiers import Frozen

router = APIRouter(tags=["health"])

_log = telemetry.get_logger("health")


class Readiness(Frozen):
    """``ready`` when every check but Redis's is "ok"; else the check says what is wrong.

    Without Redis webhooks are still stored and read requests answered, so a balancer must not turn them away.
    """

    role: ProcessRole
    ready: bool
    checks: dict[str, str]


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready")
async def ready(services: ServicesDep, response: Response) -> Readiness:
    """The database answers, the models are loaded, events are dispatched; 503 when one is not so."""
    try:
        await services.memory.read(lambda uow: uow.tenants.locations())
        database = "ok"
    except StorageUnavailable as error:
        _log.warning("database.away", reason=str(error))  # the driver names host and user: not for everybody
        database = "not available; the log says why"
    checks = {
        "database": database,
        "models": "ok",  # services exist only with their models: a missing one stops the start
        "dispatcher": "ok" if services.bus.running else "not running",
    }
    is_ready = all(state == "ok" for state in checks.values())
    if services.shared is not None:
        since = services.shared.pulse.silent_since
        checks["redis"] = "ok" if since is None else f"degraded since {since:%Y-%m-%d %H:%M:%S} UTC"
    response.status_code = 200 if is_ready else 503
    return Readiness(role=services.role, ready=is_ready, checks=checks)


@router.get("/metrics")
async def metrics() -> Response:
    """Counters and histograms in Prometheus' text format."""
    return Response(generate_latest(telemetry.REGISTRY), media_type=CONTENT_TYPE_LATEST)
