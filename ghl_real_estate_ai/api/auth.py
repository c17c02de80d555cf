"""Who somebody is: password hashes, access tokens (JWT), single-use WebSocket tickets.

Called by the routes (through ``dependencies``) and by ``records`` (``hash_password``). See docs/adr/0012.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Final

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import ValidationError

from ghl_real_estate_ai.errors import BrokerUnavailable, Unauthenticated
from ghl_real_estate_ai.limits import SESSION_UTMOST_DAYS, TICKET_TTL_S, TICKETS_HELD, TOKENS_CACHED
from ghl_real_estate_ai.live_ports import TicketStore
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UserId, UtcTime
from ghl_real_estate_ai.models.leads import Identity, Role, User
from ghl_real_estate_ai.ports import Clock

# --- Passwords ----------------------------------------------------------------------------------------------------

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""Argon2id with OWASP's minimum of 19 MiB: each sign-in in flight holds that much."""

_NOBODY: Final = f"$argon2id$v=19$m=19456,t=2,p=1${'A' * 22}${'A' * 43}"
"""A hash that no password has: an unknown email costs the same time as a wrong password."""

_HASHING: Final = ThreadPoolExecutor(2, thread_name_prefix="passwords")
"""Two hashes at the same time: bounds their memory, and the event loop stays free (Argon2 lets go of the GIL)."""


async def hash_password(password: str) -> str:
    """The Argon2id hash to store, computed in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_HASHING, _HASHER.hash, password)


async def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password has this hash; with None (no such user) False after the same work."""
    return await asyncio.get_running_loop().run_in_executor(
        _HASHING, _matches, password, password_hash or _NOBODY
    )


