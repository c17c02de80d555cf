"""Reads every connected account page by page: its whole history once, then what has changed, beside webhooks or instead of them.

Wired by bootstrap; ``enterprisehub connect`` calls ``import_history``. A page and the cursor behind it are stored in one
transaction: a kill at any point loses nothing and doubles nothing. What another door told before is a duplicate.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Final, Protocol

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.crm_ports import CrmPage, CrmReader
from ghl_real_estate_ai.errors import (
    ConfigurationError,
    CrmRefused,
    CrmUnreadable,
    EnterpriseHubError,
    NotFound,
    NotInThisVersion,
    ScopeMissing,
    StorageUnavailable,
)
from ghl_real_estate_ai.limits import POLL_BACKOFF_MOST_S, POLL_CALLS_PER_CYCLE, POLL_INTERVAL_S, POLL_LOOK_S
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId
from ghl_real_estate_ai.models.synchronization import SyncProgress, SyncSource
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork
from ghl_real_estate_ai.services.admission import Outcome
from ghl_real_estate_ai.services.event_inbox import EventInbox
from ghl_real_estate_ai.services.team_directory import keep_people

IMPORTED: Final = (
    SyncSource.CONTACTS,
    SyncSource.OPPORTUNITIES,
    SyncSource.APPOINTMENTS,
    SyncSource.MESSAGES,
    SyncSource.EMAILS,
    SyncSource.ACTIVITY,
)
"""The order of an import: who they are, how they stand, what was said."""

EACH_CYCLE: Final = (SyncSource.CONTACTS, SyncSource.MESSAGES, SyncSource.EMAILS)
"""What every cycle reads; the others take turns."""

FIRST_POLL_BACK: Final = timedelta(days=1)
"""A location that was never imported is polled from so long ago on: its history waits for ``import_history``."""

PEOPLE: Final = "crm_people"
"""Cursor of the day on which the account's users were last read: names for the ids that leads are assigned to."""

_BEGUN, _DONE = 1, 2
"""Cursor of an import, per source: begun (the progress is the import's own), done."""

_OF_THE_SOURCE: Final = (ScopeMissing, CrmRefused, CrmUnreadable, NotFound, NotInThisVersion)
"""What keeps one source from being read and says nothing of the others."""

_log = telemetry.get_logger("crm_sync")


class SyncStep(Frozen):
    """One page that was read and stored."""

    source: SyncSource
    items: int
    items_so_far: int
    total: int | None
    stored: int
    duplicates: int
    unreadable: int
    more: bool


Progress = Callable[[SyncStep], None]


class ReadPeople(Protocol):
    """As ``crm_ports.CrmAccountReader.people``."""

    async def __call__(self, location_id: LocationId, *, company_id: str | None) -> Sequence[AccountUser]: ...


