"""A review holds what is not paid; cleared it goes on, confirmed it goes back; nothing slips past an assessment."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

from advocates.membership import get_membership
from core import db
from core.access import COMMAND
from core.clock import at, now
from core.errors import SpokesError
from core.outbox import OutboxMessage
from core.people import get_person
from hub import actions, metrics
from hub.roles import give_role
from referrals.conversions.conversions import Conversion
from referrals.fraud import fraud_cases, fraud_work
from referrals.fraud.fraud_addresses import digest
from referrals.fraud.fraud_cases import FraudCase, NotOpen, OwnCase, ReasonNeeded
from referrals.links.links import Link
from rewards.approvals import approvals, reviews
from rewards.approvals.reviews import FAIR_WORDS, InReview
from rewards.grants import open_after_hold
from rewards.ledger import proof
from rewards.payouts import payouts
from rewards.reward import Reward
from tests.at_once import at_once
from tests.factories import Cast, acting
from tests.referrals.fraud_stories import case_of, odd, told
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.stories import percent_rule, points_rule, ready_account, seen


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        percent_rule(cast.programme)
        points_rule(cast.programme, "sale", 7)
        member = make_earner(cast.programme)
        ready_account(member)
        return make_link(member, "ana")


def rewards_of(conversion_id: str) -> dict[str, list[tuple[str, int]]]:
    """Currency → state and amount of each line of a conversion."""
    with db.transaction(read_only=True) as session:
        found: dict[str, list[tuple[str, int]]] = {}
        lines = select(Reward).where(Reward.conversion_id == conversion_id).order_by(Reward.id)
        for each in session.exec(lines):
            found.setdefault(each.currency, []).append((each.state, each.amount_minor))
        return found


def money_of(conversion_id: str) -> Reward:
    with db.transaction(read_only=True) as session:
        wanted = select(Reward).where(Reward.conversion_id == conversion_id, Reward.currency == "EUR")
        return session.exec(wanted.order_by(Reward.id)).all()[0]


def nothing_is_wrong() -> bool:
    with db.transaction(read_only=True):
        return proof.problems() == [] and metrics.differences() == []


def mails() -> list[tuple[str, str]]:
    """Subject and text of every mail about a review, the oldest first."""
    with db.transaction(read_only=True) as session:
        left = session.exec(select(OutboxMessage).where(col(OutboxMessage.step).startswith("review_decided")))
        found = sorted(left, key=lambda each: each.id)
    return [(each.content["subject"], each.content["text"]) for each in found]


def decide(cast: Cast, conversion_id: str, act: str, reason: str = "Placed by a colleague") -> None:
    verb = {
        "clear": fraud_cases.clear,
        "confirm": fraud_cases.confirm,
        "reopen": fraud_cases.reopen,
        "overturn": fraud_cases.overturn,
    }[act]
    with db.transaction() as session:
        case = session.get_one(FraudCase, case_of_id(conversion_id))
        verb(case, by=acting(cast.manager), reason=reason)


def case_of_id(conversion_id: str) -> str:
    wanted = select(FraudCase.id).where(FraudCase.conversion_id == conversion_id)
    return db.session().exec(wanted).one()


def test_a_review_holds_with_fair_words_and_asks_the_manager_until_a_day(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    reward = money_of(order)
    assert (reward.state, reward.state_reason) == ("held", FAIR_WORDS)
    assert "colleague" not in FAIR_WORDS
    with db.transaction(read_only=True):
        waiting = actions.waiting_for(acting(cast.manager), kind="fraud.review").items
        assert [(each.right, each.unit_id) for each in waiting] == [("fraud.decide", cast.north.id)]
        assert "colleague" in waiting[0].summary
        assert waiting[0].due_at < now() + timedelta(days=6)
        assert actions.waiting_for(acting(cast.other_manager), kind="fraud.review").items == []
    assert nothing_is_wrong()


def test_nothing_under_review_becomes_payable_by_time(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    with at(now() + timedelta(days=4_000)):
        fraud_work.assess_due()
        open_after_hold()
        assert money_of(order).state == "held"


def test_without_any_hold_nothing_is_opened_before_it_was_looked_at(cast: Cast, link: Link) -> None:
    with db.transaction() as session:
        programme = session.get_one(type(cast.programme), cast.programme.id)
        programme.hold_days = 0
        session.add(programme)
    with db.transaction():
        good = bring(cast.north.id, code="ana").id
        bad = bring(cast.north.id, code="ana", customer={"email_sha256": staff_hash(cast)}).id
    with at(now() + timedelta(seconds=1)):
        open_after_hold()  # the clock opens before the clock has looked
    assert (money_of(good).state, money_of(bad).state) == ("approvable", "held")
    assert case_of(bad).state == "open"
    assert fraud_work.assess_due() == 0


def staff_hash(cast: Cast) -> str:
    return digest(cast.marketing.email)


def test_opening_itself_demands_that_somebody_looked(cast: Cast, link: Link) -> None:
    order = told(cast.north)
    with db.transaction() as session:
        fraud_work.ask_again([order])
        opened = select(Reward.id).where(Reward.conversion_id == order, reviews.looked_at())
        assert session.exec(opened).all() == []


def test_a_cleared_reward_goes_on_where_it_was(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    decide(cast, order, "clear", "She asked us before.")
    assert (money_of(order).state, money_of(order).state_reason) == ("pending", "")
    with at(now() + timedelta(days=31)):
        fraud_work.assess_due()
        assert open_after_hold() == 1
    assert (case_of(order).state, money_of(order).state) == ("cleared", "approvable")
    assert nothing_is_wrong()


def test_a_review_that_ends_after_the_hold_puts_the_reward_on_the_list(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    with at(now() + timedelta(days=31)):
        decide(cast, order, "clear")
        with db.transaction(read_only=True):
            kinds = actions.counts_for(acting(cast.manager))
    assert kinds == {"reward.approve": 1}
    assert money_of(order).state == "approvable"


def test_a_confirmed_conversion_is_nobodys_and_its_rewards_are_denied_with_the_reason(
    cast: Cast, link: Link
) -> None:
    order = odd(cast.north, cast.marketing, external_id="o-1")
    decide(cast, order, "confirm", "The buyer works for us")
    assert rewards_of(order) == {"EUR": [("denied", 1_290)], "PTS": [("credited", 7), ("credited", -7)]}
    assert "The buyer works for us" in money_of(order).state_reason
    assert [("does not count" in subject, "The buyer works for us" in text) for subject, text in mails()] == [
        (True, True)
    ]
    with db.transaction(read_only=True) as session:
        found = session.get_one(Conversion, order)
        assert (found.membership_id, found.reason) == (None, "nobody's: The buyer works for us")
        for metric in ("sales", "revenue:EUR", "points"):
            assert metrics.value_of(metric, "all", link.membership_id) == 0
    assert nothing_is_wrong()
    with db.transaction():
        give_back(cast.north.id, "o-1", 12_900)
    assert nothing_is_wrong()


def test_a_confirmation_takes_back_what_was_paid_already(cast: Cast, link: Link) -> None:
    order = told(cast.north, external_id="o-1", metadata={"email_domain": "mailinator.com"})
    pay(cast, order)
    with db.transaction():
        give_back(cast.north.id, "o-1", 2_900)  # ten of a hundred and twenty-nine go back with it
    with db.transaction() as session:
        case = session.get_one(FraudCase, case_of_id(order))
        case.state = "open"
        session.add(case)
    decide(cast, order, "confirm", "A bot")
    assert rewards_of(order)["EUR"] == [("in_payout", 1_290), ("approved", -290), ("approved", -1_000)]
    assert nothing_is_wrong()
    with db.transaction():
        give_back(cast.north.id, "o-1", 10_000)  # nothing is left to take
    assert sum(amount for _state, amount in rewards_of(order)["EUR"]) == 0
    assert nothing_is_wrong()


def approve(cast: Cast, conversion_id: str) -> None:
    with at(now() + timedelta(days=31)):
        fraud_work.assess_due()
        open_after_hold()
        with db.transaction() as session:
            reward = session.get_one(Reward, money_of_id(conversion_id))
            approvals.approve(seen(reward), by=acting(cast.manager))


def money_of_id(conversion_id: str) -> str:
    wanted = select(Reward.id).where(Reward.conversion_id == conversion_id, Reward.currency == "EUR")
    return db.session().exec(wanted.order_by(Reward.id)).first() or ""


def pay(cast: Cast, conversion_id: str) -> None:
    approve(cast, conversion_id)
    with at(now() + timedelta(days=32)), db.transaction():
        payouts.run_now(cast.programme, by=acting(cast.finance))


def test_a_late_refund_voids_an_approval_that_is_not_paid(cast: Cast, link: Link) -> None:
    orders = [
        told(
            cast.north,
            external_id=f"o-{n}",
            occurred_at=(now() + timedelta(hours=2 * n)).isoformat(),
            metadata={"email_domain": "mailinator.com"},
        )
        for n in range(6)
    ]
    approve(cast, orders[5])
    with db.transaction():
        for n in range(4):
            give_back(cast.north.id, f"o-{n}", 12_900)
    assert reviews.reassess() == 2  # what is unpaid: four went back in full
    fraud_work.assess_due()
    assert [case_of(each).state for each in orders[4:]] == ["open", "open"]
    assert [money_of(each).state for each in orders[4:]] == ["held", "held"]
    assert money_of(orders[5]).approved_by is None
    assert nothing_is_wrong()
    assert reviews.reassess() <= 2  # what spoke anew is told once more, and then there is nothing new
    fraud_work.assess_due()
    assert reviews.reassess() == 0


def test_nothing_is_approved_past_news_that_nobody_looked_at(cast: Cast, link: Link) -> None:
    order = told(cast.north)
    with at(now() + timedelta(days=31)):
        open_after_hold()
        with db.transaction() as session:
            found = session.get_one(Conversion, order)
            found.email_sha256, found.assessed_at = staff_hash(cast), None
            session.add(found)
        with db.transaction(read_only=True):
            picked, by = seen(money_of_row(order)), acting(cast.manager)
        with pytest.raises(approvals.RewardsChanged), db.transaction():
            approvals.approve(picked, by=by)
    assert money_of(order).state == "approvable"
    fraud_work.assess_due()
    assert money_of(order).state == "held"


def money_of_row(conversion_id: str) -> Reward:
    return db.session().get_one(Reward, money_of_id(conversion_id))


def test_what_is_in_a_payout_stays_there_and_the_case_is_still_opened(cast: Cast, link: Link) -> None:
    order = told(cast.north)
    pay(cast, order)
    with db.transaction() as session:
        found = session.get_one(Conversion, order)
        found.email_sha256, found.assessed_at = staff_hash(cast), None
        session.add(found)
    fraud_work.assess_due()
    assert (case_of(order).state, money_of(order).state) == ("open", "in_payout")
    assert nothing_is_wrong()


def test_rewards_in_a_review_are_decided_in_the_review_only(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    with db.transaction(read_only=True):
        manager = acting(cast.manager)

    def deny(reward: Reward) -> None:
        approvals.deny(reward, by=manager, reason="no")

    def hold(reward: Reward) -> None:
        approvals.hold(reward, by=manager, reason="wait")

    def release(reward: Reward) -> None:
        approvals.release(reward, by=manager)

    for act in (deny, hold, release):
        with pytest.raises(InReview), db.transaction() as session:
            act(session.get_one(Reward, money_of_id(order)))


def test_what_a_person_held_stays_held_after_the_review(cast: Cast, link: Link) -> None:
    with db.transaction() as session:
        order = bring(cast.north.id, code="ana", customer={"email_sha256": staff_hash(cast)}).id
        reward = session.get_one(Reward, money_of_id(order))
        approvals.hold(reward, by=acting(cast.manager), reason="I want the invoice first.")
    fraud_work.assess_due()
    assert money_of(order).state_reason == FAIR_WORDS
    decide(cast, order, "clear")
    assert (money_of(order).state, money_of(order).state_reason) == ("held", "I want the invoice first.")


def test_a_cleared_case_is_opened_again_by_more_evidence_only_or_by_a_person(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    decide(cast, order, "clear")
    with db.transaction():
        fraud_work.ask_again([order])
    fraud_work.assess_due()
    assert case_of(order).state == "cleared"
    with db.transaction() as session:
        found = session.get_one(Conversion, order)
        found.details, found.assessed_at = {"email_domain": "mailinator.com"}, None
        session.add(found)
    fraud_work.assess_due()
    assert (case_of(order).state, money_of(order).state) == ("open", "held")
    decide(cast, order, "clear")
    decide(cast, order, "reopen", "The card came back stolen.")
    assert (case_of(order).state, money_of(order).state) == ("open", "held")
    assert nothing_is_wrong()


def test_a_mistaken_confirmation_is_taken_back_with_fresh_rewards(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    decide(cast, order, "confirm")
    decide(cast, order, "overturn", "It was her own shop’s order after all")
    assert ["counts again" in subject for subject, _text in mails()] == [False, True]
    assert [state for state, _amount in rewards_of(order)["EUR"]] == ["denied", "pending"]
    assert sum(amount for _state, amount in rewards_of(order)["PTS"]) == 7
    assert fraud_work.assess_due() == 1
    assert case_of(order).state == "cleared"  # the same evidence does not open it again
    with db.transaction(read_only=True):
        assert metrics.value_of("sales", "all", link.membership_id) == 1
    assert nothing_is_wrong()


def test_two_who_decide_at_once_decide_once(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    done = at_once(lambda: decide(cast, order, "confirm"), lambda: decide(cast, order, "clear"))
    refused = [each for each in done if isinstance(each, SpokesError)]
    assert len(refused) == 1, done
    assert isinstance(refused[0], NotOpen)
    assert nothing_is_wrong()


def test_nobody_decides_about_their_own_nor_without_a_reason(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    with db.transaction() as session:
        ana = get_person(get_membership(link.membership_id).person_id)
        give_role(ana, "manager", cast.north.id, by=COMMAND)
        case = session.get_one(FraudCase, case_of_id(order))
        with pytest.raises(OwnCase):
            fraud_cases.clear(case, by=acting(ana), reason="It was me.")
        with pytest.raises(ReasonNeeded):
            fraud_cases.clear(case, by=acting(cast.manager), reason="  ")
