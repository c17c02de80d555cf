"""One request to GoHighLevel and its answer: turn, token, sending, and what to do when something goes wrong.

Called by client.py. ``_may_repeat`` holds the rule for sending again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol

from ghl_real_estate_ai.errors import (
    AnswerLost,
    ConfigurationError,
    EnterpriseHubError,
    NeedsReconnect,
    NotSent,
    OutcomeUnknown,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.integrations.gohighlevel.api_errors import error_of
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiRequest
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import (
    RateLimiter,
    quota_of,
    retry_after_s,
)
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standings
from ghl_real_estate_ai.integrations.http import HttpAnswer, HttpClient, HttpRequest
from ghl_real_estate_ai.limits import CRM_ATTEMPTS, CRM_BACKOFF_S
from ghl_real_estate_ai.ports import Clock


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token; ``generation`` tells it from the one before and the one after."""

    value: str = field(repr=False)
    generation: int

    def __post_init__(self) -> None:
        """Refuse what no header can carry here, where the message does not hold it."""
        if not (self.value.isascii() and self.value.isprintable()):
            raise ConfigurationError("the token holds characters that no token has; copy it again")


class TokenSource(Protocol):
    """Where tokens come from. Owner: a locationId, or a companyId for an agency's own calls."""

    async def token(self, owner_id: str) -> AccessToken:
        """The current one. Raises NeedsReconnect."""
        ...

    async def renewed(self, owner_id: str, *, generation: int) -> AccessToken:
        """One that is newer than ``generation``, which was refused: many may ask at once, one renews.

        Raises NeedsReconnect when there will be none.
        """
        ...


class Exchange:
    """Sends one request until it is settled. Holds no request and no token between calls."""

    def __init__(
        self,
        *,
        http: HttpClient,
        tokens: TokenSource,
        limiter: RateLimiter,
        standings: Standings,
        clock: Clock,
        base_url: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """``luck``: draws from 0 to 1 for the waits, so that many who failed together do not come back together."""
        self._http: Final = http
        self._tokens: Final = tokens
        self._limiter: Final = limiter
        self._standings: Final = standings
        self._clock: Final = clock
        self._base_url: Final = base_url.rstrip("/")
        self._sleep: Final = sleep
        self._luck: Final = luck

    async def send(self, request: ApiRequest, owner_id: str, *, urgent: bool) -> HttpAnswer:
        """The successful answer. Raises what errors.py lists under CrmError, NotFound, TooManyRequests, Unreachable."""
        token = await self._tokens.token(owner_id) if request.authorized else None
        attempt, renewed = 0, False
        while True:
            await self._limiter.turn(owner_id, urgent=urgent)
            attempt += 1
            outcome = await self._attempt(request, owner_id, token)
            if isinstance(outcome, HttpAnswer):
                return outcome
            if isinstance(outcome, NeedsReconnect) and token is not None and not renewed:
                token, renewed = await self._tokens.renewed(owner_id, generation=token.generation), True
                continue
            if attempt >= CRM_ATTEMPTS or not _may_repeat(request, outcome):
                raise _named(request, outcome)
            if not isinstance(outcome, TooManyRequests):  # after a refusal the limiter waits
                await self._sleep(self._luck() * CRM_BACKOFF_S * 2 ** (attempt - 1))

    async def _attempt(
        self, request: ApiRequest, owner_id: str, token: AccessToken | None
    ) -> HttpAnswer | EnterpriseHubError:
        """Send it once. What went wrong is handed back: whether it is raised depends on what comes next."""
        try:
            answer = await self._http.send(self._http_request(request, token))
        except (NotSent, AnswerLost) as error:
            return error
        now = self._clock.now()
        self._limiter.learn(owner_id, quota_of(answer.headers))
        self._standings.learn(owner_id, answer.headers, now=now)
        if answer.success:
            return answer
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            wait_s = self._limiter.pause(owner_id, retry_after_s(answer.headers, now=now))
            return TooManyRequests(f"{request.operation}: the CRM's limit is used up", retry_after_s=wait_s)
        return error_of(answer, request)

    def _http_request(self, request: ApiRequest, token: AccessToken | None) -> HttpRequest:
        headers = {"Accept": "application/json"}
        if request.version is not None:
            headers["Version"] = request.version
        if token is not None:
            headers["Authorization"] = f"Bearer {token.value}"
        return HttpRequest(
            name=request.operation,
            method=request.method,
            url=self._base_url + request.path,
            headers=headers,
            query=request.query,
            json=request.json,
            form=request.form,
        )


def _may_repeat(request: ApiRequest, error: EnterpriseHubError) -> bool:
    """What surely was not done may be sent again; what may have been done, only if twice is once."""
    if isinstance(error, NotSent | TooManyRequests):
        return True
    return isinstance(error, Unreachable) and request.repeatable


def _named(request: ApiRequest, error: EnterpriseHubError) -> EnterpriseHubError:
    """The error as the caller gets it: a change with an unknown end is a class of its own."""
    if isinstance(error, Unreachable) and not isinstance(error, NotSent) and not request.repeatable:
        return OutcomeUnknown(f"{error}; it may have been done: look before sending it again")
    return error
