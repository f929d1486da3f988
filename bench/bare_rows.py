"""The rows that a batch of conversions leaves, stored by the bare driver: what no code of ours can be quicker than, on SQLite."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core import driver
from core.access import Actor
from core.api_keys import key_of
from core.db import SQLITE, again_after_deadlock, transaction
from core.garbage import settle
from core.strict_json import as_model
from hub.roles import key_actor
from reactions import wire
from referrals.conversions.conversions import NewConversion
from rewards.told import take_all

Written = list[tuple[str, Sequence[Any]]]
"""statements with their rows"""


def rates(database: Path, lines: Sequence[str], key: str, per_step: int) -> tuple[float, float]:
    """Conversions a second: by our code in this process, and the same rows by bare statements, so many to a transaction.

    Both begin on the same database; `database` is where ours go.
    """
    copy = database.with_suffix(".bare")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    steps, ours_s = _by_us(lines, key, per_step)
    return len(lines) / ours_s, len(lines) / _bare(copy, steps)


def _by_us(lines: Sequence[str], key: str, per_step: int) -> tuple[list[Written], float]:
    """What was written in each step, and the seconds that it took."""
    wire()
    settle()  # as web processes do
    with transaction(read_only=True):
        held = key_of(key)
        by = key_actor(held)
    steps: list[Written] = []
    run_many = driver.run_many

    def noted(statement: str, rows: Sequence[Sequence[Any]]) -> int:
        steps[-1].append((statement, rows))
        return run_many(statement, rows)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(driver, "run_many", noted)
        began = time.perf_counter()
        for start in range(0, len(lines), per_step):
            news = [as_model(NewConversion, each.encode()) for each in lines[start : start + per_step]]
            steps.append([])
            again_after_deadlock(partial(_taken, news, by, held.unit_id))
        return steps, time.perf_counter() - began


def _taken(news: Sequence[NewConversion], by: Actor, unit_id: str) -> None:
    with transaction():
        take_all(news, by, unit_id)


def _bare(database: Path, steps: Sequence[Written]) -> float:
    """The seconds that the same statements take by themselves, on a connection like ours."""
    with closing(sqlite3.connect(database, isolation_level=None, cached_statements=1_000)) as connection:
        for each in (*SQLITE, "cache_size=-16384"):
            connection.execute(f"PRAGMA {each}")
        began = time.perf_counter()
        for step in steps:
            connection.execute("BEGIN IMMEDIATE")
            for statement, rows in step:
                connection.executemany(statement, rows)
            connection.execute("COMMIT")
        return time.perf_counter() - began
