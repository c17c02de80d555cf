"""The switchboard: settings in, running services out. It and its two parts alone know vendors and databases.

Called by ``api/app.py`` (``running``) and ``cli.py`` (``running``, ``opened``, ``connected``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from time import monotonic

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.bootstrap_crm import Crm, compose_crm
from ghl_real_estate_ai.bootstrap_learning import learning_process
from ghl_real_estate_ai.bootstrap_redis import Shared, sharing
from ghl_real_estate_ai.crm_ports import ExportReader
from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.integrations.gohighlevel.csv_export import CsvExportReader
from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.limits import DATABASE_ANSWER_S
from ghl_real_estate_ai.live_ports import SharedCache, WorkShare
from ghl_real_estate_ai.models.events import (
    LEAD_FACTS,
    LEAD_NEWS,
    LeadForgotten,
    MessageReceived,
    MessageSent,
    RecordedEvent,
)
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.ports import Clock, DurableWork, Memory, UnitOfWork, WebhookReader
from ghl_real_estate_ai.services.access_watch import AccessWatch
from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService
from ghl_real_estate_ai.services.crm_write_back import CrmWriteBack, writes_back
from ghl_real_estate_ai.services.delivery_tally import DeliveryCounter
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from ghl_real_estate_ai.services.live_relay import (
    PROJECTED,
    SCREEN_FACTS,
    SCREENS,
    LiveRelay,
    ScreenProjector,
    known_of,
)
from ghl_real_estate_ai.services.match_ranking import MatchRanking
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import MlLeadIntelligenceEngine
from ghl_real_estate_ai.services.model_learning import ModelLearning
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from ghl_real_estate_ai.services.realtime_lead_intelligence import RealtimeLeadIntelligence
from ghl_real_estate_ai.services.silence_watch import SilenceWatch
from ghl_real_estate_ai.services.single_flight import SingleFlight
from ghl_real_estate_ai.services.stream_projection import conversation_item, items_of
from ghl_real_estate_ai.services.suggested_reply import SuggestedReplies
from ghl_real_estate_ai.services.system_performance import SystemPerformance
from ghl_real_estate_ai.services.team_response import TeamResponses
from ghl_real_estate_ai.services.tenant_models import TenantModels
from ghl_real_estate_ai.services.track_record import TrackRecordKeeper
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.storage.database import Database

LEAD_INTELLIGENCE = "lead_intelligence"
"""The durable subscriber that everything shown waits for."""


class ProcessRole(StrEnum):
    """What one process of an installation does. ALL is the default, and the only one without Redis."""

    GATEWAY = "gateway"  # webhooks, REST, sockets
    WORKER = "worker"  # handles the log, looks after the CRM's accounts
    ALL = "all"

    @property
    def handles(self) -> bool:
        """Whether it takes its part of the tenants and handles their logs."""
        return self is not ProcessRole.GATEWAY

    @property
    def shows(self) -> bool:
        """Whether browsers and the CRM reach it."""
        return self is not ProcessRole.WORKER


class SystemClock:
    """The machine's clock, aware UTC."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Time:
    """What tells the time to all services, and lets it pass for calls to the CRM. Tests hand in their own."""

    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    seconds: Callable[[], float] = monotonic


@dataclass(frozen=True)
class Services:
    """Everything that runs, by name. Routes and commands ask for what they need."""

    settings: Settings
    role: ProcessRole
    clock: Clock
    memory: Memory
    bus: EventBus
    inbox: EventInbox
    webhook_reader: WebhookReader
    intelligence: RealtimeLeadIntelligence
    models: TenantModels
    ranking: MatchRanking
    learning: ModelLearning
    engine: MlLeadIntelligenceEngine
    churn: ChurnPredictionService
    matching: PropertyMatchingService
    replies: SuggestedReplies
    hub: WebSocketManager
    access: AccessWatch
    relay: LiveRelay | None
    performance: SystemPerformance
    crm: Crm
    record: TrackRecordKeeper
    team: TeamResponses
    silence: SilenceWatch
    cache: SharedCache
    shared: Shared | None


