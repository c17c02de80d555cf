"""A whole house before the fake GoHighLevel in hard times: connected through the real callback, its loops turned by hand.

For tests/journeys/test_bad_day.py. Nobody waits for anything: whoever sleeps moves the one clock of house and vendor.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import httpx

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.bootstrap import Services, Time
from ghl_real_estate_ai.bootstrap_crm import Crm
from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.limits import POLL_INTERVAL_S, REREADS_AT_ONCE
from ghl_real_estate_ai.models.connections import Connection, ConnectionStatus, WriteBackPart
from ghl_real_estate_ai.models.synchronization import (
    ChangeKind,
    ChangeStatus,
    CrmChange,
    RereadRequest,
)
from ghl_real_estate_ai.models.write_back import marker
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation.city import CityEvent
from ghl_real_estate_ai.simulation.ghl_city import apply
from ghl_real_estate_ai.simulation.ghl_vendor import Called
from ghl_real_estate_ai.simulation.ghl_webhooks import Subscription
from tests.support.clock import HastyClock
from tests.support.crm_city import START, House, setup_of
from tests.support.fake_ghl import fake_ghl
from tests.support.gateway import served
from tests.support.ghl import GhlSigner

BREATH = timedelta(hours=1)
"""After so long a silence of the city the loops turn once."""

NOTES = 4

_SEEN_TWICE = timedelta(minutes=2)
"""Polling reads again what lies no further back: the city must not be told later than that."""

Turn = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class HardTimes(House):
    """The house, and the vendor in our hands."""

    clock: HastyClock
    subscription: Subscription
    refusals: Counter[str] = field(default_factory=Counter)
    """Errors after which a loop of the house tries again, by code."""

    @property
    def crm(self) -> Crm:
        """Wired by bootstrap."""
        return self.services.crm

    # --- time passes ------------------------------------------------------------------------------------------------

    def lived(self, events: Sequence[CityEvent], *, quietly: bool = False) -> None:
        """Let these events happen, each at its time."""
        for event in events:
            self.clock.set_forward(max(0.0, (event.at - self.clock.now()).total_seconds()))
            late = self.clock.now() - event.at
            assert late < _SEEN_TWICE, f"the city had to wait for the house: {late}"
            apply(self.fake.home, event, quietly=quietly)

    async def day(self, events: Sequence[CityEvent]) -> None:
        """Some of the city's life; the loops turn whenever it is silent for a while."""
        for moment in cut(events, BREATH):
            self.lived(moment)
            await self.round()

    async def night(self, cycles: int) -> None:
        """The loops turn while the city sleeps."""
        for _ in range(cycles):
            await self.heard()
            self.clock.set_forward(POLL_INTERVAL_S)
            await self.round()
        await self.heard()

    async def round(self) -> None:
        """One turn of each loop of the house, side by side."""
        turns: tuple[Turn, ...] = (
            lambda: self.crm.sync.cycle(self.location_id),
            self._send_all,
            self._serve_all,
        )
        async with asyncio.TaskGroup() as tasks:
            for turn in turns:
                tasks.create_task(self._patient(turn))

    async def _send_all(self) -> None:
        while await self.crm.outbox.step():
            continue

    async def _serve_all(self) -> None:
        while await self.crm.reread.serve_due() == REREADS_AT_ONCE:
            continue

    async def _patient(self, turn: Turn) -> None:
        try:
            await turn()
        except EnterpriseHubError as error:
            self.refusals[error.code] += 1

    async def heard(self) -> None:
        """Until every webhook has arrived and every event is handled."""
        async with asyncio.timeout(120):
            await self.fake.vendor.webhooks.settled()
            while await self.services.bus.lag(self.location_id):
                await asyncio.sleep(0.005)

    async def rested(self) -> None:
        """Until nothing is wanted of the account any more, and polling has seen it all."""
        for _ in range(100):
            await self.night(1)
            counts = await self.services.memory.read(lambda uow: uow.changes.counts(self.location_id))
            if not counts.get(ChangeStatus.PENDING):
                break
        await self.night(8)

    # --- what people do ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """The agency's owner agrees in a browser, and comes back to the gateway."""
        page = await self.crm.connections.install_url()
        async with httpx.AsyncClient(trust_env=False) as browser:
            agreed = await browser.get(f"{page}&user_type=Company")
            back = httpx.URL(agreed.headers["location"]).raw_path.decode()
            answer = await browser.get(self.gateway.url + back)
        assert answer.status_code == 200

    async def import_all(self) -> None:
        """``connect --import``, called again until it is through."""
        for _ in range(20):
            with suppress(EnterpriseHubError):
                await self.crm.sync.import_history(self.location_id)
                return
        raise AssertionError("the import never came through")

    async def hinted(self) -> None:
        """A workflow of the account names every lead at once."""
        now = self.clock.now()
        for lead_id in await self.leads():
            asked = RereadRequest.model_validate(
                {"location_id": self.location_id, "lead_id": lead_id, "requested_at": now, "due_at": now}
            )
            await self.services.memory.write(lambda uow, asked=asked: uow.sync.request_reread(asked))  # type: ignore[misc]

    async def noted(self, name: str) -> None:
        """Notes about some leads are wanted; the house's own are rare in this city."""
        now = self.clock.now()
        for lead_id, lead in list((await self.leads()).items())[:NOTES]:
            change_id = f"note:{lead_id}:{name}"
            note = CrmChange(
                location_id=self.location_id,
                change_id=change_id,
                lead_id=lead.lead_id,
                kind=ChangeKind.NOTE,
                content={"body": f"On {name}. {marker(self.location_id, change_id)}"},
                due_at=now,
                created_at=now,
            )
            await self.services.memory.write(lambda uow, note=note: uow.changes.want(note))  # type: ignore[misc]

    # --- what is known ----------------------------------------------------------------------------------------------

    async def connection(self) -> Connection:
        """The location's."""
        known = await self.crm.connections.of_location(self.location_id)
        assert known is not None
        return known

    async def is_connected(self) -> bool:
        """Whether the location's connection is good, as far as the house knows."""
        return (await self.connection()).status is ConnectionStatus.ACTIVE

    def calls(self, path: str) -> list[Called]:
        """Calls of a path, as the vendor saw them."""
        return [call for call in self.fake.vendor.calls if call.path == path]

    async def wanted(self) -> list[CrmChange]:
        """Everything that was ever wanted of the account."""
        found: list[CrmChange] = []
        for lead in (await self.leads()).values():
            found += await self.services.memory.read(
                lambda uow, lead_id=lead.lead_id: uow.changes.of_lead(self.location_id, lead_id)  # type: ignore[misc]
            )
        return found


