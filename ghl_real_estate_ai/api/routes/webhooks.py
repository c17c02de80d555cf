"""The CRM's front door: raw bytes in, verified, stored, and only then a 2xx. Called by GoHighLevel (or its simulator)."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.api.dependencies import Doors, DoorsDep, ServicesDep
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import (
    InputError,
    SignatureRejected,
    StorageUnavailable,
    TooManyRequests,
    TranslationError,
)
from ghl_real_estate_ai.models.connections import WORKFLOW_PATH
from ghl_real_estate_ai.models.events import Source
from ghl_real_estate_ai.models.identifiers import Frozen
from ghl_real_estate_ai.services.admission import Outcome, Receipt
from ghl_real_estate_ai.services.workflow_hints import is_simulated, location_with_key, take_hint

PATH = "/webhooks/ghl"

router = APIRouter(tags=["webhooks"])


class WebhookAnswer(Frozen):
    """``status``: stored, duplicate, dead_letter or ignored. Each means: do not send it again."""

    status: str
    reason: str | None


def _answer(receipt: Receipt) -> Response:
    answer = WebhookAnswer(status=receipt.outcome.value, reason=receipt.reason)
    return Response(answer.model_dump_json(), media_type="application/json")


_STORED = _answer(Receipt(outcome=Outcome.STORED))  # nearly always, and always the same


@router.post(PATH, response_model=WebhookAnswer)
async def receive(request: Request) -> Response:
    """One delivery. 401: no key signed it; 413: too large; 429: not stored, send it again."""
    # A thousand a second come through here: no dependency is solved, and the answer is written once.
    services: Services = request.app.state.services
    received_at = services.clock.now()
    try:
        body = await request.body()
        delivery = services.webhook_reader.read(body, request.headers, received_at=received_at)
        receipt = await services.inbox.receive(delivery)
    except (SignatureRejected, StorageUnavailable, HTTPException) as error:
        telemetry.webhooks_received.labels(_refusal(error)).inc()
        doors: Doors = request.app.state.doors
        _ring(doors, error, Source.APP_WEBHOOK, services.clock.now())
        services.inbox.counter.count(Source.APP_WEBHOOK, _refusal(error))
        raise
    telemetry.webhooks_received.labels(receipt.outcome.value).inc()
    telemetry.ingest.observe((services.clock.now() - received_at).total_seconds() * 1_000)
    if receipt.outcome is Outcome.STORED:
        return _STORED
    return _answer(receipt)


@router.post(WORKFLOW_PATH + "{key}")
async def receive_hint(key: str, request: Request, services: ServicesDep, doors: DoorsDep) -> WebhookAnswer:
    """A workflow's "Webhook" action, which signs nothing: the URL's secret says whose it is, the API says what is true.

    404: no such URL; 400: no JSON object; 429: too many, or not stored, send it again.
    """
    received_at = services.clock.now()
    location_id = await location_with_key(services.memory, key)
    if location_id is None:  # in the words of any other unknown path
        raise HTTPException(HTTPStatus.NOT_FOUND)
    try:
        await doors.hints.spend(location_id)
        body = await request.body()
        simulated = await is_simulated(
            services.memory, location_id, otherwise=services.settings.ghl_is_simulated
        )
        hint = services.webhook_reader.hint(
            body, location_id=location_id, received_at=received_at, simulated=simulated
        )
        receipt = await take_hint(services.inbox, hint)
    except TranslationError as error:
        services.inbox.counter.count(Source.WORKFLOW_WEBHOOK, "unreadable", location_id)
        raise InputError(str(error)) from None
    except (TooManyRequests, StorageUnavailable, HTTPException) as error:
        _ring(doors, error, Source.WORKFLOW_WEBHOOK, services.clock.now())
        services.inbox.counter.count(Source.WORKFLOW_WEBHOOK, _refusal(error), location_id)
        raise
    return WebhookAnswer(status=receipt.outcome.value, reason=receipt.reason)


def _ring(doors: Doors, error: Exception, source: Source, now: datetime) -> None:
    """Any refusal counts against the URL's health at GoHighLevel, and one that was not stored is ours to mend."""
    not_stored = str(error) if isinstance(error, StorageUnavailable) else None
    doors.refusals.refused(source, _refusal(error), now=now, not_stored=not_stored)


def _refusal(error: Exception) -> str:
    if isinstance(error, TooManyRequests):
        return "too_many"
    if isinstance(error, HTTPException):
        return "too_large" if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "unreadable"
    return "bad_signature" if isinstance(error, SignatureRejected) else "not_stored"
