"""The client over real HTTP: what each kind of failure leads to, and what is sent again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.utils import format_datetime

import pytest

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    CrmRefused,
    CrmUnreadable,
    EnterpriseHubError,
    LocationInactive,
    NeedsReconnect,
    NotFound,
    NotSent,
    OutcomeUnknown,
    ScopeMissing,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.client import AccessToken, GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standings
from ghl_real_estate_ai.integrations.http import HttpClient
from tests.support.clock import FakeClock
from tests.support.error_tracker import collectable, readable
from tests.support.ghl_client import OWNER, Crm, crm_before
from tests.support.ghl_requests import AT
from tests.support.ghl_tokens import FakeTokens
from tests.support.scripted_server import Reply

CONTACT = Reply(200, {"contact": {"id": "c1", "tags": ["hot"]}})
NOTE = Reply(201, {"note": {"id": "n1"}})
BUSY = Reply(503, {"message": "try later"})
LOST = Reply(lost=True)
LIMIT = {
    "X-RateLimit-Max": "100",
    "X-RateLimit-Remaining": "97",
    "X-RateLimit-Interval-Milliseconds": "10000",
    "X-RateLimit-Limit-Daily": "200000",
    "X-RateLimit-Daily-Remaining": "199997",
}

pytestmark = pytest.mark.asyncio


async def note(crm: Crm) -> str:
    return (await crm.client.create_note(OWNER, "c1", body="wants a garden")).id


# --- the ordinary call --------------------------------------------------------------------------------------------


async def test_a_call_carries_token_and_version_and_comes_back_typed() -> None:
    async with crm_before(CONTACT) as crm:
        contact = await crm.client.get_contact(OWNER, "c1")
    assert (contact.id, contact.tags) == ("c1", ("hot",))
    seen = crm.server.seen[0]
    assert (seen.method, seen.target) == ("GET", "/contacts/c1")
    assert (seen.headers["authorization"], seen.headers["version"]) == ("Bearer token-1", "v3")


async def test_the_dated_profile_speaks_the_dated_version() -> None:
    async with crm_before(api=ApiProfile.DATES) as crm:
        await crm.client.list_pipelines(OWNER)
        await crm.client.search_conversations(OWNER)
    assert [seen.headers["version"] for seen in crm.server.seen] == ["2021-07-28", "2021-04-15"]


async def test_the_first_token_is_asked_for_without_a_token() -> None:
    async with crm_before(Reply(200, {"accessToken": "a", "refreshToken": "r", "expiresIn": 86399})) as crm:
        app = AppCredentials("app", "secret")
        grant = await crm.client.exchange_code(
            "app", app, code="c", user_type="Location", redirect_uri="https://hub.example/callback"
        )
    assert grant.refresh_token == "r"
    assert "authorization" not in crm.server.seen[0].headers
    assert crm.server.seen[0].form["clientSecret"] == "secret"


async def test_a_recording_is_handed_over_as_it_is() -> None:
    async with crm_before(Reply(200, b"RIFF....")) as crm:
        assert await crm.client.get_recording(OWNER, "m1") == b"RIFF...."
    assert crm.server.seen[0].path == "/conversations/messages/m1/locations/loc1/recording"


async def test_the_newest_limits_and_the_clock_skew_can_be_asked_for() -> None:
    async with crm_before() as crm:
        assert crm.client.standing(OWNER).clock_skew is None
        ahead = format_datetime(crm.clock.now() + timedelta(seconds=90), usegmt=True)
        crm.server.script = iter([Reply(200, {"id": "c1"}, {**LIMIT, "Date": ahead})])
        await crm.client.get_contact(OWNER, "c1")
        standing = crm.client.standing(OWNER)
    assert (standing.quota.remaining, standing.quota.remaining_today) == (97, 199_997)
    assert standing.clock_skew == timedelta(seconds=90)


# --- tokens -------------------------------------------------------------------------------------------------------


async def test_a_refused_token_is_renewed_once_and_the_call_repeated_whatever_it_is() -> None:
    async with crm_before(Reply(401, {"message": "Invalid JWT"}), NOTE) as crm:
        assert await note(crm) == "n1"
    assert crm.bearers == ["token-1", "token-2"]


async def test_a_new_token_that_is_refused_too_means_connecting_again() -> None:
    async with crm_before(otherwise=lambda seen: Reply(401, {"message": "Invalid JWT"})) as crm:
        with pytest.raises(
            NeedsReconnect, match=r"GET /contacts/\{contactId\}: Invalid JWT; connect the account again"
        ):
            await crm.client.get_contact(OWNER, "c1")
    assert crm.tokens.renewals == 1
    assert len(crm.server.seen) == 2


async def test_a_token_that_cannot_be_renewed_means_connecting_again() -> None:
    async with crm_before(Reply(401), tokens=FakeTokens(renewals_left=0)) as crm:
        with pytest.raises(NeedsReconnect, match="the refresh token is spent"):
            await crm.client.get_contact(OWNER, "c1")
    assert len(crm.server.seen) == 1


async def test_a_wrong_client_secret_renews_nothing() -> None:
    async with crm_before(Reply(401, {"error": "invalid_client"})) as crm:
        with pytest.raises(NeedsReconnect, match="invalid_client"):
            await crm.client.refresh_token("app", AppCredentials("app", "x"), token="r", user_type="Location")
    assert crm.tokens.renewals == 0


@pytest.mark.parametrize("value", ["to\nken", "tökèn"])
async def test_a_token_that_no_header_carries_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ConfigurationError, match="copy it again") as caught:
        AccessToken(value, 1)
    assert value not in str(caught.value)


# --- what sending again does not help -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected", "words"),
    [
        (Reply(403, {"message": "Forbidden resource"}), ScopeMissing, "check scope 'contacts.readonly'"),
        (
            Reply(401, {"message": "The token is not authorized for this scope."}),
            ScopeMissing,
            "contacts.readonly",
        ),
        (
            Reply(403, {"message": "The token does not have access to this location."}),
            ScopeMissing,
            "this token opens another account",
        ),
        (Reply(404, {"message": "Contact not found"}), NotFound, "Contact not found"),
        (
            Reply(400, {"message": "Contact id is invalid"}),
            CrmRefused,
            r"Contact id is invalid \(status 400\)",
        ),
        (Reply(422, {"message": ["name must be text", "no city"]}), CrmRefused, "name must be text; no city"),
        (Reply(400, {"message": "Location is not active"}), LocationInactive, "has to reactivate it"),
        (Reply(302, b"<html>"), CrmRefused, r"no message \(status 302\)"),
        (Reply(418, 7), CrmRefused, r"no message \(status 418\)"),
    ],
)
async def test_what_will_not_get_better_is_said_at_once(
    reply: Reply, expected: type[EnterpriseHubError], words: str
) -> None:
    async with crm_before(reply) as crm:
        with pytest.raises(expected, match=words):
            await crm.client.get_contact(OWNER, "c1")
    assert len(crm.server.seen) == 1
    assert crm.waits == []


async def test_a_message_that_cannot_be_changed_yet_is_no_matter_of_scopes() -> None:
    async with crm_before(Reply(403, {"message": "Forbidden"})) as crm:
        with pytest.raises(CrmRefused, match="takes seconds until it can be changed") as caught:
            await crm.client.update_message_status(OWNER, "m1", status="read")
    assert caught.value.status == 403


async def test_the_missing_scope_is_named() -> None:
    async with crm_before(Reply(403)) as crm:
        with pytest.raises(ScopeMissing) as caught:
            await crm.client.send_message(OWNER, "c1", type_="SMS", message="Hi")
    assert caught.value.scope == "conversations/message.write"


# --- what sending again helps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [BUSY, LOST], ids=["503", "lost answer"])
async def test_what_may_happen_twice_is_sent_again_with_growing_waits(trouble: Reply) -> None:
    async with crm_before(trouble, trouble, trouble, CONTACT) as crm:
        assert (await crm.client.get_contact(OWNER, "c1")).id == "c1"
    assert crm.waits == [0.5, 1.0, 2.0]


async def test_four_attempts_are_enough() -> None:
    async with crm_before(otherwise=lambda seen: BUSY) as crm:
        with pytest.raises(Unreachable, match=r"try later \(status 503\)"):
            await crm.client.get_contact(OWNER, "c1")
    assert len(crm.server.seen) == 4


async def test_updates_deletions_and_searches_may_happen_twice() -> None:
    done = Reply(200, {"id": "c1", "tags": [], "contacts": [], "records": []})
    async with crm_before(LOST, done, LOST, done, LOST, done, LOST, done, LOST, done) as crm:
        await crm.client.update_contact(OWNER, "c1", fields={"source": "site"})
        await crm.client.remove_tags(OWNER, "c1", ["hot"])
        await crm.client.add_tags(OWNER, "c1", ["hot"])
        await crm.client.search_contacts(OWNER)
        await crm.client.search_records(OWNER, "custom_objects.activity")
    assert [seen.method for seen in crm.server.seen[::2]] == ["PUT", "DELETE", "POST", "POST", "POST"]


@pytest.mark.parametrize("trouble", [BUSY, LOST], ids=["503", "lost answer"])
async def test_what_must_not_happen_twice_is_sent_once_and_its_end_left_open(trouble: Reply) -> None:
    async with crm_before(otherwise=lambda seen: trouble) as crm:
        with pytest.raises(
            OutcomeUnknown, match=r"POST /contacts/\{contactId\}/notes.*look before sending it again"
        ):
            await note(crm)
        with pytest.raises(OutcomeUnknown):
            await crm.client.create_task(OWNER, "c1", title="Call", due_at=AT)
        with pytest.raises(OutcomeUnknown):
            await crm.client.send_message(OWNER, "c1", type_="SMS", message="Hi")
        with pytest.raises(OutcomeUnknown):
            await crm.client.upsert_contact(OWNER, fields={"email": "ann@example.com"})
        with pytest.raises(OutcomeUnknown):
            await crm.client.refresh_token("app", AppCredentials("app", "x"), token="r", user_type="Location")
    assert len(crm.server.seen) == 5


async def test_a_change_whose_answer_cannot_be_read_has_happened() -> None:
    async with crm_before(Reply(201, {"note": {}})) as crm:
        with pytest.raises(OutcomeUnknown, match="done, but the answer cannot be read; id: Field required"):
            await note(crm)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<html>", "not JSON"), ({"contact": {}}, "id: Field required"), ([], "the whole: ")],
)
async def test_an_answer_that_cannot_be_read_names_its_problem(content: object, words: str) -> None:
    async with crm_before(Reply(200, content)) as crm:
        with pytest.raises(CrmUnreadable, match=words) as caught:
            await crm.client.get_contact(OWNER, "c1")
    assert caught.value.__context__ is None


async def test_what_was_not_sent_is_sent_again_whatever_it_is() -> None:
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    async with crm_before() as gone:
        address = gone.server.url
    async with HttpClient() as http:
        client = GoHighLevelClient(
            http=http,
            tokens=FakeTokens(),
            limiter=RateLimiter(),
            standings=Standings(),
            clock=FakeClock(),
            base_url=address,
            sleep=wait,
            luck=lambda: 0.5,
        )
        with pytest.raises(NotSent, match="no connection"):
            await client.create_note(OWNER, "c1", body="wants a garden")
    assert waits == [0.25, 0.5, 1.0]


# --- limits -------------------------------------------------------------------------------------------------------


async def test_a_refusal_for_haste_is_waited_out_by_its_own_measure() -> None:
    hasty = Reply(429, {"message": "Too Many Requests"}, {"Retry-After": "7"})
    async with crm_before(hasty, NOTE) as crm:
        assert await note(crm) == "n1"
    assert crm.waits == [7.0]


async def test_a_refusal_for_haste_without_a_measure_is_waited_out_for_one_interval() -> None:
    async with crm_before(Reply(429), NOTE) as crm:
        assert await note(crm) == "n1"
    assert crm.waits == [10.0]


async def test_refusals_for_haste_come_to_an_end() -> None:
    async with crm_before(otherwise=lambda seen: Reply(429, headers={"Retry-After": "2"})) as crm:
        with pytest.raises(TooManyRequests, match="the CRM's limit is used up") as caught:
            await crm.client.get_contact(OWNER, "c1")
    assert caught.value.retry_after_s == 2.0
    assert len(crm.server.seen) == 4


async def test_a_refusal_that_lasts_too_long_is_not_waited_for() -> None:
    async with crm_before(Reply(429, headers={"Retry-After": "3600"})) as crm:
        with pytest.raises(TooManyRequests) as caught:
            await crm.client.get_contact(OWNER, "c1")
    assert caught.value.retry_after_s == 3600
    assert crm.waits == []


async def test_only_urgent_calls_use_the_reserve_of_the_day() -> None:
    spent = {**LIMIT, "X-RateLimit-Daily-Remaining": "9000"}
    async with (
        crm_before(otherwise=lambda seen: Reply(200, {"id": "c1"}, spent)) as crm,
        HttpClient() as http,
    ):
        limiter = RateLimiter()
        ordinary, urgent = (
            GoHighLevelClient(
                http=http,
                tokens=crm.tokens,
                limiter=limiter,
                standings=Standings(),
                clock=crm.clock,
                base_url=crm.server.url,
                urgent=urgent,
            )
            for urgent in (False, True)
        )
        await ordinary.get_contact(OWNER, "c1")
        with pytest.raises(TooManyRequests, match="kept for urgent calls"):
            await ordinary.get_contact(OWNER, "c1")
        assert (await urgent.get_contact(OWNER, "c1")).id == "c1"


# --- discretion ---------------------------------------------------------------------------------------------------


async def test_the_vendors_words_are_kept_without_people_and_secrets() -> None:
    words = "ann@example.com, +1 (555) 010-0199: token eyJhbGciOi.eyJzdWIi.c2ln and pit-1234567890 bad since 2026-11-26"
    async with crm_before(Reply(400, {"message": words})) as crm:
        with pytest.raises(CrmRefused) as caught:
            await crm.client.get_contact(OWNER, "c1")
    assert str(caught.value) == (
        "GET /contacts/{contactId}: [removed], [removed]: token [removed] and [removed] bad since 2026-11-26 (status 400)"
    )


@pytest.mark.parametrize("reply", [Reply(400, {"message": "no"}), LOST, Reply(200, b"<html>")])
async def test_no_error_holds_the_token_or_the_body(reply: Reply) -> None:
    async with crm_before(reply) as crm:
        with pytest.raises(EnterpriseHubError) as caught:
            await crm.client.create_note(OWNER, "c1", body="hello Ann")
    assert "token-1" not in collectable(caught.value)
    assert "hello Ann" not in readable(caught.value)


async def test_calls_of_one_location_run_side_by_side() -> None:
    async with crm_before(otherwise=lambda seen: CONTACT) as crm, asyncio.TaskGroup() as tasks:
        for _ in range(30):
            tasks.create_task(crm.client.get_contact(OWNER, "c1"))
    assert len(crm.server.seen) == 30
