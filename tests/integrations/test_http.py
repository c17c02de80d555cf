"""The house's HTTP client: what it sends, how it fails, and that no secret leaves with a failure."""

from __future__ import annotations

import gzip
import logging
import socket
import subprocess
import sys
from typing import Any

import pytest

from ghl_real_estate_ai.errors import AnswerLost, NotSent, Unreachable
from ghl_real_estate_ai.integrations.http import HttpAnswer, HttpClient, HttpRequest
from tests.support.error_tracker import collectable
from tests.support.scripted_server import Reply, answering

SECRET = "pit-0a1b2c3d-secret"
PERSON = "ann@example.com"


def request(url: str, **parts: Any) -> HttpRequest:
    fields = {
        "name": "GET /things",
        "method": "GET",
        "headers": {"Authorization": f"Bearer {SECRET}"},
        **parts,
    }
    return HttpRequest(url=url, **fields)


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.asyncio
async def test_it_sends_query_headers_and_json_and_hands_back_the_answer() -> None:
    async with answering(Reply(201, {"ok": True}, {"X-Limit": "5"})) as server, HttpClient() as client:
        asked = request(f"{server.url}/things", method="POST", query=(("q", "a b&c"),), json={"name": "Zoë"})
        answer = await client.send(asked)
    assert (answer.status, answer.success, answer.parsed()) == (201, True, {"ok": True})
    assert answer.headers["x-limit"] == "5"
    seen = server.seen[0]
    assert (seen.method, seen.query, seen.json) == ("POST", {"q": "a b&c"}, {"name": "Zoë"})
    assert seen.headers["authorization"] == f"Bearer {SECRET}"
    assert seen.headers["content-type"] == "application/json"


@pytest.mark.asyncio
async def test_a_form_is_sent_as_a_form_and_a_delete_may_have_a_body() -> None:
    async with answering() as server, HttpClient() as client:
        await client.send(request(f"{server.url}/token", method="POST", form={"client_id": "a&b"}))
        await client.send(request(f"{server.url}/tags", method="DELETE", json={"tags": ["hot"]}))
    form, deletion = server.seen
    assert form.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form.form == {"client_id": "a&b"}
    assert (deletion.method, deletion.json) == ("DELETE", {"tags": ["hot"]})


@pytest.mark.asyncio
async def test_a_path_keeps_its_escapes() -> None:
    async with answering() as server, HttpClient() as client:
        await client.send(request(f"{server.url}/contacts/a%2Fb%3F%25"))
    assert server.seen[0].path == "/contacts/a%2Fb%3F%25"


@pytest.mark.asyncio
async def test_a_redirect_is_an_answer_and_the_token_stays_here() -> None:
    async with answering(Reply(302, headers={"Location": "/elsewhere"})) as server, HttpClient() as client:
        answer = await client.send(request(server.url))
    assert answer.status == 302
    assert len(server.seen) == 1


@pytest.mark.asyncio
async def test_a_compressed_answer_is_read() -> None:
    packed = Reply(200, gzip.compress(b'{"ok": true}'), {"Content-Encoding": "gzip"})
    async with answering(packed) as server, HttpClient() as client:
        assert (await client.send(request(server.url))).parsed() == {"ok": True}


@pytest.mark.asyncio
async def test_a_closed_door_means_that_nothing_was_sent() -> None:
    async with HttpClient() as client:
        with pytest.raises(NotSent, match="GET /things: no connection"):
            await client.send(request(closed_port()))


@pytest.mark.asyncio
async def test_a_host_that_hangs_up_may_have_done_it() -> None:
    async with answering(Reply(lost=True)) as server, HttpClient() as client:
        with pytest.raises(AnswerLost, match="GET /things: no usable answer"):
            await client.send(request(server.url))
    assert len(server.seen) == 1


@pytest.mark.asyncio
async def test_a_host_that_says_nothing_in_time_may_have_done_it() -> None:
    async with answering(Reply(delay_s=30.0)) as server, HttpClient(timeout_s=0.05) as client:
        with pytest.raises(AnswerLost, match="ReadTimeout"):
            await client.send(request(server.url))


@pytest.mark.asyncio
async def test_an_endless_answer_is_cut_off() -> None:
    async with answering(Reply(200, b"x" * 2_000)) as server, HttpClient(answer_bytes=1_000) as client:
        with pytest.raises(AnswerLost, match="larger than 1000 bytes"):
            await client.send(request(server.url))


@pytest.mark.asyncio
@pytest.mark.parametrize("door", ["closed", "hangs up"])
async def test_a_failure_holds_no_token_no_body_and_no_query(door: str) -> None:
    async with answering(Reply(lost=True)) as server, HttpClient() as client:
        url = closed_port() if door == "closed" else server.url
        with pytest.raises(Unreachable) as caught:
            await client.send(request(url, query=(("email", PERSON),), json={"message": "hello Ann"}))
    said = collectable(caught.value)
    assert SECRET not in said
    assert PERSON not in said
    assert "hello Ann" not in said


@pytest.mark.asyncio
async def test_no_log_line_holds_a_url_or_a_token(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with answering() as server, HttpClient() as client:
            await client.send(request(server.url, query=(("email", PERSON),)))
    assert SECRET not in caplog.text
    assert "example.com" not in caplog.text


def test_requests_and_answers_are_shown_by_name_only() -> None:
    shown = repr(request("http://x/?q=ann", query=(("email", PERSON),), json={"message": "hello"}))
    assert shown == "HttpRequest(name='GET /things')"
    assert repr(HttpAnswer(200, {"set-cookie": SECRET}, b"hello")) == "HttpAnswer(status=200)"


@pytest.mark.untraced
def test_a_gateway_that_calls_nobody_starts_without_httpx() -> None:
    program = "import sys, ghl_real_estate_ai.api.app; print('httpx' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
