"""Reviews of conversions that several share: what one is suspected of holds all of it."""

import pytest
from sqlmodel import select

from advocates.membership import Membership
from core import db
from core.access import COMMAND
from core.people import get_person
from hub import actions
from hub.roles import give_role
from referrals.conversions.appeals import OwnDecision
from referrals.conversions.conversion_rows import Conversion
from referrals.fraud import fraud_cases, fraud_work
from referrals.fraud.fraud_addresses import digest
from referrals.fraud.fraud_cases import FraudCase
from tests.at_once import at_once
from tests.factories import Cast, acting
from tests.referrals.conversions.appealing import (
    acting_as,
    answer,
    ask,
    lost,
    money,
    nothing_is_wrong,
    scores,
    shared,
)
from tests.referrals.stories import bring, give_back


def test_a_shared_conversion_is_held_and_taken_from_everybody(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = shared(cast, customer={"email_sha256": digest(cast.marketing.email)})
    with db.transaction():
        give_back(cast.north.id, "o-1", 2_900)
    fraud_work.assess_due()
    assert [[state for state, _amount in money(each, order)] for each in two] == [["held"], ["held"]]
    with db.transaction() as session:
        case = session.exec(select(FraudCase)).one()
        fraud_cases.confirm(case, by=acting(cast.manager), reason="A colleague bought it")
    assert [[state for state, _amount in money(each, order)] for each in two] == [["denied"], ["denied"]]
    assert (scores(ana), scores(bo)) == ((0, 0, 0), (0, 0, 0))
    assert nothing_is_wrong()


def decide(cast: Cast, member: Membership, act: str, who: str = "manager") -> None:
    """What becomes of the case about a member's part of the only conversion with cases."""
    verbs = {"clear": fraud_cases.clear, "confirm": fraud_cases.confirm, "overturn": fraud_cases.overturn}
    with db.transaction() as session:
        case = session.exec(select(FraudCase).where(FraudCase.membership_id == member.id)).one()
        verbs[act](case, by=acting(getattr(cast, who)), reason="We looked at it.")


def bought_by(member: Membership, cast: Cast) -> str:
    """An order of 129.00 that Ana and Bo share, by one who writes their own address in another way; assessed."""
    with db.transaction() as session:
        person = get_person(member.person_id)
        person.email = "may.be.me@gmail.com"
        session.add(person)
    order = shared(cast, customer={"email_sha256": digest("maybeme+shop@googlemail.com")})
    fraud_work.assess_due()
    return order


def states(member: Membership, order: str) -> list[str]:
    return [state for state, _amount in money(member, order)]


@pytest.mark.parametrize("place", [0, 1])
def test_each_who_shares_is_assessed_and_their_review_holds_the_whole_order(
    cast: Cast, two: tuple[Membership, Membership], place: int
) -> None:
    order = bought_by(two[place], cast)
    with db.transaction(read_only=True) as session:
        case = session.exec(select(FraudCase)).one()
        assert (case.membership_id, case.state) == (two[place].id, "open")
        assert [each["signal"] for each in case.signals] == ["own_email"]
    assert [states(each, order) for each in two] == [["held"], ["held"]]


@pytest.mark.parametrize("by_appeal", [True, False])
def test_what_was_taken_from_all_who_shared_it_by_mistake_is_theirs_again_with_their_parts(
    cast: Cast, two: tuple[Membership, Membership], *, by_appeal: bool
) -> None:
    ana, bo = two
    with db.transaction():
        give_back(cast.north.id, "o-1", 100, external_id="before")
    order = bought_by(ana, cast)
    decide(cast, ana, "confirm")
    assert [scores(each) for each in two] == [(0, 0, 0), (0, 0, 0)]
    with db.transaction():
        give_back(cast.north.id, "o-1", 2_901, external_id="meanwhile")
    if by_appeal:
        asked = ask(bo, order, "I did nothing wrong.")
        with pytest.raises(OwnDecision):
            answer(cast, asked)
        answer(cast, asked, who="hub_admin")
    else:
        decide(cast, ana, "overturn")
    assert (scores(ana)[:2], scores(bo)[:2]) == ((0, 4_949), (1, 4_950))
    assert [states(each, order) for each in two] == [["denied", "pending"], ["denied", "pending"]]
    assert nothing_is_wrong()
    fraud_work.assess_due()
    with db.transaction(read_only=True) as session:
        assert session.exec(select(FraudCase.state)).one() == "cleared"
        found = session.get_one(Conversion, order)
        assert (found.shared, found.membership_id) == (True, bo.id)
    with db.transaction():
        give_back(cast.north.id, "o-1", 9_899, external_id="the-rest")
    assert [scores(each) for each in two] == [(0, 0, 0), (0, 0, 0)]
    assert nothing_is_wrong()


def test_what_two_reviews_hold_goes_on_when_both_are_cleared(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = of_two_cases(cast, two)
    decide(cast, ana, "clear")
    assert [states(each, order) for each in two] == [["held"], ["held"]]
    decide(cast, bo, "clear")
    assert [states(each, order) for each in two] == [["pending"], ["pending"]]
    assert nothing_is_wrong()


def test_a_confirmation_ends_the_other_review_of_the_same_order_until_it_is_taken_back(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = of_two_cases(cast, two)
    decide(cast, ana, "confirm")
    with db.transaction(read_only=True):
        assert not fraud_cases.under_review(order)
        assert actions.counts_for(acting(cast.manager)) == {}
    decide(cast, ana, "overturn")
    fraud_work.assess_due()
    with db.transaction(read_only=True) as session:
        found = {each.membership_id: each.state for each in session.exec(select(FraudCase))}
    assert found == {ana.id: "cleared", bo.id: "open"}
    assert [states(each, order) for each in two] == [["denied", "held"], ["denied", "held"]]
    assert nothing_is_wrong()


def of_two_cases(cast: Cast, two: tuple[Membership, Membership]) -> str:
    """An order that Ana and Bo share, placed by Ana with a card of an order of Bo's own."""
    ana, bo = two
    card = {"card_fingerprint": "one-card"}
    with db.transaction() as session:
        person = get_person(ana.person_id)
        person.email = "may.be.me@gmail.com"
        session.add(person)
        own = {"email_sha256": digest(get_person(bo.person_id).email)}
        bring(cast.north.id, coupon="BOB10", customer=own, metadata=card)
    order = shared(cast, customer={"email_sha256": digest("maybeme+shop@googlemail.com")}, metadata=card)
    fraud_work.assess_due()
    with db.transaction(read_only=True) as session:
        assert [each.state for each in session.exec(select(FraudCase))] == ["open", "open"]
    return order


@pytest.mark.parametrize("act", ["clear", "overturn"])
def test_who_shares_an_order_does_not_decide_about_the_others_part(
    cast: Cast, two: tuple[Membership, Membership], act: str
) -> None:
    ana, bo = two
    bought_by(ana, cast)
    with db.transaction():
        give_role(get_person(bo.person_id), "manager", cast.north.id, by=COMMAND)
    if act == "overturn":
        decide(cast, ana, "confirm")
    with db.transaction() as session:
        case, by = session.exec(select(FraudCase)).one(), acting_as(bo)
        with pytest.raises(fraud_cases.OwnCase):
            getattr(fraud_cases, act)(case, by=by, reason="She is honest.")


def test_a_refund_at_the_same_time_comes_before_or_after_but_not_between(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = lost(cast)
    asked = ask(bo, order)

    def refund() -> None:
        with db.transaction():
            give_back(cast.north.id, "o-1", 2_900)

    done = at_once(lambda: answer(cast, asked), refund)
    assert done == [None, None]
    assert (scores(ana), scores(bo)) == ((0, 0, 0), (1, 10_000, 5))
    assert nothing_is_wrong()
