"""The fake GoHighLevel behind real HTTP, for tests of everything that talks to GoHighLevel.

``async with fake_ghl() as fake`` serves it in the test's own loop; ``with fake_ghl_in_thread() as fake`` in a thread, for
tests without a loop. Waits and lags are off and limits too, unless a test turns them on.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from ghl_real_estate_ai.simulation.ghl_account import Account, SubAccount
from ghl_real_estate_ai.simulation.ghl_clock import real_time
from ghl_real_estate_ai.simulation.ghl_knobs import Faults, Habits
from ghl_real_estate_ai.simulation.ghl_server import serving
from ghl_real_estate_ai.simulation.ghl_vendor import COMPANY_ID, LOCATION_ID, Vendor

REDIRECT_URI = "http://127.0.0.1/callback"
V3 = "v3"
JULY = "2021-07-28"
APRIL = "2021-04-15"


@dataclass(frozen=True)
class FakeGhl:
    """The running fake. ``vendor`` is all of it; ``pit`` a private integration token of the first location."""

    url: str
    vendor: Vendor
    pit: str

    @property
    def location_id(self) -> str:
        """The first location."""
        return self.account.first.location_id

    @property
    def account(self) -> Account:
        """What the vendor holds."""
        return self.vendor.account

    @property
    def home(self) -> SubAccount:
        """The first location's things."""
        return self.account.first

    @property
    def faults(self) -> Faults:
        """The knobs of a bad day."""
        return self.vendor.faults

    @property
    def habits(self) -> Habits:
        """The knobs of every day."""
        return self.vendor.habits

    @property
    def client_id(self) -> str:
        """Of the OAuth app."""
        return self.vendor.authority.client_id

    @property
    def client_secret(self) -> str:
        """Of the OAuth app."""
        return self.vendor.authority.client_secret

    def headers(self, token: str | None = None, *, version: str = V3) -> dict[str, str]:
        """What every call carries."""
        return {"Authorization": f"Bearer {token or self.pit}", "Version": version}

    def code(self, location_id: str | None = None) -> str:
        """An authorization code, as the owner's page would hand it over; '' for the whole company."""
        return self.vendor.authority.authorize(self.location_id if location_id is None else location_id)

    def access_token(self, location_id: str | None = None) -> str:
        """An OAuth access token; the app counts as installed."""
        return self.vendor.authority.exchange(self.code(location_id)).access

    def api(self, token: str | None = None, *, version: str = V3) -> httpx.AsyncClient:
        """A plain client with token and version."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers=self.headers(token, version=version),
            timeout=30.0,
            verify=_tls(),
            trust_env=False,
        )


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once: it takes longer than a test."""
    return ssl.create_default_context()


def quiet_vendor(
    *,
    location_ids: Sequence[str] = (LOCATION_ID,),
    now: Callable[[], datetime] = real_time,
    limits: bool = False,
) -> Vendor:
    """A vendor without waits: no lag of the index or of a message's status; ``limits`` as asked."""
    vendor = Vendor.build(location_ids=location_ids, now=now)
    vendor.habits.index_lag_s = vendor.habits.status_lag_s = 0.0
    vendor.limits.on = limits
    return vendor


@asynccontextmanager
async def fake_ghl(
    *,
    location_ids: Sequence[str] = (LOCATION_ID,),
    now: Callable[[], datetime] = real_time,
    limits: bool = False,
    vendor: Vendor | None = None,
) -> AsyncIterator[FakeGhl]:
    """Serve until the block is left."""
    vendor = vendor or quiet_vendor(location_ids=location_ids, now=now, limits=limits)
    async with serving(vendor) as url:
        yield FakeGhl(url, vendor, vendor.authority.private_token(vendor.account.first.location_id))


@contextmanager
def fake_ghl_in_thread(
    *,
    location_ids: Sequence[str] = (LOCATION_ID,),
    limits: bool = False,
    vendor: Vendor | None = None,
) -> Iterator[FakeGhl]:
    """The same in a thread with a loop of its own. A ``vendor`` of your own may be filled before."""
    started, leave = threading.Event(), threading.Event()
    running: list[FakeGhl] = []

    async def serve() -> None:
        async with fake_ghl(location_ids=location_ids, limits=limits, vendor=vendor) as fake:
            running.append(fake)
            started.set()
            await asyncio.to_thread(leave.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert started.wait(30), "the fake GoHighLevel did not start"
        yield running[0]
    finally:
        leave.set()
        thread.join(30)


def noon() -> datetime:
    """A fixed time for clocks underneath."""
    return datetime(2026, 11, 23, 12, tzinfo=UTC)


__all__ = [
    "APRIL",
    "COMPANY_ID",
    "JULY",
    "LOCATION_ID",
    "REDIRECT_URI",
    "V3",
    "FakeGhl",
    "fake_ghl",
    "fake_ghl_in_thread",
]
