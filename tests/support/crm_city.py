"""A city that lives in the fake GoHighLevel, and a house that hears of it: by signed webhooks, by polling, or by both.

For the journeys that compare what each door makes of the same city.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched, count
from pathlib import Path

from pydantic import JsonValue

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.integrations.gohighlevel.client import AccessToken, GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.history import GoHighLevelHistory
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standings
from ghl_real_estate_ai.integrations.http import HttpClient
from ghl_real_estate_ai.limits import POLL_INTERVAL_S
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, LocationSetup, OwnerKind
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Lead, Location, StageRole
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.crm_sync import CrmSync
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation.city import City, CityEvent
from ghl_real_estate_ai.simulation.ghl_account import ACTIVITY_KEY, CALENDAR_ID
from ghl_real_estate_ai.simulation.ghl_city import apply
from tests.support.clock import FakeClock
from tests.support.fake_ghl import FakeGhl, fake_ghl
from tests.support.gateway import Gateway, served
from tests.support.ghl import GhlSigner

START = datetime(2026, 3, 2, tzinfo=UTC)
STAGES = {"stage-contacted": StageRole.WORKING, "stage-showing": StageRole.APPOINTMENT}


def small_city(seed: int = 3) -> City:
    """Some leads over ten days, the same each time."""
    return City(seed=seed, leads=8, listings=40, start=START, days=5, history_days=5)


class OneToken:
    """``TokenSource`` of a private token."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self, owner_id: str) -> AccessToken:
        """The one."""
        return AccessToken(self._token, 1)

    async def renewed(self, owner_id: str, *, generation: int) -> AccessToken:
        """There is no other."""
        return AccessToken(self._token, generation + 1)


@asynccontextmanager
async def reader_of(url: str, token: str) -> AsyncIterator[GoHighLevelHistory]:
    """The production reader on the API of a fake."""
    flying = count(0.0, 1.0).__next__  # a second per look at the clock: no turn is waited for here
    async with HttpClient() as http:
        client = GoHighLevelClient(
            http=http,
            tokens=OneToken(token),
            limiter=RateLimiter(seconds=flying),
            standings=Standings(),
            clock=bootstrap.SystemClock(),
            base_url=url,
        )
        yield GoHighLevelHistory(client=client, wish_fields={}, simulated=True)


def setup_of(fake: FakeGhl, **changes: object) -> LocationSetup:
    """What ``connect`` would have found in the account."""
    known: dict[str, object] = {
        "location_id": fake.location_id,
        "stages": STAGES,
        "calendars": (CALENDAR_ID,),
        "activity_object": ACTIVITY_KEY,
        "polling": False,  # the journeys poll by hand, by a clock of their own
    }
    return LocationSetup.model_validate(known | changes)


async def connect(memory: Memory, setup: LocationSetup) -> None:
    """Serve the location and give it an active connection, as ``connect`` does."""
    connection = Connection(
        owner_id=setup.location_id,
        owner_kind=OwnerKind.LOCATION,
        kind=ConnectionKind.PRIVATE_TOKEN,
        access_token="sealed",
        obtained_at=START,
        simulated=True,
    )
    place = Location(location_id=setup.location_id, name="The city")
    await memory.write(lambda uow: uow.tenants.put_location(place))
    await memory.write(lambda uow: uow.connections.put(connection))
    await memory.write(lambda uow: uow.connections.put_setup(setup))


@dataclass(frozen=True)
class House:
    """A gateway whose one location is the fake's, and the means to let time pass."""

    fake: FakeGhl
    gateway: Gateway
    sync: CrmSync
    clock: FakeClock

    @property
    def services(self) -> Services:
        """The gateway's."""
        return self.gateway.services

    @property
    def location_id(self) -> LocationId:
        """The fake's first."""
        return LocationId(self.fake.location_id)

    def live(self, events: Sequence[CityEvent], *, quietly: bool) -> None:
        """Let these events happen at the vendor; ``quietly``: without webhooks."""
        for event in events:
            apply(self.fake.home, event, quietly=quietly)
        if events:
            self.clock.set_forward(max(0.0, (events[-1].at - self.clock.now()).total_seconds()))

    async def poll(self, cycles: int) -> None:
        """Some cycles of polling."""
        for _ in range(cycles):
            self.clock.set_forward(POLL_INTERVAL_S)
            await self.sync.cycle(self.location_id)

    async def leads(self) -> dict[str, Lead]:
        """The leads, once webhooks have arrived and nothing waits any more."""
        async with asyncio.timeout(120):
            await self.fake.vendor.webhooks.settled()
            while await self.services.bus.lag(self.location_id):
                await asyncio.sleep(0.02)
        found = await self.services.memory.read(lambda uow: uow.leads.newest(self.location_id, limit=1_000))
        return {lead.lead_id: lead for lead, _ in found}

    async def logged(self) -> int:
        """Facts about leads in the log, what we concluded from them left out."""
        return await self.services.memory.read(
            lambda uow: uow.events.count(self.location_id, after=0, types=TOLD)
        )


