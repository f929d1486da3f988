"""Whatever happens in whatever order, the books agree and nobody gives back more than they got."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from core.clock import at, now
from core.db import dialect, session, transaction
from core.errors import SpokesError
from referrals.conversions import Conversion
from rewards import (
    approvals,
    came_back,
    grants,
    payout_decisions,
    payout_outcomes,
    payout_sender,
    payouts,
    proof,
)
from rewards.grants import Reward
from rewards.runs import GONE, Payout
from rewards.stripe_gateway import Transfer
from rewards.stripe_units import payable_part, payable_step, stripe_amount
from tests.factories import Cast, acting, make_advocate
from tests.rewards.stories import percent_rule, points_rule, ready_account, refund, sale, seen

Step = tuple[str, int, int]
ACTS = (
    "sell",
    "refund",
    "open",
    "approve",
    "second",
    "deny",
    "undo",
    "hold",
    "release",
    "run",
    "sent",
    "take back",
    "come back",
    "pay again",
)
PAID_AND_BACK = [
    ("sell", 0, 10_000), ("open", 0, 1), ("approve", 0, 1), ("run", 0, 1), ("sent", 0, 1), ("come back", 0, 300),
    ("refund", 0, 4_000), ("come back", 0, 1), ("pay again", 0, 1), ("run", 0, 1), ("sent", 0, 1),
    ("come back", 0, 100), ("pay again", 0, 1), ("come back", 0, 20_000), ("pay again", 0, 1), ("run", 0, 1),
]  # fmt: skip
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 3), st.integers(1, 20_000)), min_size=1, max_size=25
)


class Undone(Exception):
    """Ends an example without keeping it."""


class World:
    """One advocate, some sales, and everything that can happen to them."""

    def __init__(self, cast: Cast, rate: int, currency: str) -> None:
        self.cast, self.currency = cast, currency
        cast.programme.hold_days = 0
        session().add(cast.programme)
        percent_rule(cast.programme, rate)
        points_rule(cast.programme, "sale", 7)
        self.ana = make_advocate(cast.programme)
        ready_account(self.ana)
        self.sales: list[Conversion] = []
        self.manager, self.finance = acting(cast.manager), acting(cast.finance)

    def step(self, act: str, which: int, amount: int) -> None:
        if act == "sell":
            self.sales.append(sale(self.ana, amount, self.currency))
            for _ in range(2):
                grants.grant_for_conversion(self.sales[-1].id)
        elif act == "run":
            payouts.run_now(self.cast.programme, by=self.finance)
        elif act in {"sent", "take back"}:
            self.payout(act, which)
        elif act in {"come back", "pay again"}:
            self.came_back(act, which, amount)
        elif self.sales:
            self.about(act, self.sales[which % len(self.sales)], amount)

    def about(self, act: str, conversion: Conversion, amount: int) -> None:
        if act == "refund":
            taken = refund(conversion, amount)
            for _ in range(2):
                grants.reverse_for_refund(taken.id)
            return
        reward = next(
            (each for each in grants.rewards_of_conversion(conversion.id) if each.kind == "earned"), None
        )
        if reward is None:
            return
        if act == "open":
            if reward.state == "pending":
                reward.state = "approvable"
                session().add(reward)
                session().flush()
        elif act == "approve":
            approvals.approve(seen(reward), by=self.manager)
        elif act == "second":
            approvals.approve(seen(reward), by=self.finance)
        elif act in {"deny", "hold"}:
            decide = approvals.deny if act == "deny" else approvals.hold
            decide(reward, by=self.manager, reason="because")
        elif act == "undo":
            approvals.undo(reward, by=self.manager)
        else:
            approvals.release(reward, by=self.manager)

    def came_back(self, act: str, which: int, amount: int) -> None:
        """More of a transfer is reversed, or finance says that what came back is owed again."""
        gone = session().exec(select(Payout).where(col(Payout.state).in_(GONE)).order_by(Payout.id)).all()
        if not gone:
            return
        payout = gone[which % len(gone)]
        if act == "pay again" and payout.state == "reversed":
            payout_decisions.pay_again(payout, by=self.finance)
        elif act == "pay again":
            payout_decisions.pay_part_again(payout, by=self.finance)
        else:
            whole = payout.amount_minor + payout.owed_again_minor
            back = min(whole, payout.back_minor + max(amount, payable_step(self.currency)))
            sums = [stripe_amount(payable_part(each, self.currency), self.currency) for each in (whole, back)]
            reversed_ = Transfer(
                f"tr_{payout.id}", payout.destination, sums[0], payout.currency, "", reversed=sums[0] == sums[1],
                payout_id=payout.id, reversed_amount=sums[1], at=now(),
            )  # fmt: skip
            for _ in range(2):
                came_back.transfer_reversed(payout, reversed_)

    def payout(self, act: str, which: int) -> None:
        made = session().exec(select(Payout).where(Payout.state == "reserved").order_by(Payout.id)).all()
        if not made:
            return
        payout = made[which % len(made)]
        if act == "take back":
            payout.state = "held"
            session().flush()
            payout_decisions.take_back(payout, by=self.finance)
            return
        payout.state = "sending"
        session().flush()
        attempt = payout_sender._begin_attempt(payout)  # noqa: SLF001 - the step before Stripe
        assert attempt is not None
        amount = stripe_amount(payout.amount_minor, payout.currency)
        done = Transfer(
            f"tr_{payout.id}", payout.destination, amount, payout.currency, attempt.key, reversed=False,
            payout_id=payout.id, reversed_amount=0, at=now(),
        )  # fmt: skip
        for again in (False, True):
            assert payout_outcomes.sent(payout, attempt, done) is not again


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_any_sequence_keeps_the_books_and_never_reverses_more_than_was_granted(
    cast: Cast, currency: str
) -> None:
    @settings(
        max_examples=40 if dialect() == "sqlite" else 12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @example(PAID_AND_BACK, 1_000)
    @given(STEPS, st.integers(1, 10_000))
    def happen(steps: list[Step], rate: int) -> None:
        with pytest.raises(Undone), transaction():
            _live(World(cast, rate, currency), steps)

    happen()


def _live(world: World, steps: list[Step]) -> None:
    moment = now()
    for number, step in enumerate(steps):
        with at(moment + timedelta(minutes=number)):
            _try(world, step)
        assert proof.problems() == []
        for conversion in world.sales:
            assert sum(each.amount_minor for each in _money(conversion)) >= 0
    raise Undone


def _try(world: World, step: Step) -> None:
    savepoint = session().begin_nested()
    try:
        world.step(*step)
        savepoint.commit()
    except SpokesError:
        savepoint.rollback()


def _money(conversion: Conversion) -> list[Reward]:
    return [
        each for each in grants.rewards_of_conversion(conversion.id) if each.currency == conversion.currency
    ]
