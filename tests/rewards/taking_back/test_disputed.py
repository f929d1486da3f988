"""While a sale's dispute is open nothing that it earns goes on to approval, whenever and however it was granted."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlmodel import col, select

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from core.money import Money
from referrals.conversions import refunds
from referrals.conversions.conversions import Conversion, Refund, get_conversion
from referrals.conversions.reassignment import reassign
from referrals.fraud import fraud_work
from rewards import grants
from rewards.approvals import approvals, holds, reviews, second_looks
from rewards.ledger import proof
from rewards.payouts import payout_decisions
from rewards.payouts.runs import PayoutRun
from rewards.reward import Reward, get_reward, rewards_of_conversion
from rewards.rules import rules
from rewards.rules.conditions import Conditions
from rewards.rules.rules import Terms
from rewards.taking_back import disputed
from rewards.taking_back.below import worth
from tests.at_once import while_open
from tests.factories import Cast, acting, make_staff
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import LONG_AGO, percent_rule, reserved_payouts, seen, stripe_account

SECOND_SALE = Conditions(milestones=(2,), milestone_counts="sales")


@pytest.fixture
def ana(cast: Cast) -> Membership:
    """10 % of sales, and 50.00 with the second one."""
    with transaction():
        percent_rule(cast.programme)
        terms = Terms("flat", flat=Money(5_000, "EUR"), conditions=SECOND_SALE)
        rules.change_rule(cast.programme, "milestone", terms, by=COMMAND, valid_from=LONG_AGO)
        member = make_earner(cast.programme)
        make_link(member, "ana")
    return member


def sell(cast: Cast) -> Conversion:
    with transaction():
        return bring(cast.north.id, code="ana", amount_minor=10_000)


def back(cast: Cast, sale: Conversion) -> Refund:
    with transaction():
        return give_back(cast.north.id, sale.external_id, 10_000)


def review(sale: Conversion, *disputes: str) -> None:
    with transaction():
        disputed.review(sale.id, {"pi_1": disputes})


def came_back(refund: Refund) -> None:
    with transaction():
        refunds.undo(session().get_one(Refund, refund.id))


def states(sale: Conversion) -> list[str]:
    """Of what stands of it; the proof finds nothing."""
    with transaction(read_only=True):
        assert proof.problems() == []
        wanted = select(Reward).where(Reward.conversion_id == sale.id).order_by(col(Reward.id))
        return [each.state for each in session().exec(wanted) if each.state not in {"reversed", "denied"}]


def test_what_a_refund_that_fails_gives_again_is_held_until_the_bank_has_decided(
    cast: Cast, ana: Membership
) -> None:
    sale = sell(cast)
    refund = back(cast, sale)
    review(sale, "du_1")
    came_back(refund)
    assert states(sale) == ["held"]
    review(sale)
    assert states(sale) == ["pending"]


def test_a_milestone_that_is_reached_again_is_held_with_its_sale(cast: Cast, ana: Membership) -> None:
    first, second = sell(cast), sell(cast)
    refund = back(cast, first)
    review(second, "du_1")
    came_back(refund)
    assert states(second) == ["held", "held"]
    assert states(first) == ["pending"]


def test_what_is_granted_at_the_moment_of_the_dispute_is_held(cast: Cast, ana: Membership) -> None:
    """Somebody gives the sale to another advocate, who is granted anew, and the dispute opens before that is committed."""
    sale = sell(cast)
    with transaction():
        bob = make_earner(cast.programme, "Bob")
        link_id = make_link(bob, "bob").id

    def gives() -> None:
        reassign(get_conversion(sale.id), bob, link_id=link_id, why="it was his", by=acting(cast.manager))

    while_open(gives, lambda: review(sale, "du_1"))
    assert states(sale) == ["held"]


def decide(cast: Cast, sale: Conversion, act: Callable[[Reward], object]) -> None:
    """After the hold, somebody does something with what the sale earned."""
    with at(now() + timedelta(days=31)):
        grants.open_after_hold()
        with transaction():
            (reward,) = rewards_of_conversion(sale.id)
            act(reward)


def approve(cast: Cast, sale: Conversion) -> None:
    decide(cast, sale, lambda each: approvals.approve(seen(each), by=acting(cast.manager)))


def test_what_is_approved_and_not_paid_yet_is_held_and_its_approval_void(cast: Cast, ana: Membership) -> None:
    sale = sell(cast)
    approve(cast, sale)
    review(sale, "du_1")
    assert states(sale) == ["held"]
    with at(now() + timedelta(days=32)):
        assert reserved_payouts(cast.programme, cast.finance) == []
        review(sale)
    assert states(sale) == ["approvable"]
    with transaction(read_only=True):
        (reward,) = rewards_of_conversion(sale.id)
        assert reward.approved_by is None


def test_what_a_person_released_stays_so_however_often_the_same_dispute_is_told(
    cast: Cast, ana: Membership
) -> None:
    sale = sell(cast)
    review(sale, "du_1")
    decide(cast, sale, lambda each: approvals.release(each, by=acting(cast.manager)))
    approve(cast, sale)
    review(sale, "du_1")
    assert states(sale) == ["approved"]
    decide(cast, sale, lambda each: approvals.undo(each, by=acting(cast.manager)))
    assert states(sale) == ["held"]
    review(sale, "du_1", "du_2")
    assert states(sale) == ["held"]


def test_a_second_look_forgets_neither_the_hold_nor_the_dispute(cast: Cast, ana: Membership) -> None:
    sell(cast)
    sale = sell(cast)
    review(sale, "du_1")
    with transaction():
        (milestone,) = [each for each in rewards_of_conversion(sale.id) if each.for_milestone]
        approvals.deny(milestone, by=acting(cast.manager), reason="No.")
        second_looks.ask(ana, milestone, words="Please.", by=COMMAND)
        other = make_staff("Mo Other", "manager", cast.north)
        second_looks.grant(milestone, by=acting(other), reason="Yes.")
        assert milestone.state == "held"
    review(sale)
    assert states(sale) == ["pending", "pending"]


def stopped(cast: Cast, ana: Membership, stripe: LocalStripe) -> tuple[Conversion, str]:
    """A sale that is disputed while it is in a payout, and the id of that payout, which stopped."""
    stripe_account(ana, stripe)
    sale = sell(cast)
    approve(cast, sale)
    with at(now() + timedelta(days=32)):
        (payout_id,) = reserved_payouts(cast.programme, cast.finance)
        review(sale, "du_1")
        assert states(sale) == ["in_payout"]
        with transaction():
            payout_decisions.get_payout(payout_id).state = "held"
    return sale, payout_id


def test_a_payout_that_is_taken_back_leaves_what_is_disputed_by_now_held(
    cast: Cast, ana: Membership, stripe: LocalStripe
) -> None:
    sale, payout_id = stopped(cast, ana, stripe)
    with transaction():
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    assert states(sale) == ["held"]


def then(cast: Cast, sale: Conversion, act: str) -> None:
    """After the hold somebody, or the clock, does something with what the sale earned; it opens no transaction."""
    (reward,) = rewards_of_conversion(sale.id)
    by = acting(cast.manager)
    if act == "open":
        grants._open(reward.id)  # noqa: SLF001 - one of them, as the clock's job opens many
    elif act == "approve":
        approvals.approve(seen(reward), by=by)
    elif act == "undo":
        approvals.undo(reward, by=by)
    else:
        approvals.hold(reward, by=by, reason="I want to ask first.")


@pytest.mark.parametrize(
    ("before", "act"),
    [([], "open"), (["open"], "approve"), (["open", "approve"], "undo"), (["open"], "hold")],
)
@pytest.mark.parametrize("who", ["dispute", "review"])
def test_what_is_decided_at_the_moment_of_a_dispute_or_a_review_is_held_by_it(
    cast: Cast, ana: Membership, before: list[str], act: str, who: str
) -> None:
    sale = sell(cast)
    fraud_work.assess_due()

    def opens() -> None:
        with transaction():
            if who == "dispute":
                disputed.review(sale.id, {"pi_1": ["du_1"]})
            else:
                reviews.hold(sale.id)

    with at(now() + timedelta(days=31)):
        for each in before:
            with transaction():
                then(cast, sale, each)
        while_open(lambda: then(cast, sale, act), opens)
        with transaction(read_only=True):
            (reward,) = rewards_of_conversion(sale.id)
            assert who in holds.why_held(reward)
    assert states(sale) == ["held"]


def lines_of(sale: Conversion) -> list[tuple[str, str]]:
    with transaction(read_only=True):
        assert proof.problems() == []
        return [(each.kind, each.state) for each in rewards_of_conversion(sale.id)]


def test_what_a_refund_that_came_back_gives_again_is_held_unless_it_only_undoes_what_is_still_to_be_taken(
    cast: Cast, ana: Membership, stripe: LocalStripe
) -> None:
    stripe_account(ana, stripe)
    sale = sell(cast)
    approve(cast, sale)
    came_back(back(cast, sale))
    review(sale, "du_1")
    assert lines_of(sale) == [("earned", "held"), ("clawback", "approved"), ("restored", "approved")]
    review(sale)
    with at(now() + timedelta(days=31)):
        grants.open_after_hold()
        with transaction():
            approvals.approve(seen(rewards_of_conversion(sale.id)[0]), by=acting(cast.manager))
        reserved_payouts(cast.programme, cast.finance)
    with transaction():
        refund = give_back(cast.north.id, sale.external_id, 10_000, external_id="again")
    with at(now() + timedelta(days=62)):
        reserved_payouts(cast.programme, cast.finance)
        with transaction():
            line = rewards_of_conversion(sale.id)[-1]
            line.run_id = session().exec(select(PayoutRun.id)).first()  # as if others had offset it
            line.state = "paid"
    came_back(refund)
    review(sale, "du_2")
    with transaction(read_only=True):
        assert rewards_of_conversion(sale.id)[-1].state == "held"


def test_a_second_look_waits_for_the_refund_that_takes_the_sale(cast: Cast, ana: Membership) -> None:
    sale = sell(cast)
    with transaction():
        half = give_back(cast.north.id, sale.external_id, 5_000)
    approve(cast, sale)
    came_back(half)
    with transaction():
        (line,) = [each for each in rewards_of_conversion(sale.id) if each.parent_id]
        approvals.deny(line, by=acting(cast.manager), reason="No.")
        second_looks.ask(ana, line, words="Please.", by=COMMAND)
        other, line_id = acting(make_staff("Mo Other", "manager", cast.north)), line.id

    def grants_it() -> None:
        with transaction():
            second_looks.grant(get_reward(line_id), by=other, reason="Yes.")

    answer = while_open(partial(give_back, cast.north.id, sale.external_id, 10_000), grants_it)
    assert isinstance(answer, second_looks.NotDenied)
    with transaction(read_only=True):
        (whole, *_below) = rewards_of_conversion(sale.id)
        assert (worth(whole), proof.problems()) == (0, [])


def test_a_stopped_payout_with_a_disputed_sale_is_not_sent_again(
    cast: Cast, ana: Membership, stripe: LocalStripe
) -> None:
    _sale, payout_id = stopped(cast, ana, stripe)
    with transaction(), pytest.raises(payout_decisions.StillOpen):
        payout_decisions.retry(payout_decisions.get_payout(payout_id), by=acting(cast.finance))


@pytest.mark.parametrize("how", ["won", "moved away"])
def test_a_release_survives_that_one_of_two_disputes_is_gone(ana: Membership, cast: Cast, how: str) -> None:
    sale = sell(cast)
    both = {"pi_1": ["dp_1"], "pi_2": ["dp_2"]}
    with transaction():
        disputed.review(sale.id, both)
    assert states(sale) == ["held"]
    with transaction():
        (reward,) = rewards_of_conversion(sale.id)
        approvals.release(reward, by=acting(cast.manager))
    with transaction():
        disputed.review(sale.id, both)
    assert states(sale) == ["pending"]
    with transaction():
        if how == "won":
            disputed.review(sale.id, {"pi_1": [], "pi_2": ["dp_2"]})
        else:
            disputed.move({"pi_1"}, None)
    assert states(sale) == ["pending"]
