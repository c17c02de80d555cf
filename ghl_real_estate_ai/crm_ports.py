"""Every socket to the CRM beside us, as a Protocol that speaks our models. ``bootstrap.py`` plugs the adapters in.

Its webhooks come in by ``ports.WebhookReader``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Protocol

from ghl_real_estate_ai.models.connections import Connection, LocationSetup
from ghl_real_estate_ai.models.crm_account import AccountUser, ApiUse, CrmAccount
from ghl_real_estate_ai.models.exports import ExportKind, ExportLayout, ExportRow
from ghl_real_estate_ai.models.identifiers import Frozen, LeadId, LocationId
from ghl_real_estate_ai.models.leads import Location, StageRole
from ghl_real_estate_ai.models.synchronization import CrmChange, SyncSource
from ghl_real_estate_ai.ports import AnyDelivery


class ExportReader(Protocol):
    """Reads files that the CRM exported, for accounts without API access."""

    def layout(self, file: Path, *, kind: ExportKind | None) -> ExportLayout:
        """What the file is (None: by its header). Raises InputError when it cannot be read."""
        ...

    def rows(
        self,
        layout: ExportLayout,
        *,
        location_id: LocationId,
        zone: tzinfo,
        stages: Mapping[str, StageRole],
        simulated: bool,
        received_at: datetime,
    ) -> Iterator[ExportRow]:
        """Every row, as the events that it states or refused; ``stages``: a stage's id, or name in lower case -> its meaning."""
        ...


class CrmPage(Frozen):
    """Some of what a source of the CRM holds, as deliveries, and where reading goes on.

    ``items`` of ``total`` (None: the CRM did not say) were read; ``more``: the end was not reached.
    """

    deliveries: tuple[AnyDelivery, ...]
    items: int
    total: int | None = None
    cursor: str
    more: bool


class CrmReader(Protocol):
    """Reads a location's account at the CRM, in the same facts as its webhooks tell. Raises the errors of the CRM's client."""

    async def page(
        self,
        setup: LocationSetup,
        source: SyncSource,
        *,
        cursor: str,
        since: datetime | None,
        received_at: datetime,
    ) -> CrmPage:
        """The next page, by one call. Cursor '': from the beginning, or from what changed after ``since``."""
        ...

    async def lead(
        self, setup: LocationSetup, lead_id: LeadId, *, received_at: datetime
    ) -> Sequence[AnyDelivery]:
        """All that the CRM shows of one lead. Raises NotFound for a lead that it does not know."""
        ...


class CrmAccountReader(Protocol):
    """A look at a location's account at the CRM: harmless reads, for ``connect``, ``doctor`` and, of its people, polling."""

    async def describe(self, location_id: LocationId, *, stated: Sequence[str]) -> CrmAccount:
        """What it holds and what the token may do. ``stated``: the scopes that came with the token, if the CRM named them.

        Raises CrmError, Unreachable or TooManyRequests when nothing can be asked.
        """
        ...

    async def people(self, location_id: LocationId, *, company_id: str | None) -> tuple[AccountUser, ...]:
        """Who works in it, by one call; by two where its company is not known. Raises what the CRM's client raises."""
        ...

    def use(self, location_id: LocationId) -> ApiUse:
        """What the newest answers said of calls left and clock; asks nothing."""
        ...


class CrmWriter(Protocol):
    """Writes one change into the CRM of its location. Knows nothing of when, whether or how often.

    Raises the errors of the CRM's client; OutcomeUnknown when nobody can say whether it happened.
    """

    async def apply(self, change: CrmChange) -> str | None:
        """Make it so; returns the CRM's id of what was made, None for a state."""
        ...

    async def find(self, change: CrmChange) -> str | None:
        """The CRM's id of what an earlier attempt at a task, note or message made; None: it made nothing."""
        ...


class CrmAccess(Protocol):
    """Where the owners of CRM accounts give access. Connections come with sealed tokens, ready to be stored."""

    def install_url(self, state: str) -> str:
        """The page on which an owner gives consent. Raises ConfigurationError when no app is configured."""
        ...

    async def of_code(self, code: str) -> Connection:
        """What the owner agreed to, by the code of the callback. Raises GrantRefused for a void one."""
        ...

    async def of_private_token(self, location_id: LocationId, token: str) -> Connection:
        """By a token that the owner made, after one call with it. Raises NeedsReconnect when it is not accepted."""
        ...

    async def of_company(self, company: Connection, location_id: LocationId) -> Connection:
        """A location's own connection, by that of its agency."""
        ...

    async def places(self, connection: Connection) -> list[Location]:
        """The location itself, or those of the agency that installed the app, with their names."""
        ...
