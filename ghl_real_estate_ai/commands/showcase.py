"""The far side at work: a simulated city or a real event log sent as signed webhooks, and the demo around it.

Called by ``cli.py`` (simulate, demo). What it sends goes over HTTP through the same door as a real account's; only the
vendor is simulated, and the key that signs says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Never

import httpx
from pydantic import JsonValue

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import launch, records
from ghl_real_estate_ai.errors import ConfigurationError, EnterpriseHubError, InputError
from ghl_real_estate_ai.limits import LISTING_BATCH_ROWS, OUTBOUND_TIMEOUT_S
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location, Role
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.settings import Settings, load_settings
from ghl_real_estate_ai.simulation.city import AGENTS, City, CityEvent, write_truth
from ghl_real_estate_ai.simulation.replay import replay
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel

Say = Callable[[str], None]
Progress = Callable[[int, int | None], None]

CITY_LISTINGS = 400
DEMO_HOURS = 6.0
"""Real hours that a demo lasts at most. All lives of the city are drawn before its first event: a year of them takes 1.5 s."""

GATEWAY_LOOK_S = 0.2
"""So often a demo looks whether its gateway still runs."""

DEMO_LOCATION = LocationId("simulated-city")
DEMO_EMAIL = "manager@example.com"
DEMO_AGENT = "agent@example.com"
AS_FAST_AS_TAKEN = 0.0
CITY_MORNING_UTC = 15


@dataclass(frozen=True)
class Source:
    """Who sends, where to, how fast. ``data_dir`` keeps the simulator's key, so that it stays the same."""

    gateway: str
    location_id: str
    speed: float
    data_dir: Path

    def vendor(self) -> FakeGoHighLevel:
        """The simulated GoHighLevel, with its own key."""
        return FakeGoHighLevel(gateway_url=self.gateway, key_seed=simulator_key_seed(self.data_dir))


@dataclass(frozen=True)
class CityOptions:
    """Which city. The first ``history_days`` are sent unpaced, so that its brokerage is alive at once."""

    seed: int
    leads: int
    days: float
    history_days: float


@dataclass(frozen=True)
class DemoOptions:
    """What ``enterprisehub demo`` was asked for."""

    speed: float
    leads: int
    seed: int
    data_dir: Path | None
    seconds: float | None
    dashboard: bool


def simulator_key_seed(data_dir: Path) -> bytes:
    """32 secret bytes, made once and kept in ``data_dir/simulator_key`` (mode 0600)."""
    path = data_dir / "simulator_key"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()


async def simulate_city(
    settings: Settings, source: Source, options: CityOptions, *, truth: Path | None, progress: Progress
) -> dict[str, object]:
    """``run_city``, after telling this machine's installation who the city's agents are."""
    await introduce(settings, source)
    return await run_city(source, options, truth=truth, progress=progress)


async def run_city(
    source: Source,
    options: CityOptions,
    *,
    truth: Path | None,
    progress: Progress,
    token: str | None = None,
    history_told: Callable[[], None] = lambda: None,
) -> dict[str, object]:
    """Send a city's history at once and its days at ``source.speed``; import its homes first when a token is at hand.

    ``history_told`` is called between the two.
    """
    start = latest_morning(datetime.now(UTC))
    city = City(
        seed=options.seed,
        leads=options.leads,
        listings=CITY_LISTINGS,
        start=start,
        days=options.days,
        history_days=options.history_days,
    )
    if truth is not None:
        write_truth(city, truth)
    vendor = source.vendor()
    bearer = token or os.environ.get("ENTERPRISEHUB_TOKEN")
    if bearer:
        await import_listings(source.gateway, bearer, city.listings)
    history, live = _split(city.events(), at=start)
    sent = await vendor.run(
        history, location_id=source.location_id, speed=AS_FAST_AS_TAKEN, progress=progress
    )
    history_told()
    paced = await vendor.run(
        live,
        location_id=source.location_id,
        speed=source.speed,
        progress=lambda done, _total: progress(sent.accepted + done, None),
    )
    return {"history": sent.as_dict(), "live": paced.as_dict()}


def latest_morning(now: datetime) -> datetime:
    """The newest 9 o'clock of the city's day: a paced run begins when its people are awake, and never in the future."""
    morning = now.replace(hour=CITY_MORNING_UTC, minute=0, second=0, microsecond=0)
    return morning if morning <= now else morning - timedelta(days=1)


