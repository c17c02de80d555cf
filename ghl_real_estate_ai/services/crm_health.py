"""How a location's CRM is doing: what the house knows of it, and on request what the CRM and the gateway answer.

Called by ``enterprisehub doctor`` (asks) and ``GET /v1/health/crm`` (asks nothing: a page may be loaded often).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from ghl_real_estate_ai.crm_ports import CrmAccountReader
from ghl_real_estate_ai.errors import (
    ConfigurationError,
    CrmError,
    LocationInactive,
    NeedsReconnect,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.models.connections import Connection, ConnectionStatus
from ghl_real_estate_ai.models.diagnosis import (
    PAUSE_WINDOW_DAYS,
    SEEN_DAYS,
    Diagnosis,
    Finding,
    FindingStatus,
    finding,
)
from ghl_real_estate_ai.models.events import Source
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork
from ghl_real_estate_ai.services.account_findings import account_findings, address_finding, use_findings
from ghl_real_estate_ai.services.crm_findings import StoredFacts, stored_findings
from ghl_real_estate_ai.services.team_directory import keep_people

Unseal = Callable[[Connection], object]
"""Opens a connection's tokens; raises ConfigurationError when the key does not fit."""

Knock = Callable[[str], Awaitable[str | None]]
"""Calls an address of this gateway from outside; why it did not answer, or None."""

Lag = Callable[[LocationId], Awaitable[int]]
"""Events of a location that wait for their slowest handler."""


class CrmHealth:
    """Looks; changes nothing but the names of those who work in the account, when it has just read them."""

    def __init__(
        self,
        *,
        memory: Memory,
        account: CrmAccountReader,
        unseal: Unseal,
        knock: Knock,
        lag: Lag,
        clock: Clock,
        gateway_url: str,
    ) -> None:
        self._memory: Final = memory
        self._account: Final = account
        self._unseal: Final = unseal
        self._knock: Final = knock
        self._lag: Final = lag
        self._clock: Final = clock
        self._gateway_url: Final = gateway_url

    async def known(self, location_id: LocationId) -> Diagnosis:
        """What can be said without a call to anybody, the newest answers' figures included."""
        facts = await self._facts(location_id)
        findings = [
            *stored_findings(facts),
            self._key_finding(facts.connection),
            *use_findings(self._account.use(location_id)),
        ]
        return Diagnosis(location_id=location_id, findings=tuple(findings))

    async def examined(self, location_id: LocationId) -> Diagnosis:
        """Everything: about a dozen calls to the CRM, and one to the gateway's own address."""
        facts = await self._facts(location_id)
        key = self._key_finding(facts.connection)
        findings = [*stored_findings(facts), key, *await self._asked(facts, key)]
        problem = await self._knock(f"{self._gateway_url}/health/live")
        findings.append(address_finding(self._gateway_url, problem=problem))
        return Diagnosis(location_id=location_id, findings=tuple(findings))

    async def _facts(self, location_id: LocationId) -> StoredFacts:
        now = self._clock.now()
        lag = await self._lag(location_id)

        def look(uow: UnitOfWork) -> StoredFacts:
            seen_since, judged_since = (
                now.date() - timedelta(days=days) for days in (SEEN_DAYS, PAUSE_WINDOW_DAYS - 1)
            )
            progress = [uow.sync.progress(location_id, source) for source in SyncSource]
            return StoredFacts(
                location_id=location_id,
                now=now,
                connection=uow.connections.get(location_id),
                setup=uow.connections.setup(location_id),
                tallies=uow.sync.tallies(location_id, since=seen_since),
                answered=uow.sync.delivery_counts(source=Source.APP_WEBHOOK.value, since=judged_since),
                progress=[one for one in progress if one is not None],
                rereads=uow.sync.waiting_rereads(location_id),
                changes=uow.changes.counts(location_id),
                dead_letters=uow.cursors.dead_letter_count(location_id),
                lag=lag,
                outgoing=next(one for one in uow.switches.all(location_id) if one.switch is Switch.OUTGOING),
            )

        return await self._memory.read(look)

    def _key_finding(self, connection: Connection | None) -> Finding:
        check = "encryption_key"
        if connection is None or not connection.access_token:
            return finding(check, FindingStatus.UNKNOWN, "there is no token to open")
        try:
            self._unseal(connection)
        except ConfigurationError as error:
            return finding(
                check,
                FindingStatus.FAILURE,
                str(error),
                "set ENTERPRISEHUB_ENCRYPTION_KEY to the key of before (or restore data_dir/encryption_key), or run "
                "`enterprisehub connect` again",
            )
        return finding(check, FindingStatus.OK, "the stored token can be opened")

    async def _asked(self, facts: StoredFacts, key: Finding) -> list[Finding]:
        """What the CRM says, or why it was not or could not be asked."""
        connection = facts.connection
        if connection is None or connection.status is not ConnectionStatus.ACTIVE:
            return [finding("api", FindingStatus.UNKNOWN, "not asked: the location is not connected")]
        if key.status is FindingStatus.FAILURE:
            return [finding("api", FindingStatus.UNKNOWN, "not asked: the token cannot be opened")]
        try:
            account = await self._account.describe(facts.location_id, stated=connection.scopes)
        except (CrmError, Unreachable, TooManyRequests) as error:
            return [_refused(error), *use_findings(self._account.use(facts.location_id))]
        await keep_people(self._memory, facts.location_id, account.users)
        answered = finding("api", FindingStatus.OK, "the API answers")
        return [answered, *account_findings(account, self._account.use(facts.location_id), facts.setup)]


def _refused(error: CrmError | Unreachable | TooManyRequests) -> Finding:
    """Why the API gave nothing."""
    match error:
        case NeedsReconnect():
            fix = "run `enterprisehub connect` again"
        case LocationInactive():
            fix = "the account's owner reactivates it at GoHighLevel; nothing to do here"
        case TooManyRequests():
            fix = f"try again in {error.retry_after_s:.0f} s; find what else uses the limit"
        case Unreachable():
            fix = "check this machine's network and ENTERPRISEHUB_GHL_API_URL; see status.gohighlevel.com"
        case _:
            fix = "the message is GoHighLevel's own; run `enterprisehub connect` again if it speaks of the token"
    return finding("api", FindingStatus.FAILURE, f"the API refuses: {error}", fix)
