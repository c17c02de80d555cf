"""A CRM reader that gives what a test has laid out: pages per source, leads by id, errors on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ghl_real_estate_ai.crm_ports import CrmPage
from ghl_real_estate_ai.errors import EnterpriseHubError, NotFound
from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    ConnectionStatus,
    LocationSetup,
    OwnerKind,
)
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import AnyDelivery, Memory
from tests.support.facts import LOCATION, NOON


@dataclass
class ScriptedCrm:
    """``crm_ports.CrmReader``. A source that was read to its end has nothing more; its cursor is the number of the next page."""

    pages: dict[SyncSource, list[Sequence[AnyDelivery]]] = field(default_factory=dict)
    leads: dict[str, Sequence[AnyDelivery]] = field(default_factory=dict)
    errors: dict[SyncSource | LocationId | LeadId, EnterpriseHubError] = field(default_factory=dict)
    calls: list[tuple[LocationId, SyncSource]] = field(default_factory=list)
    calls_at: list[datetime] = field(default_factory=list)
    began_since: dict[SyncSource, datetime | None] = field(default_factory=dict)
    reread: list[LeadId] = field(default_factory=list)
    hanging: dict[LocationId, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    endless: set[SyncSource] = field(default_factory=set)

    async def page(
        self,
        setup: LocationSetup,
        source: SyncSource,
        *,
        cursor: str,
        since: datetime | None,
        received_at: datetime,
    ) -> CrmPage:
        """The next page of the script."""
        self.calls.append((setup.location_id, source))
        self.calls_at.append(received_at)
        if setup.location_id in self.hanging:
            await self.hanging[setup.location_id]()
        for key in (setup.location_id, source):
            if key in self.errors:
                raise self.errors[key]
        if not cursor:
            self.began_since[source] = since
        number, pages = int(cursor or 0), self.pages.get(source, [])
        deliveries = tuple(pages[number]) if number < len(pages) else ()
        after = min(number + 1, len(pages))
        more = after < len(pages) or source in self.endless
        return CrmPage(deliveries=deliveries, items=len(deliveries), cursor=str(after), more=more)

    async def lead(
        self, setup: LocationSetup, lead_id: LeadId, *, received_at: datetime
    ) -> Sequence[AnyDelivery]:
        """What was laid out for the lead."""
        self.reread.append(lead_id)
        if lead_id in self.errors:
            raise self.errors[lead_id]
        if lead_id not in self.leads:
            raise NotFound("contact not found")
        return self.leads[lead_id]


async def connected(
    memory: Memory,
    location_id: LocationId = LOCATION,
    *,
    status: ConnectionStatus = ConnectionStatus.ACTIVE,
    **setup: object,
) -> None:
    """Serve the location, with a connection and a setup."""
    connection = Connection(
        owner_id=location_id,
        owner_kind=OwnerKind.LOCATION,
        kind=ConnectionKind.PRIVATE_TOKEN,
        status=status,
        access_token="sealed",
        obtained_at=NOON,
    )
    known = LocationSetup.model_validate({"location_id": location_id, **setup})
    place = Location(location_id=location_id, name=location_id)
    await memory.write(lambda uow: uow.tenants.put_location(place))
    await memory.write(lambda uow: uow.connections.put(connection))
    await memory.write(lambda uow: uow.connections.put_setup(known))
