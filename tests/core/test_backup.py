"""A backup is one moment of the whole database, and restores to it."""

import sqlite3
from pathlib import Path

import pytest

from core import db
from core.backup import BackupExists, NoBackup, backup, restore
from core.db import transaction
from core.people import find_person, register
from tests.conftest import ON_POSTGRESQL

on_sqlite = pytest.mark.skipif(
    ON_POSTGRESQL, reason="pg_dump has to be as new as the server; here it may be older"
)


@on_sqlite
def test_restoring_brings_back_the_moment_of_the_backup(database: str, tmp_path: Path) -> None:
    with transaction():
        register("before@example.org", "Before")
    backup(database, tmp_path / "copy")
    with transaction():
        register("after@example.org", "After")
    db.disconnect()
    restore(database, tmp_path / "copy")
    db.connect(database)
    with transaction(read_only=True):
        assert find_person("before@example.org") is not None
        assert find_person("after@example.org") is None


@on_sqlite
def test_a_backup_taken_in_the_middle_of_a_change_has_nothing_of_it(database: str, tmp_path: Path) -> None:
    with transaction():
        register("half@example.org", "Half")
        backup(database, tmp_path / "copy")
    with sqlite3.connect(tmp_path / "copy") as copy:
        assert copy.execute("SELECT count(*) FROM person").fetchone() == (0,)
    copy.close()


@on_sqlite
def test_a_backup_overwrites_nothing(database: str, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(BackupExists):
        backup(database, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"


def test_what_is_no_backup_is_not_restored(database: str, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"SQLite format 3\x00" if ON_POSTGRESQL else b"something else")
    with pytest.raises(NoBackup):
        restore(database, tmp_path / "copy")
