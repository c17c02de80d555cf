"""Errors as answers: ``{"error": {"code", "message"}}`` with the status that the error itself carries.

Called by ``app`` once, by ``short_way``, and by ``request_guard`` for what nobody foresaw. A message never repeats what was sent: it may be a password.
"""

from __future__ import annotations

import math
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import (
    EnterpriseHubError,
    InputError,
    NotFound,
    PayloadTooLarge,
    StorageUnavailable,
    TooManyRequests,
    Unauthenticated,
)
from ghl_real_estate_ai.limits import STORAGE_RETRY_S

_log = telemetry.get_logger("api")

_CODES = {404: NotFound.code, 413: PayloadTooLarge.code}


def add_error_handlers(app: FastAPI) -> None:
    """Every error becomes an answer of the same shape."""

    @app.exception_handler(EnterpriseHubError)
    async def ours(request: Request, error: EnterpriseHubError) -> JSONResponse:
        return answer_to(request.scope, error)

    @app.exception_handler(RequestValidationError)
    async def unusable(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        return _answer(InputError.http_status, InputError.code, f"{field}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return answer_to(request.scope, error)


def answer_to(scope: Scope, error: EnterpriseHubError | HTTPException) -> JSONResponse:
    """The answer that an error stands for."""
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, HTTPStatus(error.status_code).name.lower())
        return _answer(error.status_code, code, str(error.detail), headers=dict(error.headers or {}))
    if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request.failed", route=route_of(scope), code=error.code, reason=str(error))
    return _answer(error.http_status, error.code, str(error), headers=_headers(error))


def crashed(route: str, error: Exception) -> JSONResponse:
    """The answer to what nobody foresaw. The log gets type and place, not the message: it may quote what was sent."""
    _log.error(
        "request.crashed",
        route=route,
        **telemetry.crash_of(error),
    )
    message = "something went wrong here; the server's log says where"
    return _answer(500, EnterpriseHubError.code, message)


def _headers(error: EnterpriseHubError) -> dict[str, str]:
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if isinstance(error, StorageUnavailable):
        return {"Retry-After": str(math.ceil(STORAGE_RETRY_S))}
    return {}


def route_of(scope: Scope) -> str:
    """The route's pattern: a path itself may name a lead."""
    return str(getattr(scope.get("route"), "path", "unknown"))


def _answer(status: int, code: str, message: str, *, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        {"error": {"code": code, "message": message}}, status_code=status, headers=headers or None
    )
