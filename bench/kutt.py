"""Kutt, the peer for links, from the sources that SPOKES_BENCH_KUTT names, with the links of an installation of ours."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from bench.installation import SECRET, Installation
from bench.servers import NotStarted, Server, command, free_port, wait

VARIABLE = "SPOKES_BENCH_KUTT"
DATABASE = "spokes_bench_kutt"
TARGET = "https://example.org/shop"
TIMEOUT_S = 60
OWNER = "INSERT INTO users (id, email, password) VALUES (1, 'bench@example.org', 'none')"
LINK = "INSERT INTO links (address, target, user_id) VALUES (:code, :target, 1)"
"""Kutt counts no visits of a link that nobody owns."""


def sources() -> Path | None:
    """The folder of a checkout in which `npm install` was done, if one is named."""
    named = os.environ.get(VARIABLE)
    return Path(named).absolute() if named else None


@contextmanager
def kutt(folder: Path, here: Installation) -> Iterator[Server]:
    """Kutt as its own `npm start` runs it, with our links, in a database of its own beside ours; raises NotStarted."""
    place = here.settings.data_dir.parent / "kutt"
    place.mkdir()
    log, port = place / "kutt.log", free_port()
    with ExitStack() as stack:
        try:
            url = _database(make_url(here.settings.database_url), place)
            environment = _environment(url, port)
            _migrate(folder, environment, log)
            _fill(url, here.codes)
            words = ["node", "server/server.js", "--production"]
            node = stack.enter_context(command(words, folder, environment, log))
            wait(port, node, log)
            answer = ask(port, here.codes[0])
        except (subprocess.CalledProcessError, NotStarted) as error:
            raise NotStarted(f"did not start; its last words: {_last_words(log)}") from error
        except (OSError, subprocess.TimeoutExpired, DBAPIError) as error:
            raise NotStarted(f"did not start: {str(error).splitlines()[0]}") from error
        if answer != (302, TARGET):  # it answers 302 for a link that it does not find, too
            raise NotStarted(f"does not forward our links but answers {answer}; {_last_words(log)}")
        yield Server("kutt", port, node, below="/")


def ask(port: int, code: str) -> tuple[int, str | None]:
    """Status and location of one redirect; it waits for a connection to the database behind the visits that came before it."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/{code}")
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("Location")
    finally:
        connection.close()


def _database(ours: URL, place: Path) -> URL:
    """An empty one: a file, or a database on the same server."""
    if ours.get_backend_name() == "sqlite":
        return make_url(f"sqlite:///{place}/kutt.sqlite")
    engine = create_engine(ours, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {DATABASE}"))
        connection.execute(text(f"CREATE DATABASE {DATABASE}"))
    engine.dispose()
    return ours.set(database=DATABASE)


def _environment(url: URL, port: int) -> dict[str, str]:
    """What Kutt needs; all else is as it comes, without Redis unless REDIS_ENABLED says so."""
    needed = {
        **os.environ,
        "NODE_ENV": "production",
        "PORT": str(port),
        "DEFAULT_DOMAIN": f"127.0.0.1:{port}",  # for another it would look for a customer's domain first
        "JWT_SECRET": SECRET,
    }
    if url.get_backend_name() == "sqlite":
        return {**needed, "DB_CLIENT": "better-sqlite3", "DB_FILENAME": str(url.database)}
    return {
        **needed,
        "DB_CLIENT": "pg",
        "DB_HOST": url.host or str(url.query.get("host", "localhost")),  # or the folder of its socket
        "DB_PORT": str(url.port or 5432),
        "DB_NAME": DATABASE,
        "DB_USER": url.username or "postgres",
        "DB_PASSWORD": url.password or "",
    }


def _migrate(folder: Path, environment: Mapping[str, str], log: Path) -> None:
    with log.open("ab") as said:
        subprocess.run(
            ["node", "node_modules/knex/bin/cli.js", "migrate:latest"],
            cwd=folder,
            env=dict(environment),
            stdout=said,
            stderr=said,
            timeout=TIMEOUT_S,
            check=True,
        )


def _fill(url: URL, codes: Sequence[str]) -> None:
    """Straight into its tables: its API takes one link a request, and needs a person's sign-in first."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(OWNER))
        connection.execute(text(LINK), [{"code": code, "target": TARGET} for code in codes])
    engine.dispose()


def _last_words(log: Path) -> str:
    """The last line that names an error, else the last line."""
    lines = [line.strip() for line in log.read_text().splitlines() if line.strip()] or ["(none)"]
    return next((line for line in reversed(lines) if "error" in line.lower()), lines[-1])
