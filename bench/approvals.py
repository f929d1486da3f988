"""Ten thousand rewards approved in one act, beside the same rows updated and inserted by bare bulk statements."""

import gc
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text, update
from sqlmodel import col, select

from advocates.membership import Membership
from bench.figures import Goal, say, say_alone
from bench.installation import installation
from core import bulk, db
from core.access import Actor
from core.audit import AuditEntry, AuditHead
from core.clock import day_number, now
from core.ids import new_id
from core.rollups import grow, table_of
from hub.actions import Action
from rewards.approvals import approvals
from rewards.approvals.approvals import Seen
from rewards.approvals.asking import APPROVE
from rewards.ledger import ledger, proof
from rewards.ledger.ledger import CachedBalance, LedgerTransaction, Posting
from rewards.reward import NewReward, Reward, book_all

MANY, FEW, ROUNDS = 10_000, 1_000, 3
QUARTER = Goal(0.25)
KIB = 1024


def measure(*, quick: bool) -> bool:
    """SQLite and PostgreSQL; acts of ours and bare statements alternately, each on rewards of its own."""
    many, rounds, reached = (MANY // 5, 1, []) if quick else (MANY, ROUNDS, [])
    for database in ("sqlite",) if quick else ("sqlite", "postgresql"):
        with installation(database, many):
            with db.transaction(read_only=True):
                members = db.session().exec(select(Membership).order_by(col(Membership.id))).all()
            ours, bare, grown = [], [], []
            waiting = _wait(members[:FEW])
            before = _begin_peak()
            _approve(waiting, members)
            print(f"an act on {FEW:,} takes {(_peak() - before) / KIB:.1f} MiB ({database})")
            for _ in range(rounds):
                waiting = _wait(members)
                before = _begin_peak()
                ours.append(many / _approve(waiting, members))
                grown.append((_peak() - before) / KIB)
                bare.append(many / _by_bare_statements(_wait(members)))
            reached += [
                say(
                    f"bulk approval of {many:,} ({database}) vs bare statements",
                    "rewards/s",
                    ours,
                    bare,
                    QUARTER,
                ),
                say_alone(f"  … memory that it takes ({database})", "MiB", grown, Goal(64, at_most=True)),
                _proven(database),
            ]
    return all(reached)


def _begin_peak() -> int:
    """Forget the most memory that this process had so far; answers what it has, in KiB (Linux, proc(5))."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """The most memory since then, in KiB."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


def _wait(members: Sequence[Membership]) -> list[Seen]:
    """A reward for each that waits for approval, with its place on the approvers' list."""
    at = now()
    rewards = [
        NewReward(
            grant_key=f"bench:{new_id()}", membership_id=each.id, programme_id=each.programme_id, unit_id=each.unit_id,
            kind="earned", conversion_id=None, award_id=None, activity_id=None, rule_id=None, rule_version=0,  # type: ignore[arg-type]  # no rule is needed
            base_minor=0, rate_basis_points=0, currency="EUR", granted_minor=500, amount_minor=500,
            arithmetic="as measured", state="approvable", hold_until=at, occurred_at=at, day=day_number(at), made_at=at,
            id=new_id(),
        )
        for each in members
    ]  # fmt: skip
    asked = [
        Action(
            kind=APPROVE, subject_id=each.id, unit_id=each.unit_id, right=APPROVE, summary="", due_at=at
        ).model_dump()
        for each in rewards
    ]
    with db.transaction():
        book_all(rewards)
        db.session().execute(insert(Action), asked)
    random.shuffle(rewards)
    return [Seen(each.id, each.content_hash) for each in rewards]


def _approve(picked: Sequence[Seen], members: Sequence[Membership]) -> float:
    manager = Actor("person", "bench", "A Manager", {APPROVE: frozenset({members[0].unit_id})})
    began = time.perf_counter()
    with db.transaction():
        approvals.approve(picked, by=manager)
    return time.perf_counter() - began


def _by_bare_statements(picked: Sequence[Seen]) -> float:
    """The same rows: rewards and actions updated, audit entries, transactions, postings and balances stored."""
    with db.transaction(read_only=True):
        ids = [each.reward_id for each in picked]
        whose = dict(_members_of(ids))
    rows = _rows(ids, whose)
    began = time.perf_counter()
    with db.transaction():
        read = [(each.reward_id, "approvable", each.content_hash) for each in picked]
        bulk.change(
            Reward,
            ("id", "state", "content_hash"),
            read,
            values={"state": "approved", "payable_at": now()},
            counted="round",
        )
        bulk.change(
            Action,
            ("subject_id", "kind"),
            [(each, APPROVE) for each in ids],
            values={"done_at": now(), "done_by": "bench"},
        )
        db.session().execute(update(AuditHead).values(seq=AuditHead.seq + len(ids)))
        for table, some in rows.items():
            db.session().execute(insert(table), some)
        sums = [(name, "EUR", amount, 1) for name, amount in sorted(_balances(whose).items())]
        grow(table_of(CachedBalance), sums, sums=("balance_minor", "version"))
    return time.perf_counter() - began


def _members_of(ids: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for start in range(0, len(ids), 500):
        some = select(Reward.id, Reward.membership_id).where(col(Reward.id).in_(ids[start : start + 500]))
        found += [(key, member) for key, member in db.session().exec(some)]
    return found


def _rows(ids: Sequence[str], whose: dict[str, str]) -> dict[Any, list[dict[str, Any]]]:
    with db.transaction(read_only=True):
        last = db.session().execute(text("SELECT coalesce(max(seq), 0) FROM audit_entry")).scalar_one()
    made = {each: new_id() for each in ids}
    moment: dict[str, Any] = {"occurred_at": now(), "posted_at": now()}
    audited: dict[str, Any] = {
        "at": now(), "actor_kind": "person", "actor_id": "bench", "actor_name": "A Manager", "action": "reward.approved",
        "object_kind": "reward", "unit_id": None, "details": {"amount_minor": 500}, "previous_hash": "0" * 64, "hash": "0" * 64,
    }  # fmt: skip
    return {
        AuditEntry: [{"seq": last + 1 + at, "object_id": each, **audited} for at, each in enumerate(ids)],
        LedgerTransaction: [
            {"id": made[each], "key": f"reward.approved:{each}:1", "kind": "reward.approved", "subject": each, **moment}
            for each in ids
        ],
        Posting: [
            {
                "id": new_id(), "transaction_id": made[each], "source": ledger.pending(whose[each]),
                "destination": ledger.payable(whose[each]), "amount_minor": 500, "currency": "EUR",
            }
            for each in ids
        ],
    }  # fmt: skip


def _balances(whose: dict[str, str]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for member in whose.values():
        for name, amount in ((ledger.pending(member), -500), (ledger.payable(member), 500)):
            sums[name] = sums.get(name, 0) + amount
    return sums


def _proven(database: str) -> bool:
    with db.transaction(read_only=True):
        problems = proof.problems()
    print(*problems[:3], sep="\n", end="\n" if problems else "")
    return say_alone(f"  … problems in the books ({database})", "", [len(problems)], Goal(0, at_most=True))
