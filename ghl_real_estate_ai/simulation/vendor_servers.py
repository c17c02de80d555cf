"""GoHighLevel as its customers' receivers see it: signed webhooks over real HTTP, retried, doubled and out of order.

Called by ``enterprisehub simulate`` and ``demo``, by simulation/replay.py, and by benchmarks. It signs with a key of its
own: a gateway that trusts the key stores what it sends, and shows it, as simulated.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Protocol

import httpx
from pydantic import JsonValue

from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.limits import OUTBOUND_TIMEOUT_S
from ghl_real_estate_ai.simulation.vendor_signature import VendorKey

WEBHOOK_PATH: Final = "/webhooks/ghl"
CONCURRENCY: Final = 32
"""Deliveries under way at once. GoHighLevel does not publish its own figure."""

APP_ID: Final = "enterprisehub-simulator"
"""``appId`` and ``versionId`` of every envelope: the text says that it is simulated, too."""

_SHUFFLE_REACH: Final = 32
"""A shuffled delivery lets at most this many others pass."""

_WEBHOOK_IDS: Final = uuid.UUID("3e4b1c1e-8a53-4a0c-9c58-0f6c5f0a8f2d")

Progress = Callable[[int, int | None], None]
"""Deliveries taken so far (answered 2xx), and how many there will be (None: unknown). Told when one is settled, taken or not."""


class VendorEvent(Protocol):
    """Something that GoHighLevel would report. ``body`` lacks only the envelope."""

    @property
    def at(self) -> datetime: ...
    @property
    def type(self) -> str: ...
    @property
    def body(self) -> Mapping[str, JsonValue]: ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When an unaccepted delivery is sent again. Waits grow by ``factor`` with up to 50 % jitter, times ``scale``.

    The guides name attempts and shape, not the waits of the exponential policy: ``first_wait_s`` is our guess.
    """

    attempts: int
    first_wait_s: float
    factor: float
    only_429: bool = False
    scale: float = 1.0

    def sends_again(self, status: int | None, attempt: int) -> bool:
        """Whether an answer (None: no answer came) to attempt 1, 2 ... is followed by another attempt."""
        if attempt >= self.attempts:
            return False
        return status == HTTPStatus.TOO_MANY_REQUESTS if self.only_429 else True

    def wait_s(self, attempt: int, rng: random.Random) -> float:
        """Seconds between attempt 1, 2 ... and the next."""
        wait: float = self.first_wait_s * self.factor ** (attempt - 1)
        return self.scale * wait * (1 + rng.random() / 2)


def retries_of_august_2026(*, scale: float = 1.0) -> RetryPolicy:
    """Webhook guide of 2026-08-30: any answer but 2xx, up to 12 attempts, exponential."""
    return RetryPolicy(attempts=12, first_wait_s=10.0, factor=2.0, scale=scale)


def retry_on_429_only(*, scale: float = 1.0) -> RetryPolicy:
    """The older guide: 429 alone is retried, 6 attempts ten minutes apart; any other failure loses the event."""
    return RetryPolicy(attempts=6, first_wait_s=600.0, factor=1.0, only_429=True, scale=scale)


DEMO_RETRIES: Final = retries_of_august_2026(scale=0.001)
"""The current policy a thousand times faster: 10 ms to 10 s, about 25 s in all."""


@dataclass
class Tally:
    """What became of each delivery. ``sent`` is the sum of the outcomes; ``requests`` counts attempts."""

    sent: int = 0
    requests: int = 0
    stored: int = 0
    duplicate: int = 0
    dead_letter: int = 0
    ignored: int = 0
    refused: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def accepted(self) -> int:
        """Deliveries that got a 2xx in the gateway's words."""
        return self.stored + self.duplicate + self.dead_letter + self.ignored

    @property
    def balanced(self) -> bool:
        """Whether every delivery is accounted for."""
        return self.sent == self.accepted + self.refused + self.failed

    def add(self, outcome: str, reason: str | None) -> None:
        """Count one settled delivery."""
        setattr(self, outcome, getattr(self, outcome) + 1)
        if reason:
            self.reasons[f"{outcome}: {reason}"] += 1

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        counts = {name: value for name, value in vars(self).items() if name != "reasons"}
        return {**counts, "reasons": dict(self.reasons.most_common())}