def _matches(password: str, password_hash: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


# --- Access tokens ------------------------------------------------------------------------------------------------

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "enterprisehub"
_AUDIENCE: Final = "enterprisehub-api"
_LEEWAY: Final = timedelta(seconds=5)


class _Claims(Frozen):
    """Everything that a token says; nothing else is accepted."""

    iss: str
    aud: str
    sub: UserId
    loc: LocationId
    role: Role
    name: str
    email: str
    iat: int
    exp: int
    auth_time: float
    """When the session began: the first sign-in. Renewed tokens carry it on."""
    also: tuple[LocationId, ...] = ()


def _never(_identity: Identity) -> bool:
    return False


class TokenIssuer:
    """Signs access tokens and verifies them. Each good token is verified once and remembered by its hash."""

    def __init__(
        self, secret: str, *, minutes: int, clock: Clock, is_over: Callable[[Identity], bool] = _never
    ) -> None:
        """``is_over``: whether a session has ended before its token does (services/access_watch.py)."""
        self._secret = secret
        self._life = timedelta(minutes=minutes)
        self._clock = clock
        self._is_over = is_over
        self._verified: dict[bytes, Identity] = {}

    def issue(
        self, user: User, *, also_at: Sequence[LocationId] = (), of: Identity | None = None
    ) -> tuple[str, Identity]:
        """A token for this user, and the identity that it proves. ``of``: whose session it goes on; it ends with that.

        Raises Unauthenticated when that session is as old as one may be.
        """
        now = self._clock.now()
        began = now if of is None else of.signed_in_at or now
        utmost = began + timedelta(days=SESSION_UTMOST_DAYS)
        if now >= utmost:
            raise Unauthenticated(
                f"the session began {SESSION_UTMOST_DAYS} days ago and ends here; sign in again"
            )
        issued = now.replace(microsecond=0)
        identity = Identity(
            location_id=user.location_id,
            user_id=user.user_id,
            email=user.email,
            name=user.name,
            role=user.role,
            expires_at=min(issued + self._life, utmost.replace(microsecond=0)),
            signed_in_at=began,
            also_at=tuple(also_at) if of is None else of.also_at,
        )
        claims = _Claims(
            iss=_ISSUER,
            aud=_AUDIENCE,
            sub=user.user_id,
            loc=user.location_id,
            role=user.role,
            name=user.name,
            email=user.email,
            iat=int(issued.timestamp()),
            exp=int(identity.expires_at.timestamp()),
            auth_time=began.timestamp(),
            also=identity.also_at,
        )
        return jwt.encode(claims.model_dump(mode="json"), self._secret, algorithm=_ALGORITHM), identity

    def verify(self, token: str) -> Identity:
        """Whom the token speaks for. Raises Unauthenticated when it is forged, foreign, incomplete, expired or ended."""
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        identity = self._verified.get(digest) or self._decode(token)
        if identity.expires_at <= self._clock.now():
            self._verified.pop(digest, None)
            raise Unauthenticated("the access token has expired; sign in again")
        if digest not in self._verified:
            _bound(self._verified, TOKENS_CACHED)
            self._verified[digest] = identity
        return self.admit(identity)

    def admit(self, identity: Identity) -> Identity:
        """The same, unless the session was ended since the token or ticket was made. Raises Unauthenticated."""
        if self._is_over(identity):
            raise Unauthenticated(
                "this session was ended: the account was removed, or has a new password or role; sign in again"
            )
        return identity

    def _decode(self, token: str) -> Identity:
        try:
            decoded = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],  # pinned: "none" and key confusion end here
                issuer=_ISSUER,
                audience=_AUDIENCE,
                # Times are checked here against our own clock.
                options={
                    "require": ["iss", "aud", "exp", "iat", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            claims = _Claims.model_validate(decoded)
            issued_at = datetime.fromtimestamp(claims.iat, UTC)
            expires_at = datetime.fromtimestamp(claims.exp, UTC)
            signed_in_at = datetime.fromtimestamp(claims.auth_time, UTC)
        except (jwt.InvalidTokenError, ValidationError, ValueError, OverflowError, OSError) as error:
            raise Unauthenticated("the access token is not valid; sign in again") from error
        if issued_at > self._clock.now() + _LEEWAY:
            raise Unauthenticated("the access token is from the future; check the server's clock")
        return Identity(
            location_id=claims.loc,
            user_id=claims.sub,
            email=claims.email,
            name=claims.name,
            role=claims.role,
            expires_at=expires_at,
            signed_in_at=signed_in_at,
            also_at=claims.also,
        )


# --- WebSocket tickets --------------------------------------------------------------------------------------------

_SEALING_PURPOSE: Final = b"enterprisehub: WebSocket tickets while the store of tickets does not answer"
_SEAL_MARK: Final = "sealed."
"""A kept ticket has no point in it."""


class OwnTickets:
    """``live_ports.TicketStore`` in memory: a ticket is for the process that gave it."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[bytes, tuple[datetime, Identity]] = {}

    async def keep(self, digest: bytes, identity: Identity, *, until: datetime) -> None:
        """Keep it until then; of more than TICKETS_HELD the oldest goes."""
        _sweep(self._held, lambda kept: kept[0] <= self._clock.now())
        _bound(self._held, TICKETS_HELD)
        self._held[digest] = (until, identity)

    async def take(self, digest: bytes) -> tuple[datetime, Identity] | None:
        """Take it out, once."""
        return self._held.pop(digest, None)

    def __len__(self) -> int:
        return len(self._held)


class _Sealed(Frozen):
    """What a sealed ticket says to the house; nobody else can read it."""

    number: str
    """One seal can be spelled in several ways: what was used is remembered by this."""
    until: UtcTime
    identity: Identity


class TicketOffice:
    """Tickets for one WebSocket handshake: a browser cannot send a header there, and a URL may end in a log.

    A ticket is random and kept, as a hash only, where every gateway finds it. While the store does not answer, a ticket
    is sealed instead: it carries who it is for, readable with the signing secret only, so that agents can reconnect to
    whichever gateway. Then "once" holds for each gateway, and not for all of them together.
    """

    def __init__(
        self,
        store: TicketStore,
        *,
        secret: str,
        clock: Clock,
        make: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        """``secret``: the one that signs access tokens. The key is derived from it, so that it may serve nothing else."""
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=_SEALING_PURPOSE)
        self._seal = Fernet(base64.urlsafe_b64encode(derive.derive(secret.encode())))
        self._store = store
        self._clock = clock
        self._make = make
        self._used: dict[str, datetime] = {}
        """Numbers of sealed tickets that were redeemed here, until these end by themselves."""

    async def issue(self, identity: Identity) -> str:
        """A ticket that works once within TICKET_TTL_S."""
        until = self._clock.now() + timedelta(seconds=TICKET_TTL_S)
        ticket = self._make()
        try:
            await self._store.keep(_digest(ticket), identity, until=until)
        except BrokerUnavailable:
            said = _Sealed(number=ticket, until=until, identity=identity).model_dump_json()
            return _SEAL_MARK + self._seal.encrypt(said.encode()).decode()
        return ticket

    async def redeem(self, ticket: str) -> Identity:
        """Whose ticket it is; it is used up. Raises Unauthenticated when it is unknown, used or too old.

        Also when the store does not answer: the client gets a new ticket then, and that one is sealed.
        """
        known = self._opened(ticket) if ticket.startswith(_SEAL_MARK) else await self._taken(ticket)
        if known is None or known[0] <= self._clock.now():
            raise Unauthenticated(
                "the ticket is used, expired or unknown; get a new one from POST /v1/ws-ticket"
            )
        return known[1]

    async def _taken(self, ticket: str) -> tuple[datetime, Identity] | None:
        try:
            return await self._store.take(_digest(ticket))
        except BrokerUnavailable:
            return None

    def _opened(self, ticket: str) -> tuple[datetime, Identity] | None:
        try:
            inside = self._seal.decrypt(ticket.removeprefix(_SEAL_MARK).encode(errors="surrogatepass"))
            said = _Sealed.model_validate_json(inside)
        except (InvalidToken, ValidationError):
            return None
        _sweep(self._used, lambda until: until <= self._clock.now())
        if said.number in self._used:
            return None
        _bound(self._used, TICKETS_HELD)
        self._used[said.number] = said.until
        return said.until, said.identity


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _sweep[K, V](held: dict[K, V], is_over: Callable[[V], bool]) -> None:
    """Drop from the oldest on what is over."""
    while held and is_over(held[oldest := next(iter(held))]):
        del held[oldest]


def _bound[K, V](held: dict[K, V], most: int) -> None:
    """Make room for one more: the oldest goes."""
    while len(held) >= most:
        del held[next(iter(held))]
