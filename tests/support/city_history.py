"""A simulated city's events as the log would hold them: through the CRM's own translation, numbered, all stored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache

from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.ml.history import Table, read_history
from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.targets import Target
from ghl_real_estate_ai.ml.training import TARGETS
from ghl_real_estate_ai.models.events import Delivery, RecordedEvent
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.simulation.city import City
from tests.support.tracing import untraced

LOCATION = "simulated-city"
HELD_OUT_SEED = 1_007
"""Of a city that no shipped model has seen."""


@cache
def held_out_events() -> tuple[RecordedEvent, ...]:
    """About 37,000 events of 600 leads over 130 days; made once per test process."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    city = City.in_retrospect(seed=HELD_OUT_SEED, leads=600, listings=400, start=start, days=130)
    with untraced():
        return tuple(recorded_events(city))


@cache
def held_out_tables() -> dict[str, Table]:
    """The held-out city as rows per model name."""
    with untraced():
        return tables_of(held_out_events())


def tables_of(events: Sequence[RecordedEvent]) -> dict[str, Table]:
    """A city's rows per model name, with the answers within ``answer_days``."""
    history = read_history(events, TARGETS)
    return {
        target.name: history.table(target, place, days=answer_days(target))
        for place, target in enumerate(TARGETS)
    }


def answer_days(target: Target) -> float:
    """The horizon; of a deal two months, or a city would have to be long: its deals are won within weeks."""
    return min(target.horizon_days, 60)


@cache
def village_events() -> tuple[RecordedEvent, ...]:
    """A small part of it, for tests that need lives as leads live them, not many of them."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    return tuple(recorded_events(City(seed=HELD_OUT_SEED, leads=60, listings=100, start=start, days=30)))


def as_if_real(events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """The same, as if people had done it."""
    return [r.model_copy(update={"event": r.event.model_copy(update={"simulated": False})}) for r in events]


@cache
def busiest_lead() -> Lead:
    """The lead of the village with the richest history."""
    leads: dict[str, Lead] = {}
    for recorded in village_events():
        lead_id = str(recorded.event.lead_id)
        leads[lead_id] = apply(leads.get(lead_id), recorded)
    return max(leads.values(), key=lambda lead: sum(lead.activity.counts.values()))


def recorded_events(city: City) -> Iterator[RecordedEvent]:
    """Every event of the city; fails on one that cannot be translated."""
    reader = GoHighLevelWebhookReader(public_keys=(), simulator_public_key="", wish_fields={})
    for position, happening in enumerate(city.events(), start=1):
        delivery_id = f"city-{position}"
        envelope = {"locationId": LOCATION, "webhookId": delivery_id, "timestamp": happening.at.isoformat()}
        read = reader.translate(
            json.dumps({**happening.body, **envelope}),
            delivery_id=delivery_id,
            received_at=happening.at,
            simulated=True,
        )
        if not isinstance(read, Delivery):
            raise TypeError(f"{happening.type} was not understood: {read.reason}")
        yield RecordedEvent(
            position=position,
            delivery_id=delivery_id,
            received_at=happening.at,
            recorded_at=happening.at,
            event=read.event,
        )
