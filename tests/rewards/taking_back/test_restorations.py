"""Refunds that come back: what they took is given again, once, to whom it was taken from, and scoreboard and books agree."""

from datetime import timedelta
from functools import partial

import pytest
from sqlmodel import col, select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from hub import metrics
from referrals.conversions import refunds
from referrals.conversions.conversions import Conversion, Refund
from referrals.conversions.reassignment import reassign
from rewards import grants
from rewards.approvals import approvals
from rewards.ledger import ledger, proof
from rewards.reward import Reward
from rewards.taking_back import restorations, write_offs
from tests.at_once import while_open
from tests.factories import Cast, acting, make_staff
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.stories import percent_rule, points_rule, seen


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        points_rule(cast.programme, "sale", 50)
        member = make_earner(cast.programme)
        make_link(member, "ana")
    return member


@pytest.fixture
def sale(cast: Cast, ana: Membership) -> Conversion:
    """129.00 EUR that earned 12.90 and 50 points."""
    with transaction():
        return bring(cast.north.id, code="ana", amount_minor=12_900)


def back(cast: Cast, sale: Conversion, amount_minor: int, name: str = "r-1") -> Refund:
    with transaction():
        return give_back(cast.north.id, sale.external_id, amount_minor, external_id=name)


def undo(refund: Refund) -> bool:
    with transaction():
        return refunds.undo(session().get_one(Refund, refund.id))


def approve(cast: Cast) -> None:
    """After the hold."""
    with at(now() + timedelta(days=31)):
        grants.open_after_hold()
        with transaction():
            waiting = session().exec(select(Reward).where(Reward.state == "approvable")).all()
            approvals.approve(seen(*waiting), by=acting(cast.manager))


def lines() -> list[tuple[str, str, int]]:
    """Kind, state, amount of every line of money; scoreboard and books are proven on the way."""
    with transaction(read_only=True):
        assert (proof.problems(), metrics.differences()) == ([], [])
        found = session().exec(select(Reward).where(Reward.currency == "EUR").order_by(col(Reward.id))).all()
        return [(each.kind, each.state, each.amount_minor) for each in found]


def owed(member: Membership) -> tuple[int, int, int]:
    """Waiting, approved, points."""
    with transaction(read_only=True):
        places = (
            (ledger.pending(member.id), "EUR"),
            (ledger.payable(member.id), "EUR"),
            (ledger.points(member.id), "PTS"),
        )
        return tuple(ledger.balance(*each) for each in places)  # type: ignore[return-value]  # three of them


def test_an_undecided_reward_is_as_it_was_and_is_looked_at_anew(
    cast: Cast, ana: Membership, sale: Conversion
) -> None:
    refund = back(cast, sale, 6_450)
    assert owed(ana) == (645, 0, 25)
    assert [undo(refund), undo(refund)] == [True, False]
    assert (lines(), owed(ana)) == ([("earned", "pending", 1_290)], (1_290, 0, 50))
    with transaction(read_only=True):
        assert session().get_one(Conversion, sale.id).refunded_minor == 0
        assert metrics.value_of("revenue:EUR", "all", ana.id) == 12_900
        said = session().exec(select(Reward.arithmetic).where(Reward.currency == "EUR")).one()
    assert said.endswith("€6.45 taken back; the refund came back: €6.45 given again")


def test_what_was_gone_altogether_is_there_again(cast: Cast, ana: Membership, sale: Conversion) -> None:
    refund = back(cast, sale, 12_900)
    assert lines() == [("earned", "reversed", 0)]
    with transaction(read_only=True):
        assert metrics.value_of("sales", "all", ana.id) == 0
    undo(refund)
    assert (lines(), owed(ana)) == ([("earned", "pending", 1_290)], (1_290, 0, 50))
    with transaction(read_only=True):
        assert metrics.value_of("sales", "all", ana.id) == 1
    approve(cast)
    assert lines() == [("earned", "approved", 1_290)]


def test_what_was_approved_gets_a_line_that_offsets_the_one_that_took(
    cast: Cast, ana: Membership, sale: Conversion
) -> None:
    approve(cast)
    refund = back(cast, sale, 6_450)
    undo(refund)
    assert lines() == [
        ("earned", "approved", 1_290),
        ("clawback", "approved", -645),
        ("restored", "approved", 645),
    ]
    assert owed(ana) == (0, 1_290, 50)
    with transaction():
        restorations.restore_for_refund(refund.id)
    assert len(lines()) == 3


