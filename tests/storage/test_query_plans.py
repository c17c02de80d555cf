"""How much of a log PostgreSQL reads to find a few rows of it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.engines import make_engine
from ghl_real_estate_ai.storage.event_log import SqlEventLog
from tests.support.facts import LOCATION, message

_FETCHED = sa.text(
    "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'events'"
)


@pytest.mark.postgres
@pytest.mark.asyncio
async def test_a_statement_that_was_prepared_on_an_empty_table_does_not_walk_through_the_log(
    postgres_url: str,
) -> None:
    async with Database(postgres_url) as memory:
        await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="n")))
    asked = [message(f"m{number}") for number in range(2_000)]
    engine = make_engine(postgres_url, access="write", connections=1, sqlite_synchronous="FULL")
    with engine.begin() as connection:
        log = SqlEventLog(connection)
        for _ in range(20):  # the driver prepares after five, the server keeps a plan after five more
            assert log.known_ids(LOCATION, asked[:8]) == set()
        log.append_page(asked)
        before = connection.execute(_FETCHED).scalar_one()
        assert len(log.known_ids(LOCATION, asked[:8])) == 16
        assert connection.execute(_FETCHED).scalar_one() - before <= 100
    engine.dispose()
