"""Statements below SQLAlchemy run where the session is: in its transaction, and in the savepoint that is open."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from core import driver
from core.db import dialect, session, transaction
from core.people import Person

pytestmark = pytest.mark.usefixtures("settings")


@pytest.fixture(autouse=True)
def _somebody(settings: object) -> None:
    with transaction():
        session().add(Person(id="a", email="a@example.org", name="a"))


def rename(name: str | None) -> None:
    mark = "%s" if dialect() == "postgresql" else "?"
    driver.run_once(f"UPDATE person SET name = {mark}", (name,))  # noqa: S608 - a mark


def test_a_savepoint_that_is_undone_undoes_them() -> None:
    with transaction():
        driver.fetch("SELECT 1", ())  # the connection was asked for before
        savepoint = session().begin_nested()
        rename("b")
        savepoint.rollback()
        assert driver.fetch("SELECT name FROM person", ()) == [("a",)]
        with session().begin_nested():
            rename("c")
    with transaction(read_only=True):
        assert session().exec(select(Person.name)).all() == ["c"]


def test_what_the_driver_refuses_is_raised_as_sqlalchemy_would() -> None:
    with transaction(), pytest.raises(IntegrityError):
        rename(None)