class CrmSync:
    """One per process. Several processes may read one location: whoever comes second finds the cursor moved, and stops."""

    def __init__(
        self,
        *,
        memory: Memory,
        reader: CrmReader,
        inbox: EventInbox,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        mine: Callable[[LocationId], bool] = lambda _location_id: True,
        people: ReadPeople | None = None,
    ) -> None:
        """``mine``: whether a location is this process's to look after, as things stand now. ``people``: None: never read."""
        self._memory = memory
        self._people = people
        self._reader = reader
        self._inbox = inbox
        self._clock = clock
        self._sleep = sleep
        self._mine = mine
        self._turns: Counter[LocationId] = Counter()
        self._polled: set[LocationId] = set()
        self.calls: Counter[LocationId] = Counter()
        """Pages asked for, per location, since the start."""

    # --- one page ---------------------------------------------------------------------------------------------------

    async def step(
        self, location_id: LocationId, source: SyncSource, *, since: datetime | None = None
    ) -> SyncStep | None:
        """Read the next page and store it with its cursor; None when another process did.

        ``since``: where a source that was never read begins; None for its beginning. Raises what the CRM's client raises,
        and StorageUnavailable.
        """
        setup = await self._setup(location_id)
        before = await self._memory.read(lambda uow: uow.sync.progress(location_id, source))
        if since is not None and before is not None:
            # Its cursor was erased with a forgotten lead; one that never came to its end begins at its beginning.
            since = before.caught_up_at and min(since, before.caught_up_at - FIRST_POLL_BACK)
        now = self._clock.now()
        self.calls[location_id] += 1
        page = await self._reader.page(
            setup, source, cursor=before.cursor if before else "", since=since, received_at=now
        )
        return await self._keep(page, before, _after(page, before, location_id, source, now=now))

    async def _keep(self, page: CrmPage, before: SyncProgress | None, after: SyncProgress) -> SyncStep | None:
        location_id, source = after.location_id, after.source

        def move(uow: UnitOfWork) -> bool:
            found = uow.sync.progress(location_id, source)
            if (found and found.cursor) != (before and before.cursor):
                return False
            uow.sync.put_progress(after)
            return True

        outcomes = await self._inbox.receive_page(location_id, page.deliveries, if_so=move)
        if outcomes is None:
            return None
        return SyncStep(
            source=source,
            items=page.items,
            items_so_far=after.items,
            total=page.total,
            stored=outcomes[Outcome.STORED],
            duplicates=outcomes[Outcome.DUPLICATE],
            unreadable=outcomes[Outcome.DEAD_LETTER],
            more=page.more,
        )

    async def _setup(self, location_id: LocationId) -> LocationSetup:
        setup = await self._memory.read(lambda uow: uow.connections.setup(location_id))
        if setup is None:
            raise ConfigurationError(f"location {location_id} is not set up; run `enterprisehub connect`")
        return setup

    # --- history ----------------------------------------------------------------------------------------------------

    async def import_history(
        self, location_id: LocationId, *, progress: Progress = lambda _step: None
    ) -> dict[SyncSource, SyncProgress]:
        """Read each source from its beginning to its end, once. Called again it goes on where it was stopped.

        Raises what ``step`` raises; a source that the token has no scope for is passed over with a log line.
        """
        for source in IMPORTED:
            try:
                await self._import(location_id, source, progress)
            except _OF_THE_SOURCE as error:
                _log.warning(
                    "import.passed_over", location=location_id, source=source.value, reason=str(error)
                )

        def read(uow: UnitOfWork) -> dict[SyncSource, SyncProgress]:
            found = {source: uow.sync.progress(location_id, source) for source in IMPORTED}
            return {source: known for source, known in found.items() if known is not None}

        return await self._memory.read(read)

    async def _import(self, location_id: LocationId, source: SyncSource, progress: Progress) -> None:
        name = f"import:{source.value}"

        def begin(uow: UnitOfWork) -> bool:
            """Polling may have begun with yesterday: the import begins anew, from the beginning."""
            stage = uow.cursors.position(location_id, name)
            if stage < _BEGUN:
                uow.cursors.advance(location_id, name, _BEGUN)
                start = SyncProgress(
                    location_id=location_id, source=source, cursor="", updated_at=self._clock.now()
                )
                uow.sync.put_progress(start)
            return stage < _DONE

        if not await self._memory.write(begin):
            return
        while (step := await self.step(location_id, source)) is None or step.more:
            if step is not None:
                progress(step)
        progress(step)
        await self._memory.write(lambda uow: uow.cursors.advance(location_id, name, _DONE))

    # --- changes ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Poll every connected location until cancelled, each at its own pace: one that fails or hangs delays no other."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for location_id in await self._new_locations():
                    self._polled.add(location_id)
                    tasks.create_task(self._poll(location_id), name=f"poll:{location_id}")
                await self._sleep(POLL_LOOK_S)

    async def _new_locations(self) -> Sequence[LocationId]:
        polled = frozenset(self._polled)

        def new(uow: UnitOfWork) -> list[LocationId]:
            """By way of the connections: most locations may have none."""
            owners = [LocationId(one.owner_id) for one in uow.connections.all()]
            return [owner for owner in owners if owner not in polled and _may_poll(uow, owner)]

        try:
            return [owner for owner in await self._memory.read(new) if self._mine(owner)]
        except StorageUnavailable as error:
            _log.warning("look.delayed", reason=str(error))
            return ()

    async def _poll(self, location_id: LocationId) -> None:
        failures = 0
        try:
            while True:
                try:
                    if not await self._memory.read(partial(_may_poll, location_id=location_id)):
                        return  # an uninstalled app is called no more
                    if not self._mine(location_id):
                        return  # another process polls it now
                    wait_s = await self._until_next_cycle(location_id)
                    if not wait_s:
                        await self.cycle(location_id)
                        failures, wait_s = 0, POLL_INTERVAL_S
                except EnterpriseHubError as error:
                    failures, wait_s = failures + 1, _backoff_s(failures)
                    _log.warning(
                        "poll.failed", location=location_id, code=error.code, reason=str(error), wait_s=wait_s
                    )
                except Exception as error:  # noqa: BLE001  # reason: one location's oddity must not end everybody's gateway
                    failures, wait_s = failures + 1, _backoff_s(failures)
                    _log.error(
                        "poll.broken", location=location_id, wait_s=wait_s, **telemetry.crash_of(error)
                    )
                await self._sleep(wait_s)
        finally:
            self._polled.discard(location_id)

    async def _until_next_cycle(self, location_id: LocationId) -> float:
        """0, or the rest of the interval: before a restart, or in another process, a cycle may have just been made."""
        newest = await self._memory.read(lambda uow: uow.sync.progress(location_id, EACH_CYCLE[0]))
        if newest is None:
            return 0.0
        passed_s = (self._clock.now() - newest.updated_at).total_seconds()
        return max(0.0, POLL_INTERVAL_S - passed_s) if passed_s >= 0 else 0.0

    async def cycle(self, location_id: LocationId) -> None:
        """At most POLL_CALLS_PER_CYCLE calls: what every cycle reads, one in turn, one more where there is more.

        Once a day the last two are for the names of those who work in the account.
        """
        since = self._clock.now() - FIRST_POLL_BACK
        in_turn = _in_turn(await self._setup(location_id))
        people_due = await self._people_are_due(location_id)
        sources = [*EACH_CYCLE, *([] if people_due else [self._next_turn(location_id, in_turn)])]
        unfinished = [source for source in sources if await self._has_more(location_id, source, since)]
        if people_due:
            await self._read_people(location_id)
            return
        spare = POLL_CALLS_PER_CYCLE - len(sources)
        for _ in range(spare if unfinished or len(in_turn) > 1 else 0):
            source = unfinished[0] if unfinished else self._next_turn(location_id, in_turn)
            await self._has_more(location_id, source, since)

    async def _people_are_due(self, location_id: LocationId) -> bool:
        """Not in a location's first cycle: its leads come first."""
        if self._people is None:
            return False
        day = self._clock.now().toordinal()

        def due(uow: UnitOfWork) -> bool:
            begun = uow.sync.progress(location_id, EACH_CYCLE[0]) is not None
            return begun and uow.cursors.position(location_id, PEOPLE) < day

        return await self._memory.read(due)

    async def _read_people(self, location_id: LocationId) -> None:
        """Two calls where the company is not known. What refuses them today is asked again tomorrow."""
        if self._people is None:
            return
        connection = await self._memory.read(lambda uow: uow.connections.get(location_id))
        self.calls[location_id] += 2
        try:
            company_id = None if connection is None else connection.company_id
            people = await self._people(location_id, company_id=company_id)
            await keep_people(self._memory, location_id, people)
        except _OF_THE_SOURCE as error:
            _log.warning("people.not_read", location=location_id, reason=str(error))
        day = self._clock.now().toordinal()
        await self._memory.write(lambda uow: uow.cursors.advance(location_id, PEOPLE, day))

    def _next_turn(self, location_id: LocationId, in_turn: Sequence[SyncSource]) -> SyncSource:
        turn = self._turns[location_id]
        self._turns[location_id] += 1
        return in_turn[turn % len(in_turn)]

    async def _has_more(self, location_id: LocationId, source: SyncSource, since: datetime) -> bool:
        try:
            step = await self.step(location_id, source, since=since)
        except _OF_THE_SOURCE as error:
            _log.warning("source.failed", location=location_id, source=source.value, reason=str(error))
            return False
        return step is not None and step.more


