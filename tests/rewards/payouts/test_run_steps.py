"""Closing a run step by step: what breaks off goes on, nobody is paid twice, and what SQL says is what Python says."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import cycle, product

import pytest
from sqlalchemy import event, update
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from advocates.membership import Membership
from core import db
from core.clock import at, now
from core.db import session, transaction
from core.ids import ID_PATTERN
from core.ids_in_sql import FreshId
from core.settings import Settings
from hub.units import Unit
from rewards import grants
from rewards.approvals import approvals
from rewards.ledger import ledger, proof
from rewards.payouts import accounts, payouts, run_steps
from rewards.payouts.accounts import PayoutAccount
from rewards.payouts.runs import Payout, PayoutRun, PayoutSkip
from rewards.reward import Reward
from tests.conftest import ON_POSTGRESQL
from tests.factories import Cast, acting, make_advocate
from tests.rewards.payouts.test_payouts import next_month
from tests.rewards.stories import approvable, approved, percent_rule, ready_account, reserved_payouts, seen


@pytest.fixture
def five(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Five advocates with an approved reward each, and steps of two."""
    monkeypatch.setattr(run_steps, "ADVOCATES", 2)
    with transaction():
        percent_rule(cast.programme)
        made = [make_advocate(cast.programme, f"Advocate {each}") for each in range(5)]
        for each in made:
            ready_account(each)
    for each in made:
        approved(each, cast.manager)
    return [each.id for each in made]


def paid() -> list[str]:
    with transaction(read_only=True):
        assert proof.problems() == []
        return sorted(each.membership_id for each in session().exec(select(Payout)))


def open_runs() -> int:
    with transaction(read_only=True):
        return len(session().exec(select(PayoutRun).where(col(PayoutRun.closed_at).is_(None))).all())


def test_every_advocate_of_a_run_is_paid_in_one_of_its_steps(five: list[str]) -> None:
    with at(next_month()):
        payouts.prepare()
    assert paid() == sorted(five)
    assert open_runs() == 0


