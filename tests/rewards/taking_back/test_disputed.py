"""While a sale's dispute is open nothing that it earns goes on to approval, whenever and however it was granted."""

import pytest
from sqlmodel import col, select

from advocates.membership import Membership
from core.access import COMMAND
from core.db import session, transaction
from core.money import Money
from referrals.conversions import refunds
from referrals.conversions.conversions import Conversion, Refund, get_conversion
from referrals.conversions.reassignment import reassign
from rewards.ledger import proof
from rewards.reward import Reward
from rewards.rules import rules
from rewards.rules.conditions import Conditions
from rewards.rules.rules import Terms
from rewards.taking_back import disputed
from tests.at_once import while_open
from tests.factories import Cast, acting
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.stories import LONG_AGO, percent_rule

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
        disputed.review(sale.id, disputes)


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
