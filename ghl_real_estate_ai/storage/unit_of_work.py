"""One transaction and the stores that share it.

Made by ``Database`` for each read, and by ``GroupCommit`` for each group of changes.
"""

from __future__ import annotations

import sqlalchemy as sa

from ghl_real_estate_ai.storage.connections import SqlConnectionStore
from ghl_real_estate_ai.storage.crm_changes import SqlChangeStore
from ghl_real_estate_ai.storage.cursors import SqlCursorStore
from ghl_real_estate_ai.storage.event_log import SqlEventLog
from ghl_real_estate_ai.storage.leads import SqlLeadStore
from ghl_real_estate_ai.storage.learning import (
    SqlLearnedModelStore,
    SqlRiskTimerStore,
    SqlTrackRecordStore,
)
from ghl_real_estate_ai.storage.properties import SqlListingStore
from ghl_real_estate_ai.storage.switches import SqlSwitchStore
from ghl_real_estate_ai.storage.synchronization import SqlSyncStore
from ghl_real_estate_ai.storage.team import SqlTeamStore
from ghl_real_estate_ai.storage.tenants import SqlTenantStore


class SqlUnitOfWork:
    """``ports.UnitOfWork`` over one open transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self.events = SqlEventLog(connection)
        self.cursors = SqlCursorStore(connection)
        self.leads = SqlLeadStore(connection)
        self.listings = SqlListingStore(connection)
        self.tenants = SqlTenantStore(connection)
        self.switches = SqlSwitchStore(connection)
        self.connections = SqlConnectionStore(connection)
        self.sync = SqlSyncStore(connection)
        self.changes = SqlChangeStore(connection)
        self.learned = SqlLearnedModelStore(connection)
        self.timers = SqlRiskTimerStore(connection)
        self.record = SqlTrackRecordStore(connection)
        self.team = SqlTeamStore(connection)
