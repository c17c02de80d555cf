"""The migrated tables are those of ``schema.py``, and several processes may start at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.storage import migrations
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.engines import make_engine
from ghl_real_estate_ai.storage.schema import metadata

START_AND_READ = """
import asyncio, sys
from ghl_real_estate_ai.storage.database import Database
async def main():
    async with Database(sys.argv[1]) as memory:
        await memory.read(lambda uow: uow.tenants.locations())
    print("alembic" in sys.modules)
asyncio.run(main())
"""


@pytest.fixture
def engine(memory_url: str) -> Iterator[sa.Engine]:
    made = make_engine(memory_url, access="write", connections=1, sqlite_synchronous="NORMAL")
    yield made
    made.dispose()


def test_the_migrated_tables_are_those_of_the_schema(engine: sa.Engine) -> None:
    migrations.migrate(engine)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_records_that_are_due_are_found_in_an_index_of_those_that_are_not_resolved(engine: sa.Engine) -> None:
    """A year of resolved records costs the look of each minute nothing. Neither tool compares what an index leaves out."""
    migrations.migrate(engine)
    name = "ix_track_record_location_id_simulated_due_at"
    (planned,) = [index for index in metadata.tables["track_record"].indexes if index.name == name]
    (built,) = [i for i in sa.inspect(engine).get_indexes("track_record") if i["name"] == name]
    assert built["column_names"] == [column.name for column in planned.columns]
    for where in (built["dialect_options"], planned.dialect_options[engine.dialect.name]):
        assert "resolved_at IS NULL" in next(str(where[key]) for key in where if str(key).endswith("where"))


def test_migrating_twice_changes_nothing(engine: sa.Engine) -> None:
    migrations.migrate(engine)
    migrations.migrate(engine)

    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
    assert found == migrations.revisions()[-1:]


def test_a_database_of_a_later_release_is_refused(engine: sa.Engine) -> None:
    migrations.migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(ConfigurationError, match="9999"):
        migrations.migrate(engine)


def test_file_numbers_are_the_revisions() -> None:
    config = Config()
    config.set_main_option("script_location", str(next(iter(migrations.__path__))))
    script = ScriptDirectory.from_config(config)

    assert script.get_heads() == migrations.revisions()[-1:]
    assert sorted(item.revision for item in script.walk_revisions()) == migrations.revisions()


def test_leads_that_wait_are_still_in_the_queue_after_the_upgrade_and_are_judged_anew(
    engine: sa.Engine,
) -> None:
    """An action of 0003 has no priority; the row that cannot be read stays out, and stops nothing."""
    action = {"action_id": "a-1", "kind": "reply", "title": "Reply", "urgency": 0.5}
    rows = {
        "waits": {"next_action": action, "churn": {"value": {"stage": 1}}},
        "unjudged": {"next_action": action, "churn": {"value": None}},
        "answered": {"next_action": None, "churn": {"value": None}},
    }
    stored = {name: json.dumps(said) for name, said in rows.items()} | {"damaged": "{", "new": None}
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(next(iter(migrations.__path__))))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for name, said in stored.items():
            connection.execute(
                sa.text(
                    "INSERT INTO leads (location_id, lead_id, position, search_name, last_activity_at, simulated, state, intelligence)"
                    " VALUES ('loc-1', :name, 1, '', 7, :no, '{}', :said)"
                ),
                {"name": name, "said": said, "no": False},
            )
        connection.execute(
            sa.text(
                "INSERT INTO risk_timers (location_id, lead_id, stage, due_at, simulated)"
                " VALUES ('loc-1', 'waits', 2, 99, :no), ('loc-1', 'waits', 3, 100, :no)"
            ),
            {"no": False},
        )
    migrations.migrate(engine)
    with engine.connect() as connection:
        queue = connection.exec_driver_sql(
            "SELECT lead_id, open_priority FROM leads WHERE open_priority IS NOT NULL ORDER BY lead_id"
        ).all()
        timers = connection.exec_driver_sql(
            "SELECT lead_id, stage, due_at FROM risk_timers ORDER BY lead_id, stage"
        ).all()
    assert [tuple(row) for row in queue] == [("unjudged", 0.0), ("waits", 0.0)]
    assert [tuple(row) for row in timers] == [("unjudged", 1, 7), ("waits", 2, 7), ("waits", 3, 100)]


OF_NO_TENANT = {
    "connections",  # of an owner: a location, or an agency with many
    "install_states",  # given out before anybody knows which account will come back
}


def test_every_table_belongs_to_a_tenant() -> None:
    for table in metadata.tables.values():
        if table.name in OF_NO_TENANT:
            continue
        assert not table.c.location_id.nullable, table.name
        assert table.c.location_id.primary_key or table.name == "dead_letters"


@pytest.mark.untraced
@pytest.mark.asyncio
async def test_processes_that_start_together_migrate_once(memory_url: str) -> None:
    start = [sys.executable, "-W", "error", "-c", START_AND_READ, memory_url]
    processes = [
        await asyncio.create_subprocess_exec(*start, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    ends = await asyncio.gather(*(process.communicate() for process in processes))

    assert [process.returncode for process in processes] == [0, 0, 0], [err.decode() for _, err in ends]
    async with Database(memory_url) as memory:
        assert await memory.read(lambda uow: uow.events.head(LocationId("loc-1"))) == 0


@pytest.mark.untraced
def test_a_start_at_the_newest_revision_does_not_import_alembic(engine: sa.Engine, memory_url: str) -> None:
    migrations.migrate(engine)

    run = subprocess.run(
        [sys.executable, "-c", START_AND_READ, memory_url], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