def test_what_shrank_and_was_approved_since_comes_back_to_be_approved(
    cast: Cast, ana: Membership, sale: Conversion
) -> None:
    refund = back(cast, sale, 6_450)
    approve(cast)
    undo(refund)
    assert lines() == [("earned", "approved", 645), ("earned", "approvable", 645)]
    assert owed(ana)[:2] == (645, 645)


def test_a_refund_after_one_that_came_back_takes_its_own_part_only(
    cast: Cast, ana: Membership, sale: Conversion
) -> None:
    undo(back(cast, sale, 6_450))
    back(cast, sale, 3_225, "r-2")
    assert owed(ana) == (968, 0, 38)  # three quarters, halves to even
    back(cast, sale, 9_675, "r-3")
    assert (lines(), owed(ana)) == ([("earned", "reversed", 0)], (0, 0, 0))


def test_an_earlier_refund_that_comes_back_makes_the_sale_count_again(
    cast: Cast, ana: Membership, sale: Conversion
) -> None:
    first = back(cast, sale, 2_900)
    back(cast, sale, 10_000, "r-2")
    with transaction(read_only=True):
        assert metrics.value_of("sales", "all", ana.id) == 0
    undo(first)
    with transaction(read_only=True):
        assert metrics.value_of("sales", "all", ana.id) == 1
    assert lines() == [("earned", "pending", 290)]


def test_what_was_written_off_is_not_given_again(cast: Cast, ana: Membership, sale: Conversion) -> None:
    approve(cast)
    refund = back(cast, sale, 6_450)
    with transaction():
        colleague = make_staff("Fred Ledger", "finance", cast.north)
        line = session().exec(select(Reward).where(Reward.kind == "clawback", Reward.currency == "EUR")).one()
        write_offs.ask(line, by=acting(cast.finance), reason="never mind")
        write_offs.confirm(line, by=acting(colleague))
    undo(refund)
    assert lines() == [("earned", "approved", 1_290), ("clawback", "reversed", -645)]
    assert owed(ana)[1] == 1_290


def test_of_a_sale_that_went_to_somebody_else_only_they_get_it_again(
    cast: Cast, ana: Membership, sale: Conversion
) -> None:
    approve(cast)
    refund = back(cast, sale, 6_450)
    with transaction():
        bo = make_earner(cast.programme, "Bo Other")
        conversion = session().get_one(Conversion, sale.id)
        reassign(conversion, bo, link_id=None, why="it was Bo's", by=acting(cast.hub_admin))
    assert owed(ana)[:2] == (0, 0)
    assert owed(bo)[:2] == (645, 0)
    undo(refund)
    assert owed(ana)[:2] == (0, 0)
    assert owed(bo)[:2] == (1_290, 0)
    assert lines()[-1] == ("earned", "pending", 1_290)


def test_a_sale_that_came_back_to_its_first_advocate_gives_it_once(
    cast: Cast, ana: Membership, sale: Conversion
) -> None:
    approve(cast)
    refund = back(cast, sale, 12_900)
    with transaction():
        bo = make_earner(cast.programme, "Bo Other")
        for to in (bo, ana):
            conversion = session().get_one(Conversion, sale.id)
            reassign(conversion, to, link_id=None, why="decided", by=acting(cast.hub_admin))
    undo(refund)
    assert (owed(ana)[:2], owed(bo)[:2]) == ((1_290, 0), (0, 0))


def test_a_refund_and_the_approval_of_what_came_back_wait_for_each_other(
    cast: Cast, ana: Membership, sale: Conversion
) -> None:
    first = back(cast, sale, 6_450)
    approve(cast)
    undo(first)
    with transaction(read_only=True):
        picked = seen(session().exec(select(Reward).where(Reward.state == "approvable")).one())

    def approves() -> None:
        with transaction():
            approvals.approve(picked, by=acting(cast.manager))

    again = partial(give_back, cast.north.id, sale.external_id, 3_000, external_id="r-2")
    assert isinstance(while_open(again, approves), approvals.RewardsChanged)
    assert lines() == [("earned", "approved", 645), ("earned", "approvable", 345)]