def _split(events: Iterator[CityEvent], *, at: datetime) -> tuple[Iterator[CityEvent], Iterator[CityEvent]]:
    """The events before a time, and the rest; read lazily, the first part first."""
    held: list[CityEvent] = []

    def before() -> Iterator[CityEvent]:
        for event in events:
            if event.at >= at:
                held.append(event)
                return
            yield event

    def after() -> Iterator[CityEvent]:
        yield from chain(held, events)

    return before(), after()


async def import_listings(gateway: str, token: str, listings: Sequence[Mapping[str, JsonValue]]) -> None:
    """Post RESO listings as a manager does."""
    async with httpx.AsyncClient(base_url=gateway, timeout=OUTBOUND_TIMEOUT_S) as client:
        for first in range(0, len(listings), LISTING_BATCH_ROWS):
            answer = await client.post(
                "/v1/listings",
                json={"value": list(listings[first : first + LISTING_BATCH_ROWS])},
                headers={"Authorization": f"Bearer {token}"},
            )
            if answer.is_error:
                raise ConfigurationError(f"the gateway refused the city's homes: {answer.text[:200]}")


async def replay_log(
    source: Source, log: Path, map_file: Path, *, limit: int | None, progress: Progress
) -> dict[str, object]:
    """Send a real event log through the signed door; every row is accounted for."""
    for path, option in ((log, "--replay"), (map_file, "--map")):
        if not path.is_file():
            raise InputError(f"{option} {path}: no such file")
    tally = await replay(
        log,
        map_file,
        sender=source.vendor(),
        location_id=source.location_id,
        speed=source.speed,
        limit=limit,
        progress=progress,
    )
    return tally.as_dict()


# --- the demo -----------------------------------------------------------------------------------------------------


def demo(options: DemoOptions, *, say: Say) -> None:
    """Install into a folder of its own, start everything, send the city, until Ctrl-C (or for ``seconds``)."""
    with (
        contextlib.suppress(KeyboardInterrupt),
        launch.sigterm_as_interrupt(),
        _demo_folder(options) as folder,
    ):
        _demo_in(folder, options, say)
    say("stopped; nothing keeps running" + ("" if options.data_dir else ", the demo's data is deleted"))


