"""What the database knows of its own tables, so that it chooses the right index: PostgreSQL keeps it, SQLite is asked to."""

from core.db import dialect, session, transaction

ROWS_LOOKED_AT = 1_000
"""of each index"""


def keep_statistics() -> int:
    """Job: look at a part of every index; answers 1.

    Connections read it when they open, and none is older than a quarter of an hour (core/db.py).
    """
    if dialect() == "sqlite":
        with transaction():
            for statement in (f"PRAGMA analysis_limit={ROWS_LOOKED_AT}", "ANALYZE"):
                session().connection().exec_driver_sql(statement)
    return 1
