"""The payout machine under everything at once: crashes, lost answers, poisoned keys, days that pass, two senders, swapped accounts.

The real code and the local Stripe, as many steps as there is time for. After every step: no payout has two transfers, what is
sent is there, and what is reserved is owed. At the end of each story all is settled: nothing was lost.
"""

import os
from contextlib import suppress
from datetime import datetime, timedelta
from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as bounds
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, event, select
from sqlalchemy.orm import Session
from sqlmodel import col

from core.access import Actor
from core.clock import at, now
from core.db import dialect, engine, session, transaction
from core.errors import SpokesError
from core.settings import Settings, configure
from rewards.ledger import ledger
from rewards.payouts import accounts, payout_decisions, payout_sender, payouts
from rewards.payouts.runs import GONE, OWED, Payout
from rewards.stripe import stripe_gateway
from sandbox.stripe import faults
from tests.factories import Cast, acting, make_advocate
from tests.rewards.stories import approved, percent_rule, reserved_payouts, stripe_account
from tests.sandbox.here import StripeHere

STEPS = int(os.environ.get("SPOKES_TEST_PAYOUT_STEPS", "0"))
"""0: what the suite has time for; 20000 is what a change of the sender is held against (a minute and a half)"""
STEPS_A_STORY = 400
MOST_PAYOUTS, MOST_SWAPS = 8, 3
ANOTHERS = 99
"""cents of a transfer that somebody makes by hand: no payout here is of so few"""
OFTEN, SOMETIMES = (
    ("send", "crash", "two senders", "fault"),
    ("no look-up", "finance decides", "earn", "swap", "another's"),
)
BY_HAND = {"Authorization": "Bearer sk_test_local"}
ACTS = (*OFTEN, *OFTEN, *OFTEN, *SOMETIMES)


class Crash(BaseException):
    """The process is gone: nothing catches this."""


