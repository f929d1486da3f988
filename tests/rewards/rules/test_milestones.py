"""Milestones: the n-th sale or a sum of sales earns once, stands while it is reached, and can be denied and looked at again."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from core.money import POINTS, Money
from core.people import Person, get_person
from hub import metrics
from referrals.conversions import appeals, refunds
from referrals.conversions.conversions import Conversion, Refund
from referrals.conversions.reassignment import reassign
from referrals.fraud import fraud_cases
from referrals.fraud.fraud_cases import FraudCase
from rewards import grants
from rewards.approvals import approvals, second_looks
from rewards.approvals.second_looks import NotDenied
from rewards.ledger import ledger, proof
from rewards.reward import Reward
from rewards.rules import rules
from rewards.rules.conditions import Conditions
from rewards.rules.rules import Terms
from tests.factories import Cast, acting
from tests.referrals.fraud_stories import case_of, odd
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.stories import LONG_AGO, percent_rule, seen

SECOND_SALE = Conditions(milestones=(2,), milestone_counts="sales")
Line = tuple[str, str, int]


def milestone_rule(cast: Cast, asked: Conditions, gives: Money) -> None:
    terms = Terms("flat", flat=gives, conditions=asked)
    rules.change_rule(cast.programme, "milestone", terms, by=COMMAND, valid_from=LONG_AGO)


@pytest.fixture
def ana(cast: Cast) -> Membership:
    """10 % of sales, and 50.00 with the second one."""
    with transaction():
        percent_rule(cast.programme)
        milestone_rule(cast, SECOND_SALE, Money(5_000, "EUR"))
        member = make_earner(cast.programme)
        make_link(member, "ana")
        make_link(make_earner(cast.programme, "Bo Advocate"), "bob", coupon="BOB10")
    return member


def sell(cast: Cast, name: str, amount_minor: int = 10_000, code: str = "ana") -> Conversion:
    with transaction():
        return bring(cast.north.id, external_id=name, code=code, amount_minor=amount_minor)


def back(cast: Cast, sale: Conversion, amount_minor: int = 10_000) -> Refund:
    with transaction():
        name = f"r-{sale.external_id}"
        return give_back(cast.north.id, sale.external_id, amount_minor, external_id=name)


def lines(member: Membership) -> list[Line]:
    """Kind, state and amount of every line of the milestone, the oldest first; scoreboard and books are proven on the way."""
    with transaction(read_only=True):
        assert (proof.problems(), metrics.differences()) == ([], [])
        mine = select(Reward).where(Reward.membership_id == member.id).order_by(col(Reward.id))
        return [
            (each.kind, each.state, each.amount_minor)
            for each in session().exec(mine)
            if each.granted_minor in {5_000, -5_000} or each.currency == POINTS
        ]


def ordinary(member: Membership) -> list[tuple[str, int]]:
    with transaction(read_only=True):
        mine = select(Reward).where(Reward.membership_id == member.id, Reward.granted_minor == 1_000)
        return [(each.state, each.amount_minor) for each in session().exec(mine.order_by(col(Reward.id)))]


def the_milestone(member: Membership) -> Reward:
    mine = select(Reward).where(Reward.membership_id == member.id, Reward.granted_minor == 5_000)
    return session().exec(mine.order_by(col(Reward.id).desc())).first() or pytest.fail("none")


def deny(member: Membership, by: Person) -> str:
    with transaction():
        reward = the_milestone(member)
        approvals.deny(reward, by=acting(by), reason="Not yet.")
        return reward.id


def approve_all(cast: Cast) -> None:
    with at(now() + timedelta(days=31)):
        grants.open_after_hold()
        with transaction():
            waiting = session().exec(select(Reward).where(Reward.state == "approvable")).all()
            approvals.approve(seen(*waiting), by=acting(cast.manager))


def test_the_second_sale_earns_it_and_the_third_does_not(cast: Cast, ana: Membership) -> None:
    sell(cast, "o-1")
    assert lines(ana) == []
    sell(cast, "o-2")
    assert lines(ana) == [("earned", "pending", 5_000)]
    sell(cast, "o-3")
    assert lines(ana) == [("earned", "pending", 5_000)]


class TestBelow:
    """What an advocate has not reached any more goes back whole, and can be reached again."""

    def test_a_part_of_a_sale_given_back_takes_nothing_from_it(self, cast: Cast, ana: Membership) -> None:
        sell(cast, "o-1")
        back(cast, sell(cast, "o-2"), 5_000)
        assert (lines(ana), ordinary(ana)) == (
            [("earned", "pending", 5_000)],
            [("pending", 1_000), ("pending", 500)],
        )

    def test_any_sale_that_is_missing_takes_it_and_the_next_one_gives_it_again(
        self, cast: Cast, ana: Membership
    ) -> None:
        first = sell(cast, "o-1")
        sell(cast, "o-2")
        back(cast, first)
        assert lines(ana) == [("earned", "denied", 5_000)]
        with transaction(read_only=True):
            assert the_milestone(ana).state_reason == "Not granted: a refund took away what was reached."
        sell(cast, "o-3")
        assert lines(ana) == [("earned", "denied", 5_000), ("earned", "pending", 5_000)]

    def test_one_that_was_approved_goes_back_by_a_line(self, cast: Cast, ana: Membership) -> None:
        sell(cast, "o-1")
        second = sell(cast, "o-2")
        approve_all(cast)
        back(cast, second)
        assert lines(ana) == [("earned", "approved", 5_000), ("clawback", "approved", -5_000)]
        with transaction(read_only=True):
            assert ledger.balance(ledger.payable(ana.id), "EUR") == 1_000

    def test_with_sales_enough_nothing_happens(self, cast: Cast, ana: Membership) -> None:
        sell(cast, "o-1")
        second = sell(cast, "o-2")
        sell(cast, "o-3")
        back(cast, second)
        assert lines(ana) == [("earned", "pending", 5_000)]

    def test_a_refund_that_comes_back_gives_it_again_once(self, cast: Cast, ana: Membership) -> None:
        sell(cast, "o-1")
        refund = back(cast, sell(cast, "o-2"))
        for _ in "again", "and again":
            with transaction():
                refunds.undo(session().get_one(Refund, refund.id))
        assert lines(ana) == [("earned", "denied", 5_000), ("earned", "pending", 5_000)]
        assert ordinary(ana) == [("pending", 1_000), ("pending", 1_000)]

    def test_it_is_not_given_again_where_another_sale_gave_it(self, cast: Cast, ana: Membership) -> None:
        sell(cast, "o-1")
        refund = back(cast, sell(cast, "o-2"))
        sell(cast, "o-3")
        with transaction():
            refunds.undo(session().get_one(Refund, refund.id))
        assert lines(ana) == [("earned", "denied", 5_000), ("earned", "pending", 5_000)]

    def test_points_come_and_go_with_the_scoreboard(self, cast: Cast) -> None:
        with transaction():
            reached = Conditions(milestones=(15_000,), milestone_counts="revenue", milestone_currency="EUR")
            milestone_rule(cast, reached, Money(70, POINTS))
            ana = make_earner(cast.programme)
            make_link(ana, "ana")
        sell(cast, "o-1")
        refund = back(cast, sell(cast, "o-2"), 5_001)
        assert lines(ana) == [("points", "credited", 70), ("clawback", "credited", -70)]
        with transaction():
            refunds.undo(session().get_one(Refund, refund.id))
        assert lines(ana)[-1] == ("points", "credited", 70)
        with transaction(read_only=True):
            assert metrics.value_of("points", "all", ana.id) == 70


class TestWhoseItIs:
    """A conversion that goes to somebody else takes a milestone along only where it was needed."""

    def test_the_one_who_loses_falls_below_and_the_one_who_gets_it_reaches(
        self, cast: Cast, ana: Membership
    ) -> None:
        sell(cast, "o-0", code="bob")
        sell(cast, "o-1")
        sale = sell(cast, "o-2")
        with transaction(read_only=True):
            bo = session().exec(
                select(Membership).where(Membership.id != ana.id, Membership.unit_id == ana.unit_id)
            )
            bo_member = next(each for each in bo if get_person(each.person_id).name == "Bo Advocate")
        with transaction():
            order = session().get_one(Conversion, sale.id)
            reassign(order, bo_member, link_id=None, why="an appeal", by=acting(cast.manager))
        assert lines(ana) == [("earned", "denied", 5_000)]
        assert lines(bo_member) == [("earned", "pending", 5_000)]

    def test_a_confirmed_review_takes_it_and_an_overturned_one_gives_it_again(
        self, cast: Cast, ana: Membership
    ) -> None:
        sell(cast, "o-1")
        sale = sell(cast, "o-2")
        with transaction():
            reassign(
                session().get_one(Conversion, sale.id),
                None,
                link_id=None,
                why="fraud",
                by=acting(cast.manager),
            )
        assert lines(ana) == [("earned", "denied", 5_000)]
        with transaction():
            reassign(
                session().get_one(Conversion, sale.id), ana, link_id=None, why="none", by=acting(cast.manager)
            )
        assert lines(ana) == [("earned", "denied", 5_000), ("earned", "pending", 5_000)]

    def test_a_review_holds_it_and_lets_go_of_what_is_reached_without_its_sale(
        self, cast: Cast, ana: Membership
    ) -> None:
        sell(cast, "o-1")
        odd(cast.north, cast.manager, external_id="o-2", amount_minor=10_000)
        with transaction(read_only=True):
            order = session().exec(select(Conversion).where(Conversion.external_id == "o-2")).one()
        back(cast, order, 100)
        assert lines(ana) == [("earned", "held", 5_000)]
        sell(cast, "o-3")
        case_id = case_of(order.id).id
        with transaction():
            case = session().get_one(FraudCase, case_id)
            fraud_cases.confirm(case, by=acting(cast.hub_admin), reason="A colleague's")
        assert lines(ana) == [("earned", "pending", 5_000)]


class TestDenied:
    """A denied milestone has a second look of its own; an appeal of its conversion leaves it alone."""

    def test_a_second_look_gives_it_back(self, cast: Cast, ana: Membership) -> None:
        sell(cast, "o-1")
        sell(cast, "o-2")
        reward_id = deny(ana, cast.manager)
        with transaction():
            assert second_looks.may_ask(session().get_one(Reward, reward_id))
            me = acting(get_person(ana.person_id))
            second_looks.ask(ana, session().get_one(Reward, reward_id), words="I sold two.", by=me)
        with transaction():
            second_looks.grant(
                session().get_one(Reward, reward_id), by=acting(cast.hub_admin), reason="So it is."
            )
        assert lines(ana) == [("earned", "pending", 5_000)]
        approve_all(cast)
        assert lines(ana) == [("earned", "approved", 5_000)]

    def test_what_is_not_reached_any_more_is_not_looked_at(self, cast: Cast, ana: Membership) -> None:
        sell(cast, "o-1")
        sale = sell(cast, "o-2")
        reward_id = deny(ana, cast.manager)
        back(cast, sale)
        with transaction(read_only=True):
            me = acting(get_person(ana.person_id))
        with transaction(), pytest.raises(NotDenied):
            second_looks.ask(ana, session().get_one(Reward, reward_id), words="I sold two.", by=me)
        sell(cast, "o-3")
        assert lines(ana) == [("earned", "denied", 5_000)]  # a person denied it: the sale does not undo that

    def test_its_conversion_is_not_appealed_for_it(self, cast: Cast, ana: Membership) -> None:
        sell(cast, "o-1")
        sale = sell(cast, "o-2")
        deny(ana, cast.manager)
        with transaction(read_only=True):
            why = appeals.why_not(ana, session().get_one(Conversion, sale.id))
        assert isinstance(why, appeals.IsYours)

    def test_an_appeal_of_the_sale_brings_back_the_sales_reward_alone(
        self, cast: Cast, ana: Membership
    ) -> None:
        sell(cast, "o-1")
        sale = sell(cast, "o-2")
        deny(ana, cast.manager)
        with transaction():
            mine = select(Reward).where(Reward.conversion_id == sale.id, Reward.granted_minor == 1_000)
            approvals.deny(session().exec(mine).one(), by=acting(cast.manager), reason="No.")
        with transaction():
            me = acting(get_person(ana.person_id))
            asked = appeals.appeal(ana, sale.id, words="It was mine.", by=me).id
        with transaction():
            appeals.grant(appeals.get_appeal(asked), by=acting(cast.hub_admin), reason="It was.")
        assert lines(ana) == [("earned", "denied", 5_000)]
        assert ordinary(ana) == [("pending", 1_000), ("denied", 1_000), ("pending", 1_000)]
