"""Every link in memory, for the click path: read once, then only what changed; a database that is away changes nothing."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from itertools import chain
from typing import Any

import structlog
from sqlalchemy import select as select_columns
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from core.clock import day_number, now, now_ms
from core.db import session, transaction
from hub.programmes import get_programme
from hub.units import get_unit
from referrals.clicks.packed_links import KnownLink, PackedLinks, Way
from referrals.clicks.visitor import forget_salts, salted, salts
from referrals.links.destinations import around_token
from referrals.links.links import Link, utm_of

log = structlog.get_logger()

REFRESH_S = 0.4
LOOK_UPS_PER_S = 20
STOP_S = 5
NEVER_MS = 2**62
PACK_AFTER = 2_000
CHUNK = 500
_COLUMNS: tuple[Any, ...] = (
    *(col(Link.code), col(Link.id), col(Link.membership_id), col(Link.programme_id), col(Link.unit_id)),
    *(col(Link.destination), col(Link.campaign), col(Link.starts_at), col(Link.ends_at), col(Link.version)),
)
_LINKS = select_columns(
    *_COLUMNS
)  # columns: objects of a hundred thousand links would leave their room behind
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LinkTable:
    """Links by code and the days' salts; a thread of its own keeps them fresh from the first look on."""

    def __init__(self) -> None:
        self._packed = PackedLinks()
        self._changed: dict[str, KnownLink] = {}
        """since they were packed"""
        self._looked_up: dict[str, KnownLink] = {}
        """by themselves: what was read with all is never older, and comes first"""
        self._version = 0
        self._salted: dict[int, blake2b] = {}
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
        known = self._changed.get(code) or self._packed.find(code) or self._looked_up.get(code)
        if known is None and (not self._whole or self._may_look_up()):
            known = self.look_up(code)
        return known

    def look_up(self, code: str) -> KnownLink | None:
        """Read one link: a new one, or any while the table is being read for the first time (it takes seconds)."""
        try:
            with transaction(read_only=True):
                found = dict(_known(session().execute(_LINKS.where(col(Link.code) == code))))
        except SQLAlchemyError as error:
            log.warning("link not looked up", reason=type(error).__name__)
            return None
        self._looked_up.update(found)
        return found.get(code)

    def salted(self, day: int) -> blake2b | None:
        """What hashes the visitors of a day (YYYYMMDD); None while the database cannot be asked for its salt."""
        return self._salted.get(day)

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
        if all(day in self._salted for day in days):
            return
        with _going_on("salts not ready"), transaction():
            forget_salts()  # as the clock does, which may be stopped while visitors come
            self._salted = {day: salted(salt) for day, salt in salts(*days).items()}

    def _read_links(self) -> None:
        covered = list(self._looked_up)
        changed = _LINKS.where(col(Link.version) > self._version).order_by(col(Link.version))
        newest = self._version

        def noted(rows: Iterable[Any]) -> Iterator[Any]:
            nonlocal newest
            for row in rows:
                newest = row.version
                yield row

        with (
            transaction(read_only=True),
            closing(session().execute(changed.execution_options(yield_per=CHUNK))) as rows,
        ):
            links = _known(noted(rows))
            if self._version:
                self._changed.update(links)
            else:
                self._packed = PackedLinks(links)
        # Only now: links of one version that were not read yet would be left out for good.
        self._version = newest
        for code in covered:
            del self._looked_up[code]
        if len(self._changed) > max(PACK_AFTER, len(self._packed) // 10):
            self._pack()

    def _pack(self) -> None:
        changed = self._changed
        kept = (each for each in self._packed if each[0] not in changed)
        self._packed = PackedLinks(chain(changed.items(), kept))
        self._changed = {}


@contextmanager
def _going_on(trouble: str) -> Iterator[None]:
    """Say what went wrong, and go on: were the thread to end, links that have ended would forward for good."""
    try:
        yield
    except SQLAlchemyError as error:
        log.warning(trouble, reason=type(error).__name__)
    except Exception:
        log.exception(trouble)


def _known(rows: Iterable[Any]) -> Iterator[tuple[str, KnownLink]]:
    """The links of rows, each with its code; to be used up in the transaction that reads them."""
    programme_of, unit_of = cache(get_programme), cache(get_unit)
    for row in rows:
        programme = programme_of(row.programme_id)
        utm = utm_of(row.code, row.campaign, programme, unit_of(row.unit_id).slug)
        before, after = around_token(row.destination, utm)
        starts_ms = milliseconds(row.starts_at)
        way = Way(
            row.unit_id,
            before,
            after,
            programme.attribution_days * 86_400,
            starts_ms if starts_ms > now_ms() else 0,
            NEVER_MS if row.ends_at is None else milliseconds(row.ends_at),
        )
        yield row.code, KnownLink(f"{row.membership_id}\t{row.id}", way)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, whole."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
