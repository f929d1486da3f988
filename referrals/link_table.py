"""Every link in memory, for the click path: read once, then only what changed; a database that is away changes nothing."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from core.clock import day_number, now, now_ms
from core.db import session, transaction
from hub.programmes import Programme
from hub.units import Unit
from referrals.destinations import around_token
from referrals.links import Link, utm_of
from referrals.visitor import salts

log = structlog.get_logger()

REFRESH_S = 0.4
LOOK_UPS_PER_S = 20
STOP_S = 5
NEVER_MS = 2**62
_LINKS = select(Link, Programme, Unit.slug).where(Link.programme_id == Programme.id, Link.unit_id == Unit.id)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Way(NamedTuple):
    """What many links have in common, kept once."""

    unit_id: str
    before: str
    after: str
    """what stands around the token in the visitor's new address"""
    cookie_s: int
    """how long a click counts"""


class KnownLink(NamedTuple):
    """What the click path needs of a link; there may be hundreds of thousands of them."""

    whose: str
    """link and member, as in a journal line"""
    way: Way
    starts_ms: int
    ends_ms: int


class LinkTable:
    """Links by code and the days' salts; a thread of its own keeps them fresh from the first look on."""

    def __init__(self) -> None:
        self._links: dict[str, KnownLink] = {}
        self._version = 0
        self._salts: dict[int, bytes] = {}
        self._reading = threading.Lock()
        self._began = False
        self._whole = False
        self._stopped = threading.Event()
        self._refreshing: threading.Thread | None = None
        self._looks: list[float] = []

    def find(self, code: str) -> KnownLink | None:
        """The link of a lower-case code; one that is not known yet is looked up at once, within a budget."""
        if not self._began:
            self._begin()
        known = self._links.get(code)
        if known is None and (not self._whole or self._may_look_up()):
            known = self.look_up(code)
        return known

    def look_up(self, code: str) -> KnownLink | None:
        """Read one link: a new one, or any while the table is being read for the first time (it takes seconds)."""
        try:
            with transaction(read_only=True):
                found = session().exec(_LINKS.where(Link.code == code)).first()
        except SQLAlchemyError as error:
            log.warning("link not looked up", reason=type(error).__name__)
            return None
        # What was read meanwhile is not older than this.
        return self._links.setdefault(code, _known(*found)) if found else None

    def salt(self, day: int) -> bytes:
        """The salt of a day (YYYYMMDD); empty while the database cannot be asked."""
        return self._salts.get(day, b"")

    def refresh(self) -> None:
        """Read what changed since the last time; keeps what is known when the database is away."""
        with self._reading, _going_on("links not refreshed"):
            self._read_links()
            self._whole = True

    def stop(self) -> None:
        """End the refreshing; what is being read is read to its end."""
        self._stopped.set()
        if self._refreshing is not None:
            self._refreshing.join(STOP_S)

    def _begin(self) -> None:
        with self._reading:
            if self._began:
                return
            self._began = True
        self._prepare_salts()
        self._refreshing = threading.Thread(target=self._keep_fresh, name="links", daemon=True)
        self._refreshing.start()

    def _keep_fresh(self) -> None:
        self.refresh()
        while not self._stopped.wait(REFRESH_S):
            self.refresh()
            self._prepare_salts()

    def _may_look_up(self) -> bool:
        """At most so many look-ups a second: unknown codes must not become the database's load."""
        at = time.monotonic()
        self._looks = [each for each in self._looks if at - each < 1]
        if len(self._looks) >= LOOK_UPS_PER_S:
            return False
        self._looks.append(at)
        return True

    def _prepare_salts(self) -> None:
        """Have the salts of today and tomorrow at hand, so that midnight finds one there."""
        days = day_number(now()), day_number(now() + timedelta(days=1))
        if all(day in self._salts for day in days):
            return
        with _going_on("salts not ready"), transaction():
            self._salts = salts(*days)

    def _read_links(self) -> None:
        changed = _LINKS.where(Link.version > self._version).order_by(col(Link.version))
        newest = self._version
        with (
            transaction(read_only=True),
            closing(session().exec(changed.execution_options(yield_per=1_000))) as rows,
        ):
            for link, programme, unit in rows:
                self._links[link.code] = _known(link, programme, unit)
                newest = link.version
        self._version = (
            newest  # only now: links of one version that were not read yet would be left out for good
        )


@contextmanager
def _going_on(trouble: str) -> Iterator[None]:
    """Say what went wrong, and go on: were the thread to end, links that have ended would forward for good."""
    try:
        yield
    except SQLAlchemyError as error:
        log.warning(trouble, reason=type(error).__name__)
    except Exception:
        log.exception(trouble)


def _known(link: Link, programme: Programme, unit_slug: str) -> KnownLink:
    before, after = around_token(link.destination, utm_of(link, programme, unit_slug))
    way = _shared(Way(link.unit_id, before, after, programme.attribution_days * 86_400))
    ends_ms = NEVER_MS if link.ends_at is None else milliseconds(link.ends_at)
    starts_ms = milliseconds(link.starts_at)
    return KnownLink(
        f"{link.id}	{link.membership_id}", way, starts_ms if starts_ms > now_ms() else 0, ends_ms
    )


@lru_cache(maxsize=10_000)
def _shared(way: Way) -> Way:
    """The same object for what is equal."""
    return way


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, whole."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
