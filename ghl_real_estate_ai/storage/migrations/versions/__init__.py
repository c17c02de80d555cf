"""One file per revision, ``<number>_<what it does>.py``, oldest first. Run by Alembic."""
