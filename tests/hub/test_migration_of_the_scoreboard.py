"""The migration that put the steps of a member side by side, over rows that were there before it."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError

from migrations.run import upgrade

BEFORE = {
    "ladder": "('sales', '2026', 'ana', 'north', 3)",
    "time_series": "('sales', 'north', 20261102, 3)",
    "link_tally": "('a', 7)",
    "ledger_balance": "('x:reserved', 'EUR', 5, 1)",
}
AFTER = {**BEFORE, "ladder": "('sales', 'ana', '2026', 'north', 3)"}


def test_sums_from_before_are_kept_and_a_reserve_cannot_be_overdrawn(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    upgrade(url, "0008")
    engine = create_engine(url)
    with engine.begin() as connection:
        for table, row in BEFORE.items():
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES {row}")  # noqa: S608 - this file's own words
    upgrade(url)
    with engine.begin() as connection:
        rows = {each: connection.exec_driver_sql(f"SELECT * FROM {each}").one() for each in AFTER}  # noqa: S608 - as above
    assert {table: str(tuple(row)) for table, row in rows.items()} == AFTER
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger_balance SET balance_minor = -1")
    engine.dispose()
