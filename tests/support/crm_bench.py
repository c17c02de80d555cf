"""A location on the table, for tests of the doctor: everything about its CRM can be set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    EnterpriseHubError,
)
from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    LocationSetup,
    OwnerKind,
)
from ghl_real_estate_ai.models.crm_account import AccountUser, ApiUse, CrmAccount
from ghl_real_estate_ai.models.diagnosis import Finding, FindingStatus
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.synchronization import (
    DeliveryTally,
    SyncProgress,
    SyncSource,
)
from ghl_real_estate_ai.services.crm_health import CrmHealth
from tests.support.clock import FakeClock
from tests.support.facts import LOCATION, NOON
from tests.support.fake_memory import FakeMemory

OK, WARNING, FAILURE, UNKNOWN = (
    FindingStatus.OK,
    FindingStatus.WARNING,
    FindingStatus.FAILURE,
    FindingStatus.UNKNOWN,
)


@dataclass
class ScriptedAccount:
    """``crm_ports.CrmAccountReader``: says what it is told to."""

    account: CrmAccount = field(default_factory=CrmAccount)
    newest: ApiUse = field(default_factory=ApiUse)
    error: EnterpriseHubError | None = None
    asked: int = 0

    async def describe(self, location_id: LocationId, *, stated: Sequence[str]) -> CrmAccount:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.account

    async def people(self, location_id: LocationId, *, company_id: str | None) -> tuple[AccountUser, ...]:
        self.asked += 1 if company_id else 2
        if self.error is not None:
            raise self.error
        return self.account.users

    def use(self, location_id: LocationId) -> ApiUse:
        return self.newest


@dataclass
class Bench:
    """A location on the table: everything about it can be set."""

    memory: FakeMemory = field(default_factory=FakeMemory)
    account: ScriptedAccount = field(default_factory=ScriptedAccount)
    gateway_url: str = "https://hub.example.com"
    problem: str | None = None
    lag: int = 0
    key_fits: bool = True

    async def health(self) -> CrmHealth:
        async def lag(_: LocationId) -> int:
            return self.lag

        async def knock(_: str) -> str | None:
            return self.problem

        def unseal(_: Connection) -> None:
            if not self.key_fits:
                raise ConfigurationError("the access token cannot be opened: ENTERPRISEHUB_ENCRYPTION_KEY")

        await self.put(
            lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="Harbour Realty"))
        )
        return CrmHealth(
            memory=self.memory,
            account=self.account,
            unseal=unseal,
            knock=knock,
            lag=lag,
            clock=FakeClock(NOON),
            gateway_url=self.gateway_url,
        )

    async def put(self, change: Any) -> None:
        await self.memory.write(change)

    async def connected(self, **fields: Any) -> None:
        connection = Connection.model_validate(
            {
                "owner_id": LOCATION,
                "owner_kind": OwnerKind.LOCATION,
                "kind": ConnectionKind.OAUTH,
                "access_token": "sealed",
                "refresh_token": "sealed",
                "expires_at": NOON + timedelta(hours=20),
                "obtained_at": NOON - timedelta(days=10),
            }
            | fields
        )
        await self.put(lambda uow: uow.connections.put(connection))

    async def set_up(self, **fields: Any) -> None:
        setup = LocationSetup(location_id=LOCATION, **fields)
        await self.put(lambda uow: uow.connections.put_setup(setup))

    async def tallied(
        self, count: int, *, outcome: str = "stored", source: str = "app_webhook", **fields: Any
    ) -> None:
        at = NOON - fields.pop("ago", timedelta(minutes=5))
        tally = DeliveryTally(
            day=at.date(),
            location_id=fields.pop("location", LOCATION),
            source=source,
            outcome=outcome,
            count=count,
            last_at=at,
        )
        await self.put(lambda uow: uow.sync.add_tallies([tally]))

    async def read_to_the_end(self, source: SyncSource, ago: timedelta | None) -> None:
        progress = SyncProgress(
            location_id=LOCATION,
            source=source,
            items=7,
            caught_up_at=None if ago is None else NOON - ago,
            updated_at=NOON,
        )
        await self.put(lambda uow: uow.sync.put_progress(progress))

    async def finding(self, check: str) -> Finding:
        diagnosis = await (await self.health()).examined(LOCATION)
        found = [one for one in diagnosis.findings if one.check == check]
        assert found, f"no finding {check}: {[one.check for one in diagnosis.findings]}"
        return found[0]

    async def expect(
        self, check: str, status: FindingStatus, *, says: str = "", fix: str | None = None
    ) -> None:
        """One finding, its words and its fix: whatever is bad tells what to do."""
        found = await self.finding(check)
        assert found.status is status, found
        assert says in found.what, found
        if fix is None:
            assert found.fix is None or status is not OK
        else:
            assert fix in (found.fix or ""), found
        if status in {WARNING, FAILURE}:
            assert found.fix
