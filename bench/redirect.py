"""The redirect, with everything it records, beside a bare callable and a minimal Flask on the same server settings, and Kutt."""

import gc
import os
import random
import statistics
import time
import tracemalloc
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate
from typing import NamedTuple

from bench.figures import Goal, say, say_alone, skipped
from bench.installation import Installation, installation
from bench.kutt import VARIABLE, ask, kutt, sources
from bench.load import Loaded, has_wrk, load
from bench.servers import MEBIBYTE, NotStarted, Server, process, server
from core import db
from referrals.clicks.clicks import journal_lag
from referrals.clicks.link_table import LinkTable

APPLICATIONS = {"spokes": "wsgi:app", "bare": "bench.apps:bare", "flask": "bench.apps:minimal"}
KUTT = {"sqlite": Goal(100, 150), "postgresql": Goal(50, 90)}
ASKED = 10_000
DRAIN_S = 120


class Run(NamedTuple):
    """A run of the load, and the processor time that the server took for an answer."""

    loaded: Loaded
    processor_us: float


def measure(*, quick: bool) -> bool:
    """SQLite and PostgreSQL, one and two workers, 100,000 links, the clock (which ingests) beside; interleaved runs."""
    print(f"load by {'wrk' if has_wrk() else 'our own loader'}, 32 connections; {os.cpu_count()} cores")
    links, rounds, seconds = (2_000, 2, 1.0) if quick else (100_000, 5, 3.0)
    reached = []
    for database in ("sqlite",) if quick else ("sqlite", "postgresql"):
        with installation(database, links) as here, ExitStack() as stack:
            print(f"memory of {links:,} links in a worker ({database}): {_memory_of_links():.3g} MiB")
            peer = _peer(stack, here, database)
            reached += [
                _measure(here, database, peer, workers, rounds, seconds)
                for workers in ((1,) if quick else (1, 2))
            ]
            reached.append(peer is not None or sources() is None)
    if sources() is None:
        skipped("redirect vs Kutt SQLite / PostgreSQL: Kutt", f"{VARIABLE} names no sources of it")
    return all(reached)


def _peer(stack: ExitStack, here: Installation, database: str) -> Server | None:
    """Kutt, if it can be had; where it was asked for and is not, all else is measured all the same."""
    folder = sources()
    if folder is None:
        return None
    try:
        return stack.enter_context(kutt(folder, here))
    except NotStarted as error:
        print(f"redirect vs Kutt ({database}): missed, Kutt in {folder} {error}")
        return None


def popular(codes: Sequence[str], number: int = ASKED) -> list[str]:
    """So many links as visitors ask for them: the n-th most popular is asked for 1/n as often as the first (Zipf)."""
    chance = random.Random(1)  # the same draw in every run
    weights = list(accumulate(1 / place for place in range(1, len(codes) + 1)))
    return chance.choices(codes, cum_weights=weights, k=number)


def _measure(
    here: Installation, database: str, peer: Server | None, workers: int, rounds: int, seconds: float
) -> bool:
    log = here.settings.data_dir / "bench.log"
    asked = popular(here.codes)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(server(name, application, workers, here.environment, log))
            for name, application in APPLICATIONS.items()
        ]
        stack.enter_context(process(["scheduler"], here.environment, log))
        servers += [peer] if peer else []
        runs: dict[str, list[Run]] = {each.name: [] for each in servers}
        for each in servers:
            drain()
            load(each.port, asked, 5, each.below)  # warm: each worker reads its links
        for _ in range(rounds):
            for each in servers:
                _rest(peer, asked)
                runs[each.name].append(_run(each, asked, seconds))
        where = f"{database}, {workers} worker(s)"
        reached = _say(where, runs, servers[0].worker_memory())
        return (peer is None or _say_kutt(where, runs, KUTT[database])) and reached


def _memory_of_links() -> float:
    """What the links take once they are read, in MiB."""
    tracemalloc.start()
    table = LinkTable()
    table.refresh()
    gc.collect()
    used, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    table.stop()
    return used / MEBIBYTE


def _run(server: Server, asked: Sequence[str], seconds: float) -> Run:
    before = server.processor_s()
    loaded = load(server.port, asked, seconds, server.below)
    return Run(loaded, (server.processor_s() - before) / (max(loaded.per_second, 1) * seconds) * 1e6)


def _rest(peer: Server | None, asked: Sequence[str]) -> None:
    """Wait until all that was answered is recorded, here and there."""
    drain()
    if peer:
        ask(peer.port, asked[0])


def drain() -> None:
    """Wait until the journal is in the database, so that no other's run pays for it."""
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until:
        with db.transaction(read_only=True):
            if journal_lag() == 0:
                return
        time.sleep(0.1)


def _say(where: str, runs: dict[str, list[Run]], memory: list[float]) -> bool:
    rates = {name: [each.loaded.per_second for each in of] for name, of in runs.items()}
    p99 = {name: [each.loaded.p99_ms for each in of] for name, of in runs.items()}
    took = {name: [each.processor_us for each in of] for name, of in runs.items()}
    print(
        f"-- {where}: p99 of bare {statistics.median(p99['bare']):.3g} ms, of Flask {statistics.median(p99['flask']):.3g} ms"
    )
    failed = sum(each.loaded.failed for each in runs["spokes"])
    return all(
        [
            say(f"redirect vs bare 302 ({where})", "/s", rates["spokes"], rates["bare"], Goal(0.5, 0.8)),
            say(
                f"redirect vs minimal Flask 302 ({where})", "/s", rates["spokes"], rates["flask"], Goal(3, 5)
            ),
            say(
                f"  … by processor time an answer ({where})",
                "us",
                took["spokes"],
                took["bare"],
                Goal(2, 1.25, at_most=True),
            ),
            say_alone(f"redirect p99, c = 32 ({where})", "ms", p99["spokes"], Goal(10, 5, at_most=True)),
            say_alone(f"memory per worker ({where})", "MiB", memory, Goal(100, at_most=True)),
            say_alone(f"answers that were no redirect ({where})", "", [failed], Goal(0, at_most=True)),
        ]
    )


def _say_kutt(where: str, runs: dict[str, list[Run]], goal: Goal) -> bool:
    ours, theirs = ([each.loaded for each in runs[name]] for name in ("spokes", "kutt"))
    p99, failed = statistics.median(each.p99_ms for each in theirs), sum(each.failed for each in theirs)
    print(f"-- {where}: p99 of Kutt {p99:.3g} ms, {failed} of its answers were no redirect")
    rate, reference = ([each.per_second for each in of] for of in (ours, theirs))
    return say(f"redirect vs Kutt ({where})", "/s", rate, reference, goal)