def cut(events: Sequence[CityEvent], pause: timedelta) -> list[list[CityEvent]]:
    """The events, parted wherever nothing happens for so long."""
    parts = [[*events[:1]]]
    for before, event in pairwise(events):
        if event.at - before.at >= pause:
            parts.append([])
        parts[-1].append(event)
    return parts


@asynccontextmanager
async def hard_times(folder: Path) -> AsyncIterator[HardTimes]:
    """House and vendor, on one clock, with the app installed for the whole agency and every part of the write-back on."""
    clock = HastyClock(START - timedelta(days=6))
    time = Time(clock=clock, sleep=clock.sleep, seconds=clock.seconds)

    @asynccontextmanager
    async def running(settings: Settings) -> AsyncIterator[Services]:
        async with bootstrap.opened(settings) as memory:
            services = bootstrap.compose(settings, memory, time=time)
            async with services.crm.open(), asyncio.TaskGroup() as tasks:
                bus = tasks.create_task(services.bus.run())
                try:
                    yield services
                finally:
                    await services.hub.aclose()
                    bus.cancel()

    async with fake_ghl(now=clock.now, limits=True) as fake:
        fake.habits.access_token_s = 40 * 86_400  # so that every renewal has a cause of its own
        settings = Settings(
            data_dir=folder,
            sqlite_synchronous="NORMAL",
            jwt_secret="s" * 40,
            simulator_public_key=fake.vendor.webhooks.key.public,
            ghl_api_url=fake.url,
            ghl_install_url=f"{fake.url}/oauth/chooselocation",
            ghl_client_id=fake.client_id,
            ghl_client_secret=fake.client_secret,
        )
        async with served(settings, GhlSigner(), running=running) as gateway:
            subscription = fake.vendor.webhooks.subscribe(f"{gateway.url}/webhooks/ghl")
            house = HardTimes(fake, gateway, gateway.services.crm.sync, clock, subscription)
            await house.connect()
            setup = setup_of(fake, write_back=frozenset(WriteBackPart))
            await gateway.services.memory.write(lambda uow: uow.connections.put_setup(setup))
            yield house
