"""Alembic's entry: runs the revisions on the connection, and in the transaction, that ``migrate`` opened.

Called by Alembic. There is no ini file: the connection comes in ``config.attributes``.
"""

from __future__ import annotations

from alembic import context

from ghl_real_estate_ai.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite too: the writer's own BEGIN IMMEDIATE holds its DDL together
)
context.run_migrations()
