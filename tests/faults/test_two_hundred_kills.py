"""Web, ingest and both are killed two hundred times under load: every answered click is stored, none twice."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlmodel import func, select

from core import db
from core.settings import Settings
from hub import metrics
from referrals.clicks import click_facts, clicks, journal
from referrals.clicks.clicks import Click, LinkTally
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link

ROOT = Path(__file__).parent.parent.parent
KILLS = int(os.environ.get("SPOKES_TEST_KILLS", "200"))
VISITORS = 3
GONE_S = 20
VICTIMS = (("web",), ("ingest",), ("web", "ingest"))


class Nursery:
    """The forking process of click_nursery.py, and who of its children is alive."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.alive: dict[str, int] = {}
        self.port = int(self._told())

    def raise_(self, *words: str) -> None:
        """Bring up `web` or `ingest`."""
        for word in words:
            assert self._process.stdin is not None
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
            self.alive[word] = int(self._told())

    def kill(self, *words: str) -> None:
        """kill -9."""
        for word in words:
            os.kill(self.alive.pop(word), signal.SIGKILL)

    def _told(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def nursery(settings: Settings) -> Iterator[Nursery]:
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "DATA_DIR": str(settings.data_dir),
        "SECRET_KEY": settings.secret_key,
    }
    words = [sys.executable, "-m", "tests.faults.click_nursery"]
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        here = Nursery(process)
        try:
            yield here
        finally:
            here.kill(*list(here.alive))
            process.kill()


def visit(port: int, answered: list[str], over: threading.Event) -> None:
    """Click until it is over; whoever answers is asked again, whoever is gone is looked for again."""
    while not over.is_set():
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1) as connection,
            connection.makefile("rw") as lines,
        ):
            while not over.is_set():
                lines.write("ana\n")
                lines.flush()
                address = lines.readline()
                if not address.endswith("\n"):
                    break
                answered.append(address.partition("spk=")[2].partition(".")[0])


def wait_answered(answered: list[str], number: int) -> None:
    """Wait until the visitors got so many answers: a kill is to hit somebody at work."""
    until = time.monotonic() + GONE_S
    while len(answered) < number:
        assert time.monotonic() < until
        time.sleep(0.001)


def wait_gone() -> None:
    """Wait until whoever was killed has let go of their segments."""
    until = time.monotonic() + GONE_S
    while not all(journal.is_finished(each) for each in journal.segments(clicks.folder())):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.service
@pytest.mark.timeout(600)
def test_no_answered_click_is_lost_or_doubled_by_any_kill(cast: Cast, settings: Settings) -> None:
    metrics.metric_from("clicks", click_facts.facts)
    with db.transaction():
        link = make_link(make_earner(cast.programme), "ana")
    answered: list[str] = []
    over = threading.Event()
    chance = random.Random()  # noqa: S311 - any moment will do
    with nursery(settings) as here:
        visitors = [
            threading.Thread(target=visit, args=(here.port, answered, over), daemon=True)
            for _ in range(VISITORS)
        ]
        for each in visitors:
            each.start()
        here.raise_("web", "ingest")
        for number in range(KILLS):
            wait_answered(answered, len(answered) + 10)
            time.sleep(chance.uniform(0, 0.03))
            victims = VICTIMS[number % len(VICTIMS)]
            here.kill(*victims)
            here.raise_(*victims)
        over.set()
    for each in visitors:
        each.join(5)
    wait_gone()
    clicks.ingest()
    with db.transaction(read_only=True):
        stored = db.session().exec(select(Click.id)).all()
        tally = db.session().get_one(LinkTally, link.id).clicks
        assert clicks.journal_lag() == 0
        assert metrics.differences() == []
        assert db.session().exec(select(func.count()).select_from(Click)).one() == tally
    assert len(answered) > KILLS
    assert "" not in answered
    assert len(stored) == len(set(stored))
    assert set(answered) <= set(stored)
    assert len(stored) <= len(answered) + VISITORS * (
        KILLS + 1
    )  # what was on file when its answer was cut off
    assert journal.segments(clicks.folder()) == []
