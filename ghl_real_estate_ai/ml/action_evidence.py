"""Why an action is worth doing, in the words that an agent reads: what the lead looked at, said, and how long ago.

Called by: ml/next_action; ``homes_on_mind`` by services/realtime_lead_intelligence, which looks the homes up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.intelligence import (
    BURST_FRESH_HOURS,
    BURST_MINUTES,
    BURSTS_TOLD,
    QUOTE_CHARS,
    ChurnRisk,
    Evidence,
)
from ghl_real_estate_ai.models.leads import HomeView, LastMessage, Lead
from ghl_real_estate_ai.models.properties import Listing

_FRESH: Final = timedelta(hours=BURST_FRESH_HOURS)
_TOGETHER: Final = timedelta(minutes=BURST_MINUTES)


def homes_on_mind(lead: Lead, now: datetime) -> tuple[ListingKey, ...]:
    """The homes that ``views`` would name: usually none."""
    return tuple(burst[0].listing_key for burst in _bursts(lead, now))


def views(lead: Lead, now: datetime, homes: Mapping[ListingKey, Listing]) -> tuple[Evidence, ...]:
    """Homes that the lead came back to within minutes, newest first."""
    return tuple(_views(burst, now, homes.get(burst[0].listing_key)) for burst in _bursts(lead, now))


def quote(message: LastMessage) -> Evidence:
    """The lead's own words, cut; or what it did, where there are none."""
    words = " ".join((message.text or "").split())
    if not words:
        spoken = {Channel.CALL: "called", Channel.VOICEMAIL: "left a voicemail"}
        return Evidence(
            event_id=message.stamp.event_id, text=spoken.get(message.channel, "wrote, without text")
        )
    cut = words if len(words) <= QUOTE_CHARS else words[: QUOTE_CHARS - 1].rstrip() + "…"
    return Evidence(event_id=message.stamp.event_id, text=f"“{cut}”")


def silence(last: datetime, churn: ChurnRisk, now: datetime) -> Evidence:
    """How long nothing was heard, the risk, and when it will be worse."""
    words = f"no sign of the lead for {duration(now - last)}; {churn.probability:.0%} risk of going silent for {churn.horizon_days} days"
    ahead = churn.crossings[0] if churn.crossings else None
    if ahead is not None and ahead.at > now:
        words += f", {ahead.stage.name.lower()} in {duration(ahead.at - now)} without a sign"
    return Evidence(text=words)


def duration(span: timedelta) -> str:
    """A span as an agent says it: '42 min', '3 h', '5 days'."""
    minutes = max(0, int(span / timedelta(minutes=1)))
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} days"


def _bursts(lead: Lead, now: datetime) -> list[list[HomeView]]:
    """Views of one home within BURST_MINUTES, newest first; of each home its newest such burst. One pass over the views."""
    if len(lead.views) < 2 or now - lead.views[1].at > _FRESH:
        return []
    of_home: dict[ListingKey, list[HomeView]] = {}
    for view in lead.views:
        if now - view.at > _FRESH:
            break
        burst = of_home.get(view.listing_key)
        if burst is not None and burst[0].at - view.at <= _TOGETHER:
            burst.append(view)
        elif burst is None or len(burst) == 1:
            of_home[view.listing_key] = [view]
    found = [burst for burst in of_home.values() if len(burst) > 1]
    found.sort(key=lambda burst: (burst[0].at, burst[0].event_id), reverse=True)
    return found[:BURSTS_TOLD]


def _views(burst: list[HomeView], now: datetime, home: Listing | None) -> Evidence:
    newest, oldest = burst[0], burst[-1]
    times = "twice" if len(burst) == 2 else f"{len(burst)} times"
    minutes = max(1, math.ceil((newest.at - oldest.at) / timedelta(minutes=1)))
    ago = now - newest.at
    when = f", {duration(ago)} ago" if ago >= timedelta(hours=1) else ""
    return Evidence(event_id=newest.event_id, text=f"looked at {_named(home)} {times} in {minutes} min{when}")


def _named(home: Listing | None) -> str:
    """The street as the listing writes it; never the ZIP."""
    if home is None:
        return "a home"
    street = (home.unparsed_address or "").partition(",")[0].strip()
    return street or f"a home in {home.city}"
