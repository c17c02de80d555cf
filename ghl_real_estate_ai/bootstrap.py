"""The switchboard: settings in, running services out. The only file that knows vendors and databases.

Called by ``api/app.py`` (``running``) and ``cli.py`` (``running`` and ``opened``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.budgets import SNAPSHOT_ITEMS
from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.ml.artifacts import Model, load_model, shipped_model
from ghl_real_estate_ai.models.events import LEAD_FACTS, LeadForgotten, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Clock, DurableWork, Memory, WebhookReader
from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import MlLeadIntelligenceEngine
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from ghl_real_estate_ai.services.realtime_lead_intelligence import RealtimeLeadIntelligence
from ghl_real_estate_ai.services.stream_projection import items_of, items_of_lead
from ghl_real_estate_ai.services.system_performance import SystemPerformance
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.storage.database import Database

SCREEN_FACTS = frozenset({"LeadIntelligenceUpdated", "MessageReceived", "MessageSent", "ActionAcknowledged"})
"""Facts that change a live stream."""


class SystemClock:
    """The machine's clock, aware UTC."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """Everything that runs, by name. Routes and commands ask for what they need."""

    settings: Settings
    clock: Clock
    memory: Memory
    bus: EventBus
    inbox: EventInbox
    webhook_reader: WebhookReader
    intelligence: RealtimeLeadIntelligence
    engine: MlLeadIntelligenceEngine
    churn: ChurnPredictionService
    matching: PropertyMatchingService
    hub: WebSocketManager
    performance: SystemPerformance


def webhook_reader(settings: Settings) -> WebhookReader:
    """The CRM's door, with the keys and custom fields of the settings."""
    return GoHighLevelWebhookReader(
        public_keys=settings.ghl_public_keys,
        simulator_public_key=settings.simulator_public_key,
        wish_fields=settings.ghl_wish_fields,
    )


def model(settings: Settings, name: str) -> Model:
    """The tenant-trained model in ``data_dir/models`` if there is one, else the one that ships."""
    trained: Path = settings.data_dir / "models" / f"{name}.json"
    return load_model(trained) if trained.exists() else shipped_model(name)


def database_url(settings: Settings) -> str:
    """The configured database, or the SQLite file in ``data_dir`` (the folder is made)."""
    if settings.database_url:
        return settings.database_url
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{settings.data_dir / 'enterprisehub.db'}"


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database alone, for commands that need no running services."""
    database = Database(database_url(settings), sqlite_synchronous=settings.sqlite_synchronous)
    await database.start()
    try:
        yield database
    finally:
        await database.aclose()


def compose(settings: Settings, memory: Memory) -> Services:
    """Plug everything together over a memory; nothing runs yet."""
    services = _parts(settings, memory)
    _subscribe(services)
    return services


def _parts(settings: Settings, memory: Memory) -> Services:
    clock = SystemClock()
    bus = EventBus(memory=memory, clock=clock)
    engine = MlLeadIntelligenceEngine(model=model(settings, "lead_score"))
    churn = ChurnPredictionService(model=model(settings, "churn_risk"))
    matching = PropertyMatchingService(memory=memory)
    hub = WebSocketManager(clock=clock)
    return Services(
        settings=settings,
        clock=clock,
        memory=memory,
        bus=bus,
        inbox=EventInbox(memory=memory, bus=bus, clock=clock),
        webhook_reader=webhook_reader(settings),
        intelligence=RealtimeLeadIntelligence(
            memory=memory, engine=engine, churn=churn, matching=matching, clock=clock
        ),
        engine=engine,
        churn=churn,
        matching=matching,
        hub=hub,
        performance=SystemPerformance(
            memory=memory,
            hub=hub,
            clock=clock,
            log_lag=bus.lag,
            model_versions={stamp.name: stamp.version for stamp in (engine.model.stamp, churn.model.stamp)},
        ),
    )


def _subscribe(services: Services) -> None:
    """Who hears what. Read with ``docs/events.md``."""
    bus, hub, clock = services.bus, services.hub, services.clock

    def to_screens(recorded: RecordedEvent) -> None:
        now = clock.now()
        for stream, item in items_of(recorded, now=now):
            hub.publish(recorded.event.location_id, stream, item)
        if recorded.event.type == "LeadIntelligenceUpdated":
            telemetry.event_to_publish.observe((now - recorded.received_at).total_seconds() * 1_000)

    async def forget(recorded: RecordedEvent) -> DurableWork | None:
        event = recorded.event
        if isinstance(event, LeadForgotten):
            services.intelligence.forget(event.location_id, event.lead_hash)
            hub.forget(event.location_id, event.lead_hash)
        return None

    bus.subscribe_durable(
        "lead_intelligence",
        services.intelligence,
        types=LEAD_FACTS | {"ActionAcknowledged"},
        on_rollback=services.intelligence.forget_uncommitted,
    )
    bus.subscribe_durable("forgetting", forget, types=frozenset({"LeadForgotten"}))
    bus.subscribe_live("screens", to_screens, types=SCREEN_FACTS)
    bus.subscribe_live(
        "listings",
        lambda recorded: services.matching.invalidate(recorded.event.location_id),
        types=frozenset({"ListingsImported"}),
    )


async def _seed_screens(services: Services, location_id: LocationId) -> None:
    """Fill the streams with what is known, so that the first screen after a restart is not empty."""
    memory, hub = services.memory, services.hub
    leads = await memory.read(lambda uow: uow.leads.newest(location_id, limit=SNAPSHOT_ITEMS))
    items = [pair for lead, intelligence in leads for pair in items_of_lead(lead, intelligence)]
    head = await memory.read(lambda uow: uow.events.head(location_id))
    recent = await memory.read(
        lambda uow: uow.events.read(location_id, after=max(0, head - SNAPSHOT_ITEMS), limit=SNAPSHOT_ITEMS)
    )
    messages = [recorded for recorded in recent if recorded.event.type in {"MessageReceived", "MessageSent"}]
    items.extend(pair for recorded in messages for pair in items_of(recorded))
    hub.seed(location_id, sorted(items, key=lambda pair: pair[1].at))


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Services]:
    """Everything, running: dispatch begins where the last process stopped, screens start with what is known."""
    async with opened(settings) as memory:
        services = compose(settings, memory)
        places = await memory.read(lambda uow: uow.tenants.locations())
        for place in places:
            await _seed_screens(services, place.location_id)
            await services.intelligence.warm(place.location_id)
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(services.bus.run(), name="bus"),
                tasks.create_task(services.performance.run(), name="performance"),
            ]
            try:
                yield services
            finally:
                await services.hub.aclose()
                for task in background:
                    task.cancel()
