"""Whatever happens in whatever order, the books agree and nobody gives back more than they got."""

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from core.clock import at, now
from core.db import dialect, session, transaction
from core.errors import SpokesError
from core.money import proportion
from hub import metrics
from referrals.conversions import refunds
from referrals.conversions.conversions import Conversion
from referrals.conversions.reassignment import reassign
from rewards import grants
from rewards.approvals import approvals, reviews
from rewards.grants import Reward
from rewards.ledger import proof
from rewards.payouts import came_back, payout_decisions, payout_outcomes, payout_sender, payouts
from rewards.payouts.runs import GONE, Payout
from rewards.stripe.stripe_gateway import Transfer
from rewards.stripe.stripe_units import payable_part, payable_step, stripe_amount
from rewards.taking_back import below, disputed, restorations, write_offs
from tests.factories import Cast, acting, make_staff
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.stories import percent_rule, points_rule, ready_account, seen

STORIES = int(os.environ.get("SPOKES_TEST_STORIES", "20"))
"""how many are told for each currency; a thousand take an hour"""
Step = tuple[str, int, int]
TO_SALES = ("refund", "come back", "review", "clear", "dispute", "won", "take away", "give back")
TO_LINES = ("open", "approve", "second", "deny", "undo", "hold", "release", "write off", "confirm")
TO_PAYOUTS = ("sent", "take back", "reversed", "keep", "pay again")
PAID_AND_BACK = [
    ("run", 0, 1), ("sent", 0, 1), ("reversed", 0, 300), ("refund", 0, 4_000), ("reversed", 0, 1), ("pay again", 0, 1),
    ("run", 0, 1), ("sent", 0, 1), ("reversed", 0, 100), ("pay again", 0, 1), ("reversed", 0, 20_000),
    ("pay again", 0, 1), ("run", 0, 1),
]  # fmt: skip
ACTS = ("sell", "run", *TO_SALES, *TO_LINES, *TO_PAYOUTS)
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 5), st.integers(1, 20_000)), min_size=1, max_size=30
)
BEGINNINGS = st.tuples(st.integers(1, 20_000), st.booleans()).map(
    lambda given: [
        ("sell", 0, given[0]),
        *([(act, 0, 0) for act in ("open", "approve", "second")] * given[1]),
    ]
)
"""a sale, whose reward is approved or not"""


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
        self.ana = make_earner(cast.programme)
        make_link(self.ana, "ana")
        ready_account(self.ana)
        self.sales: list[str] = []
        self.manager, self.finance = acting(cast.manager), acting(cast.finance)
        self.colleague = acting(make_staff("Fred Ledger", "finance", cast.hub))

    def step(self, act: str, which: int, amount: int) -> None:
        if act == "sell":
            made = bring(self.cast.north.id, code="ana", amount_minor=amount, currency=self.currency)
            self.sales.append(made.id)
            grants.grant_for_conversion(made.id)  # again: nothing
        elif act == "run":
            payouts.run_now(self.cast.programme, by=self.finance)
        elif act in TO_PAYOUTS:
            self.payout(act, which, amount)
        elif act in TO_LINES:
            lines = self.lines()
            if lines:
                self.about_line(act, lines[which % len(lines)])
        elif self.sales:
            self.about_sale(act, session().get_one(Conversion, self.sales[which % len(self.sales)]), amount)

    def lines(self) -> list[Reward]:
        mine = select(Reward).where(Reward.membership_id == self.ana.id, Reward.currency == self.currency)
        return list(session().exec(mine.order_by(col(Reward.id))).all())

    def about_sale(self, act: str, sale: Conversion, amount: int) -> None:
        if act == "refund":
            name = f"r-{len(refunds.refunds_of(sale.id))}-{sale.external_id}"
            rest = sale.amount_minor - sale.refunded_minor
            some = max(rest if amount % 3 == 0 else amount % max(rest, 1), 1)
            grants.reverse_for_refund(give_back(sale.unit_id, sale.external_id, some, external_id=name).id)
        elif act == "come back":
            for each in refunds.refunds_of(sale.id)[: 1 + amount % 3]:
                refunds.undo(each)
                restorations.restore_for_refund(each.id)
        elif act in {"review", "clear"}:
            (reviews.hold if act == "review" else reviews.let_go_on)(sale.id)
        elif act in {"dispute", "won"}:
            disputed.review(sale.id, {"pi_1": ["dp_1"] if act == "dispute" else []})
        else:
            to = self.ana if act == "give back" else None
            if (sale.membership_id is None) == (to is not None):
                reassign(sale, to, link_id=None, why="because", by=self.manager)

    def about_line(self, act: str, line: Reward) -> None:
        if act == "open":
            if line.state == "pending":
                line.state = "approvable"
                session().add(line)
                session().flush()
        elif act in {"approve", "second"}:
            approvals.approve(seen(line), by=self.manager if act == "approve" else self.finance)
        elif act in {"deny", "hold"}:
            (approvals.deny if act == "deny" else approvals.hold)(line, by=self.manager, reason="because")
        elif act in {"undo", "release"}:
            (approvals.undo if act == "undo" else approvals.release)(line, by=self.manager)
        elif act == "write off":
            write_offs.ask(line, by=self.finance, reason="because")
        else:
            write_offs.confirm(line, by=self.colleague)

    def payout(self, act: str, which: int, amount: int) -> None:
        wanted = {"sent": ("reserved",), "take back": ("reserved",), "keep": ("reversed",)}.get(act, GONE)
        made = session().exec(select(Payout).where(col(Payout.state).in_(wanted)).order_by(Payout.id)).all()
        if not made:
            return
        payout = made[which % len(made)]
        if act == "take back":
            payout.state = "held"
            session().flush()
            payout_decisions.take_back(payout, by=self.finance)
        elif act == "reversed":
            self.reverse(payout, amount)
        elif act == "keep":
            payout_decisions.keep(payout, by=self.finance, reason="because")
        elif act == "pay again":
            again = (
                payout_decisions.pay_again if payout.state == "reversed" else payout_decisions.pay_part_again
            )
            again(payout, by=self.finance)
        else:
            self.send(payout)

    def reverse(self, payout: Payout, amount: int) -> None:
        """More of a transfer is reversed, told twice."""
        whole = payout.amount_minor + payout.owed_again_minor
        back = min(whole, payout.back_minor + max(amount, payable_step(self.currency)))
        sums = [stripe_amount(payable_part(each, self.currency), self.currency) for each in (whole, back)]
        reversed_ = Transfer(
            f"tr_{payout.id}", payout.destination, sums[0], payout.currency, "", reversed=sums[0] == sums[1],
            payout_id=payout.id, reversed_amount=sums[1], at=now(),
        )  # fmt: skip
        for _ in range(2):
            came_back.transfer_reversed(payout, reversed_)

    def send(self, payout: Payout) -> None:
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


