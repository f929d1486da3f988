"""The click path in trouble: a full disk, a database that is away, links that change under load. Redirects go on."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from core import db
from core.access import COMMAND
from core.settings import Settings
from hub import metrics
from referrals.clicks import click_facts, clicks
from referrals.clicks.clicks import Click
from referrals.clicks.lost_clicks import losses
from referrals.links.links import end_link, get_link, programme_changed
from tests.factories import Cast
from tests.faults.test_clicks_survive import wait_more
from tests.referrals.conftest import visitors
from tests.referrals.stories import Visitors, make_earner, make_link

__all__ = ["visitors"]
AWAY_S = float(os.environ.get("SPOKES_TEST_AWAY_S", "1.5"))
SLOWEST_S = 1.0
DISK_BYTES = 256 * 1024


@pytest.fixture
def small_disk(settings: Settings) -> Iterator[Path]:
    """The journal's folder on a disk of its own, of 256 KiB."""
    folder = clicks.folder()
    folder.mkdir(parents=True)
    mounted = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mounted, check=False, capture_output=True).returncode != 0:
        pytest.skip("a full disk: mounting a small one needs root")
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def link(cast: Cast) -> str:
    metrics.metric_from("clicks", click_facts.facts)
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana").code


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 1024)
    return filler


def stored() -> set[str]:
    with db.transaction(read_only=True):
        found = db.session().exec(select(Click.id)).all()
    assert len(found) == len(set(found))
    return set(found)


def lost() -> int:
    with db.transaction(read_only=True):
        return sum(each.clicks for each in losses(clicks.folder()))


@pytest.mark.service
def test_a_full_disk_costs_clicks_but_no_visitor_and_is_over_when_there_is_room(
    small_disk: Path, visitors: Visitors, link: str, client: FlaskClient
) -> None:
    before = {visitors.click(link).click_id for _ in range(10)}
    filler = fill(small_disk)
    while_full = [visitors.click(link) for _ in range(300)]
    assert {each.status for each in while_full} == {302}
    told = client.get("/readyz").get_json()
    assert told["lost_clicks"] == lost() > 200  # a few fitted into the last page
    assert "disk full" in told["checks"]["journal"]
    assert f"spokes_clicks_lost {lost()}.0" in client.get("/metrics").text
    clicks.ingest()
    filler.unlink()
    after = {visitors.click(link).click_id for _ in range(10)}
    visitors.leave()
    clicks.ingest()
    assert before | after <= stored() <= before | after | {each.click_id for each in while_full}
    assert len(stored()) + lost() == 320
    assert not list(small_disk.glob("*.journal"))


@pytest.mark.service
def test_a_process_that_begins_on_a_full_disk_tells_its_losses_once_it_can(
    small_disk: Path, visitors: Visitors, link: str
) -> None:
    filler = fill(small_disk)
    assert [visitors.click(link).status for _ in range(5)] == [302] * 5
    assert not list(small_disk.glob(".*"))
    filler.unlink()
    kept = visitors.click(link).click_id
    clicks.ingest()
    assert (stored(), lost()) == ({kept}, 5)


@contextmanager
def sqlite_away(url: str) -> Iterator[None]:
    """Somebody holds the lock for writing."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        yield
        connection.exec_driver_sql("ROLLBACK")
    engine.dispose()


@contextmanager
def postgresql_away(url: str) -> Iterator[None]:
    """Whoever is connected is thrown out, and nobody gets in."""
    place = make_url(url)
    engine = create_engine(place.set(database="postgres"), isolation_level="AUTOCOMMIT")
    open_ = f"ALTER DATABASE {place.database} ALLOW_CONNECTIONS"
    others = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with engine.connect() as connection:
        connection.execute(text(f"{open_} false"))
        connection.execute(others, {"name": place.database})
        try:
            yield
        finally:
            connection.execute(text(f"{open_} true"))
    engine.dispose()


def away(url: str) -> AbstractContextManager[None]:
    return sqlite_away(url) if url.startswith("sqlite") else postgresql_away(url)


@pytest.mark.service
@pytest.mark.timeout(300)
def test_redirects_go_on_while_the_database_is_away_and_ingest_catches_up(
    visitors: Visitors, link: str, settings: Settings
) -> None:
    answered = {visitors.click(link).click_id}
    over = threading.Event()
    ingesting = threading.Thread(target=ingest_until, args=(over,))
    ingesting.start()
    with away(settings.database):
        until = time.monotonic() + AWAY_S
        while time.monotonic() < until:
            began = time.monotonic()
            answer = visitors.click(link)
            assert (answer.status, time.monotonic() - began < SLOWEST_S) == (302, True)
            answered.add(answer.click_id)
            time.sleep(0.002)
    answered.add(visitors.click(link).click_id)
    over.set()
    ingesting.join()
    clicks.ingest()
    assert stored() == answered
    with db.transaction(read_only=True):
        assert metrics.differences() == []
        assert clicks.journal_lag() == 0


def ingest_until(over: threading.Event) -> None:
    """As the clock does it: what fails is tried again."""
    while not over.wait(0.05):
        with suppress(SQLAlchemyError):
            clicks.ingest()


def test_links_that_are_read_again_under_load_are_never_unknown(
    cast: Cast, visitors: Visitors, link: str
) -> None:
    with db.transaction():
        others = [make_link(make_earner(cast.programme, f"Advocate {n}")) for n in range(3)]
    over = threading.Event()
    answers: list[int] = []

    def come() -> None:
        while not over.wait(0.0002):  # a click never lets go of the interpreter
            answers.append(visitors.click(link).status)

    running = [threading.Thread(target=come) for _ in range(3)]
    for each in running:
        each.start()
    try:
        for other in others:
            change(partial(programme_changed, cast.programme.id))
            change(partial(end, other.code))
            for _ in range(3):
                visitors.path.links.refresh()
                wait_more(answers, 10)
    finally:
        over.set()
        for each in running:
            each.join()
    assert set(answers) == {302}
    assert all(visitors.click(each.code).status == 404 for each in others)


def end(code: str) -> None:
    end_link(get_link(code), by=COMMAND)


def change(what: Callable[[], object]) -> None:
    with db.transaction():
        what()