def test_a_run_that_broke_off_between_steps_goes_on_where_it_was(
    five: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve, times = run_steps._reserve, []  # noqa: SLF001 - it breaks in the middle of a step

    def breaks(step: run_steps._Step) -> None:
        times.append(step)
        if len(times) == 2:
            raise ConnectionError
        reserve(step)

    monkeypatch.setattr(run_steps, "_reserve", breaks)
    with at(next_month()), pytest.raises(ConnectionError):
        payouts.prepare()
    assert len(paid()) == 2
    assert open_runs() >= 1
    with at(next_month() + timedelta(minutes=1)):
        payouts.prepare()
    assert paid() == sorted(five)
    assert open_runs() == 0


def test_what_was_approved_while_a_run_is_being_closed_waits_for_the_next(
    cast: Cast, five: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction():
        late = make_advocate(cast.programme, "Too Late")
        ready_account(late)
    with at(next_month()):
        approved(late, cast.manager)
        payouts.prepare()
    assert late.id not in paid()
    with at(next_month() + timedelta(days=32)):
        payouts.prepare()
    assert late.id in paid()


def test_two_clocks_share_the_steps_and_pay_everybody_once(five: list[str], settings: Settings) -> None:
    when = next_month()

    def clock() -> None:
        with at(when):
            payouts.prepare()

    threads = [threading.Thread(target=clock) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert paid() == sorted(five)
    assert open_runs() == 0


def test_the_standing_of_an_account_is_the_same_in_sql_as_in_python(cast: Cast) -> None:
    with transaction():
        member = make_advocate(cast.programme)
        account = accounts.begin(member.person_id, "DE")
        every = product(
            (None, "acct_1"), (None, now()), (True, False), ("active", "pending", ""), (True, False),
            ("", "rejected"), ([], ["iban"]),
        )  # fmt: skip
        for stripe_id, gone, submitted, transfers, enabled, disabled, due in every:
            account.stripe_account_id, account.gone_at, account.details_submitted = stripe_id, gone, submitted
            account.transfers, account.payouts_enabled = transfers, enabled
            account.disabled_reason, account.due = disabled, due
            session().add(account)
            session().flush()
            said = session().execute(select_columns(accounts.standing_in_sql()).select_from(PayoutAccount))
            assert said.scalar_one() == accounts.standing(account)


def test_ids_that_the_database_makes_look_like_all_others_and_differ(cast: Cast) -> None:
    with transaction(read_only=True):
        made = session().execute(select_columns(FreshId()).select_from(Unit)).scalars().all()
    assert len(set(made)) == len(made) > 1
    assert all(re.fullmatch(ID_PATTERN, each) for each in made)


def test_a_payout_is_reserved_only_once(cast: Cast, five: list[str]) -> None:
    with at(next_month()):
        payouts.prepare()
    with transaction(read_only=True):
        made = session().exec(select(PayoutRun).where(PayoutRun.programme_id == cast.programme.id)).one()
    again = run_steps._Step(made, cast.programme, "", made.upto, now())  # noqa: SLF001 - what ran before
    with pytest.raises(IntegrityError), transaction():
        run_steps._reserve(again)  # noqa: SLF001 - as above
    with transaction(read_only=True):
        assert ledger.problems() == []


@contextmanager
def between_statements(works: Iterable[Callable[[], None]]) -> Iterator[None]:
    """Before each statement of this thread the next work begins in a thread of its own, which the statement waits for.

    PostgreSQL lets it commit unless it needs what is locked; SQLite has it wait until the writer here is through.
    """
    here, left, begun = threading.get_ident(), iter(works), []

    def let_in(*_: object) -> None:
        if threading.get_ident() == here and (work := next(left, None)) is not None:
            begun.append(threads.submit(work))
            wait(begun, timeout=0.5 if ON_POSTGRESQL else 0.02)

    with ThreadPoolExecutor(STATEMENTS) as threads:
        event.listen(db.engine(), "before_cursor_execute", let_in)
        try:
            yield
        finally:
            event.remove(db.engine(), "before_cursor_execute", let_in)
    for each in begun:
        each.result()


STATEMENTS = 25
"""of a run by hand, at most"""


def ready_advocate(cast: Cast, name: str) -> Membership:
    with transaction():
        made = make_advocate(cast.programme, name)
        ready_account(made)
    return made


def approve(reward_id: str, cast: Cast) -> None:
    with transaction():
        approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager))


def in_full() -> Counter[str]:
    """How many lines are in which state, after a look at every payout: it is the sum of its lines."""
    with transaction(read_only=True):
        assert proof.problems() == []
        lines = session().exec(select(Reward)).all()
        for each in session().exec(select(Payout)):
            its = [line.amount_minor for line in lines if line.payout_id == each.id]
            assert (each.amount_minor, each.lines) == (sum(its), len(its))
        return Counter(each.state for each in lines)


def test_what_is_approved_between_any_two_statements_of_a_step_is_paid_in_full_then_or_with_the_next(
    cast: Cast,
) -> None:
    with transaction():
        percent_rule(cast.programme)
    ana = ready_advocate(cast, "Ana")
    approved(ana, cast.manager, 10_000)
    late = [approvable(ana, 20_000) for _ in range(STATEMENTS)]
    with between_statements([partial(approve, each, cast) for each in late]):
        reserved_payouts(cast.programme, cast.finance)
    states = in_full()
    assert states["in_payout"] > 0
    assert states["approved"] > 0
    for each in late[STATEMENTS - states["approvable"] :]:
        approve(each, cast)
    with at(now() + timedelta(minutes=1)):
        reserved_payouts(cast.programme, cast.finance)
    assert in_full() == {"in_payout": 1 + STATEMENTS}


def test_whoever_can_be_paid_from_one_statement_of_a_step_to_the_next_is_paid_or_told_why_not(
    cast: Cast,
) -> None:
    with transaction():
        percent_rule(cast.programme)
    both = [ready_advocate(cast, each) for each in ("Ana", "Bo")]
    for each in both:
        approved(each, cast.manager)
    people = [each.person_id for each in both]

    def let(able: str, unable: str) -> None:
        with transaction():
            for person, reason in ((able, ""), (unable, "rejected")):
                account = update(PayoutAccount).where(col(PayoutAccount.person_id) == person)
                session().execute(account.values(disabled_reason=reason))

    turns = cycle([partial(let, *people), partial(let, *reversed(people))])
    with between_statements(turns):
        reserved_payouts(cast.programme, cast.finance)
    in_full()
    with transaction(read_only=True):
        (paid,) = session().exec(select(Payout.membership_id))
        (skipped,) = session().exec(select(PayoutSkip.membership_id))
    assert {paid, skipped} == {each.id for each in both}
