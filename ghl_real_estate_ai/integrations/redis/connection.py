"""One Redis connection pool, and its troubles in our words. Called by the adapters beside it; ``bootstrap`` opens it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ghl_real_estate_ai.errors import BrokerUnavailable, ConfigurationError
from ghl_real_estate_ai.limits import BROKER_BLOCK_S, BROKER_CONNECTIONS, BROKER_TIMEOUT_S

PREFIX: Final = "enterprisehub:"
"""Of every key: a Redis may serve others too."""

_PASSING: Final = (ReadOnlyError, ClusterDownError, TryAgainError)
_PASSING_WORDS: Final = ("BUSY ", "MISCONF", "NOREPLICAS", "UNBLOCKED")
"""Answers by which Redis says that it cannot now: the client knows most by their first word, and cuts it off."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Redis]:
    """The client of this process; connections are made when they are needed. Raises ConfigurationError for a bad URL.

    A blocking read may take BROKER_BLOCK_S and must be told so; the socket's own timeout is longer.
    """
    try:
        client = Redis.from_url(
            url,
            decode_responses=False,
            max_connections=BROKER_CONNECTIONS,
            socket_timeout=BROKER_BLOCK_S + BROKER_TIMEOUT_S,
            socket_connect_timeout=BROKER_TIMEOUT_S,
            health_check_interval=30,
            retry=Retry(NoBackoff(), 1),  # a connection that the server closed while idle is made anew, once
        )
    except ValueError as error:
        raise ConfigurationError(f"setting ENTERPRISEHUB_REDIS_URL: {error}") from error
    try:
        yield client
    finally:
        await client.aclose()


@contextmanager
def broker_errors(what: str) -> Iterator[None]:
    """Redis's own troubles as BrokerUnavailable; an answer that is a bug of ours stays what it is."""
    try:
        yield
    except (AuthenticationError, NoPermissionError) as error:
        raise BrokerUnavailable(
            f"{what}: Redis refuses the user of ENTERPRISEHUB_REDIS_URL ({error}); correct user and password there, or "
            f"allow that user every command on {PREFIX}*"
        ) from error
    except OutOfMemoryError as error:
        raise BrokerUnavailable(f"{what}: Redis is full; raise its maxmemory ({error})") from error
    except (RedisConnectionError, RedisTimeoutError, OSError) as error:
        raise BrokerUnavailable(f"{what}: Redis does not answer ({type(error).__name__})") from error
    except ResponseError as error:
        if isinstance(error, _PASSING) or str(error).startswith(_PASSING_WORDS):
            raise BrokerUnavailable(f"{what}: Redis cannot now ({error})") from error
        raise
    except RedisError as error:
        raise BrokerUnavailable(f"{what}: {type(error).__name__}") from error


def place_of(url: str) -> str:
    """Host and port for a person: no password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
