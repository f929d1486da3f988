"""Rows that nobody changes or deletes, not even by mistake: the database itself refuses."""

from sqlalchemy import DDL, event
from sqlmodel import SQLModel


def never_changed(table: type[SQLModel], *, but_sealed: str = "") -> None:
    """Refuse UPDATE and DELETE on a table, by triggers made with it on both databases.

    `but_sealed` names a column that may be written again: what is sealed is put under new keys.
    """
    name = str(table.__tablename__)
    columns = ", ".join(each for each in table.model_fields if each != but_sealed)
    changing = f"UPDATE OF {columns}" if but_sealed else "UPDATE"
    for act in (changing, "DELETE"):
        refuse = f"SELECT RAISE(ABORT, '{name} rows never change')"
        which = act.split()[0].lower()
        trigger = f"CREATE TRIGGER {name}_no_{which} BEFORE {act} ON {name} BEGIN {refuse}; END"
        _after_create(table, trigger, "sqlite")
    function = (
        f"CREATE OR REPLACE FUNCTION {name}_refuses() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{name} rows never change'; END $$"
    )
    trigger = (
        f"CREATE TRIGGER {name}_never_changed BEFORE {changing} OR DELETE OR TRUNCATE ON {name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuses()"
    )
    _after_create(table, function, "postgresql")
    _after_create(table, trigger, "postgresql")


def _after_create(table: type[SQLModel], statement: str, on: str) -> None:
    made = table.__table__  # type: ignore[attr-defined]  # every table has one
    ddl = DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    event.listen(made, "after_create", ddl.execute_if(dialect=on))
