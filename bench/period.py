"""A payout period of 100,000 advocates, closed as the clock does, beside the same rows stored one by one with the ORM."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlalchemy import func, insert, update
from sqlmodel import col, select

from advocates.membership import Membership
from bench.figures import Goal, say, say_alone
from bench.installation import installation
from core import db
from core.clock import at, day_number, now
from core.ids import new_id
from hub.programmes import Programme
from rewards.ledger import ledger, proof
from rewards.ledger.ledger import CachedBalance, Entry, LedgerTransaction, Movement, Posting
from rewards.payouts import payouts
from rewards.payouts.accounts import PayoutAccount
from rewards.payouts.runs import Payout
from rewards.reward import Reward

FASTER = {"sqlite": Goal(50, 100), "postgresql": Goal(12, 100)}
ADVOCATES, SAMPLE, AT_ONCE = 100_000, 1_000, 10_000
EURO = 1_000
MONTH = timedelta(days=32)


def measure(*, quick: bool) -> bool:
    """SQLite and PostgreSQL; the ORM's cost an advocate comes from a thousand of them, ours from all."""
    advocates, reached = ADVOCATES // 10 if quick else ADVOCATES, []
    for database in ("sqlite",) if quick else ("sqlite", "postgresql"):
        with installation(database, advocates):
            members = _members()
            _earn(members)
            by_orm = _one_by_one(members[:SAMPLE]) / SAMPLE
            with at(now() + MONTH):
                began = time.perf_counter()
                payouts.prepare()
                ours = (time.perf_counter() - began) / (len(members) - SAMPLE)
            reached.append(
                say(
                    f"period of {advocates:,} advocates ({database}), faster than the ORM",
                    "us an advocate",
                    [by_orm * 1e6],
                    [ours * 1e6],
                    FASTER[database],
                )
            )
            reached.append(_is_right(len(members)))
            reached.append(_killed(database, members))
    return all(reached)


def _members() -> Sequence[Membership]:
    with db.transaction(read_only=True):
        return db.session().exec(select(Membership).order_by(col(Membership.id))).all()


def _earn(members: Sequence[Membership]) -> None:
    """An approved reward each, and an account that can be paid."""
    for some in _in_pieces(members):
        with db.transaction():
            known = select(func.count()).select_from(PayoutAccount)
            if db.session().exec(known).one() < len(members):
                db.session().execute(insert(PayoutAccount), [_account(each) for each in some])
            db.session().execute(insert(Reward), [_reward(each) for each in some])
            ledger.post_all([_approved(each) for each in some])


def _in_pieces(members: Sequence[Membership]) -> Iterator[Sequence[Membership]]:
    return (members[start : start + AT_ONCE] for start in range(0, len(members), AT_ONCE))


def _account(member: Membership) -> dict[str, object]:
    made = PayoutAccount(
        person_id=member.person_id,
        country="DE",
        stripe_account_id=f"acct_{member.id}",
        transfers="active",
        payouts_enabled=True,
        details_submitted=True,
    )
    return made.model_dump()


def _reward(member: Membership) -> dict[str, object]:
    made = Reward(
        grant_key=f"bench:{new_id()}",
        membership_id=member.id,
        programme_id=member.programme_id,
        unit_id=member.unit_id,
        currency="EUR",
        granted_minor=EURO,
        amount_minor=EURO,
        arithmetic="as measured",
        state="approved",
        payable_at=now(),
        occurred_at=now(),
        day=day_number(now()),
    )
    return made.model_dump()


def _approved(member: Membership) -> Entry:
    move = Movement(ledger.expense(member.programme_id), ledger.payable(member.id), EURO, "EUR")
    return Entry(f"bench:{new_id()}", "reward.approved", member.id, (move,))


def _one_by_one(members: Sequence[Membership]) -> float:
    """The seconds that the same takes with an object for each row, in one transaction; it is kept."""
    with db.transaction():
        programme = db.session().exec(select(Programme)).one()
        made = payouts.PayoutRun(
            programme_id=programme.id,
            unit_id=programme.unit_id,
            period="by ORM",
            ends_at=now(),
            closed_at=now(),
        )
        db.session().add(made)
        db.session().flush()
        began = time.perf_counter()
        for member in members:
            _pay_by_orm(member, made.id)
        return time.perf_counter() - began


def _pay_by_orm(member: Membership, run_id: str) -> None:
    session = db.session()
    lines = session.exec(select(Reward).where(Reward.membership_id == member.id)).all()
    account = session.exec(select(PayoutAccount).where(PayoutAccount.person_id == member.person_id)).one()
    payout = Payout(
        run_id=run_id,
        programme_id=member.programme_id,
        unit_id=member.unit_id,
        membership_id=member.id,
        currency="EUR",
        amount_minor=sum(each.amount_minor for each in lines),
        lines=len(lines),
        destination=account.stripe_account_id or "",
    )
    session.add(payout)
    session.flush()
    for line in lines:
        line.run_id, line.payout_id, line.state = run_id, payout.id, "in_payout"
    posted = LedgerTransaction(
        key=f"payout.reserved:{payout.id}", kind="payout.reserved", subject=payout.id, occurred_at=now()
    )
    session.add(posted)
    source, goal = ledger.payable(member.id), ledger.reserved(member.id)
    session.add(
        Posting(
            transaction_id=posted.id,
            source=source,
            destination=goal,
            amount_minor=payout.amount_minor,
            currency="EUR",
        )
    )
    for account_name, amount in ((source, -payout.amount_minor), (goal, payout.amount_minor)):
        held = session.get(CachedBalance, (account_name, "EUR"))
        if held is None:
            held = CachedBalance(account=account_name, currency="EUR")
        held.balance_minor, held.version = held.balance_minor + amount, held.version + 1
        session.add(held)
    session.flush()


def _is_right(paid: int) -> bool:
    with db.transaction(read_only=True):
        made = db.session().exec(select(func.count()).select_from(Payout)).one()
        problems = proof.problems()
        print(*problems[:3], sep="\n", end="\n" if problems else "")
    return say_alone(
        f"problems after {made:,} payouts of {paid:,}",
        "",
        [len(problems) + abs(made - paid)],
        Goal(0, at_most=True),
    )


def _killed(database: str, members: Sequence[Membership]) -> bool:
    """The next month, with the process killed by SIGKILL while it closes the period, again and again."""
    with db.transaction():
        db.run(update(PayoutAccount).values(read_at=now()))
    _earn(members)
    kills, when = 0, now() + 2 * MONTH
    for pause in (0.2, 0.4, 0.6, 0.8):
        child = os.fork()
        if child == 0:
            for each in db.engines():
                each.dispose(close=False)
            with at(when):
                payouts.prepare()
            os._exit(0)
        time.sleep(pause)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        kills += os.WIFSIGNALED(status)
    with at(when):
        payouts.prepare()
    print(f"killed {kills} times while the next period was closed ({database})")
    return _is_right(2 * len(members))
