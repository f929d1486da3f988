"""The standard leaderboard (a whole period, top 100) of 100,000 advocates at ten million conversions beside one million."""

import statistics
import time
from datetime import date

from sqlalchemy import text

from advocates.leaderboard import Wanted, standings
from bench.figures import Goal, say, say_alone
from bench.installation import installation
from core import db
from hub.metrics import periods_of

FAST, FLAT = Goal(1, at_most=True), Goal(1.5, at_most=True)
ASKED = 300
DAY = 20261102
NUMBERED = "CREATE TEMP TABLE numbered AS SELECT number, id, unit_id, programme_id FROM membership"
SALES = """
INSERT INTO conversion (id, unit_id, external_id, content_hash, kind, occurred_at, received_at, brought_by, day, amount_minor,
  currency, refunded_minor, customer_id, email_sha256, lines, details, membership_id, programme_id, earning_unit_id, reason, shared)
WITH RECURSIVE series(i) AS (SELECT CAST(:first AS bigint) UNION ALL SELECT i + 1 FROM series WHERE i + 1 < :last)
SELECT 'sale-' || i, unit_id, 'order-' || i, '', 'sale', '2026-11-02 10:00:00+00', '2026-11-02 10:00:00+00', '', :day, 1290,
  'EUR', 0, '', '', '[]', '{}', id, programme_id, unit_id, 'won', FALSE
FROM series JOIN numbered ON number = 1 + (i % 1009) * (i % 1013) * :advocates / (1009 * 1013)
"""
"""drawn so that some sell much more than others"""
TALLY = (
    "CREATE TEMP TABLE tally AS SELECT membership_id, unit_id, count(*) AS sold FROM conversion GROUP BY 1, 2"
)
LADDER = """INSERT INTO ladder (metric, period, member_id, unit_id, value)
SELECT 'sales', :period, membership_id, unit_id, sold FROM tally"""


def measure(*, quick: bool) -> bool:
    """SQLite and PostgreSQL; conversions are filled in by SQL, the ladder is summed from them."""
    advocates, most = (2_000, 100_000) if quick else (100_000, 10_000_000)
    reached = []
    for database in ("sqlite",) if quick else ("sqlite", "postgresql"):
        with installation(database, advocates):
            _prepare()
            _fill(0, most // 10, advocates)
            early = _asked()
            _fill(most // 10, most, advocates)
            late = _asked()
        what = f"leaderboard at {most:,} conversions"
        reached.append(say_alone(f"{what} ({database})", "ms", late, FAST))
        reached.append(say(f"{what} vs {most // 10:,} ({database})", "ms", late, early, FLAT))
    return all(reached)


def _prepare() -> None:
    """Without the indexes of conversions, which no leaderboard reads and which take an hour to fill."""
    with db.transaction() as session:
        session.execute(text(NUMBERED))
        session.execute(text("CREATE UNIQUE INDEX by_number ON numbered (number)"))
        kind, table = ("type = 'index' AND sql IS NOT NULL", "sqlite_master")
        wanted = f"SELECT name FROM {table} WHERE tbl_name = 'conversion' AND {kind}"
        if db.dialect() == "postgresql":
            wanted = (
                "SELECT indexname FROM pg_indexes WHERE tablename = 'conversion' AND indexname LIKE 'ix%'"
            )
        for name in session.execute(text(wanted)).scalars().all():
            session.execute(text(f'DROP INDEX "{name}"'))


def _fill(first: int, last: int, advocates: int) -> None:
    """The sales numbered so, and the ladder anew."""
    with db.transaction() as session:
        db.take_your_time()
        session.execute(text(SALES), {"first": first, "last": last, "day": DAY, "advocates": advocates})
        session.execute(text("DROP TABLE IF EXISTS tally"))
        session.execute(text(TALLY))
        session.execute(text("DELETE FROM ladder"))
        for period in periods_of(DAY):
            session.execute(text(LADDER), {"period": period})
    if db.dialect() == "postgresql":
        with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE ladder"))


def _asked() -> list[float]:
    """How long each of many answers took, in milliseconds, once the first were given."""
    took = []
    with db.transaction(read_only=True) as session:
        units = frozenset(session.execute(text("SELECT id FROM unit")).scalars())
        wanted = Wanted("sales", None, date(2026, 11, 1), date(2026, 11, 30), units)
        for _ in range(ASKED):
            began = time.perf_counter()
            found = standings(wanted)
            took.append((time.perf_counter() - began) * 1_000)
    assert len(found.places) == wanted.limit
    print(
        f"  first of {ASKED} answers: {took[0]:.3g} ms, slowest twentieth: {statistics.quantiles(took, n=20)[-1]:.3g} ms"
    )
    return took[ASKED // 10 :]