@contextmanager
def _demo_folder(options: DemoOptions) -> Iterator[Path]:
    if options.data_dir is not None:
        if options.data_dir.is_dir() and any(options.data_dir.iterdir()):
            raise InputError(
                f"--data-dir {options.data_dir} is not empty; name a new folder for the demo's data"
            )
        options.data_dir.mkdir(parents=True, exist_ok=True)
        yield options.data_dir
        return
    with tempfile.TemporaryDirectory(prefix="enterprisehub-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _demo_in(folder: Path, options: DemoOptions, say: Say) -> None:
    with running_brokerage(folder, dashboard=options.dashboard) as brokerage:
        _announce(brokerage.settings, brokerage.password, options, say)
        asyncio.run(_live(brokerage, options, say))


@dataclass(frozen=True)
class Brokerage:
    """A simulated brokerage's installation at work, and the password of its people."""

    settings: Settings
    password: str
    gateway: subprocess.Popen[bytes]
    log: Path

    def source(self, speed: float) -> Source:
        """Who sends to it, ``speed`` simulated seconds per second."""
        return Source(self.settings.gateway_url, DEMO_LOCATION, speed, self.settings.data_dir)

    async def until_gone(self) -> Never:
        """Raises EnterpriseHubError with the gateway's last words as soon as it has ended."""
        while True:
            code = self.gateway.poll()
            if code is not None:
                words = launch.last_words(self.log)
                raise EnterpriseHubError(
                    f"the demo's gateway ended with code {code}: {words}; start the demo again"
                )
            await asyncio.sleep(GATEWAY_LOOK_S)


@contextmanager
def running_brokerage(folder: Path, *, dashboard: bool) -> Iterator[Brokerage]:
    """Install into the folder and start everything; nothing is sent yet."""
    seed = simulator_key_seed(folder)
    base = load_settings()
    port = launch.free_port(base.port, base.host)
    settings = load_settings(
        data_dir=folder,
        database_url="",
        port=port,
        public_url=base.public_url if port == base.port else "",  # else it is another gateway's
        dashboard_port=launch.free_port(base.dashboard_port, base.host),
        simulator_public_key=FakeGoHighLevel(gateway_url="", key_seed=seed).public_key,
        log_level="WARNING",
    )
    password = secrets.token_urlsafe(9)
    asyncio.run(demo_people(settings, password))
    serve = [
        sys.executable,
        "-m",
        "ghl_real_estate_ai.cli",
        "serve",
        *([] if dashboard else ["--no-dashboard"]),
    ]
    log = folder / "server.log"
    with launch.child(serve, env=launch.environment(settings), log=log) as process:
        launch.wait_until_ready(f"{settings.gateway_url}/health/ready", process=process, log=log)
        if dashboard:
            launch.wait_until_ready(f"{settings.dashboard_url}/_stcore/health", process=process, log=log)
        yield Brokerage(settings, password, process, log)


async def demo_people(settings: Settings, password: str) -> None:
    """Who signs in: a manager, and the first of the city's agents, so that there are leads that are theirs."""
    alex = AGENTS[0]
    async with bootstrap.opened(settings) as memory:
        await records.add_location(memory, Location(location_id=DEMO_LOCATION, name="Simulated City Realty"))
        add = partial(records.add_user, memory, location_id=DEMO_LOCATION, password=password)
        await add(email=DEMO_EMAIL, name="Morgan Manager", role=Role.ADMIN)
        agent = await add(email=DEMO_AGENT, name=alex.name, role=Role.AGENT)
        await _introduce(memory, DEMO_LOCATION, linked={agent.user_id: UserId(alex.user_id)})


async def introduce(settings: Settings, source: Source) -> bool:
    """Tell an installation whose database is at hand the names of the city's agents, as ``connect`` would have read them.

    Webhooks tell ids only. Whether it serves the location here; another machine's gateway shows ids.
    """
    at_hand = bool(settings.database_url) or (settings.data_dir / "enterprisehub.db").exists()
    if source.gateway != settings.gateway_url or not at_hand:
        return False
    async with bootstrap.opened(settings) as memory:
        return await _introduce(memory, LocationId(source.location_id), linked={})


async def _introduce(memory: Memory, location_id: LocationId, *, linked: Mapping[UserId, UserId]) -> bool:
    people = tuple(
        AccountUser(user_id=UserId(agent.user_id), name=agent.name, email=agent.email) for agent in AGENTS
    )

    def change(uow: UnitOfWork) -> bool:
        served = location_id in {place.location_id for place in uow.tenants.locations()}
        if not served or uow.connections.get(location_id) is not None:
            return False  # a connected account names its own people
        known = uow.connections.setup(location_id) or LocationSetup(location_id=location_id)
        named = {"crm_users": known.crm_users or people, "linked_users": {**known.linked_users, **linked}}
        uow.connections.put_setup(known.model_copy(update=named))
        return True

    return await memory.write(change)


def _announce(settings: Settings, password: str, options: DemoOptions, say: Say) -> None:
    say("")
    say(f"  open      {settings.dashboard_url if options.dashboard else settings.gateway_url}")
    say(f"  sign in   {DEMO_EMAIL}   (or {DEMO_AGENT})")
    say(f"  password  {password}")
    say("")
    say(
        f"  A simulated brokerage at {options.speed:g}x: GoHighLevel is played by a simulator that signs its webhooks;"
        " everything behind the webhook is the product."
    )
    say("  Ctrl-C stops it.")


async def _live(brokerage: Brokerage, options: DemoOptions, say: Say) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(options.seconds):
            try:
                async with asyncio.TaskGroup() as tasks:
                    watch = tasks.create_task(brokerage.until_gone())
                    await _send(brokerage, options, say)
                    watch.cancel()
            except ExceptionGroup as group:  # a dead gateway, or what the sender met: one of them is enough
                raise group.exceptions[0] from None


async def _send(brokerage: Brokerage, options: DemoOptions, say: Say) -> None:
    source = brokerage.source(options.speed)
    days = options.speed * DEMO_HOURS / 24
    city = CityOptions(seed=options.seed, leads=options.leads, days=days, history_days=14.0)
    shown = time.monotonic()

    def progress(done: int, _total: int | None) -> None:
        nonlocal shown
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            say(f"  {done} webhooks sent and taken")

    try:
        token = await sign_in(source.gateway, brokerage.password)
        await run_city(source, city, truth=None, progress=progress, token=token)
    except httpx.TransportError as error:
        await asyncio.sleep(5 * GATEWAY_LOOK_S)  # if it has died, who watches it says so, and why
        raise EnterpriseHubError(
            f"the demo's gateway did not answer ({type(error).__name__}); start the demo again"
        ) from error


async def sign_in(gateway: str, password: str) -> str:
    """The token of the demo's admin."""
    async with httpx.AsyncClient(base_url=gateway, timeout=OUTBOUND_TIMEOUT_S) as client:
        answer = await client.post("/v1/sessions", json={"email": DEMO_EMAIL, "password": password})
        if answer.is_error:
            raise ConfigurationError(f"the demo could not sign in: {answer.text[:200]}")
        return str(answer.json()["access_token"])