def webhook_reader(settings: Settings) -> WebhookReader:
    """The CRM's door, with the keys and custom fields of the settings."""
    return GoHighLevelWebhookReader(
        public_keys=settings.ghl_public_keys,
        simulator_public_key=settings.simulator_public_key,
        wish_fields=settings.ghl_wish_fields,
    )


def export_reader(settings: Settings) -> ExportReader:
    """Reads files that the CRM exported."""
    return CsvExportReader(wish_fields=settings.ghl_wish_fields)


def database_url(settings: Settings) -> str:
    """The configured database, or the SQLite file in ``data_dir`` (the folder is made)."""
    if settings.database_url:
        return settings.database_url
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{settings.data_dir / 'enterprisehub.db'}"


@asynccontextmanager
async def opened(settings: Settings, *, answer_s: float | None = None) -> AsyncIterator[Database]:
    """The database alone, for commands that need no running services. They wait for it: ``answer_s`` is None."""
    database = Database(
        database_url(settings), sqlite_synchronous=settings.sqlite_synchronous, answer_s=answer_s
    )
    await database.start()
    try:
        yield database
    finally:
        await database.aclose()


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[tuple[Memory, EventInbox, Crm]]:
    """Database and CRM alone, for commands. What they store is handled by the gateway, which looks every second."""
    async with opened(settings) as memory:
        time = Time()
        bus = EventBus(memory=memory, clock=time.clock)
        inbox = EventInbox(memory=memory, bus=bus, clock=time.clock)
        crm = _crm_of(settings, memory, inbox=inbox, time=time)
        async with crm.open():
            yield memory, inbox, crm


def compose(
    settings: Settings,
    memory: Memory,
    *,
    time: Time | None = None,
    role: ProcessRole = ProcessRole.ALL,
    shared: Shared | None = None,
) -> Services:
    """Plug everything together over a memory; nothing runs yet. ``shared``: what other processes share, None if none do."""
    services = _parts(settings, memory, time or Time(), role=role, shared=shared)
    if role.handles:
        _subscribe_handlers(services)
    _subscribe_listeners(services)
    return services


def _parts(
    settings: Settings, memory: Memory, time: Time, *, role: ProcessRole, shared: Shared | None
) -> Services:
    clock = time.clock
    bus = EventBus(memory=memory, clock=clock, share=None if shared is None else shared.work)
    models = TenantModels(memory=memory, sleep=time.sleep)
    ranking = MatchRanking(memory=memory, sleep=time.sleep)
    engine = MlLeadIntelligenceEngine(models=models)
    churn = ChurnPredictionService(models=models)
    matching = PropertyMatchingService(
        memory=memory,
        kernel_cache=settings.data_dir / "kernels",
        ranking=ranking,
    )
    hub, relay = _screens(memory, clock=clock, shared=shared if role.shows else None)
    counter = DeliveryCounter(memory=memory, clock=clock)
    mine = _everybody if shared is None else shared.work.holds
    inbox = EventInbox(memory=memory, bus=bus, clock=clock, counter=counter)
    return Services(
        settings=settings,
        role=role,
        clock=clock,
        memory=memory,
        bus=bus,
        inbox=inbox,
        webhook_reader=webhook_reader(settings),
        intelligence=RealtimeLeadIntelligence(
            memory=memory,
            engine=engine,
            churn=churn,
            matching=matching,
            clock=clock,
            typical_deal_value=settings.typical_deal_value,
        ),
        models=models,
        ranking=ranking,
        learning=ModelLearning(
            memory=memory, clock=clock, learn=learning_process(settings), sleep=time.sleep, mine=mine
        ),
        engine=engine,
        churn=churn,
        matching=matching,
        replies=SuggestedReplies(memory=memory),
        hub=hub,
        access=AccessWatch(memory=memory, clock=clock, end_sockets=hub.end_sessions, sleep=time.sleep),
        relay=relay,
        performance=SystemPerformance(
            memory=memory,
            hub=hub,
            clock=clock,
            log_lag=bus.lag if shared is None else partial(_lag, memory),
            models=models,
        ),
        crm=_crm_of(settings, memory, inbox=inbox, time=time, share=None if shared is None else shared.work),
        record=TrackRecordKeeper(memory=memory, clock=clock, sleep=time.sleep, mine=mine),
        team=TeamResponses(memory=memory, clock=clock),
        silence=SilenceWatch(memory=memory, bus=bus, clock=clock, sleep=time.sleep, mine=mine),
        cache=SingleFlight() if shared is None else shared.cache,
        shared=shared,
    )


