"""A GoHighLevel account that is not real, served over HTTP with a city living in it.

Called by ``cli.py`` (simulate --api-port). Its API is read, and written to, by any client of GoHighLevel; with a gateway it
sends signed webhooks as well. Only the vendor is simulated, and its key, its headers and its names say so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ghl_real_estate_ai.commands import launch
from ghl_real_estate_ai.commands.showcase import CITY_LISTINGS, CityOptions, Source, simulator_key_seed
from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.simulation.city import City, CityEvent
from ghl_real_estate_ai.simulation.ghl_account import SubAccount
from ghl_real_estate_ai.simulation.ghl_city import apply
from ghl_real_estate_ai.simulation.ghl_server import serving
from ghl_real_estate_ai.simulation.ghl_vendor import Vendor
from ghl_real_estate_ai.simulation.vendor_servers import WEBHOOK_PATH

Say = Callable[[str], None]

_BREATH = 256
"""Events of history that are applied before the server gets a turn."""


@dataclass(frozen=True, kw_only=True)
class FakeAccountOptions:
    """What was asked for. ``gateway``: where webhooks go; None: none are sent. ``seconds`` None: until Ctrl-C."""

    port: int
    location_id: str
    data_dir: Path
    host: str = "127.0.0.1"
    gateway: str | None = None
    speed: float = 1.0
    seed: int = 1
    leads: int = 200
    days: float = 1.0
    history_days: float = 30.0
    seconds: float | None = None


def options_of(source: Source, city: CityOptions, *, port: int, webhooks: bool) -> FakeAccountOptions:
    """The same city as ``simulate`` sends, as an account with an API."""
    return FakeAccountOptions(
        port=port,
        location_id=source.location_id,
        data_dir=source.data_dir,
        gateway=source.gateway if webhooks else None,
        speed=source.speed,
        seed=city.seed,
        leads=city.leads,
        days=city.days,
        history_days=city.history_days,
    )


def serve_fake_account(options: FakeAccountOptions, *, say: Say) -> None:
    """Serve the account and let its city live, until Ctrl-C or for ``seconds``. Raises ConfigurationError for a taken port."""
    with contextlib.suppress(KeyboardInterrupt), launch.sigterm_as_interrupt():
        asyncio.run(live_in_it(options, say))
    say("stopped; nothing of the simulated account is kept")


async def live_in_it(options: FakeAccountOptions, say: Say) -> None:
    """The same in a running loop."""
    vendor = Vendor.build(
        location_ids=[options.location_id], key_seed=simulator_key_seed(options.data_dir), seed=options.seed
    )
    city = City(
        seed=options.seed,
        leads=options.leads,
        listings=CITY_LISTINGS,
        start=datetime.now(UTC),
        days=options.days,
        history_days=options.history_days,
    )
    if options.gateway is not None:
        vendor.webhooks.subscribe(options.gateway.rstrip("/") + WEBHOOK_PATH)
    try:
        async with serving(vendor, host=options.host, port=options.port) as url:
            _announce(url, vendor, options, say)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(options.seconds):
                    await _live(vendor, city, options, say)
                    await asyncio.Event().wait()  # the city's days are over, its account stays
    except OSError as error:
        raise ConfigurationError(
            f"cannot serve the simulated account on {options.host}:{options.port} ({error.strerror});"
            " choose another --api-port"
        ) from error


def _announce(url: str, vendor: Vendor, options: FakeAccountOptions, say: Say) -> None:
    authority = vendor.authority
    choose = f"{url}/v2/oauth/chooselocation?response_type=code&client_id={authority.client_id}&redirect_uri="
    say("")
    say("  A simulated GoHighLevel account. Nothing in it is real, and nothing leaves this machine.")
    say(f"  API            {url}   (Version: v3, or 2021-07-28 / 2021-04-15)")
    say(f"  location       {options.location_id}   company {vendor.account.company_id}")
    say(f"  private token  {authority.private_token(options.location_id)}")
    say(f"  OAuth app      {authority.client_id} / {authority.client_secret}")
    say(f"  consent page   {choose}...")
    say(f"  webhooks       {options.gateway or 'none'}   signed by {vendor.webhooks.key.public}")
    say(f"  control        {url}/_fake/state   (ours, not GoHighLevel's)")
    say("")


async def _live(vendor: Vendor, city: City, options: FakeAccountOptions, say: Say) -> None:
    """The past at once and without webhooks, as before an app is installed; then the days at their speed."""
    account, live = vendor.account.first, iter(city.events())
    past, next_one = await _catch_up(account, live, until=city.start)
    say(f"  {past} events of the last {options.history_days:g} days are in the account")
    if options.gateway is not None:
        vendor.install(options.location_id)
    loop = asyncio.get_running_loop()
    started = loop.time()
    while next_one is not None:
        if options.speed > 0:
            due = started + (next_one.at - city.start).total_seconds() / options.speed
            await asyncio.sleep(max(0.0, due - loop.time()))
        apply(account, next_one)
        next_one = next(live, None)


async def _catch_up(
    account: SubAccount, events: Iterable[CityEvent], *, until: datetime
) -> tuple[int, CityEvent | None]:
    """Apply what happened before ``until``; returns how much, and the first event that did not."""
    count = 0
    for event in events:
        if event.at >= until:
            return count, event
        apply(account, event, quietly=True)
        count += 1
        if count % _BREATH == 0:
            await asyncio.sleep(0)
    return count, None
