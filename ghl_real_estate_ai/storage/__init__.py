"""The cellar: our own memory, SQLAlchemy Core on SQLite or PostgreSQL."""
