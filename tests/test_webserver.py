"""The web processes as they run: forks that share what was loaded, and come back when they are killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlmodel import select

from core import db
from core.settings import Settings
from hub import metrics
from referrals.clicks import click_facts, clicks
from tests.factories import Cast
from tests.journeys.running import PLAIN, eventually, free_port
from tests.referrals.stories import BROWSER, make_earner, make_link

pytestmark = pytest.mark.service
ROOT = Path(__file__).parents[1]
KIBIBYTES = 1024


@pytest.fixture
def link(cast: Cast) -> str:
    metrics.metric_from("clicks", click_facts.facts)
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana").code


@contextmanager
def serving(settings: Settings, port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Two workers over this test's database."""
    told = {
        "DATABASE_URL": settings.database_url,
        "DATA_DIR": str(settings.data_dir),
        "SECRET_KEY": settings.secret_key,
    }
    words = [
        sys.executable,
        "-m",
        "webserver",
        "--port",
        str(port),
        "--workers",
        "2",
        "--respawn-interval",
        "0.1",
    ]
    with log.open("wb") as said:
        process = subprocess.Popen(
            words, cwd=ROOT, env={**os.environ, **told}, stdout=said, stderr=said, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def workers(process: "subprocess.Popen[bytes]") -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(each) for each in children]


def _replaced(process: "subprocess.Popen[bytes]", gone: int) -> bool:
    """Whether there are two workers again."""
    now = workers(process)
    return len(now) == 2 and gone not in now


def shared_mib(pid: int) -> float:
    """What a process shares with others, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(each.split()[1]) for each in lines if each.startswith("Shared_")) / KIBIBYTES


def test_a_worker_that_is_killed_again_and_again_ends_no_other(
    settings: Settings, link: str, tmp_path: Path
) -> None:
    port = free_port()

    def answers() -> bool:
        address = f"http://127.0.0.1:{port}/r/{link}"
        return httpx.get(address, headers={"User-Agent": BROWSER}, verify=PLAIN).status_code == 302

    with serving(settings, port, tmp_path / "web.log") as process:
        eventually(answers, 60)
        healthy = workers(process)[1]
        for _ in range(3):
            killed = next(each for each in workers(process) if each != healthy)
            os.kill(killed, signal.SIGKILL)
            eventually(partial(_replaced, process, killed))
            assert eventually(answers)
        assert healthy in workers(process)
        assert process.poll() is None


def test_workers_share_what_is_loaded_and_a_killed_one_is_back_with_clicks_of_its_own(
    settings: Settings, link: str, tmp_path: Path
) -> None:
    port, answered = free_port(), set[str]()

    def click() -> bool | None:
        """By a connection of its own, so that either worker may have it."""
        try:
            answer = httpx.get(
                f"http://127.0.0.1:{port}/r/{link}", headers={"User-Agent": BROWSER}, verify=PLAIN
            )
        except httpx.TransportError:
            return None
        assert answer.status_code == 302
        answered.add(answer.headers["Location"].partition("spk=")[2].partition(".")[0])
        return True

    with serving(settings, port, tmp_path / "web.log") as process:
        eventually(click, 60)
        first = workers(process)
        assert len(first) == 2
        assert all(shared_mib(each) > 40 for each in first)
        os.kill(first[0], signal.SIGKILL)
        eventually(lambda: ((now := workers(process)) != first and len(now) == 2) or None)
        came = sum(bool(eventually(click)) for _ in range(60))
    clicks.ingest()
    assert came == 60
    with db.transaction(read_only=True):
        stored = set(db.session().exec(select(clicks.Click.id)))
    assert answered <= stored
