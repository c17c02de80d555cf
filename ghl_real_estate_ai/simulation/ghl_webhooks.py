"""The webhooks of the fake account: who subscribed, how deliveries are signed, retried, counted and at last paused.

Called by ghl_server.py, which runs it, and by ghl_routes_control.py. Two kinds: signed app webhooks (only where the app is
installed) and the workflow action's unsigned ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import heapq
import itertools
import json
import random
import secrets
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

import httpx
from pydantic import JsonValue

from ghl_real_estate_ai.limits import OUTBOUND_TIMEOUT_S
from ghl_real_estate_ai.simulation.ghl_account import Change
from ghl_real_estate_ai.simulation.ghl_knobs import Faults, Habits
from ghl_real_estate_ai.simulation.ghl_traps import as_published
from ghl_real_estate_ai.simulation.ghl_workflows import workflow_body
from ghl_real_estate_ai.simulation.vendor_servers import DEMO_RETRIES, RetryPolicy, envelope
from ghl_real_estate_ai.simulation.vendor_signature import VendorKey

_SENDERS: Final = 16
_NO_IDLE_CONNECTIONS: Final = httpx.Limits(max_connections=_SENDERS, max_keepalive_connections=0)
"""A connection per delivery: a receiver that wants to end must not have to wait for us."""

_ONCE: Final = RetryPolicy(attempts=1, first_wait_s=0.0, factor=1.0)
"""Retries of the workflow action are not documented: none."""

Kind = Literal["app", "workflow"]

_SCOPE_OF: Final[Mapping[str, str]] = {
    "Contact": "contacts.readonly",
    "Note": "contacts.readonly",
    "Task": "contacts.readonly",
    "Inbound": "conversations/message.readonly",
    "Outbound": "conversations/message.readonly",
    "Opportunity": "opportunities.readonly",
    "Appointment": "calendars/events.readonly",
    "Record": "objects/record.readonly",
}
"""The scope without which an app does not hear of an event, by the start of its type."""


@dataclass
class Health:
    """GoHighLevel's rule per URL: every three days, too many deliveries with too few successes; twice: paused."""

    began: datetime
    window: timedelta = timedelta(days=3)
    deliveries_over: int = 10_000
    success_under: float = 0.9
    deliveries: int = 0
    successes: int = 0
    warned: bool = False
    paused: bool = False

    def look(self, now: datetime) -> None:
        """Judge the window when it is over, and begin the next."""
        if self.paused or now - self.began < self.window:
            return
        bad = self.deliveries > self.deliveries_over and self.successes < self.success_under * self.deliveries
        self.paused = bad and self.warned
        self.warned = bad
        self.began, self.deliveries, self.successes = now, 0, 0

    def enable(self, now: datetime) -> None:
        """Somebody pressed the button: as new."""
        self.began, self.deliveries, self.successes = now, 0, 0
        self.warned = self.paused = False


@dataclass
class Subscription:
    """Where changes go. ``kind`` workflow: unsigned, snake_case, with ``custom_data``. Empty filters: everything."""

    url: str
    health: Health
    kind: Kind = "app"
    location_id: str = ""
    events: frozenset[str] = frozenset()
    custom_data: dict[str, JsonValue] = field(default_factory=dict)
    retries: RetryPolicy = DEMO_RETRIES

    def wants(self, location_id: str, change: Change) -> bool:
        """Whether it is meant for this one."""
        return self.location_id in {"", location_id} and (not self.events or change.type in self.events)


@dataclass
class Counts:
    """What became of deliveries: ``sent = accepted + given_up`` when nothing is pending."""

    sent: int = 0
    requests: int = 0
    accepted: int = 0
    given_up: int = 0
    paused: int = 0
    """Not sent, because the subscription is paused."""


@dataclass(order=True)
class _Attempt:
    due: float
    number: int
    subscription: Subscription = field(compare=False)
    body: bytes = field(compare=False)
    tries: int = field(default=0, compare=False)


