"""Every error is an answer of the same shape, and says nothing that it should not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from ghl_real_estate_ai.api.error_handlers import add_error_handlers
from ghl_real_estate_ai.api.request_guard import RequestGuard
from ghl_real_estate_ai.errors import (
    ConfigurationError,
    Conflict,
    EnterpriseHubError,
    StorageUnavailable,
    TooManyRequests,
)


def raising(error: Exception) -> httpx.AsyncClient:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    app.add_middleware(RequestGuard, default=1_000, limits={})
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (Conflict("exists; choose another"), 409, None),
        (TooManyRequests("slow down", retry_after_s=2.1), 429, "3"),
        (StorageUnavailable("send again"), 429, "5"),
        (ConfigurationError("mend the setting"), 500, None),
    ],
)
async def test_our_errors_carry_code_status_and_fix(
    error: EnterpriseHubError, status: int, retry_after: str | None
) -> None:
    async with raising(error) as http:
        response = await http.get("/")
    assert (response.status_code, response.json()) == (
        status,
        {"error": {"code": error.code, "message": str(error)}},
    )
    assert response.headers.get("retry-after") == retry_after


@pytest.mark.asyncio
async def test_an_unforeseen_error_is_logged_by_type_and_place_and_told_to_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with raising(RuntimeError("secret detail")) as http:
        response = await http.get("/")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert response.headers["cache-control"] == "no-store"
    logged = "".join(capsys.readouterr())
    assert "RuntimeError" in logged
    assert "secret detail" not in response.text + logged


@pytest.mark.asyncio
async def test_an_error_after_the_answer_began_breaks_the_connection() -> None:
    app = FastAPI()
    app.add_middleware(RequestGuard, default=1_000, limits={})

    @app.get("/")
    async def half() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("gone")

        return StreamingResponse(chunks())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        with pytest.raises(RuntimeError, match="gone"):
            await http.get("/")


@pytest.mark.asyncio
async def test_a_path_or_method_that_does_not_exist_has_the_same_shape() -> None:
    async with raising(RuntimeError()) as http:
        assert (await http.get("/nowhere")).json()["error"]["code"] == "not_found"
        response = await http.delete("/")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET"