TOLD = frozenset(
    {"LeadUpserted", "MessageReceived", "MessageSent", "OpportunityChanged", "AppointmentChanged", "PropertyActivityRecorded"}
)  # fmt: skip
"""What both doors tell of. Notes and tasks only come by webhook: the API shows them one contact at a time."""


@asynccontextmanager
async def house(fake: FakeGhl, folder: Path, *, webhooks: bool) -> AsyncIterator[House]:
    """The gateway, running; with ``webhooks`` the app is installed at the fake."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        data_dir=folder,
        sqlite_synchronous="NORMAL",
        jwt_secret="s" * 40,
        simulator_public_key=fake.vendor.webhooks.key.public,
        ghl_api_url=fake.url,
    )
    clock = FakeClock(START)
    async with served(settings, GhlSigner()) as gateway, reader_of(fake.url, fake.pit) as reader:
        await connect(gateway.services.memory, setup_of(fake))
        if webhooks:
            fake.vendor.webhooks.subscribe(f"{gateway.url}/webhooks/ghl")
            fake.vendor.authority.installed.setdefault(fake.location_id, START)
        sync = CrmSync(
            memory=gateway.services.memory, reader=reader, inbox=gateway.services.inbox, clock=clock
        )
        yield House(fake, gateway, sync, clock)


_BY_WEBHOOKS: dict[str, Lead] = {}


async def leads_by_webhooks(folder: Path) -> dict[str, Lead]:
    """The reference: the whole small city by signed webhooks alone, over real HTTP. Made once per test process."""
    if not _BY_WEBHOOKS:
        async with fake_ghl() as fake, house(fake, folder / "reference", webhooks=True) as home:
            home.live(list(small_city().events()), quietly=False)
            _BY_WEBHOOKS.update(await home.leads())
    return dict(_BY_WEBHOOKS)


def in_parts(city: City, parts: int) -> Iterator[tuple[CityEvent, ...]]:
    """The city's events in order, in so many parts."""
    events = list(city.events())
    return batched(events, math.ceil(len(events) / parts))


# --- comparing ----------------------------------------------------------------------------------------------------


def content(lead: Lead) -> JsonValue:
    """What is known of a lead, without how it came to be known: positions, event ids, and when a state was last told.

    Polling sees that a contact has changed, not which of its fields did when, and passes over a deal or meeting that stands
    as it stood. What happened, and when, is all there: messages, visits, bookings, their counts and decayed sums.
    """
    unstamped = {"__all__": {"stamp"}}
    dumped: JsonValue = lead.model_dump(
        mode="json",
        exclude={
            "position": True,
            "stamps": True,
            "voices": {"__all__": {"stamps"}},
            "opportunities": unstamped,
            "appointments": unstamped,
        },
    )
    return _without(dumped, "event_id")


def _without(value: JsonValue, name: str) -> JsonValue:
    if isinstance(value, dict):
        return {key: _without(part, name) for key, part in value.items() if key != name}
    return [_without(part, name) for part in value] if isinstance(value, list) else value


def first_difference(one: JsonValue, other: JsonValue, path: str = "") -> str | None:
    """Where two contents differ first; floats are equal up to the rounding of sums taken in another order."""
    if isinstance(one, float) and isinstance(other, float):
        equal = math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        return None if equal else f"{path}: {one} != {other}"
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            found = first_difference(one.get(key, "absent"), other.get(key, "absent"), f"{path}.{key}")
            if found:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = enumerate(zip(one, other, strict=True))
        found_in = (first_difference(mine, theirs, f"{path}[{place}]") for place, (mine, theirs) in parts)
        return next((found for found in found_in if found), None)
    return None if one == other else f"{path}: {one} != {other}"


def assert_same(expected: dict[str, Lead], found: dict[str, Lead]) -> None:
    """The same leads with the same content."""
    assert expected.keys() == found.keys()
    for lead_id, lead in expected.items():
        difference = first_difference(content(lead), content(found[lead_id]), lead_id)
        assert difference is None, difference


def after(hours: float) -> datetime:
    """A time in the city."""
    return START + timedelta(hours=hours)