class Webhooks:
    """The sending side. ``run`` must be running for anything to leave."""

    def __init__(
        self,
        *,
        key: VendorKey,
        now: Callable[[], datetime],
        habits: Habits,
        faults: Faults,
        hears: Callable[[str, str], bool],
        describe: Callable[[str, str], Mapping[str, JsonValue]],
        seed: int = 0,
    ) -> None:
        """``hears(location, scope)``: whether the app is installed with the scope. ``describe(location, contact)``: for workflows."""
        self.key, self.counts = key, Counts()
        self.subscriptions: list[Subscription] = []
        self._now, self._habits, self._faults = now, habits, faults
        self._hears, self._describe = hears, describe
        self._luck = random.Random(seed)
        self._run_id, self._numbers = uuid.uuid4().hex, itertools.count()
        self._waiting: list[_Attempt] = []
        self._news, self._moved = asyncio.Event(), asyncio.Event()

    def subscribe(
        self,
        url: str,
        *,
        kind: Kind = "app",
        location_id: str = "",
        events: frozenset[str] = frozenset(),
        custom_data: Mapping[str, JsonValue] | None = None,
        policy: RetryPolicy | None = None,
    ) -> Subscription:
        """Send changes to ``url`` from now on. ``policy``: of retries; None: the demo's, and none for a workflow."""
        new = Subscription(
            url=url,
            health=Health(self._now()),
            kind=kind,
            location_id=location_id,
            events=events,
            custom_data=dict(custom_data or {}),
            retries=policy or (DEMO_RETRIES if kind == "app" else _ONCE),
        )
        self.subscriptions.append(new)
        return new

    def publish(self, location_id: str, change: Change) -> None:
        """A change happened."""
        scope = next((scope for start, scope in _SCOPE_OF.items() if change.type.startswith(start)), "")
        for subscription in self.subscriptions:
            if not subscription.wants(location_id, change):
                continue
            subscription.health.look(self._now())
            if subscription.health.paused:
                self.counts.paused += 1
                continue
            if subscription.kind == "app":
                lifecycle = change.type in {"INSTALL", "UNINSTALL"}
                if not lifecycle and not self._hears(location_id, scope):
                    continue
                body = self._app_body(location_id, change)
            else:
                written = workflow_body(location_id, change, self._describe, subscription.custom_data)
                if written is None:
                    continue
                body = written
            self._enqueue(subscription, body)

    def _app_body(self, location_id: str, change: Change) -> bytes:
        published = as_published(change, self._habits)
        body = envelope(
            published, location_id=location_id, run_id=self._run_id, name=str(next(self._numbers))
        )
        if published.type:
            return body
        fields = {name: value for name, value in json.loads(body).items() if name != "type"}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

    def _enqueue(self, subscription: Subscription, body: bytes) -> None:
        copies = 2 if self._luck.random() < self._faults.doubled else 1
        for _ in range(copies):
            late = self._luck.random() < self._faults.shuffled
            wait = self._luck.random() * self._faults.shuffle_s if late else 0.0
            self.counts.sent += 1
            self._put(_Attempt(time.monotonic() + wait, next(self._numbers), subscription, body))

    def _put(self, attempt: _Attempt) -> None:
        heapq.heappush(self._waiting, attempt)
        self._news.set()

    # --- delivering ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until cancelled."""
        ready: asyncio.Queue[_Attempt] = asyncio.Queue(maxsize=_SENDERS)
        async with (
            httpx.AsyncClient(
                timeout=OUTBOUND_TIMEOUT_S, verify=_tls(), trust_env=False, limits=_NO_IDLE_CONNECTIONS
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(self._dispatch(ready))
            for _ in range(_SENDERS):
                tasks.create_task(self._work(client, ready))

    async def settled(self) -> None:
        """Until every delivery was accepted or given up."""
        while self.counts.sent > self.counts.accepted + self.counts.given_up:
            self._moved.clear()
            await self._moved.wait()

    async def _dispatch(self, ready: asyncio.Queue[_Attempt]) -> None:
        """Hand out what is due; wait for the next, or for news."""
        while True:
            wait_s = self._waiting[0].due - time.monotonic() if self._waiting else None
            if wait_s is not None and wait_s <= 0:
                await ready.put(heapq.heappop(self._waiting))
                continue
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()

    async def _work(self, client: httpx.AsyncClient, ready: asyncio.Queue[_Attempt]) -> None:
        while True:
            await self._send(client, await ready.get())
            self._moved.set()

    async def _send(self, client: httpx.AsyncClient, attempt: _Attempt) -> None:
        subscription = attempt.subscription
        attempt.tries += 1
        self.counts.requests += 1
        status: int | None = None
        try:
            answer = await client.post(
                subscription.url, content=attempt.body, headers=self._headers(subscription, attempt.body)
            )
            status = answer.status_code
        except httpx.TransportError:
            pass
        health = subscription.health
        health.look(self._now())
        health.deliveries += 1
        if status is not None and 200 <= status < 300:
            health.successes += 1
            self.counts.accepted += 1
        elif subscription.retries.sends_again(status, attempt.tries):
            attempt.due = time.monotonic() + subscription.retries.wait_s(attempt.tries, self._luck)
            self._put(attempt)
        else:
            self.counts.given_up += 1

    def _headers(self, subscription: Subscription, body: bytes) -> dict[str, str]:
        if subscription.kind == "app":
            return self.key.headers(body)
        trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        return {"Content-Type": "application/json", "User-Agent": "axios/1.7.9", "traceparent": trace}


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the trusted certificates takes longer than starting the fake."""
    return ssl.create_default_context()
