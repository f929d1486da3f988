"""A click whose redirect was answered survives kill -9 of the web process, and is in the database once."""

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlmodel import select

from core import db
from core.settings import Settings
from referrals.clicks import clicks, journal
from referrals.clicks.clicks import Click
from tests.factories import Cast
from tests.referrals.stories import BROWSER, make_earner, make_link

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 2
VISITORS = 4
PAUSE_S = 0.002
READY_S = 30
JUST_THE_CLICK_PATH = """
from core import db
from core.settings import configure
from referrals.clicks.redirect import ClickPath

settings = configure()
db.connect(settings.database)


def nothing(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


app = ClickPath(nothing, settings)
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def web_process(settings: Settings, port: int, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Granian over the click path, in a process group of its own."""
    (folder / "clickapp.py").write_text(JUST_THE_CLICK_PATH)
    words = [
        "--interface",
        "wsgi",
        "--port",
        str(port),
        "--workers",
        "2",
        "--blocking-threads",
        "4",
        "clickapp:app",
    ]
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "DATA_DIR": str(settings.data_dir),
        "SECRET_KEY": settings.secret_key,
        "PYTHONPATH": f"{ROOT}:{folder}",
    }
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "granian", *words],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """kill -9 to the process and its workers."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def wait_ready(port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            try:
                if click(connection):
                    return
            except OSError:
                time.sleep(0.05)
    pytest.fail(log.read_text())


def wait_more(answered: Sequence[object], count: int) -> None:
    """Wait until so many more visitors were answered, however slow the machine is."""
    deadline, known = time.monotonic() + READY_S, len(answered)
    while len(answered) < known + count:
        assert time.monotonic() < deadline, f"{len(answered) - known} answers"
        time.sleep(0.005)


def wait_gone() -> None:
    """Wait until the killed workers, whom nobody here can wait for, have let go of their segments."""
    deadline = time.monotonic() + READY_S
    while not all(journal.is_finished(each) for each in journal.segments(clicks.folder())):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def click(connection: http.client.HTTPConnection) -> str:
    """Follow nothing: the id of the click that was answered."""
    connection.request("GET", "/r/ana", headers={"User-Agent": BROWSER})
    answer = connection.getresponse()
    answer.read()
    location = answer.headers["Location"] or ""
    return location.partition("spk=")[2].partition(".")[0] if answer.status == 302 else ""


def visit(port: int, answered: list[str]) -> None:
    """Click until the server is gone; every answer is noted."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        while True:
            try:
                answered.append(click(connection))
                time.sleep(PAUSE_S)
            except (OSError, http.client.HTTPException):
                return


def test_answered_clicks_survive_kill_9_once_each(cast: Cast, settings: Settings, tmp_path: Path) -> None:
    with db.transaction():
        make_link(make_earner(cast.programme), "ana")
    answered: list[str] = []
    for _ in range(ROUNDS):
        port = free_port()
        with web_process(settings, port, tmp_path) as process:
            wait_ready(port, tmp_path / "web.log")
            visitors = [threading.Thread(target=visit, args=(port, answered)) for _ in range(VISITORS)]
            for each in visitors:
                each.start()
            wait_more(answered, 10)
            time.sleep(random.uniform(0, 0.5))  # noqa: S311 - any moment will do
            taken = clicks.ingest()  # while it is being written
            kill(process)
            for each in visitors:
                each.join(10)
        assert taken
    wait_gone()
    clicks.ingest()
    with db.transaction(read_only=True):
        stored = db.session().exec(select(Click.id)).all()
        assert clicks.journal_lag() == 0
    assert len(stored) == len(set(stored))
    assert set(answered) <= set(stored)
    assert not list(clicks.folder().glob("*.journal"))