class PayoutMachine(RuleBasedStateMachine):
    """One story: an advocate's payouts, a clock that runs ahead, a Stripe with faults."""

    cast: Cast
    stripe: StripeHere
    finance: Actor
    steps = 0
    latest: datetime
    """every story begins after the one before it"""

    def __init__(self) -> None:
        super().__init__()
        self.at, self.payouts, self.boundaries_left, self.swaps = PayoutMachine.latest, 0, 0, 0
        self.touched, self.mine = True, tuple[Payout, ...]()
        self.stripe.order("reset")
        self.stripe.at_boundary = self._boundary
        self._pass(timedelta(days=1))
        with at(self.at):
            with transaction():
                self.member = make_advocate(self.cast.programme, f"Advocate {PayoutMachine.steps}")
            stripe_account(self.member, self.stripe)
        self._earn(90_000)
        self._earn(40_000)

    @rule(
        act=st.sampled_from(ACTS),
        hours=st.sampled_from((0, 0.02, 0.1, 1.1, 5, 19, 21, 26)),
        boundary=st.integers(1, 14),
        kind=st.sampled_from(get_args(faults.Kind)),
        yes=st.booleans(),
    )
    def step(self, act: str, hours: float, boundary: int, kind: faults.Kind, *, yes: bool) -> None:
        """One thing after the other; beyond twenty hours a key is not trusted, beyond a day it is forgotten."""
        self._pass(timedelta(hours=hours))
        self.touched = act not in {"fault", "no look-up"}
        if act == "send":
            self._send()
        elif act == "crash":
            self._send_and_crash(boundary)
        elif act == "two senders":
            self._send_while_another_does(boundary, timedelta(hours=1.5 if yes else 0))
        elif act == "fault":
            code = "balance_insufficient" if yes else "transfers_not_allowed"
            self.stripe.fault(kind, times=1 + boundary % 3, remembered=yes, code=code)
        elif act == "no look-up":
            self.stripe.fault("error_500_before", method="GET", times=1 + boundary % 3)
        elif act == "finance decides":
            self._finance_decides(again=yes)
        elif act == "earn" and self.payouts < MOST_PAYOUTS:
            self._earn(40_000 + 1_000 * boundary)
        elif act == "another's":
            self._somebody_transfers()
        elif act == "swap" and self.swaps < MOST_SWAPS:
            self._swap_account()

    def _earn(self, cents: int) -> None:
        """A sale is rewarded, approved, and its money reserved for a payout."""
        with at(self.at):
            approved(self.member, self.cast.manager, cents)
        self._pass(timedelta(minutes=2))
        with at(self.at):
            self.payouts += len(reserved_payouts(self.cast.programme, self.cast.finance))
        self._pass(timedelta(seconds=2))

    def _send_and_crash(self, boundary: int) -> None:
        """Killed at the so-manieth commit or request, before or after it."""
        self.boundaries_left = boundary
        with suppress(Crash):
            self._send()
        self.boundaries_left = 0

    def _send_while_another_does(self, boundary: int, asleep: timedelta) -> None:
        """The sender falls asleep in a call, and another takes over meanwhile."""
        left = [boundary]

        def meanwhile(where: str) -> None:
            left[0] -= where != "commit"  # nobody sleeps inside a transaction
            if left[0] == 0:
                left[0] = -1
                self._pass(asleep)
                if asleep and boundary % 2:  # long enough for somebody to make a transfer of their own, too
                    self._somebody_transfers()
                self._send()
                if asleep:  # and for a person to decide about what stopped, and for the next run
                    self._note_mine()
                    self._take_back_anothers()
                    self._finance_decides(again=True)
                    self._pass(timedelta(hours=1.1))
                    self._send()

        self.stripe.at_boundary = meanwhile
        try:
            self._send()
        finally:
            self.stripe.at_boundary = self._boundary

    def _finance_decides(self, *, again: bool) -> None:
        """What stopped is tried again, or its money taken back."""
        decide = payout_decisions.retry if again else payout_decisions.take_back
        with at(self.at):
            for each in (one for one in self.mine if one.stopped):
                with suppress(SpokesError), transaction():
                    decide(payout_decisions.get_payout(each.id), by=self.finance)

    def _swap_account(self) -> None:
        """The advocate disconnects and connects another account."""
        self.swaps += 1
        with at(self.at), transaction():
            account = accounts.account_of(self.member.person_id)
        if account is None or account.stripe_account_id is None:
            return
        self.stripe.order(f"accounts/{account.stripe_account_id}/deauthorize")
        with at(self.at):
            with transaction():
                accounts.note_gone(account.stripe_account_id)
            stripe_account(self.member, self.stripe)

    def _somebody_transfers(self) -> None:
        """Somebody makes a transfer at Stripe that names a payout and is of another amount; or takes it back there."""
        if self._anothers():
            self._take_back_anothers()
            return
        owed = [each for each in self.mine if each.state in OWED]
        if owed:
            about = owed[-1]
            named = {"transfer_group": about.group, "metadata[payout]": about.id}
            paid = {"amount": str(ANOTHERS), "currency": "eur", "destination": about.destination}
            self.stripe.http.post("/v1/transfers", data=paid | named, headers=BY_HAND)

    def _anothers(self) -> list[str]:
        """Those that stand."""
        made = [one for each in self.mine for one in self.stripe.transfers(each.group)]
        return [one["id"] for one in made if one["amount"] == ANOTHERS and not one["reversed"]]

    def _take_back_anothers(self) -> None:
        for each in self._anothers():
            self.stripe.http.post(f"/v1/transfers/{each}/reversals", headers=BY_HAND)

    @invariant()
    def check(self) -> None:
        """No double payment, none lost, and the reserve is what is owed."""
        PayoutMachine.steps += 1
        if not self.touched:  # a fault that waits changes nothing yet
            return
        self._note_mine()
        with transaction(read_only=True):
            owed = sum(each.amount_minor for each in self.mine if each.state in OWED)
            assert ledger.balance(ledger.reserved(self.member.id), "EUR") == owed
        for each in self.mine:
            sent = [one for one in self.stripe.transfers(each.group) if one["amount"] != ANOTHERS]
            assert len(sent) <= 1, f"paid twice: {sent}"
            assert all(one["amount"] == each.amount_minor for one in sent)
            if each.state in GONE:
                assert [one["id"] for one in sent] == [each.transfer_id]
            if each.state == "taken_back":
                assert sent == [], "freed, and paid all the same"

    def _note_mine(self) -> None:
        with transaction(read_only=True):
            found = select(Payout).where(col(Payout.membership_id) == self.member.id)
            self.mine = tuple(session().execute(found).scalars())

    def teardown(self) -> None:
        """Everything goes well again: nothing stays unclear for ever."""
        self.stripe.no_more_faults()
        self._take_back_anothers()
        for _ in range(12):
            self._pass(timedelta(hours=27))
            self._send()
            self.touched = True
            self.check()
            if all(each.state in {"sent", "taken_back"} for each in self.mine):
                return
            self._finance_decides(again=True)
        raise AssertionError(f"unclear for ever: {self.mine}")

    def _send(self) -> None:
        with at(self.at):
            payouts.send_due()

    def _pass(self, time: timedelta) -> None:
        self.at = PayoutMachine.latest = self.at + time
        self.stripe.move_clock((self.at - datetime.now(self.at.tzinfo)).total_seconds())

    def _boundary(self, _where: str) -> None:
        if self.boundaries_left:
            self.boundaries_left -= 1
            if self.boundaries_left == 0:
                raise Crash


