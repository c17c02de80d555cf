"""Passwords, access tokens, tickets: what is accepted, and every way in which it is not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

from ghl_real_estate_ai.api.auth import TicketOffice, TokenIssuer, hash_password, verify_password
from ghl_real_estate_ai.budgets import TICKET_TTL_S, TICKETS_HELD, TOKENS_CACHED
from ghl_real_estate_ai.errors import Unauthenticated
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Role, User
from tests.support.clock import FakeClock
from tests.support.facts import NOON
from tests.support.sockets import identity

SECRET = "k" * 40
USER = User(
    location_id=LocationId("loc-1"), user_id=UserId("u-1"), email="a@example.com", name="Ana", role=Role.AGENT
)
CLAIMS = {
    "iss": "enterprisehub",
    "aud": "enterprisehub-api",
    "sub": "u-1",
    "loc": "loc-1",
    "role": "agent",
    "name": "Ana",
    "email": "a@example.com",
    "iat": int(NOON.timestamp()),
    "exp": int(NOON.timestamp()) + 60,
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tokens(clock: FakeClock) -> TokenIssuer:
    return TokenIssuer(SECRET, minutes=30, clock=clock)


def signed(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm)


# --- passwords ----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_password_fits_its_own_hash_only() -> None:
    digest = await hash_password("correct horse")
    assert digest.startswith("$argon2id$")
    assert await verify_password("correct horse", digest)
    assert not await verify_password("wrong horse", digest)
    assert digest != await hash_password("correct horse")


@pytest.mark.asyncio
@pytest.mark.parametrize("stored", [None, "", "not a hash"])
async def test_nothing_fits_a_user_who_does_not_exist_or_a_broken_hash(stored: str | None) -> None:
    assert not await verify_password("", stored)
    assert not await verify_password("correct horse", stored)


# --- tokens -------------------------------------------------------------------------------------------------------


def test_a_token_proves_the_user_until_it_expires(tokens: TokenIssuer, clock: FakeClock) -> None:
    token, issued = tokens.issue(USER)
    assert issued.expires_at == NOON + timedelta(minutes=30)
    assert tokens.verify(token) == issued
    assert tokens.verify(token) is tokens.verify(token)
    clock.set_forward(30 * 60 - 1)
    assert tokens.verify(token) == issued
    clock.set_forward(1)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.verify(token)


def test_the_claims_above_are_accepted_as_they_are(tokens: TokenIssuer) -> None:
    assert tokens.verify(signed(CLAIMS)).user_id == "u-1"


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_token_that_lacks_a_claim_is_refused(tokens: TokenIssuer, claim: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(signed({name: value for name, value in CLAIMS.items() if name != claim}))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "another-api"},
        {"role": "superuser"},
        {"exp": "soon"},
        {"exp": 10**30},
        {"exp": int(NOON.timestamp()) - 1},
        {"iat": int(NOON.timestamp()) + 60},
        {"loc": ["loc-1", "loc-2"]},
        {"scope": "everything"},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(tokens: TokenIssuer, changes: dict[str, object]) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(signed({**CLAIMS, **changes}))


def _unsigned() -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(CLAIMS)}."


def _role_raised() -> str:
    header, _, signature = signed(CLAIMS).split(".")
    raised = base64.urlsafe_b64encode(json.dumps({**CLAIMS, "role": "admin"}).encode()).rstrip(b"=").decode()
    return f"{header}.{raised}.{signature}"


@pytest.mark.parametrize(
    "forge",
    [
        _unsigned,
        _role_raised,
        lambda: signed(CLAIMS, secret="x" * 40),
        lambda: signed(CLAIMS, secret="k" * 64, algorithm="HS512"),
        lambda: signed(CLAIMS) + "x",
        lambda: "",
        lambda: "a.b.c",
        lambda: "\ud800.x.y",
    ],
    ids=["alg none", "role raised", "wrong key", "other algorithm", "tail", "empty", "noise", "surrogate"],
)
def test_a_forged_token_is_refused(tokens: TokenIssuer, forge: Callable[[], str]) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(forge())


def test_the_memory_of_good_tokens_is_bounded(tokens: TokenIssuer) -> None:
    tokens._verified = {bytes([n % 256, n // 256]): identity() for n in range(TOKENS_CACHED)}
    tokens.verify(signed(CLAIMS))
    assert len(tokens._verified) == TOKENS_CACHED


# --- tickets ------------------------------------------------------------------------------------------------------


def test_a_ticket_works_once_and_for_its_owner(clock: FakeClock) -> None:
    office = TicketOffice(clock=clock)
    ana, bo = identity(user="ana"), identity(user="bo")
    ticket_of_ana, ticket_of_bo = office.issue(ana), office.issue(bo)
    assert office.redeem(ticket_of_bo) == bo
    assert office.redeem(ticket_of_ana) == ana
    for used in (ticket_of_ana, ticket_of_bo, "unknown", ""):
        with pytest.raises(Unauthenticated):
            office.redeem(used)


def test_a_ticket_dies_of_age(clock: FakeClock) -> None:
    office = TicketOffice(clock=clock)
    ticket = office.issue(identity())
    clock.set_forward(TICKET_TTL_S)
    with pytest.raises(Unauthenticated):
        office.redeem(ticket)


def test_unused_tickets_are_swept_and_bounded(clock: FakeClock) -> None:
    office = TicketOffice(clock=clock)
    first = office.issue(identity())
    for _ in range(TICKETS_HELD):
        last = office.issue(identity())
    assert len(office) == TICKETS_HELD
    with pytest.raises(Unauthenticated):
        office.redeem(first)
    assert office.redeem(last)
    clock.set_forward(TICKET_TTL_S)
    office.issue(identity())
    assert len(office) == 1
