"""The load test: many screens, a steady stream of signed webhooks, and an exact count at the end.

Called by ``enterprisehub load``, ``live_benchmarks`` and ``painting`` (the crowd around its browser).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import uvloop

from ghl_real_estate_ai.commands import launch, measuring, rig, senders
from ghl_real_estate_ai.commands.measuring import Say
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation.screens import Ages, Crowd
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel

SETTLE_S: Final = 20.0
"""Longest wait for the last publication after the last webhook."""
_EVERY_EVENT: Final = (Stream.CONVERSATION_FEED, Stream.LEAD_SCORES)
"""Streams in which each message is published once; a score that was left out for a newer one is told as a gap."""


@dataclass(frozen=True)
class Load:
    """What was asked for."""

    viewers: int
    per_second: float
    seconds: float


@dataclass(frozen=True)
class Account:
    """What came of it. ``received`` of ``expected`` messages of the feed; ``ages`` of all publications; ``acks`` in ms.

    CPU shares are of one processor: the gateway's, and that of the process with screens and senders. ``judged_after_s``:
    from a webhook to what follows from it (score, risk, matches, next action) being published, on average.
    """

    load: Load
    sent: int
    received: int
    expected: int
    publications: dict[str, int]
    ages: Ages
    acks: list[float]
    cpu_share: float
    own_cpu_share: float
    judged_after_s: float
    trouble: str

    def as_dict(self) -> dict[str, object]:
        """For a person, or --json."""
        return {
            "machine": measuring.machine(),
            "viewers": self.load.viewers,
            "events_sent": self.sent,
            "events_acknowledged": len(self.acks),
            "publications_expected": self.expected,
            "publications_received": self.received,
            "trouble": self.trouble or "none",
            **{f"received_of_{stream}": count for stream, count in sorted(self.publications.items())},
            **{
                f"webhook_ack_p{name}_ms": round(measuring.quantile(self.acks, q), 2)
                for name, q in (("50", 0.5), ("95", 0.95), ("99", 0.99))
            },
            **{
                f"publish_to_receive_p{name}_ms": round(age, 2)
                for name, age in zip(
                    ("50", "95", "99", "99_9"), self.ages.quantiles(0.5, 0.95, 0.99, 0.999), strict=True
                )
            },
            "webhook_to_scores_published_mean_s": round(self.judged_after_s, 3),
            "gateway_cpu_share": round(self.cpu_share, 2),
            "screens_cpu_share": round(self.own_cpu_share, 2),
        }


def run(load: Load, *, say: Say) -> Account:
    """Start a throw-away installation, put the load on it, and account for every publication at every screen."""
    with (
        launch.sigterm_as_interrupt(),
        measuring.installation() as (settings, vendor),
        measuring.gateway(settings) as gateway,
    ):
        say(f"{load.viewers} viewers, {load.per_second:g} events/s for {load.seconds:g} s")
        # In life screens are elsewhere; here they leave the gateway at least one processor.
        with rig.on_processor(1):
            return uvloop.run(_put_load(settings, vendor, gateway.pid, load))


@asynccontextmanager
async def screens(settings: Settings, count: int, *, ages: bool = False) -> AsyncIterator[Crowd]:
    """So many connected screens that follow every stream. Raises EnterpriseHubError when they are not let in."""
    entrance = rig.door(settings, count, streams=tuple(Stream))
    watching = Crowd(entrance, count, ages=ages)
    await rig.opened(watching, "the gateway")
    try:
        yield watching
    finally:
        watching.close()


async def _put_load(settings: Settings, vendor: FakeGoHighLevel, pid: int, load: Load) -> Account:
    count = round(load.per_second * load.seconds)
    requests = [senders.signed_request(vendor, number) for number in range(count)]
    async with screens(settings, load.viewers, ages=True) as watching:
        cpu, own_cpu, started = rig.cpu_seconds(pid), time.process_time(), time.perf_counter()
        acks = await senders.steadily(requests, port=settings.port, per_second=load.per_second)
        seconds = time.perf_counter() - started
        share, own_share = (rig.cpu_seconds(pid) - cpu) / seconds, (time.process_time() - own_cpu) / seconds
        missing = await _settled(watching, count)
        assert watching.ages is not None  # noqa: S101  # reason: asked for above
        return Account(
            load=load,
            sent=count,
            received=watching.received[rig.FEED],
            expected=count * load.viewers,
            publications={str(topic): seen for topic, seen in watching.received.items()},
            ages=watching.ages,
            acks=acks,
            cpu_share=share,
            own_cpu_share=own_share,
            judged_after_s=await _judged_after_s(settings),
            trouble=", ".join(filter(None, (watching.trouble(), missing))),
        )


async def _judged_after_s(settings: Settings) -> float:
    """The mean over all events, from the gateway's own metrics; nan when nothing was judged."""
    async with httpx.AsyncClient(base_url=settings.gateway_url) as client:
        told = dict(line.rsplit(" ", 1) for line in (await client.get("/metrics")).text.splitlines())
    judged = float(told["event_to_publish_ms_count"])
    return float(told["event_to_publish_ms_sum"]) / judged / 1_000 if judged else math.nan


async def _settled(watching: Crowd, count: int) -> str:
    """Until everybody has each message and its lead's new score; what is not there after SETTLE_S, in words."""
    deadline = time.monotonic() + SETTLE_S
    wanted = count * len(watching.screens)
    missing = dict.fromkeys(_EVERY_EVENT, wanted)
    while missing and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        missing = {
            stream: wanted - watching.received[stream]
            for stream in _EVERY_EVENT
            if watching.received[stream] < wanted
        }
    return ", ".join(f"{left} of {stream} missing" for stream, left in missing.items())