@pytest.mark.long
@pytest.mark.timeout(max(120, 6 * STORIES))
@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_any_sequence_keeps_the_books_and_gives_neither_more_nor_less_than_is_due(
    cast: Cast, currency: str
) -> None:
    @settings(
        max_examples=STORIES if dialect() == "sqlite" else STORIES // 2,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @example(PAID_AND_BACK, 1_000, [("sell", 0, 10_000), ("open", 0, 0), ("approve", 0, 0), ("second", 0, 0)])
    @given(STEPS, st.sampled_from([1, 333, 1_000, 10_000]), BEGINNINGS)
    def happen(steps: list[Step], rate: int, begun: list[Step]) -> None:
        with pytest.raises(Undone), transaction():
            _live(World(cast, rate, currency), [*begun, *steps])

    happen()


def _live(world: World, steps: list[Step]) -> None:
    moment = now()
    for number, step in enumerate(steps):
        with at(moment + timedelta(minutes=number)):
            _try(world, step)
        assert proof.problems() == []
        for line in world.lines():
            if line.parent_id is None and line.kind == "earned":
                assert 0 <= below.worth(line) <= _due(line), step
    assert metrics.differences() == []
    raise Undone


def _try(world: World, step: Step) -> None:
    savepoint = session().begin_nested()
    try:
        world.step(*step)
        savepoint.commit()
    except SpokesError:
        savepoint.rollback()


def _due(reward: Reward) -> int:
    """What is due at most: its part of what was not given back, and what two people forgave."""
    sale = session().get_one(Conversion, reward.conversion_id)
    forgiven = sum(
        -each.amount_minor
        for each in below.lines_below(reward)
        if each.state == "reversed" and each.kind == "clawback"
    )
    if sale.membership_id is None or reward.state in below.DEAD:
        return forgiven
    taken = proportion(reward.granted_minor, sale.refunded_minor, sale.amount_minor)
    return reward.granted_minor - taken + forgiven
