"""What an advocate with 100,000 postings is owed, beside one with ten: read from the kept balance, not summed."""

import statistics
import time

from bench.figures import Goal, say
from bench.installation import installation
from core import db
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement

FEW, MANY, ASKED, AT_ONCE = 10, 100_000, 2_000, 10_000
SAME = Goal(1.2, at_most=True)


def measure(*, quick: bool) -> bool:
    """SQLite and PostgreSQL; asked alternately."""
    many, reached = MANY // 10 if quick else MANY, []
    for database in ("sqlite",) if quick else ("sqlite", "postgresql"):
        with installation(database, 0):
            for name, number in (("few", FEW), ("many", many)):
                for start in range(0, number, AT_ONCE):
                    with db.transaction():
                        ledger.post_all(
                            [_entry(name, each) for each in range(start, min(number, start + AT_ONCE))]
                        )
            few, much = _asked()
            reached.append(
                say(f"balance behind {many:,} postings vs {FEW} ({database})", "us", [much], [few], SAME)
            )
    return all(reached)


def _entry(name: str, number: int) -> Entry:
    move = Movement("programme:speed:expense", ledger.payable(name), 1, "EUR")
    return Entry(f"{name}:{number}", "reward.granted", name, (move,))


def _asked() -> tuple[float, float]:
    """The median microseconds that each answer takes."""
    took: dict[str, list[float]] = {"few": [], "many": []}
    with db.transaction(read_only=True):
        for _ in range(ASKED):
            for name, times in took.items():
                began = time.perf_counter()
                ledger.balances(ledger.accounts_of(name))
                times.append((time.perf_counter() - began) * 1e6)
    return statistics.median(took["few"]), statistics.median(took["many"])
