"""A minute of redirects at full speed on the same cores as the ingest: does the journal stay small, how late are clicks."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Thread

from sqlalchemy import func, select

from bench.figures import Goal, say, say_alone
from bench.installation import Installation, installation
from bench.load import load
from bench.redirect import drain, popular
from bench.servers import process, server
from core import db
from core.clock import now_ms
from referrals.clicks import clicks, journal
from referrals.clicks.click_ids import ms_of
from referrals.clicks.clicks import Click

MEBIBYTE = 1024 * 1024
CATCH_UP_S = 60


@dataclass(frozen=True)
class Seen:
    """The journal at a moment: bytes on file, bytes that are not in the database yet, how old the newest stored click is."""

    on_file: float
    waiting: float
    behind_s: float


def measure(*, quick: bool) -> bool:
    """SQLite and PostgreSQL, one worker and the clock, 100,000 links."""
    reached = []
    for database in ("sqlite",) if quick else ("sqlite", "postgresql"):
        with installation(database, 2_000 if quick else 100_000) as here:
            reached.append(_measure(here, database, 10 if quick else 60))
    return all(reached)


def _measure(here: Installation, database: str, seconds: int) -> bool:
    log, asked, seen = here.settings.data_dir / "bench.log", popular(here.codes), list[Seen]()
    with ExitStack() as stack:
        web = stack.enter_context(server("spokes", "wsgi:app", 1, here.environment, log))
        stack.enter_context(process(["scheduler"], here.environment, log))
        load(web.port, asked, 5)  # warm: the links are read
        drain()  # and the clock has begun
        running = Thread(target=load, args=(web.port, asked, seconds))
        running.start()
        while running.is_alive():
            time.sleep(1)
            seen.append(_look())
        ended = time.monotonic()
        while _look().waiting and time.monotonic() - ended < CATCH_UP_S:
            time.sleep(0.05)
        return _say(database, seen, time.monotonic() - ended)


def _look() -> Seen:
    sizes = [each.stat().st_size for each in journal.segments(clicks.folder()) if each.exists()]
    with db.transaction(read_only=True):
        newest = db.session().execute(select(func.max(Click.id))).scalar()
        at_ms = ms_of(newest) if newest else now_ms()
        return Seen(sum(sizes) / MEBIBYTE, clicks.journal_lag() / MEBIBYTE, (now_ms() - at_ms) / 1_000)


def _say(database: str, seen: list[Seen], caught_up_s: float) -> bool:
    third = len(seen) // 3
    waiting = [each.waiting for each in seen]
    behind = sorted(each.behind_s for each in seen)
    early, late = waiting[:third], waiting[-third:]
    most = 2 * journal.ROTATE_BYTES / MEBIBYTE
    return all(
        [
            say_alone(
                f"most of the journal on file ({database})",
                "MiB",
                [max(x.on_file for x in seen)],
                Goal(most, at_most=True),
            ),
            say(
                f"waiting, last third vs first ({database})",
                "MiB",
                [max(late)],
                [max(early)],
                Goal(2, 1, at_most=True),
            ),
            say_alone(
                f"clicks are in the database after, median ({database})",
                "s",
                behind,
                Goal(2, 1, at_most=True),
            ),
            say_alone(f"… at worst ({database})", "s", behind[-1:], Goal(5, 2, at_most=True)),
            say_alone(
                f"all are in after the last ({database})", "s", [caught_up_s], Goal(2, 1, at_most=True)
            ),
        ]
    )
