"""The outbox over a memory of dicts and a CRM of dicts, with a clock that is set. For its tests."""

from __future__ import annotations

from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    LocationSetup,
    OwnerKind,
    WriteBackPart,
)
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import ChangeKind, CrmChange
from ghl_real_estate_ai.services.crm_outbox import CrmOutbox
from tests.support.clock import FakeClock
from tests.support.facts import LEAD, LOCATION, NOON
from tests.support.fake_memory import FakeMemory


def connection(**fields: object) -> Connection:
    return Connection.model_validate(
        {
            "owner_id": LOCATION,
            "owner_kind": OwnerKind.LOCATION,
            "kind": ConnectionKind.OAUTH,
            "obtained_at": NOON,
            **fields,
        }
    )


class FakeWriter:
    """A CRM of dicts. ``troubles`` are raised one after the other, before the change is made or after it."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.troubles: list[BaseException] = []
        self.after: list[BaseException] = []
        self.dead: dict[LocationId, EnterpriseHubError] = {}

    async def apply(self, change: CrmChange) -> str | None:
        self.calls.append(("apply", change.change_id))
        if change.location_id in self.dead:
            raise self.dead[change.location_id]
        if self.troubles:
            raise self.troubles.pop(0)
        self.made.append(change.change_id)
        if self.after:
            raise self.after.pop(0)
        return f"remote-{change.change_id}"

    async def find(self, change: CrmChange) -> str | None:
        self.calls.append(("find", change.change_id))
        return f"remote-{change.change_id}" if change.change_id in self.made else None


class House:
    def __init__(self) -> None:
        self.memory = FakeMemory()
        self.clock = FakeClock()
        self.writer = FakeWriter()
        self.outbox = self.new_outbox()

    def new_outbox(self) -> CrmOutbox:
        return CrmOutbox(
            memory=self.memory,
            writer=self.writer,
            clock=self.clock,
            sleep=self.clock.sleep,
            luck=lambda: 1.0,
        )

    async def connect(self, location: LocationId = LOCATION, **fields: object) -> None:
        await self.memory.write(
            lambda uow: uow.connections.put(connection(**{"owner_id": location, **fields}))
        )
        setup = LocationSetup(location_id=location, write_back=frozenset(WriteBackPart))
        await self.memory.write(lambda uow: uow.connections.put_setup(setup))

    async def want(
        self,
        kind: ChangeKind,
        name: str = "c",
        *,
        location: LocationId = LOCATION,
        content: dict[str, object] | None = None,
    ) -> None:
        change = CrmChange.model_validate(
            {
                "location_id": location,
                "change_id": name,
                "lead_id": LEAD,
                "kind": kind,
                "content": content or {"body": "x"},
                "due_at": self.clock.now(),
                "created_at": self.clock.now(),
            }
        )
        await self.memory.write(lambda uow: uow.changes.want(change))

    async def change(self, name: str = "c", location: LocationId = LOCATION) -> CrmChange:
        found = await self.memory.read(lambda uow: uow.changes.get(location, name))
        assert found is not None
        return found


async def connected() -> House:
    house = House()
    await house.connect()
    return house
