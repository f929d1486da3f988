"""Rows of a schema that was, for the tests of migrations, on SQLite."""

from sqlalchemy import Connection


def put(connection: Connection, table: str, **values: object) -> None:
    """A row, with something in every other column that needs it."""
    columns = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
    needed = {each.name: 0 if each.type in {"INTEGER", "BIGINT"} else "2027-01-01 00:00:00" for each in columns
              if each.notnull and each.dflt_value is None}  # fmt: skip
    row = needed | values
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - our own tables