def _screens(
    memory: Memory, *, clock: Clock, shared: Shared | None
) -> tuple[WebSocketManager, LiveRelay | None]:
    """The hub; with several processes it shows what the relay brings, tenant by tenant as they are asked for."""
    if shared is None:
        return WebSocketManager(clock=clock), None

    async def prepare(location_id: LocationId) -> None:
        await relay.prepare(location_id)  # made below: the two need each other

    hub = WebSocketManager(clock=clock, seats=shared.doors.seats, prepare=prepare)
    relay = LiveRelay(hub=hub, backplane=shared.backplane, memory=memory, clock=clock)
    return hub, relay


def _crm_of(
    settings: Settings, memory: Memory, *, inbox: EventInbox, time: Time, share: WorkShare | None = None
) -> Crm:
    return compose_crm(
        settings,
        memory,
        inbox=inbox,
        clock=time.clock,
        sleep=time.sleep,
        seconds=time.seconds,
        lag=partial(_lag, memory),
        mine=_everybody if share is None else share.holds,
    )


def _everybody(_location_id: LocationId) -> bool:
    return True


async def _lag(memory: Memory, location_id: LocationId) -> int:
    """Facts about leads that wait for their handler, by its stored cursor: a command cannot ask the gateway's bus."""

    def waiting(uow: UnitOfWork) -> int:
        after = uow.cursors.position(location_id, LEAD_INTELLIGENCE)
        return uow.events.count(location_id, after=after, types=LEAD_FACTS)

    return await memory.read(waiting)


def _subscribe_handlers(services: Services) -> None:
    """Who handles what, one process for a tenant at a time. Read with ``docs/events.md``."""
    bus, clock = services.bus, services.clock

    async def forget(recorded: RecordedEvent) -> DurableWork | None:
        event = recorded.event
        if isinstance(event, LeadForgotten):
            services.intelligence.forget(event.location_id, event.lead_hash)
            if services.shared is None:
                services.hub.forget(event.location_id, event.lead_hash)
        return None

    bus.subscribe_durable(
        LEAD_INTELLIGENCE,
        services.intelligence,
        types=LEAD_NEWS,
        on_rollback=services.intelligence.forget_uncommitted,
    )
    bus.subscribe_durable("forgetting", forget, types=frozenset({"LeadForgotten"}))
    bus.subscribe_durable(
        "crm_write_back",
        CrmWriteBack(memory=services.memory, clock=clock),
        types=frozenset({"LeadIntelligenceUpdated"}),
        is_on=writes_back,
    )
    bus.subscribe_durable(
        "crm_connections", services.crm.connections.uninstalled, types=frozenset({"CrmAppUninstalled"})
    )
    if services.shared is not None:
        projector = ScreenProjector(backplane=services.shared.backplane, memory=services.memory, clock=clock)
        bus.subscribe_durable(SCREENS, projector, types=PROJECTED, on_rollback=projector.look_again)


