"""An appeal: once, with words, answered by somebody who may, and the conversion moves with its money and its score."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core import db
from core.access import COMMAND, Actor
from core.clock import now
from core.errors import Forbidden, NotFound, SpokesError
from core.outbox import OutboxMessage
from core.people import get_person
from hub import actions, metrics
from hub.roles import give_role
from referrals.conversions import appeals, reassignment
from referrals.conversions.appeals import (
    AlreadyAppealed,
    AlreadyDecided,
    Appeal,
    InReview,
    IsYours,
    OwnAppeal,
    OwnDecision,
    ReasonNeeded,
)
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.reassignment import IsShared, Reassignment
from referrals.fraud import fraud_cases, fraud_work
from referrals.fraud.fraud_addresses import digest
from referrals.fraud.fraud_cases import FraudCase
from rewards.approvals import approvals
from rewards.ledger import proof
from rewards.reward import Reward
from rewards.rules import rules
from rewards.rules.rules import Terms
from tests.at_once import at_once, while_open
from tests.factories import Cast, acting, sign_in
from tests.referrals.fraud_stories import odd
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.stories import percent_rule, points_rule

METRICS = ("sales", "revenue:EUR", "points")


@pytest.fixture
def two(cast: Cast) -> tuple[Membership, Membership]:
    """Ana and Bo, advocates of the same programme, each with a link."""
    with db.transaction():
        percent_rule(cast.programme)
        points_rule(cast.programme, "sale", 7)
        ana, bo = make_earner(cast.programme), make_earner(cast.programme, "Bo Advocate")
        make_link(ana, "ana")
        make_link(bo, "bob", coupon="BOB10")
        return ana, bo


def lost(cast: Cast, **changes: object) -> str:
    """An order that Ana's code won and Bo's coupon lost."""
    with db.transaction():
        return bring(
            cast.north.id, COMMAND, **{"external_id": "o-1", "code": "ana", "coupon": "BOB10", **changes}
        ).id


def ask(member: Membership, order: str, words: str = "She used my coupon.") -> str:
    with db.transaction():
        return appeals.appeal(member, order, words=words, by=acting_as(member)).id


def acting_as(member: Membership) -> Actor:
    return acting(get_person(member.person_id))


def answer(
    cast: Cast, appeal_id: str, verb: str = "grant", who: str = "manager", reason: str = "It was hers."
) -> None:
    with db.transaction():
        asked = appeals.get_appeal(appeal_id)
        {"grant": appeals.grant, "reject": appeals.reject}[verb](
            asked, by=acting(getattr(cast, who)), reason=reason
        )


def money(member: Membership, order: str) -> list[tuple[str, int]]:
    with db.transaction(read_only=True) as session:
        mine = select(Reward).where(Reward.conversion_id == order, Reward.membership_id == member.id)
        return [
            (e.state, e.amount_minor) for e in session.exec(mine.order_by(Reward.id)) if e.currency == "EUR"
        ]


def scores(member: Membership) -> tuple[int, int, int]:
    with db.transaction(read_only=True):
        sales, revenue, points = (metrics.value_of(each, "all", member.id) for each in METRICS)
        return sales, revenue, points


def nothing_is_wrong() -> bool:
    with db.transaction(read_only=True):
        return proof.problems() == [] and metrics.differences() == []


def test_a_granted_appeal_moves_the_conversion_its_rewards_and_its_score(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = lost(cast)
    with db.transaction():
        give_back(cast.north.id, "o-1", 2_900)
    assert (scores(ana), scores(bo)) == ((1, 10_000, 5), (0, 0, 0))
    answer(cast, ask(bo, order))
    assert (scores(ana), scores(bo)) == ((0, 0, 0), (1, 10_000, 5))
    assert (money(ana, order), money(bo, order)) == ([("denied", 1_000)], [("pending", 1_000)])
    assert nothing_is_wrong()
    with db.transaction(read_only=True) as session:
        found = session.get_one(Conversion, order)
        assert (found.membership_id, found.assessed_at) == (bo.id, None)  # looked at anew, for Bo
        won = [e.membership_id for e in session.exec(select(AttributionCandidate)) if e.won]
        assert won == [bo.id]
        entry = session.exec(select(Reassignment)).one()
        assert (entry.from_membership_id, entry.to_membership_id) == (ana.id, bo.id)
    with db.transaction():
        give_back(cast.north.id, "o-1", 10_000)
    assert (scores(ana), scores(bo)) == ((0, 0, 0), (0, 0, 0))
    assert nothing_is_wrong()


def test_what_was_nobodys_is_granted_by_the_rules_of_then(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    _ana, bo = two
    with db.transaction():
        when = (now() - timedelta(hours=1)).isoformat()
        order = bring(cast.north.id, coupon="BOB10", occurred_at=when).id  # before the link ran
        assert db.session().get_one(Conversion, order).membership_id is None
    with db.transaction():
        rules.change_rule(cast.programme, "sale", Terms("percent", rate_basis_points=5_000), by=COMMAND)
    answer(cast, ask(bo, order))
    assert money(bo, order) == [("pending", 1_290)]
    assert scores(bo) == (1, 12_900, 7)
    assert nothing_is_wrong()


def test_one_appeal_each_and_none_for_what_is_ones_own(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = lost(cast)
    ask(bo, order)
    with pytest.raises(AlreadyAppealed):
        ask(bo, order)
    with pytest.raises(IsYours):
        ask(ana, order)


def test_twice_at_once_is_one_appeal(cast: Cast, two: tuple[Membership, Membership]) -> None:
    _ana, bo = two
    order = lost(cast)
    done = at_once(lambda: ask(bo, order), lambda: ask(bo, order))
    assert [type(each) for each in done if isinstance(each, SpokesError)] == [AlreadyAppealed]


def test_who_was_no_candidate_finds_nothing_to_appeal(cast: Cast, two: tuple[Membership, Membership]) -> None:
    _ana, bo = two
    order = lost(cast, coupon=None)
    with pytest.raises(NotFound):
        ask(bo, order)


def test_rejecting_leaves_everything_and_answers(cast: Cast, two: tuple[Membership, Membership]) -> None:
    ana, bo = two
    order = lost(cast)
    asked = ask(bo, order)
    with pytest.raises(ReasonNeeded):
        answer(cast, asked, "reject", reason=" ")
    answer(cast, asked, "reject", reason="The code came first.")
    with db.transaction(read_only=True) as session:
        assert session.get_one(Appeal, asked).reason == "The code came first."
        assert actions.counts_for(acting(cast.manager)) == {}
    assert scores(ana) == (1, 12_900, 7)
    with pytest.raises(AlreadyDecided):
        answer(cast, asked)


@pytest.mark.parametrize(("act", "told"), [("grant", "It is yours now"), ("reject", "It stays as it was")])
def test_who_appealed_is_told_the_answer_once_by_mail_and_nobody_else_is(
    cast: Cast, two: tuple[Membership, Membership], act: str, told: str
) -> None:
    _ana, bo = two
    order = lost(cast)
    asked = ask(bo, order)
    answer(cast, asked, act, reason="We looked at both.")
    with pytest.raises(AlreadyDecided):
        answer(cast, asked, act)
    with db.transaction(read_only=True) as session:
        [left] = session.exec(select(OutboxMessage).where(col(OutboxMessage.step).startswith("appeal"))).all()
        assert left.recipient == get_person(bo.person_id).email
    for part in ("text", "html"):
        assert told in left.content[part]
        assert "We looked at both." in left.content[part]
        assert f"/portal/conversions/{order}" in left.content[part]


def test_two_answers_at_once_are_one(cast: Cast, two: tuple[Membership, Membership]) -> None:
    _ana, bo = two
    order = lost(cast)
    asked = ask(bo, order)
    done = at_once(lambda: answer(cast, asked, "grant"), lambda: answer(cast, asked, "reject"))
    assert [type(each) for each in done if isinstance(each, SpokesError)] == [AlreadyDecided]
    assert nothing_is_wrong()


def test_the_other_units_manager_knows_of_nothing(cast: Cast, two: tuple[Membership, Membership]) -> None:
    _ana, bo = two
    asked = ask(bo, lost(cast))
    with pytest.raises(NotFound):
        answer(cast, asked, who="other_manager")
    with pytest.raises(Forbidden):
        answer(cast, asked, who="finance")


def test_what_another_units_advocate_has_is_decided_above_both(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    _ana, bo = two
    with db.transaction():
        make_link(make_earner(cast.other_programme, "Cy South"), "cyd")
        order = bring(cast.hub.id, code="cyd", coupon="BOB10").id
    asked = ask(bo, order)
    for who in ("manager", "other_manager"):
        with pytest.raises(NotFound):
            answer(cast, asked, who=who)
    answer(cast, asked, who="hub_admin")
    assert scores(bo)[0] == 1
    assert nothing_is_wrong()


def test_nobody_answers_an_appeal_about_what_they_have_themselves(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    asked = ask(bo, lost(cast))
    with db.transaction():
        for member in (ana, bo):
            give_role(get_person(member.person_id), "manager", cast.north.id, by=COMMAND)
    for member in (ana, bo):
        with pytest.raises(OwnAppeal), db.transaction():
            appeals.reject(appeals.get_appeal(asked), by=acting_as(member), reason="No.")


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


def test_a_denied_reward_may_be_appealed_and_is_granted_anew(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, _bo = two
    order = lost(cast)
    with db.transaction() as session:
        mine = select(Reward).where(Reward.conversion_id == order, Reward.currency == "EUR")
        approvals.deny(session.exec(mine).one(), by=acting(cast.manager), reason="A colleague bought it.")
    asked = ask(ana, order, "She is no colleague.")
    for verb in ("grant", "reject"):
        with pytest.raises(OwnDecision):
            answer(cast, asked, verb)
    answer(cast, asked, who="hub_admin")
    assert money(ana, order) == [("denied", 1_290), ("pending", 1_290)]
    assert scores(ana) == (1, 12_900, 7)
    assert nothing_is_wrong()


def test_whoever_denied_sees_that_somebody_else_answers_and_is_refused(
    cast: Cast, two: tuple[Membership, Membership], client: FlaskClient
) -> None:
    ana, _bo = two
    order = lost(cast)
    with db.transaction() as session:
        mine = select(Reward).where(Reward.conversion_id == order, Reward.currency == "EUR")
        approvals.deny(session.exec(mine).one(), by=acting(cast.manager), reason="A colleague bought it.")
    address = f"/console/appeals/{ask(ana, order)}"
    sign_in(client, cast.manager)
    page = client.get(address).text
    assert "Somebody else has to answer the appeal" in page
    assert 'value="grant"' not in page
    assert client.post(address, data={"act": "reject", "reason": "No."}).status_code == 403
    client.post("/logout")
    sign_in(client, cast.hub_admin)
    assert 'value="grant"' in client.get(address).text
    assert client.post(address, data={"act": "reject", "reason": "No."}).status_code == 303


def test_a_shared_conversion_is_not_given_to_one(cast: Cast, two: tuple[Membership, Membership]) -> None:
    ana, bo = two
    order = shared(cast)
    with db.transaction() as session:
        found, by = session.get_one(Conversion, order), acting(cast.manager)
        with pytest.raises(IsShared):
            reassignment.reassign(found, bo, link_id=None, why="x", by=by)
    assert scores(ana)[1] + scores(bo)[1] == 12_900
    assert nothing_is_wrong()


def shared(cast: Cast, **changes: object) -> str:
    """An order that Ana and Bo share."""
    with db.transaction() as session:
        programme = session.get_one(type(cast.programme), cast.programme.id)
        programme.attribution_rule = "split"
        session.add(programme)
    return lost(cast, **changes)


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
