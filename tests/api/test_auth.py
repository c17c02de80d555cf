"""Passwords, access tokens, tickets: what is accepted, and every way in which it is not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest

from ghl_real_estate_ai.api.auth import OwnTickets, TicketOffice, TokenIssuer, hash_password, verify_password
from ghl_real_estate_ai.errors import BrokerUnavailable, Unauthenticated
from ghl_real_estate_ai.limits import SESSION_UTMOST_DAYS, TICKET_TTL_S, TICKETS_HELD, TOKENS_CACHED
from ghl_real_estate_ai.live_ports import TicketStore
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Identity, Role, User
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
    "auth_time": NOON.timestamp(),
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


def test_a_renewed_token_goes_on_the_session_with_what_is_stored_now(
    tokens: TokenIssuer, clock: FakeClock
) -> None:
    _, first = tokens.issue(USER, also_at=[LocationId("loc-2")])
    clock.set_forward(20 * 60)
    promoted = USER.model_copy(update={"role": Role.MANAGER, "name": "Ana Diaz"})
    token, renewed = tokens.issue(promoted, of=first)
    assert tokens.verify(token) == renewed
    assert (renewed.signed_in_at, renewed.also_at) == (NOON, (LocationId("loc-2"),))
    assert renewed.expires_at == clock.now() + timedelta(minutes=30)
    assert (renewed.role, renewed.name) == (Role.MANAGER, "Ana Diaz")


def test_no_renewal_goes_beyond_the_utmost_age_of_a_session(tokens: TokenIssuer, clock: FakeClock) -> None:
    _, session = tokens.issue(USER)
    end = NOON + timedelta(days=SESSION_UTMOST_DAYS)
    clock.set_forward(SESSION_UTMOST_DAYS * 86_400 - 60)
    token, last = tokens.issue(USER, of=session)
    assert last.expires_at == end
    assert tokens.verify(token) == last
    clock.set_forward(60)
    with pytest.raises(Unauthenticated, match="14 days ago"):
        tokens.issue(USER, of=last)


def test_a_session_that_was_ended_has_no_good_token_not_even_a_remembered_one(clock: FakeClock) -> None:
    over: set[str] = set()
    tokens = TokenIssuer(SECRET, minutes=30, clock=clock, is_over=lambda who: who.user_id in over)
    token, identity = tokens.issue(USER)
    assert tokens.verify(token) == tokens.admit(identity) == identity
    over.add(USER.user_id)
    with pytest.raises(Unauthenticated, match="ended"):
        tokens.verify(token)
    with pytest.raises(Unauthenticated, match="ended"):
        tokens.admit(identity)
    over.clear()
    assert tokens.verify(token) == identity


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
        {"auth_time": 1e300},
        {"also": "loc-2"},
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


class LostStore:
    """``live_ports.TicketStore`` behind a Redis that may be lost."""

    def __init__(self, clock: FakeClock) -> None:
        self.within = OwnTickets(clock=clock)
        self.lost = True

    async def keep(self, digest: bytes, identity: Identity, *, until: datetime) -> None:
        """Kept, unless lost."""
        if self.lost:
            raise BrokerUnavailable("tickets: Redis does not answer")
        await self.within.keep(digest, identity, until=until)

    async def take(self, digest: bytes) -> tuple[datetime, Identity] | None:
        """Taken, unless lost."""
        if self.lost:
            raise BrokerUnavailable("tickets: Redis does not answer")
        return await self.within.take(digest)


def office_of(clock: FakeClock, store: TicketStore | None = None, *, secret: str = SECRET) -> TicketOffice:
    return TicketOffice(OwnTickets(clock=clock) if store is None else store, secret=secret, clock=clock)


@pytest.mark.asyncio
async def test_a_ticket_works_once_and_for_its_owner(clock: FakeClock) -> None:
    office = office_of(clock)
    ana, bo = identity(user="ana"), identity(user="bo")
    ticket_of_ana, ticket_of_bo = await office.issue(ana), await office.issue(bo)
    assert await office.redeem(ticket_of_bo) == bo
    assert await office.redeem(ticket_of_ana) == ana
    for used in (ticket_of_ana, ticket_of_bo, "unknown", "", "sealed.", "sealed.unknown", "sealed.\ud800"):
        with pytest.raises(Unauthenticated):
            await office.redeem(used)


@pytest.mark.asyncio
async def test_a_ticket_dies_of_age(clock: FakeClock) -> None:
    office = office_of(clock)
    ticket = await office.issue(identity())
    clock.set_forward(TICKET_TTL_S)
    with pytest.raises(Unauthenticated):
        await office.redeem(ticket)


@pytest.mark.asyncio
async def test_unused_tickets_are_swept_and_bounded(clock: FakeClock) -> None:
    store = OwnTickets(clock=clock)
    office = office_of(clock, store)
    first = await office.issue(identity())
    for _ in range(TICKETS_HELD):
        last = await office.issue(identity())
    assert len(store) == TICKETS_HELD
    with pytest.raises(Unauthenticated):
        await office.redeem(first)
    assert await office.redeem(last)
    clock.set_forward(TICKET_TTL_S)
    await office.issue(identity())
    assert len(store) == 1


@pytest.mark.asyncio
async def test_without_the_store_a_ticket_is_sealed_and_works_once_at_each_gateway(clock: FakeClock) -> None:
    here, there = office_of(clock, LostStore(clock)), office_of(clock, LostStore(clock))
    ticket = await here.issue(identity(user="ana"))
    for office in (there, here):
        assert await office.redeem(ticket) == identity(user="ana")
        for spelled in (ticket, f"{ticket}=", f"{ticket[:20]}\n{ticket[20:]}"):
            with pytest.raises(Unauthenticated):
                await office.redeem(spelled)
    assert await here.redeem(await here.issue(identity(user="ana"))), "the next one is another ticket"


@pytest.mark.asyncio
async def test_a_sealed_ticket_outlives_the_trouble_but_not_its_time(clock: FakeClock) -> None:
    store = LostStore(clock)
    office = office_of(clock, store)
    first, second = await office.issue(identity()), await office.issue(identity())
    store.lost = False
    assert await office.redeem(first) == identity()
    clock.set_forward(TICKET_TTL_S)
    with pytest.raises(Unauthenticated):
        await office.redeem(second)


@pytest.mark.asyncio
async def test_a_sealed_ticket_of_another_secret_opens_nothing_and_shows_nobody(clock: FakeClock) -> None:
    ticket = await office_of(clock, LostStore(clock), secret="x" * 40).issue(identity(user="ana"))
    with pytest.raises(Unauthenticated):
        await office_of(clock, LostStore(clock)).redeem(ticket)
    sealed = base64.urlsafe_b64decode(ticket.removeprefix("sealed."))
    assert b"ana" not in sealed, "a URL may end in a log"


@pytest.mark.asyncio
async def test_a_kept_ticket_that_cannot_be_looked_up_asks_for_a_new_one(clock: FakeClock) -> None:
    store = LostStore(clock)
    store.lost = False
    office = office_of(clock, store)
    ticket = await office.issue(identity())
    store.lost = True
    with pytest.raises(Unauthenticated, match="get a new one"):
        await office.redeem(ticket)
    assert await office.redeem(await office.issue(identity())) == identity()