def _subscribe_listeners(services: Services) -> None:
    """What each process must know of the others' facts, and what the only process shows at once."""
    bus, hub, clock = services.bus, services.hub, services.clock
    hub.give_way_to(services.inbox.has_work)

    def to_screens(recorded: RecordedEvent) -> None:
        now, event = clock.now(), recorded.event
        if isinstance(event, MessageReceived | MessageSent) and event.lead_id is not None:
            make = partial(conversation_item, recorded, now=now)
            hub.publish_when_seen(event.location_id, Stream.CONVERSATION_FEED, make)
            return
        for stream, item in items_of(recorded, now=now):
            hub.publish(event.location_id, stream, item)
        if event.type == "LeadIntelligenceUpdated":
            telemetry.event_to_publish.observe((now - recorded.received_at).total_seconds() * 1_000)

    def listings_changed(recorded: RecordedEvent) -> None:
        services.matching.invalidate(recorded.event.location_id)

    imported = frozenset({"ListingsImported"})
    bus.subscribe_live("listings", listings_changed, types=imported)
    if services.shared is None:
        bus.subscribe_live("screens", to_screens, types=SCREEN_FACTS)
    else:
        bus.subscribe_follower("listings", listings_changed, types=imported)


@asynccontextmanager
async def running(settings: Settings, role: ProcessRole = ProcessRole.ALL) -> AsyncIterator[Services]:
    """Everything of a role, running. Dispatch begins where the last process stopped, screens start with what is known.

    Raises ConfigurationError for a role that needs Redis and a shared database when the settings name none.
    """
    if role is not ProcessRole.ALL:
        _refuse_to_share_nothing(settings, role)
    time = Time()
    async with (
        opened(settings, answer_s=DATABASE_ANSWER_S) as memory,
        sharing(settings, handles=role.handles, clock=time.clock) as shared,
    ):
        services = compose(settings, memory, time=time, role=role, shared=shared)
        # before anything is answered: the log may hold events that wait, and what ships must not answer them
        await services.models.refresh()
        await services.ranking.refresh()
        if shared is None:
            await _begin_with_what_is_known(services)
        async with services.crm.open(), asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(run(), name=name) for name, run in _loops(services).items()]
            try:
                yield services
            finally:
                await services.hub.aclose()
                for task in background:
                    task.cancel()


def _refuse_to_share_nothing(settings: Settings, role: ProcessRole) -> None:
    if not settings.redis_url:
        raise ConfigurationError(
            f"--role {role} shares the work with other processes: set ENTERPRISEHUB_REDIS_URL, e.g. "
            "redis://127.0.0.1:6379/0, for all of them; without Redis `enterprisehub serve` does everything alone"
        )
    if not settings.database_url:  # each folder would have a database of its own, and half of the events
        raise ConfigurationError(
            f"--role {role} works on a database that all processes share: set DATABASE_URL, e.g. "
            "postgresql://user:password@host/name, for all of them"
        )


async def _begin_with_what_is_known(services: Services) -> None:
    """The only process shows and handles all tenants; one of several prepares a tenant when it is its turn."""
    for place in await services.memory.read(lambda uow: uow.tenants.locations()):
        known = await known_of(services.memory, place.location_id)
        services.hub.seed(place.location_id, known.items)
        await services.intelligence.warm(place.location_id)


def _loops(services: Services) -> dict[str, Callable[[], Coroutine[None, None, None]]]:
    """What runs beside the routes, by name."""
    bus, crm, shared = services.bus, services.crm, services.shared
    loops = {
        "models": services.models.run,
        "bus": bus.run,
        "deliveries": services.inbox.counter.run,
        "listings": services.matching.run,
    }
    if services.role.handles:
        loops |= {
            "crm connections": crm.connections.run,
            "crm sync": crm.sync.run,
            "crm reread": crm.reread.run,
            "crm outbox": crm.outbox.run,
            "track record": services.record.run,
            "silence watch": services.silence.run,
        }
    if services.role.handles and services.settings.learn_daily:
        loops["learning"] = services.learning.run
    if services.role.shows:
        loops |= {
            "hub": services.hub.run,
            "performance": services.performance.run,
            "access": services.access.run,
        }
    if services.relay is not None:
        loops["screens"] = services.relay.run
    if shared is not None:
        loops["redis"] = shared.pulse.run
        loops["work share"] = partial(shared.work.run, look=bus.look, let_go=bus.let_go, passed=bus.passed)
    return loops
