"""Rows that nobody changes or deletes, not even by mistake: the database itself refuses."""

from sqlalchemy import DDL, event
from sqlmodel import SQLModel


def never_changed(table: type[SQLModel]) -> None:
    """Refuse UPDATE and DELETE on a table, by triggers made with it on both databases."""
    name = str(table.__tablename__)
    for act in ("UPDATE", "DELETE"):
        refuse = f"SELECT RAISE(ABORT, '{name} rows never change')"
        trigger = f"CREATE TRIGGER {name}_no_{act.lower()} BEFORE {act} ON {name} BEGIN {refuse}; END"
        _after_create(table, trigger, "sqlite")
    function = (
        f"CREATE OR REPLACE FUNCTION {name}_refuses() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{name} rows never change'; END $$"
    )
    trigger = (
        f"CREATE TRIGGER {name}_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuses()"
    )
    _after_create(table, function, "postgresql")
    _after_create(table, trigger, "postgresql")


def _after_create(table: type[SQLModel], statement: str, on: str) -> None:
    made = table.__table__  # type: ignore[attr-defined]  # every table has one
    ddl = DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    event.listen(made, "after_create", ddl.execute_if(dialect=on))
