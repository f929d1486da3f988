"""The migration that gave rules conditions, over a rule that was there before it."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError

from migrations.run import upgrade
from rewards.rules.conditions import NONE, read

BEFORE = (
    "INSERT INTO reward_rule (id, programme_id, trigger, pays, version, kind, rate_basis_points, amount_minor,"
    " currency, valid_from, made_by) VALUES ('r', 'p', 'sale', 'money', 3, 'percent', 1000, 0, '',"
    " '2026-01-01 00:00:00', 'mara')"
)


def test_a_rule_from_before_is_kept_asks_nothing_more_and_recurring_is_a_trigger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    upgrade(url, "0012")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(BEFORE)
    upgrade(url)
    with engine.begin() as connection:
        kept = connection.exec_driver_sql(
            "SELECT version, rate_basis_points, conditions FROM reward_rule"
        ).one()
        assert tuple(kept) == (3, 1_000, "{}")
        connection.exec_driver_sql("UPDATE reward_rule SET trigger = 'recurring'")
    assert read({}) is NONE
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql("UPDATE reward_rule SET trigger = 'click'")
    engine.dispose()
