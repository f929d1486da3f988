"""A reward and the lines below it: whoever denies, keeps, forgives or gives again, nobody gets or owes more than is due."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

from advocates.membership import Membership
from core.access import Actor
from core.clock import at, now
from core.db import session, transaction
from hub import metrics
from referrals.conversions import refunds
from referrals.conversions.conversions import Conversion, Refund
from referrals.conversions.reassignment import reassign
from rewards import grants
from rewards.approvals import approvals, holds, reviews, second_looks
from rewards.ledger import ledger, proof
from rewards.payouts import payout_decisions, payouts
from rewards.payouts.runs import Payout
from rewards.reward import Reward
from rewards.taking_back import disputed, write_offs
from rewards.taking_back.write_offs import NotAsked, NotOwed
from tests.factories import Cast, acting, make_staff
from tests.referrals.fraud_stories import odd
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.stories import percent_rule, ready_account, seen, take_as_sent

Line = tuple[str, str, int]


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        member = make_earner(cast.programme)
        ready_account(member)
        make_link(member, "ana")
    return member


@pytest.fixture
def sale(cast: Cast, ana: Membership) -> Conversion:
    """100.00 EUR that earned 10.00."""
    assert ana
    with transaction():
        return bring(cast.north.id, code="ana", amount_minor=10_000)


def back(sale: Conversion, amount_minor: int, name: str = "r-1") -> Refund:
    with transaction():
        return give_back(sale.unit_id, sale.external_id, amount_minor, external_id=name)


def comes_back(refund: Refund) -> None:
    with transaction():
        refunds.undo(session().get_one(Refund, refund.id))


def approve_all(cast: Cast) -> None:
    with at(now() + timedelta(days=31)):
        grants.open_after_hold()
        with transaction():
            waiting = session().exec(select(Reward).where(Reward.state == "approvable")).all()
            approvals.approve(seen(*waiting), by=acting(cast.manager))


def take_away(cast: Cast, sale: Conversion) -> None:
    with transaction():
        order = session().get_one(Conversion, sale.id)
        reassign(order, None, link_id=None, why="fraud", by=acting(cast.hub_admin))


def deny(cast: Cast, state: str) -> str:
    with transaction():
        line = session().exec(select(Reward).where(Reward.state == state)).one()
        approvals.deny(line, by=acting(cast.manager), reason="No.")
        return line.id


def lines() -> list[Line]:
    """Kind, state, amount of every line, the oldest first; books and scoreboard are proven on the way."""
    with transaction(read_only=True):
        assert (proof.problems(), metrics.differences()) == ([], [])
        found = session().exec(select(Reward).where(Reward.kind != "carry").order_by(col(Reward.id))).all()
        return [(each.kind, each.state, each.amount_minor) for each in found]


def owed(member: Membership) -> tuple[int, int]:
    """Waiting, payable."""
    with transaction(read_only=True):
        places = ledger.pending(member.id), ledger.payable(member.id)
        waiting, payable = (ledger.balance(each, "EUR") for each in places)
        return waiting, payable


class TestHeldByAReview:
    """What was approved, and partly taken back, before a review held it."""

    @pytest.fixture
    def held(self, cast: Cast, sale: Conversion) -> Conversion:
        """10.00 approved, 4.00 taken back, then held."""
        approve_all(cast)
        back(sale, 4_000)
        with transaction():
            reviews.hold(sale.id)
        assert lines() == [("earned", "held", 1_000), ("clawback", "approved", -400)]
        return sale

    def test_confirmed_nothing_is_owed_either_way(
        self, cast: Cast, ana: Membership, held: Conversion
    ) -> None:
        take_away(cast, held)
        assert lines() == [
            ("earned", "denied", 1_000),
            ("clawback", "approved", -400),
            ("restored", "approved", 400),
        ]
        assert owed(ana) == (0, 0)

    def test_cleared_and_denied_nothing_is_owed_either_way(
        self, cast: Cast, ana: Membership, held: Conversion
    ) -> None:
        with transaction():
            reviews.let_go_on(held.id)
        deny(cast, "pending")
        assert owed(ana) == (0, 0)

    def test_cleared_and_approved_the_rest_is_owed(
        self, cast: Cast, ana: Membership, held: Conversion
    ) -> None:
        with transaction():
            reviews.let_go_on(held.id)
        approve_all(cast)
        assert owed(ana) == (0, 600)


class TestGivenAgainToApprove:
    """A refund that came before the approval came back after it: the rest is a line that somebody has to approve."""

    @pytest.fixture
    def again(self, cast: Cast, ana: Membership, sale: Conversion) -> Conversion:
        refund = back(sale, 5_000)
        approve_all(cast)
        comes_back(refund)
        assert (lines(), owed(ana)) == (
            [("earned", "approved", 500), ("earned", "approvable", 500)],
            (500, 500),
        )
        return sale

    def test_denied_it_is_not_taken_back_by_the_next_refund(
        self, cast: Cast, ana: Membership, again: Conversion
    ) -> None:
        deny(cast, "approvable")
        back(again, 10_000, "r-2")
        assert lines()[2:] == [("clawback", "approved", -500)]
        assert owed(ana) == (0, 0)

    def test_a_refund_takes_what_is_open_first(self, ana: Membership, again: Conversion) -> None:
        refund = back(again, 10_000, "r-2")
        assert lines() == [
            ("earned", "approved", 500),
            ("earned", "reversed", 0),
            ("clawback", "approved", -500),
        ]
        assert owed(ana) == (0, 0)
        comes_back(refund)
        assert lines()[3:] == [("restored", "approved", 500), ("earned", "approvable", 500)]
        assert owed(ana) == (500, 500)

    def test_with_the_sale_it_goes(self, cast: Cast, ana: Membership, again: Conversion) -> None:
        take_away(cast, again)
        assert lines()[1:] == [("earned", "denied", 500), ("clawback", "approved", -500)]
        assert owed(ana) == (0, 0)

    def test_a_confirmed_review_leaves_nothing_held(
        self, cast: Cast, ana: Membership, again: Conversion
    ) -> None:
        with transaction():
            reviews.hold(again.id)
        assert [state for _kind, state, _amount in lines()] == ["held", "held"]
        take_away(cast, again)
        assert [state for _kind, state, _amount in lines()] == ["denied", "denied"]
        assert owed(ana) == (0, 0)

    def test_denied_with_its_reward(self, cast: Cast, ana: Membership, again: Conversion) -> None:
        with transaction():
            reviews.hold(again.id)
            reviews.let_go_on(again.id)
            first = session().exec(select(Reward).where(col(Reward.parent_id).is_(None))).one()
            approvals.deny(first, by=acting(cast.manager), reason="No.")
        assert [state for _kind, state, _amount in lines()] == ["denied", "denied"]
        assert owed(ana) == (0, 0)

    def test_denied_it_has_a_second_look_while_the_sale_stands(
        self, cast: Cast, ana: Membership, again: Conversion
    ) -> None:
        line_id = deny(cast, "approvable")
        with transaction(read_only=True):
            assert second_looks.may_ask(session().get_one(Reward, line_id))
        back(again, 1_000, "r-2")
        with transaction(read_only=True):
            assert second_looks.may_ask(session().get_one(Reward, line_id))
        assert owed(ana) == (0, 400)
        back(again, 9_000, "r-3")
        with transaction(read_only=True):
            assert not second_looks.may_ask(session().get_one(Reward, line_id))
        assert owed(ana) == (0, 0)


class TestWrittenOff:
    """What a refund that came back gave again is not forgiven besides."""

    @pytest.fixture
    def colleague(self, cast: Cast) -> Actor:
        with transaction():
            return acting(make_staff("Fred Ledger", "finance", cast.hub))

    @pytest.fixture
    def refund(self, cast: Cast, sale: Conversion) -> Refund:
        approve_all(cast)
        return back(sale, 10_000)

    def ask(self, cast: Cast) -> str:
        with transaction():
            line = session().exec(select(Reward).where(Reward.kind == "clawback")).one()
            write_offs.ask(line, by=acting(cast.finance), reason="She left")
            return line.id

    def test_asked_before_it_is_answered_by_the_refund(
        self, cast: Cast, ana: Membership, refund: Refund, colleague: Actor
    ) -> None:
        line_id = self.ask(cast)
        comes_back(refund)
        with pytest.raises(NotAsked), transaction():
            write_offs.confirm(session().get_one(Reward, line_id), by=colleague)
        assert owed(ana) == (0, 1_000)

    def test_afterwards_nobody_can_ask(self, cast: Cast, ana: Membership, refund: Refund) -> None:
        comes_back(refund)
        with pytest.raises(NotOwed):
            self.ask(cast)
        assert owed(ana) == (0, 1_000)

    def test_what_was_forgiven_is_not_given_again(
        self, cast: Cast, ana: Membership, refund: Refund, colleague: Actor
    ) -> None:
        line_id = self.ask(cast)
        with transaction():
            write_offs.confirm(session().get_one(Reward, line_id), by=colleague)
        assert owed(ana) == (0, 1_000)
        comes_back(refund)
        assert owed(ana) == (0, 1_000)


class TestKept:
    """A payout that came back from Stripe, and that the programme keeps."""

    def pay(self, cast: Cast, days: int) -> None:
        with at(now() + timedelta(days=days)), transaction():
            made = payouts.run_now(cast.programme, by=acting(cast.finance))
            assert made is not None
            for payout in session().exec(select(Payout).where(Payout.run_id == made.id)):
                take_as_sent(payout)

    def keep(self, cast: Cast, amount_minor: int) -> None:
        with transaction():
            paid = session().exec(select(Payout).where(Payout.amount_minor == amount_minor)).one()
            payout_decisions.keep(paid, by=acting(cast.finance), reason="A front shop")

    def reversed(self, amount_minor: int) -> None:
        with transaction():
            paid = session().exec(select(Payout).where(Payout.amount_minor == amount_minor)).one()
            paid.state = "reversed"

    def test_what_a_refund_took_meanwhile_is_given_again(
        self, cast: Cast, ana: Membership, sale: Conversion
    ) -> None:
        approve_all(cast)
        self.pay(cast, 62)
        self.reversed(1_000)
        back(sale, 10_000)
        assert owed(ana) == (0, -1_000)
        self.keep(cast, 1_000)
        assert owed(ana) == (0, 0)
        assert lines() == [
            ("earned", "reversed", 1_000),
            ("clawback", "approved", -1_000),
            ("restored", "approved", 1_000),
        ]

    def test_what_another_sale_owes_is_owed_still(
        self, cast: Cast, ana: Membership, sale: Conversion
    ) -> None:
        approve_all(cast)
        self.pay(cast, 40)
        refund = back(sale, 4_000)
        with transaction():
            bring(cast.north.id, code="ana", amount_minor=10_000)
        approve_all(cast)
        self.pay(cast, 80)
        self.reversed(600)
        self.keep(cast, 600)
        assert (lines()[1], owed(ana)) == (("clawback", "approved", -400), (0, -400))
        comes_back(refund)
        assert owed(ana) == (0, 0)  # the first sale's 10.00 were paid


class TestWhyItIsHeld:
    """A reward waits until nothing holds it any more, whatever came first."""

    def state(self, sale: Conversion) -> tuple[str, str]:
        with transaction(read_only=True):
            assert proof.problems() == []
            reward = grants.rewards_of_conversion(sale.id)[0]
            return reward.state, reward.state_reason

    def dispute(self, sale: Conversion, *open_ones: str) -> None:
        with transaction():
            disputed.review(sale.id, {"pi_1": open_ones})

    def test_a_dispute_outlasts_a_review(self, sale: Conversion) -> None:
        with transaction():
            reviews.hold(sale.id)
        self.dispute(sale, "dp_1")
        with transaction():
            reviews.let_go_on(sale.id)
        assert self.state(sale) == ("held", "The payment is disputed at the bank (dp_1).")
        self.dispute(sale)
        assert self.state(sale) == ("pending", "")

    def test_a_review_outlasts_a_dispute(self, sale: Conversion) -> None:
        self.dispute(sale, "dp_1")
        with transaction():
            reviews.hold(sale.id)
        self.dispute(sale)
        assert self.state(sale) == ("held", reviews.FAIR_WORDS)
        with transaction():
            reviews.let_go_on(sale.id)
        assert self.state(sale) == ("pending", "")

    def test_a_persons_word_outlasts_both(self, cast: Cast, sale: Conversion) -> None:
        with transaction():
            reward = grants.rewards_of_conversion(sale.id)[0]
            approvals.hold(reward, by=acting(cast.manager), reason="I call her.")
        self.dispute(sale, "dp_1")
        with transaction():
            reviews.hold(sale.id)
        self.dispute(sale)
        with transaction():
            reviews.let_go_on(sale.id)
        assert self.state(sale) == ("held", "I call her.")
        with transaction():
            approvals.release(grants.rewards_of_conversion(sale.id)[0], by=acting(cast.manager))
        assert self.state(sale) == ("pending", "")

    def test_what_grew_again_under_review_is_held(self, cast: Cast, ana: Membership) -> None:
        assert ana
        order = odd(cast.north, cast.marketing)
        with transaction(read_only=True):
            sale = session().get_one(Conversion, order)
        refund = back(sale, 12_900)
        assert lines() == [("earned", "reversed", 0)]
        comes_back(refund)
        assert self.state(sale) == ("held", reviews.FAIR_WORDS)
        with transaction(read_only=True):
            reward = grants.rewards_of_conversion(sale.id)[0]
            assert list(holds.why_held(reward)) == ["review"]
