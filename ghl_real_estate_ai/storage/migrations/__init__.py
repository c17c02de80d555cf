"""Bring a database's tables up to date, once, whoever of several starting processes comes first.

Called by ``Database.start``. To add a revision: change ``schema.py``, copy the newest file in ``versions/`` to the next
number, write its ``upgrade``; the contract suite compares the outcome with ``schema.py`` on both databases.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from ghl_real_estate_ai.errors import ConfigurationError

_FOLDER: Final = Path(__file__).parent
_ADVISORY_LOCK: Final = 0x656E_7465_7270_6875
"""'enterphu', as PostgreSQL's 64-bit advisory lock number: anything that no other program picks."""


def revisions() -> list[str]:
    """Revision ids, oldest first: the number that each file in ``versions/`` begins with."""
    return sorted(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*_*.py"))


def migrate(engine: sa.Engine) -> None:
    """Upgrade to the newest revision in one transaction. Raises ConfigurationError for a database of a later release."""
    known = revisions()
    with engine.begin() as connection:  # SQLite: BEGIN IMMEDIATE, so a second process waits here
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))  # a long migration is worth waiting for
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        found = _revision(connection)
        if found == known[-1]:
            return
        if found is not None and found not in known:
            raise ConfigurationError(
                f"the database has revision {found}, newer than this program's {known[-1]}; install that release"
            )
        _upgrade(connection)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _upgrade(connection: sa.Connection) -> None:
    # Imported here only: Alembic takes 0.4 s to import, and a start at the newest revision never needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