class FakeGoHighLevel:
    """The sending side. Per-contact order is not promised: like the real one, it delivers concurrently."""

    def __init__(
        self,
        *,
        gateway_url: str,
        key_seed: bytes | None = None,
        concurrency: int = CONCURRENCY,
        retries: RetryPolicy = DEMO_RETRIES,
        doubled: float = 0.0,
        shuffled: float = 0.0,
        luck_seed: int = 0,
        timeout_s: float = OUTBOUND_TIMEOUT_S,
    ) -> None:
        """``key_seed``: secret bytes that the key is made from; None makes a fresh key.

        ``doubled`` and ``shuffled``: the fraction of deliveries sent twice, and overtaken by up to 32 later ones; which
        ones is decided by ``luck_seed``.
        """
        self._url: Final = gateway_url.rstrip("/") + WEBHOOK_PATH
        self._key: Final = VendorKey(key_seed)
        self._concurrency: Final = concurrency
        self._retries: Final = retries
        self._doubled: Final = doubled
        self._shuffled: Final = shuffled
        self._luck_seed: Final = luck_seed
        self._timeout_s: Final = timeout_s

    @property
    def public_key(self) -> str:
        """SPKI, base64: the value of ENTERPRISEHUB_SIMULATOR_PUBLIC_KEY."""
        return self._key.public

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers of a delivery: X-GHL-Signature over the raw bytes."""
        return self._key.headers(body)

    async def run[E: VendorEvent](
        self,
        events: Iterable[E],
        *,
        location_id: str,
        speed: float,
        progress: Progress | None = None,
        total: int | None = None,
        run_id: str | None = None,
        identify: Callable[[E], str] | None = None,
    ) -> Tally:
        """Send every event; returns when each is settled.

        ``speed``: simulated seconds per second, 0 for as fast as the gateway takes it. ``run_id``: the same one gives the
        same webhook ids, so that a second run is all duplicates; None makes a fresh one. ``identify`` names an event
        within its run; left out, its place does. Raises ConfigurationError when nobody answers, or the key is not trusted.
        """
        if not self._url.startswith(("http://", "https://")):
            raise ConfigurationError(f"gateway {self._url!r}: give its URL, e.g. http://127.0.0.1:8000")
        run_id = run_id or uuid.uuid4().hex
        bodies = self._disturbed(
            (event.at, envelope(event, location_id=location_id, run_id=run_id, name=name))
            for event, name in _named(events, identify)
        )
        run = _Run(random.Random(self._luck_seed), progress, total)
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=self._concurrency)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed(bodies, waiting, speed, run))
                tls = ssl.create_default_context()
                for _ in range(self._concurrency):
                    tasks.create_task(self._work(tls, waiting, run))
        except ExceptionGroup as group:  # the workers meet the same closed door: say it once
            raise group.exceptions[0] from None
        return run.tally

    async def _feed(
        self,
        bodies: Iterator[tuple[datetime, bytes]],
        waiting: asyncio.Queue[bytes | None],
        speed: float,
        run: _Run,
    ) -> None:
        loop = asyncio.get_running_loop()
        started, first = loop.time(), None
        try:
            for at, body in bodies:
                first = first or at
                if speed > 0:
                    due = started + (at - first).total_seconds() / speed
                    await asyncio.sleep(max(0.0, due - loop.time()))
                await waiting.put(body)
            for _ in range(self._concurrency):
                await waiting.put(None)
        except asyncio.CancelledError:
            # A worker whose own cancellation was lost in a connection that was just being opened must end all the same.
            run.is_over = True
            while not waiting.empty():
                waiting.get_nowait()
            for _ in range(self._concurrency):
                waiting.put_nowait(None)
            raise

    async def _work(self, tls: ssl.SSLContext, waiting: asyncio.Queue[bytes | None], run: _Run) -> None:
        """One connection of its own: a shared pool of 32 spends more time looking for a free one than sending.

        ``trust_env``: a proxy of the environment has no business between a simulator and its gateway.
        """
        async with httpx.AsyncClient(timeout=self._timeout_s, verify=tls, trust_env=False) as client:
            while (body := await waiting.get()) is not None:
                await self._deliver(client, body, run)

    async def _deliver(self, client: httpx.AsyncClient, body: bytes, run: _Run) -> None:
        """One delivery with its retries. It keeps its slot while it waits: a refusing gateway slows the sender down."""
        run.tally.sent += 1
        headers, attempt = self.headers(body), 0
        while True:
            attempt += 1
            run.tally.requests += 1
            try:
                answer: httpx.Response | None = await client.post(self._url, content=body, headers=headers)
                problem = ""
            except httpx.TransportError as error:
                answer, problem = None, type(error).__name__
            if run.is_over:
                return
            if answer is not None and answer.is_success:
                run.settle(*_accepted(answer))
                return
            self._stop_at_a_closed_door(answer, run)
            status = None if answer is None else answer.status_code
            if not self._retries.sends_again(status, attempt):
                break
            await asyncio.sleep(self._retries.wait_s(attempt, run.rng))
        if answer is None and not run.tally.accepted:
            raise ConfigurationError(
                f"no gateway answers at {self._url} ({problem}); is `enterprisehub serve` running?"
            )
        run.settle(*(("failed", problem) if answer is None else ("refused", _refusal(answer))))

    def _stop_at_a_closed_door(self, answer: httpx.Response | None, run: _Run) -> None:
        if answer is None or answer.status_code != HTTPStatus.UNAUTHORIZED or run.tally.accepted:
            return
        raise ConfigurationError(
            "the gateway does not trust this simulator; start it with "
            f"ENTERPRISEHUB_SIMULATOR_PUBLIC_KEY={self.public_key}"
        )

    def _disturbed(self, bodies: Iterator[tuple[datetime, bytes]]) -> Iterator[tuple[datetime, bytes]]:
        """The deliveries, some twice, some late."""
        rng = random.Random(self._luck_seed)
        held: list[tuple[int, tuple[datetime, bytes]]] = []
        for place, delivery in enumerate(bodies):
            if rng.random() < self._shuffled:
                held.append((place + rng.randint(1, _SHUFFLE_REACH), delivery))
            else:
                yield delivery
            if rng.random() < self._doubled:
                held.append((place + rng.randint(1, _SHUFFLE_REACH), delivery))
            yield from (late for due, late in held if due <= place)
            held = [(due, late) for due, late in held if due > place]
        yield from (late for _, late in held)


@dataclass
class _Run:
    """The state of one ``run``."""

    rng: random.Random
    progress: Progress | None
    total: int | None
    tally: Tally = field(default_factory=Tally)
    is_over: bool = False

    def settle(self, outcome: str, reason: str | None) -> None:
        """Count a delivery's end and tell of it."""
        self.tally.add(outcome, reason)
        if self.progress is not None:
            self.progress(self.tally.accepted, self.total)


