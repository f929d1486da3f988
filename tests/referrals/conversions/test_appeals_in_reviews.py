"""Appeals and reviews of the same conversion: each waits for the other, and nothing is decided past it."""

import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from advocates.membership import Membership
from core import db
from core.people import get_person
from referrals.conversions import appeals, reassignment
from referrals.conversions.appeals import InReview, OwnDecision
from referrals.conversions.conversion_rows import Conversion
from referrals.fraud import fraud_cases, fraud_work
from referrals.fraud.fraud_addresses import digest
from referrals.fraud.fraud_cases import FraudCase
from tests.at_once import while_open
from tests.factories import Cast, acting, sign_in
from tests.referrals.conversions.appealing import answer, ask, lost, money, nothing_is_wrong
from tests.referrals.fraud_stories import odd


def test_during_a_review_nothing_is_appealed_and_nothing_moves(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    _ana, bo = two
    order = odd(cast.north, cast.marketing, coupon="BOB10")
    with pytest.raises(InReview):
        ask(bo, order)
    with db.transaction() as session:
        found, by = session.get_one(Conversion, order), acting(cast.manager)
        with pytest.raises(reassignment.UnderReview):
            reassignment.reassign(found, None, link_id=None, why="x", by=by)


def test_a_review_that_is_being_opened_is_seen_before_its_conversion_moves(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    _ana, bo = two
    order = lost(cast, customer={"email_sha256": digest(cast.marketing.email)})
    asked = ask(bo, order)
    done = while_open(lambda: fraud_work.assess_now([order]), lambda: answer(cast, asked))
    assert isinstance(done, reassignment.UnderReview)
    assert nothing_is_wrong()


def test_a_review_is_not_opened_again_of_what_is_going_to_somebody_else(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    _ana, bo = two
    order = odd(cast.north, cast.marketing, coupon="BOB10")
    with db.transaction() as session:
        case_id = session.exec(select(FraudCase.id)).one()
        fraud_cases.clear(fraud_cases.get_case(case_id), by=acting(cast.manager), reason="Known to us.")
    asked = ask(bo, order)

    def grant() -> None:
        appeals.grant(appeals.get_appeal(asked), by=acting(cast.manager), reason="His coupon.")

    def reopen() -> None:
        with db.transaction():
            fraud_cases.reopen(fraud_cases.get_case(case_id), by=acting(cast.manager), reason="Look again.")

    assert isinstance(while_open(grant, reopen), fraud_cases.NotDecided)
    with db.transaction(read_only=True):
        assert not fraud_cases.under_review(order)
    assert nothing_is_wrong()


def test_a_decision_waits_for_the_assessment_that_is_looking_at_the_same_conversion(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    order = odd(cast.north, cast.marketing)

    def confirm() -> None:
        with db.transaction() as session:
            case = session.exec(select(FraudCase)).one()
            fraud_cases.confirm(case, by=acting(cast.manager), reason="A colleague bought it")

    def note() -> None:
        fraud_work.assess_now([order])

    assert while_open(lambda: fraud_work.ask_again([order]), confirm, note) is None
    with db.transaction(read_only=True) as session:
        assert session.get_one(Conversion, order).membership_id is None
    assert nothing_is_wrong()


def test_who_cannot_appeal_during_a_review_is_told_why(
    cast: Cast, two: tuple[Membership, Membership], client: FlaskClient
) -> None:
    ana, bo = two
    order = odd(cast.north, cast.marketing, coupon="BOB10")
    words = "This one is being reviewed. You can ask for a second look when that is decided."
    with db.transaction(read_only=True):
        people = [(get_person(bo.person_id), True), (get_person(ana.person_id), False)]
    for person, told in people:
        sign_in(client, person)
        page = client.get(f"/portal/conversions/{order}").text
        assert (words in page, 'name="words"' in page) == (told, False)
        client.post("/logout")


def test_an_appeal_against_a_confirmed_review_clears_it(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, _bo = two
    order = odd(cast.north, cast.marketing)
    with db.transaction() as session:
        case = session.exec(select(FraudCase)).one()
        fraud_cases.confirm(case, by=acting(cast.manager), reason="A colleague bought it")
    asked = ask(ana, order, "She bought it for her mother.")
    for verb in ("grant", "reject"):  # nobody looks at their own decision again
        with pytest.raises(OwnDecision):
            answer(cast, asked, verb)
    answer(cast, asked, who="hub_admin", reason="That is fine.")
    assert [state for state, _amount in money(ana, order)] == ["denied", "pending"]
    fraud_work.assess_due()
    with db.transaction(read_only=True) as session:
        assert session.exec(select(FraudCase)).one().state == "cleared"
    assert nothing_is_wrong()