@pytest.fixture
def stripe(cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> StripeHere:
    """A Stripe in this process; one sender at a time, so that a story is told the same way again."""
    made = StripeHere()
    configure(settings.model_copy(update={"stripe_payouts_per_s": 1_000}))
    monkeypatch.setattr(stripe_gateway, "_client", made.client)
    monkeypatch.setattr(payout_sender, "SENDERS", 1)
    with transaction():
        percent_rule(cast.programme)
    return made


def tell(cast: Cast, stripe: StripeHere, steps: int, *, always_the_same: bool = True) -> None:
    """So many steps, in stories; the same ones every time, so that a failure can be met again, or others."""
    with transaction(read_only=True):
        PayoutMachine.finance = acting(cast.finance)
    PayoutMachine.cast, PayoutMachine.stripe, PayoutMachine.steps, PayoutMachine.latest = (
        cast,
        stripe,
        0,
        now(),
    )
    event.listen(engine(), "commit", _before_commit)
    event.listen(Session, "after_commit", _after_commit)
    try:
        run_state_machine_as_test(
            PayoutMachine,
            settings=bounds(
                max_examples=-(-steps * 102 // (100 * STEPS_A_STORY)) + 1,  # some stories are shorter
                stateful_step_count=STEPS_A_STORY,
                derandomize=always_the_same,
                database=None,
                deadline=None,
                phases=(Phase.generate,),
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        event.remove(engine(), "commit", _before_commit)
        event.remove(Session, "after_commit", _after_commit)


def _before_commit(connection: Connection) -> None:
    try:
        PayoutMachine.stripe.at_boundary("commit")
    except Crash:
        connection.connection.rollback()  # as the database does once the process is gone
        raise


def _after_commit(_session: Session) -> None:
    PayoutMachine.stripe.at_boundary("commit")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_payout_is_paid_twice_and_none_is_lost_whatever_happens(cast: Cast, stripe: StripeHere) -> None:
    wanted = STEPS or (20_000 if dialect() == "sqlite" else 200)
    tell(cast, stripe, wanted)
    assert PayoutMachine.steps >= wanted


def no_look_up(_claim: object) -> None:
    """A sender that does not look whether the transfer is there."""


@pytest.mark.parametrize("trusts_keys_for", [timedelta(0), timedelta(days=999)])
def test_a_sender_that_asks_again_without_looking_is_caught(
    cast: Cast, stripe: StripeHere, monkeypatch: pytest.MonkeyPatch, trusts_keys_for: timedelta
) -> None:
    """With a new key each time, or with one for ever: the model can fail."""
    if dialect() != "sqlite":
        pytest.skip("that the model can fail is shown once")
    monkeypatch.setattr(payout_sender, "_find", no_look_up)
    monkeypatch.setattr(payout_sender, "RESEND_WITHIN", trusts_keys_for)
    with pytest.raises(AssertionError, match="paid twice"):
        tell(cast, stripe, 5_000)
