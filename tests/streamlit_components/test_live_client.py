"""The pages' HTTP client: every answer of a gateway becomes a session or one of our own errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ghl_real_estate_ai.errors import (
    EnterpriseHubError,
    InputError,
    TooManyRequests,
    Unauthenticated,
    Unreachable,
)
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient

USER = {"user_id": "u1", "name": "Dana", "email": "d@example.com", "role": "agent", "location_id": "l1"}
SESSION = {"access_token": "t", "expires_at": "2026-11-23T10:00:00Z", "user": USER}


def client(status: int, body: object, headers: dict[str, str] | None = None) -> GatewayClient:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body, headers=headers))
    return GatewayClient("http://gateway", transport=transport)


def test_signing_in_gives_the_session_that_the_gateway_made() -> None:
    asked: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((str(request.url), json.loads(request.content)))
        return httpx.Response(201, json=SESSION)

    gateway = GatewayClient("http://gateway", transport=httpx.MockTransport(answer))
    session = gateway.sign_in("d@example.com", "secret", LocationId("l1"))
    gateway.sign_in("d@example.com", "secret")
    body = {"email": "d@example.com", "password": "secret"}
    assert asked == [
        ("http://gateway/v1/sessions", {**body, "location_id": "l1"}),
        ("http://gateway/v1/sessions", body),
    ]
    assert (session.access_token, session.user.name) == ("t", "Dana")


def test_a_session_ends_at_its_time() -> None:
    session = client(201, SESSION).sign_in("d@example.com", "secret")
    end = datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert session.expired(end)
    assert not session.expired(end - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, Unauthenticated),
        (429, TooManyRequests),
        (400, InputError),
        (422, InputError),
        (500, Unreachable),
    ],
)
def test_a_refusal_becomes_our_own_error(status: int, error: type[EnterpriseHubError]) -> None:
    with pytest.raises(error):
        client(status, {"error": {"code": "x", "message": "because"}}).sign_in("d@example.com", "p")


def test_a_refusal_keeps_the_gateways_sentence_and_its_wait() -> None:
    body = {"error": {"code": "x", "message": "because"}}
    with pytest.raises(TooManyRequests, match="because") as refused:
        client(429, body, {"Retry-After": "12"}).sign_in("d@example.com", "p")
    assert refused.value.retry_after_s == 12
    with pytest.raises(TooManyRequests) as vague:
        client(429, body, {"Retry-After": "soon"}).sign_in("d@example.com", "p")
    assert vague.value.retry_after_s == 0


def test_a_refusal_without_a_sentence_names_its_status() -> None:
    with pytest.raises(InputError, match="HTTP 404"):
        client(404, ["not ours"]).sign_in("d@example.com", "p")


def test_a_gateway_that_does_not_answer_is_named_with_the_fix() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    gateway = GatewayClient("http://gateway", transport=httpx.MockTransport(refuse))
    with pytest.raises(Unreachable, match=r"http://gateway does not answer.*enterprisehub serve"):
        gateway.sign_in("d@example.com", "p")


def test_something_else_on_that_port_is_not_taken_for_a_gateway() -> None:
    with pytest.raises(Unreachable, match="not an EnterpriseHub gateway"):
        client(201, {"hello": "world"}).sign_in("d@example.com", "p")
