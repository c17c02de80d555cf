"""The CRM's front door: raw bytes in, verified, stored, and only then a 2xx. Called by GoHighLevel (or its simulator)."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.api.dependencies import ServicesDep
from ghl_real_estate_ai.errors import SignatureRejected, StorageUnavailable
from ghl_real_estate_ai.models.identifiers import Frozen

PATH = "/webhooks/ghl"

router = APIRouter(tags=["webhooks"])


class WebhookAnswer(Frozen):
    """``status``: stored, duplicate, dead_letter or ignored. Each means: do not send it again."""

    status: str
    reason: str | None


@router.post(PATH)
async def receive(request: Request, services: ServicesDep) -> WebhookAnswer:
    """One delivery. 401: no key signed it; 413: too large; 429: not stored, send it again."""
    received_at = services.clock.now()
    try:
        body = await request.body()
        delivery = services.webhook_reader.read(body, request.headers, received_at=received_at)
        receipt = await services.inbox.receive(delivery)
    except (SignatureRejected, StorageUnavailable, HTTPException) as error:
        telemetry.webhooks_received.labels(_refusal(error)).inc()
        raise
    telemetry.webhooks_received.labels(receipt.outcome.value).inc()
    telemetry.ingest.observe((services.clock.now() - received_at).total_seconds() * 1_000)
    return WebhookAnswer(status=receipt.outcome.value, reason=receipt.reason)


def _refusal(error: Exception) -> str:
    if isinstance(error, HTTPException):
        return "too_large" if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "unreadable"
    return "bad_signature" if isinstance(error, SignatureRejected) else "not_stored"
