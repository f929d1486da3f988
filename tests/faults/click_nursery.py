"""Brings up processes to be killed: `web` answers clicks on a socket, `ingest` moves them into the database, over and over.

A process of its own that has loaded everything and forks: so a kill costs a few hundredths of a second. A visitor sends a
line with a code and gets a line with the address they are sent to. Words on stdin: `web` or `ingest`; the answer is a pid.
"""

import os
import signal
import socket
import sys
import time
from threading import Thread
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog

from core import db
from core.settings import Settings, configure
from referrals.clicks import clicks
from referrals.clicks.link_table import LinkTable
from referrals.clicks.redirect import ClickPath
from tests.databases import hurry

DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


def nothing(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
    """What stands behind the click path."""
    start("404 Not Found", [])
    return []


def serve(listener: socket.socket, settings: Settings) -> None:
    """Answer every visitor, each in a thread."""
    path = ClickPath(nothing, settings)
    while True:
        connection, _ = listener.accept()
        Thread(target=answer, args=(connection, path), daemon=True).start()


def answer(connection: socket.socket, path: ClickPath) -> None:
    """Answer one visitor until they leave."""
    told: dict[str, str] = {}

    def start(_status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:  # noqa: ANN401 - as WSGI has it
        told.clear()
        told.update(headers)

    with connection, connection.makefile("rw") as lines:
        for code in lines:
            environ = {"PATH_INFO": f"/r/{code.strip()}", "REQUEST_METHOD": "GET", "HTTP_USER_AGENT": DESKTOP}
            path({**environ, "REMOTE_ADDR": "203.0.113.7"}, start)
            lines.write(told.get("Location", "") + "\n")
            lines.flush()


def ingest() -> None:
    """Move clicks until killed."""
    while True:
        clicks.ingest()
        time.sleep(0.002)


def child(word: str, listener: socket.socket, settings: Settings) -> None:
    """What a forked process does."""
    for engine in db.engines():
        engine.dispose(close=False)  # the parent's connections are the parent's
    if word == "web":
        serve(listener, settings)
    ingest()


def main() -> None:
    """Fork on demand."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for answers
    settings = configure()
    hurry(db.connect(settings.database))
    LinkTable().refresh()  # so that no child has to put the statements together again
    clicks.ingest()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - the answer
        for word in sys.stdin:
            pid = os.fork()
            if pid == 0:
                child(word.strip(), listener, settings)
            print(pid, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
