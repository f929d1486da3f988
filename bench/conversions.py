"""Conversions: single posts beside a minimal Flask that only echoes, and a batch, with rewards, ledger and ladder."""

import json
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from http.client import HTTPConnection

from bench.bare_rows import rates
from bench.earners import able_to_earn
from bench.figures import Goal, say, say_alone
from bench.installation import Installation, installation
from bench.posts import post
from bench.servers import server
from core.clock import now
from referrals.clicks.click_ids import new_click_id
from referrals.clicks.link_table import milliseconds
from referrals.clicks.tokens import sign, signing_key
from webserver import BLOCKING_THREADS

SINGLE, BATCH = Goal(0.4, 0.6), Goal(8_000, 20_000)
LINES = 10_000


def measure(*, quick: bool) -> bool:
    """SQLite and PostgreSQL, one worker; single posts interleaved with the minimal Flask's, then whole batches."""
    links, rounds, seconds = (2_000, 1, 2.0) if quick else (100_000, 5, 5.0)
    reached = []
    for database in ("sqlite",) if quick else ("sqlite", "postgresql"):
        with installation(database, links) as here, ExitStack() as stack:
            key, log = able_to_earn(), here.settings.data_dir / "bench.log"
            ours = stack.enter_context(server("spokes", "wsgi:app", 1, here.environment, log))
            flask = stack.enter_context(server("flask", "bench.apps:echo", 1, here.environment, log))
            single: dict[int, list[float]] = {ours.port: [], flask.port: []}
            for number in range(rounds):
                for port, rates in single.items():
                    bodies = orders(here, f"s{number}", int(8_000 * seconds))
                    rates.append(post(port, bodies, key, seconds))
            reached.append(
                say(f"single posts, {database}", "/s", single[ours.port], single[flask.port], SINGLE)
            )
            batches = [_batch(ours.port, orders(here, f"b{number}", LINES), key) for number in range(rounds)]
            reached.append(
                say_alone(f"batch of {LINES:,} lines, {database}", "conversions/s", batches, BATCH)
            )
        if database == "sqlite":
            with installation(database, links) as here:
                _say_bare(here, able_to_earn(), quick=quick)
    return all(reached)


def _say_bare(here: Installation, key: str, *, quick: bool) -> None:
    """Beside them: what the database alone takes for the same rows, many to a transaction and as few as posts at once."""
    database = here.settings.data_dir.parent / "spokes.sqlite"
    for tag, per_step, number in (("m", 1_000, LINES), ("f", BLOCKING_THREADS, LINES // 5)):
        ours, bare = rates(database, orders(here, tag, number // 2 if quick else number), key, per_step)
        print(
            f"{per_step:,} to a transaction, sqlite: {ours:,.0f} conversions/s; the same rows by bare statements:"
            f" {bare:,.0f}/s = {ours / bare:.2g} of them"
        )


def orders(here: Installation, tag: str, number: int) -> list[str]:
    """So many sales, each with a click on a link that is drawn evenly."""
    chance = random.Random(tag)  # the same draw in every run
    moment, key = now() + timedelta(seconds=30), signing_key(here.settings.secret)
    at_ms = milliseconds(moment)
    return [
        json.dumps(
            {
                "external_id": f"{tag}-{each}",
                "kind": "sale",
                "occurred_at": (moment + timedelta(seconds=1)).isoformat(),
                "click": sign(new_click_id(at_ms), chance.choice(here.codes), at_ms, key),
                "amount_minor": chance.randrange(500, 50_000),
                "currency": "EUR",
                "customer": {"external_id": f"c-{chance.randrange(1_000_000)}"},
            }
        )
        for each in range(number)
    ]


def _batch(port: int, lines: Sequence[str], key: str) -> float:
    connection = HTTPConnection("127.0.0.1", port, timeout=600)
    told = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    began = time.perf_counter()
    connection.request("POST", "/api/v1/conversions/batch", "\n".join(lines), told)
    answers = connection.getresponse().read().splitlines()
    took = time.perf_counter() - began
    connection.close()
    if sum(b'"status":201' in each for each in answers) != len(lines):
        raise SystemExit(f"not every line was stored: {answers[0][:300]!r}")
    return len(lines) / took
