"""kill -9 at every commit of closing a period: every advocate is in the run once, and nothing is reserved twice."""

from datetime import timedelta

import pytest
from sqlmodel import select

from core.clock import at, now
from core.db import session, transaction
from rewards.ledger import proof
from rewards.payouts import payouts, run_steps
from rewards.payouts.runs import Payout
from tests.conftest import ON_POSTGRESQL
from tests.factories import Cast, make_advocate
from tests.faults.kills import killed_at
from tests.rewards.stories import approved, percent_rule, ready_account

MONTH = timedelta(days=32)
LEAST, MOST = 10, 40


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_killed_at_any_commit_a_period_is_closed_once(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_steps, "ADVOCATES", 1)
    with transaction():
        percent_rule(cast.programme)
        members = [make_advocate(cast.programme, f"Advocate {each}") for each in range(2)]
        for each in members:
            ready_account(each)
    when = now()
    for months, boundary in enumerate(range(1, MOST, 3 if ON_POSTGRESQL else 1), 1):
        with at(when):
            for each in members:
                approved(each, cast.manager)
        when += MONTH
        with at(when):
            killed = killed_at(boundary, payouts.prepare)
            payouts.prepare()  # the next tick of the clock
        with transaction(read_only=True):
            assert proof.problems() == []
            paid = [each.membership_id for each in session().exec(select(Payout))]
        assert sorted(paid) == sorted([each.id for each in members] * months)
        if not killed:
            assert boundary > LEAST
            return
    pytest.fail("it never came to its end")
