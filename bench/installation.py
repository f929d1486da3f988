"""An installation to measure: a database of its own with many links, in a folder that is gone afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import insert

from advocates.membership import Membership
from core import db
from core.people import Person
from core.settings import Settings, configure
from hub.programmes import Programme
from hub.units import create_unit
from migrations.run import upgrade
from migrations.tables import every_table
from referrals.links.links import Link, LinkChange
from tests.databases import PostgresServer
from tests.factories import make_person, make_programme

SECRET = "a-secret-for-benchmarks-of-32-characters"
CHUNK = 10_000


class Server(PostgresServer):
    """A PostgreSQL as it comes: one that does not wait for the disk would flatter us."""

    def _hurry(self) -> None:
        """Leave its settings alone."""


@dataclass(frozen=True)
class Installation:
    """Where everything is, and the codes of its links."""

    settings: Settings
    codes: list[str]

    @property
    def environment(self) -> dict[str, str]:
        """What a process of it needs."""
        return {
            **os.environ,
            "DATABASE_URL": self.settings.database_url,
            "DATA_DIR": str(self.settings.data_dir),
            "SECRET_KEY": SECRET,
        }


@contextmanager
def installation(database: str, links: int) -> Iterator[Installation]:
    """A fresh one on `sqlite` or `postgresql`, with so many links of as many advocates; with 0 it is empty."""
    with (
        TemporaryDirectory(prefix="spokes-bench-", ignore_cleanup_errors=True) as place,
        address(database, place) as url,
    ):
        folder = Path(place)
        settings = configure(Settings(database_url=url, data_dir=folder / "data", secret_key=SECRET))
        settings.data_dir.mkdir()
        every_table()
        upgrade(url)
        db.connect(url)
        try:
            yield Installation(settings, _filled(links) if links else [])
        finally:
            db.disconnect()


@contextmanager
def address(database: str, place: str) -> Iterator[str]:
    """The address of an empty database, `sqlite` in a folder or `postgresql`."""
    if database == "sqlite":
        yield f"sqlite:///{place}/spokes.sqlite"
        return
    with Server() as server:
        yield server.create("spokes_bench")


def _filled(links: int) -> list[str]:
    """Links of one programme, each of an advocate of its own; answers their codes."""
    with db.transaction():
        owners = [make_person(name) for name in ("One Owner", "Another Owner")]
        programme = make_programme(create_unit("hub", "Hub", parent=None), "speed", owners)
        db.session().add(LinkChange(id=1, version=links))
    codes = [f"code{number:06d}" for number in range(links)]
    for start in range(0, links, CHUNK):
        with db.transaction():
            _some_links(programme, codes[start : start + CHUNK], start)
    return codes


def _some_links(programme: Programme, codes: list[str], start: int) -> None:
    people = [Person(email=f"{code}@example.org", name=code) for code in codes]
    whose: dict[str, Any] = {"programme_id": programme.id, "unit_id": programme.unit_id}
    members = [
        Membership(number=start + at, person_id=each.id, **whose) for at, each in enumerate(people, start=1)
    ]
    links = [
        Link(code=code, membership_id=each.id, destination=programme.home_url, version=start + at, **whose)
        for at, (code, each) in enumerate(zip(codes, members, strict=True), start=1)
    ]
    for table, rows in ((Person, people), (Membership, members), (Link, links)):
        db.session().execute(insert(table), [each.model_dump(exclude_none=True) for each in rows])
