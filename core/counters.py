"""Numbers that count up without a gap or a twin, whoever asks at once."""

from sqlalchemy import BigInteger, Text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col

from core.db import dialect, session


class Counter(SQLModel, table=True):
    """The last number of a series that was given; its row is the lock."""

    __tablename__ = "counter"

    name: str = Field(primary_key=True, sa_type=Text)
    last: int = Field(sa_type=BigInteger)


def next_number(name: str) -> int:
    """The next number of a series, from 1; whoever asks meanwhile waits until this transaction ends."""
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    first = insert(Counter).values(name=name, last=1)
    counted = first.on_conflict_do_update(index_elements=["name"], set_={"last": Counter.last + 1})
    return int(session().execute(counted.returning(col(Counter.last))).scalar_one())