def _may_poll(uow: UnitOfWork, location_id: LocationId) -> bool:
    """Connected, set up, and not switched off."""
    setup = uow.connections.active_setup(location_id)
    return setup is not None and setup.polling


def _backoff_s(failures: int) -> float:
    """The wait after one more failure."""
    return min(POLL_BACKOFF_MOST_S, POLL_INTERVAL_S * 2.0 ** min(failures, 16))


def _in_turn(setup: LocationSetup) -> tuple[SyncSource, ...]:
    """What the cycles read by turns: deals, which fill pages, every other time; a calendar is a call."""
    others = [SyncSource.APPOINTMENTS] * len(setup.calendars)
    if setup.activity_object:
        others.append(SyncSource.ACTIVITY)
    pairs = ((SyncSource.OPPORTUNITIES, other) for other in others)
    return tuple(chain.from_iterable(pairs)) or (SyncSource.OPPORTUNITIES,)


def _after(
    page: CrmPage, before: SyncProgress | None, location_id: LocationId, source: SyncSource, *, now: datetime
) -> SyncProgress:
    return SyncProgress(
        location_id=location_id,
        source=source,
        cursor=page.cursor,
        items=page.items + (before.items if before else 0),
        caught_up_at=(before and before.caught_up_at) if page.more else now,
        updated_at=now,
    )
