"""Seven defects that were reproduced in the vendor's own SDK (gohighlevel-api-client 3.0.0), each kept out of our client."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from ghl_real_estate_ai.errors import InputError, NeedsReconnect, SignatureRejected
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.models.events import Delivery
from tests.support.error_tracker import collectable
from tests.support.ghl import GhlSigner, encoded, reader_of, webhook
from tests.support.ghl_client import OWNER, Crm, crm_before
from tests.support.ghl_requests import AT
from tests.support.ghl_tokens import FakeTokens
from tests.support.scripted_server import Reply, Seen

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def refuses_the_first_token(seen: Seen) -> Reply:
    """A server whose first token ran out."""
    if seen.headers["authorization"] == "Bearer token-1":
        return Reply(401, {"message": "Invalid JWT"})
    return Reply(200, {"id": "x1", "messageId": "x1", "tags": ["hot"]})


@pytest.mark.asyncio
async def test_1_every_kind_of_call_renews_a_token_that_ran_out() -> None:
    """SDK: the renewal never fired for contacts, tags, notes, tasks and messages. 8 of 8 calls failed."""

    async def all_calls(crm: Crm) -> None:
        await crm.client.get_contact(OWNER, "c1")
        await crm.client.update_contact(OWNER, "c1", fields={"source": "site"})
        await crm.client.add_tags(OWNER, "c1", ["hot"])
        await crm.client.remove_tags(OWNER, "c1", ["hot"])
        await crm.client.create_note(OWNER, "c1", body="b")
        await crm.client.create_task(OWNER, "c1", title="t", due_at=AT)
        await crm.client.send_message(OWNER, "c1", type_="SMS", message="m")
        await crm.client.search_opportunities(OWNER)

    async with crm_before(otherwise=refuses_the_first_token) as crm:
        await all_calls(crm)
    assert crm.tokens.renewals == 1
    assert crm.bearers == ["token-1"] + ["token-2"] * 8


@pytest.mark.asyncio
async def test_2_eight_calls_at_once_renew_a_token_once() -> None:
    """SDK: 8 parallel 401s sent 8 refreshes with one single-use token. 7 calls failed."""
    async with crm_before(otherwise=refuses_the_first_token, tokens=FakeTokens(renewals_left=1)) as crm:
        calls = [crm.client.get_contact(OWNER, f"c{number}") for number in range(8)]
        contacts = await asyncio.gather(*calls)
    assert len(contacts) == 8
    assert crm.tokens.renewals == 1


@pytest.mark.asyncio
async def test_3_no_id_leads_to_another_path() -> None:
    """SDK: ``get_contact("../locations/OTHER")`` asked for ``/locations/OTHER``."""
    async with crm_before() as crm:
        with pytest.raises(InputError, match="contactId: not an id"):
            await crm.client.get_contact(OWNER, "../locations/OTHER")
        await crm.client.list_notes(OWNER, "a?b#c%2F..")
    assert [seen.target for seen in crm.server.seen] == ["/contacts/a%3Fb%23c%252F../notes"]


@pytest.mark.asyncio
async def test_4_no_error_holds_the_token() -> None:
    """SDK: ``GHLError.request`` kept all headers, so the bearer token went to logs and error trackers."""
    async with crm_before(Reply(401), tokens=FakeTokens(renewals_left=0)) as crm:
        with pytest.raises(NeedsReconnect) as caught:
            await crm.client.get_contact(OWNER, "c1")
    assert "token-1" not in collectable(caught.value)
    assert "Bearer" not in collectable(caught.value)


@pytest.mark.asyncio
async def test_5_a_429_is_waited_out_and_its_figures_are_kept() -> None:
    """SDK: a 429 was raised at once; no wait, no limiter, the headers ignored."""
    hasty = Reply(429, headers={"X-RateLimit-Max": "100", "X-RateLimit-Remaining": "0"})
    async with crm_before(hasty, Reply(200, {"id": "c1"})) as crm:
        await crm.client.get_contact(OWNER, "c1")
        assert crm.client.standing(OWNER).quota.per_interval == 100
    assert crm.waits == [10.5]


@pytest.mark.asyncio
@pytest.mark.parametrize("api", list(ApiProfile))
async def test_6_a_locations_token_is_asked_for_by_the_names_that_the_api_knows(api: ApiProfile) -> None:
    """SDK: it sent ``company_id`` and ``location_id``; v3 wants ``companyId`` and ``locationId``."""
    async with crm_before(Reply(200, {"access_token": "a", "userId": "u"}), api=api) as crm:
        await crm.client.location_token("company1", "loc1")
    assert crm.server.seen[0].form == {"companyId": "company1", "locationId": "loc1"}


@pytest.mark.parametrize("signature", ["bad", "missing", "N/A", "of another body"])
def test_7_a_webhook_that_nobody_signed_is_refused_whatever_it_holds(signature: str) -> None:
    """SDK: the middleware returned None for a bad, missing or skipped signature, and the route went on to 200."""
    signer = GhlSigner(1)
    body = encoded({**webhook("NoteCreate", id="n", contactId="c", body="b"), "appId": None})
    headers = {
        "bad": {"X-GHL-Signature": "AAAA"},
        "missing": {},
        "N/A": {"X-GHL-Signature": "N/A"},
        "of another body": signer.headers(body + b" "),
    }
    reader = reader_of(vendor=signer)
    with pytest.raises(SignatureRejected):
        reader.read(body, headers[signature], received_at=NOW)
    assert isinstance(reader.read(body, signer.headers(body), received_at=NOW), Delivery)
