"""Clicks from the journal into the database: how many a second, and whether the ten-millionth costs what the first did."""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import func, select

from bench.figures import Goal, say, say_alone
from bench.installation import address
from core import db
from core.clock import day_since_1970, now_ms
from core.garbage import settle
from core.ids import new_id
from core.settings import Settings, configure
from migrations.run import upgrade
from migrations.tables import every_table
from referrals.clicks import clicks
from referrals.clicks.click_ids import new_click_id
from referrals.clicks.journal_lines import ClickRecord, fields_of, line_of
from referrals.clicks.redirect import DAY_MS

SEGMENT = 100_000
PER_MS = 20
UNITS = 20
REFERRERS = ("", "", "blog.example", "news.example", "social.example")
DEVICES = ("mobile", "mobile", "desktop", "desktop", "tablet")
Draw = Callable[[int], list[int]]


@dataclass(frozen=True)
class Taken:
    """A segment that was ingested: how many were there before, and seconds by the wall and by the processor."""

    before: int
    clicks: int
    wall_s: float
    processor_s: float


def measure(*, quick: bool) -> bool:
    """SQLite to 10 million clicks, PostgreSQL to a million; on few links, on many as visitors choose them, on many evenly."""
    most = 400_000 if quick else 10_000_000
    reached = [_grown("sqlite", most, _few, "1,000 links")]
    for database in ("sqlite",) if quick else ("sqlite", "postgresql"):
        for name, draw in (
            ("1,000 links", _few),
            ("100,000 links, as visitors choose", _popular()),
            ("100,000 links, evenly", _even),
        ):
            taken = list(_ingested(database, 300_000 if quick else 1_000_000, draw))[1:]
            reached.append(_say(f"{database}, {name}", taken, must=database == "sqlite" and draw is _few))
    return all(reached)


def _say(where: str, taken: Sequence[Taken], *, must: bool) -> bool:
    rates = [_rate(each) for each in taken]
    alone = statistics.median(each.clicks / each.processor_s for each in taken)
    print(f"ingest by processor time ({where}): {alone:,.0f} clicks/s")  # what an idle machine would do
    if must:
        return say_alone(f"ingest ({where})", "clicks/s", rates, Goal(200_000))
    print(f"ingest ({where}): {statistics.median(rates):,.0f} clicks/s")
    return True


def _grown(database: str, most: int, draw: Draw, name: str) -> bool:
    """Whether the last clicks of many cost what the first did: by processor time, which other work does not lengthen."""
    taken = list(_ingested(database, most, draw, first=10_000))
    early = [each for each in taken if each.before <= 10_000 + SEGMENT][:2]
    tenth = [each for each in taken if most // 10 <= each.before < most // 10 + 5 * SEGMENT]
    last = taken[-5:]
    return all(
        [
            say(
                f"cost per click at {most:,} vs 10,000 ({database}, {name})",
                "us",
                _cost(last),
                _cost(early),
                Goal(1.2, 1, at_most=True),
            ),
            say(
                f"ingest at {most:,} vs {most // 10:,} ({database}, {name})",
                "clicks/s",
                [_rate(x) for x in last],
                [_rate(x) for x in tenth],
                Goal(0.85, 1),
            ),
        ]
    )


def _cost(taken: Sequence[Taken]) -> list[float]:
    """Microseconds of the processor that each click took."""
    return [each.processor_s / each.clicks * 1e6 for each in taken]


def _rate(taken: Taken) -> float:
    return taken.clicks / taken.wall_s


def _ingested(database: str, most: int, draw: Draw, *, first: int = SEGMENT) -> Iterator[Taken]:
    """Write segment after segment as a web process would have, and ingest each as the clock does."""
    with _place(database) as folder:
        units = [new_id() for _ in range(UNITS)]
        whose = [(units[number % UNITS], new_id(), new_id()) for number in range(100_000)]
        before, number = 0, first
        at_ms = now_ms()
        while before < most:
            at_ms = _write(folder / f"{before:012d}.journal", whose, draw(number), at_ms)
            wall, processor = time.perf_counter(), time.process_time()
            taken = clicks.ingest()
            yield Taken(before, taken, time.perf_counter() - wall, time.process_time() - processor)
            before, number = before + taken, SEGMENT
        with db.transaction(read_only=True):
            stored = db.session().execute(select(func.count()).select_from(clicks.Click)).scalar_one()
        assert stored == before, (stored, before)


@contextmanager
def _place(database: str) -> Iterator[Path]:
    with (
        TemporaryDirectory(prefix="spokes-bench-", ignore_cleanup_errors=True) as place,
        address(database, place) as url,
    ):
        settings = configure(Settings(database_url=url, data_dir=Path(place, "data"), secret_key="s" * 32))
        clicks.folder().mkdir(parents=True)
        every_table()
        upgrade(settings.database)
        db.connect(settings.database)
        settle()  # as the clock does
        try:
            yield clicks.folder()
        finally:
            db.disconnect()


def _write(segment: Path, whose: Sequence[tuple[str, str, str]], links: list[int], at_ms: int) -> int:
    """A finished segment of clicks on these links (by number), 20 of them in each millisecond from `at_ms` on."""
    with segment.open("wb") as file:
        for number, link in enumerate(links):
            ms = at_ms + number // PER_MS
            seen = DEVICES[number % 5], "", f"{random.getrandbits(96):024x}", REFERRERS[number % 5], ""
            record = ClickRecord(*whose[link], day_since_1970(ms // DAY_MS), True, *seen, new_click_id(ms))
            file.write(line_of(fields_of(record)))
    return at_ms + len(links) // PER_MS + 1


def _few(number: int) -> list[int]:
    return random.choices(range(1_000), k=number)


def _even(number: int) -> list[int]:
    return random.choices(range(100_000), k=number)


def _popular() -> Draw:
    """The n-th most popular link is asked for 1/n as often as the first (Zipf)."""
    weights = list(accumulate(1 / place for place in range(1, 100_001)))
    return lambda number: random.choices(range(100_000), cum_weights=weights, k=number)
