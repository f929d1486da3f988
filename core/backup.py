"""Backup and restore: one file, taken while the service runs, that stands for everything in the database."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from core.errors import Conflict, NotFound, Unavailable

SQLITE_HEADER = b"SQLite format 3\x00"


class BackupExists(Conflict):
    """There is a file of that name already; a backup overwrites nothing."""


class NoBackup(NotFound):
    """There is no backup of this kind of database at that place."""


class ToolMissing(Unavailable):
    """PostgreSQL's pg_dump and pg_restore are needed for this: install the package postgresql-client."""


def backup(database: str, file: Path) -> None:
    """Write the database at this address into `file`, as of one moment; raises BackupExists, ToolMissing."""
    if file.exists():
        raise BackupExists
    part = file.with_name(f"{file.name}.part")
    url = make_url(database)
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database))) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
    else:
        _run("pg_dump", "--format=custom", "--no-owner", f"--file={part}", url=url)
    part.replace(file)  # a backup is whole or is not there


def restore(database: str, file: Path) -> None:
    """Put a backup in place of the database at this address, while nothing runs on it; raises NoBackup, ToolMissing."""
    url = make_url(database)
    if not file.is_file() or (url.get_backend_name() == "sqlite") != _is_sqlite(file):
        raise NoBackup
    if url.get_backend_name() == "sqlite":
        target = Path(str(url.database))
        fresh = target.with_name(f"{target.name}.fresh")
        shutil.copyfile(file, fresh)
        for beside in ("-wal", "-shm"):  # they belong to the database that goes
            target.with_name(f"{target.name}{beside}").unlink(missing_ok=True)
        fresh.replace(target)
    else:
        _run(
            "pg_restore",
            "--clean",
            "--if-exists",
            "--no-owner",
            "--single-transaction",
            f"--dbname={url.database}",
            str(file),
            url=url,
        )


def _is_sqlite(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(SQLITE_HEADER)) == SQLITE_HEADER


def _run(tool: str, *words: str, url: URL) -> None:
    """Run a tool of PostgreSQL's; where to connect goes through the environment, so no password is among its words."""
    if shutil.which(tool) is None:
        raise ToolMissing
    where = {
        "PGHOST": url.host,
        "PGPORT": str(url.port or ""),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    where |= {f"PG{name.upper()}": str(value) for name, value in url.query.items()}
    environment = {**os.environ, **{name: value for name, value in where.items() if value}}
    done = subprocess.run([tool, *words], env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed tool
    if done.returncode != 0:
        raise Unavailable(f"{tool} said: {done.stderr.strip()[-500:]}")