def envelope(event: VendorEvent, *, location_id: str, run_id: str, name: str) -> bytes:
    """The delivery's bytes: the event's own fields, flat, with locationId, webhookId, timestamp, appId, versionId.

    ``location_id`` '': an agency's event, which has none.
    """
    body = {
        "type": event.type,
        **event.body,
        **({"locationId": location_id} if location_id else {}),
        "webhookId": str(uuid.uuid5(_WEBHOOK_IDS, "\x1f".join((run_id, location_id, name)))),
        "timestamp": vendor_time(event.at),
        "appId": APP_ID,
        "versionId": APP_ID,
    }
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def vendor_time(at: datetime) -> str:
    """GoHighLevel's way to write a time: UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _named[E: VendorEvent](
    events: Iterable[E], identify: Callable[[E], str] | None
) -> Iterator[tuple[E, str]]:
    for place, event in enumerate(events):
        yield event, str(place) if identify is None else identify(event)


def _accepted(answer: httpx.Response) -> tuple[str, str | None]:
    """(outcome, reason) of a 2xx."""
    content = _content(answer)
    status, reason = content.get("status"), content.get("reason")
    if status not in {"stored", "duplicate", "dead_letter", "ignored"}:
        return "failed", f"{answer.status_code} in words that no gateway of ours uses"
    return str(status), reason if isinstance(reason, str) else None


def _refusal(answer: httpx.Response) -> str:
    error = _content(answer).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return f"{answer.status_code} {code or answer.reason_phrase}".rstrip()


def _content(answer: httpx.Response) -> dict[str, JsonValue]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
