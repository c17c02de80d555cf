"""The client module over HTTP: right types, cheap to ask for again, nothing else of the folder, nothing inline."""

from __future__ import annotations

import re

import pytest

from tests.support.gateway import Gateway
from tests.support.node import PACKAGE

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLDER = PACKAGE / "live_client"
TYPES = {
    "enterprisehub_live.js": "text/javascript",
    "live_items.js": "text/javascript",
    "example.html": "text/html",
    "example.js": "text/javascript",
    "example.css": "text/css",
}


@pytest.mark.parametrize(("name", "media_type"), TYPES.items())
async def test_each_file_comes_with_its_type_and_costs_nothing_the_second_time(
    gateway: Gateway, name: str, media_type: str
) -> None:
    answer = await gateway.http.get(f"/client/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == (FOLDER / name).read_bytes()
    etag = answer.headers["etag"]
    for known in (etag, f'"older", W/{etag}'):
        again = await gateway.http.get(f"/client/{name}", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    changed = await gateway.http.get(f"/client/{name}", headers={"If-None-Match": '"older"'})
    assert changed.status_code == 200


async def test_nothing_else_is_served(gateway: Gateway) -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*TYPES, "README.md"}
    for name in ("README.md", "..%2fsettings.py", "tomorrow.js"):
        answer = await gateway.http.get(f"/client/{name}")
        assert answer.status_code == 404, name


async def test_a_page_of_an_allowed_origin_may_import_it_and_no_other(gateway: Gateway) -> None:
    ours = "http://127.0.0.1:8501"
    for origin, allowed in ((ours, ours), ("https://elsewhere.example", None)):
        answer = await gateway.http.get("/client/enterprisehub_live.js", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed


async def test_the_example_obeys_a_policy_that_allows_nothing_inline(gateway: Gateway) -> None:
    answer = await gateway.http.get("/client/example.html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.search(r"<script[^>]*>[^<]|<style| on\w+=| style=", answer.text) is None
