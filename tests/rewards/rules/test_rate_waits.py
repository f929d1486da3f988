"""Rewards that wait for an exchange rate: found, held and granted once it is there."""

import threading
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from core.people import get_person
from hub.programmes import get_programme
from referrals.conversions.conversions import get_conversion
from referrals.conversions.reassignment import reassign
from referrals.fraud.fraud_cases import FraudCase
from rewards import grants, late_grants
from rewards.taking_back import disputed
from tests.factories import Cast, acting, sign_in
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.rules.rate_stories import asked_for, enter, paid_in_euros, rewards_of, rule_in_euros, sold


@pytest.fixture
def ana(cast: Cast) -> Membership:
    return paid_in_euros(cast)


def test_without_a_rate_a_reward_waits_for_it_and_is_then_what_it_would_have_been(
    cast: Cast, ana: Membership
) -> None:
    conversion, granted = sold(ana)
    other, _none = sold(ana, 20_000, "CHF")
    assert granted == []
    assert asked_for(cast) == [f"{each} in EUR, {now():%Y-%m-%d}" for each in ("CHF", "USD")]
    assert late_grants.grant_waiting() == 0
    enter(cast, ("EUR", "USD", "1.085"))
    assert late_grants.grant_waiting() == 1
    assert late_grants.grant_waiting() == 0
    (reward,) = rewards_of(conversion)
    assert (reward.amount_minor, reward.currency, reward.state) == (1_000, "EUR", "pending")
    assert asked_for(cast) == [f"CHF in EUR, {now():%Y-%m-%d}"]
    assert rewards_of(other) == []
    with transaction():
        grants.grant_for_conversion(conversion)
    assert len(rewards_of(conversion)) == 1


def test_two_clocks_grant_what_waited_once(cast: Cast, ana: Membership) -> None:
    waiting = [sold(ana)[0] for _ in range(4)]
    enter(cast, ("USD", "EUR", "0.9"))
    found: list[int] = []
    clocks = [threading.Thread(target=lambda: found.append(late_grants.grant_waiting())) for _ in range(2)]
    for each in clocks:
        each.start()
    for each in clocks:
        each.join()
    assert sum(found) == 4
    assert [len(rewards_of(each)) for each in waiting] == [1] * 4


def test_refunds_before_the_rate_are_taken_off_and_after_it_by_the_rate_that_was(
    cast: Cast, ana: Membership
) -> None:
    with transaction():
        make_link(make_earner(cast.programme, "Bo"), "bob")
        order = bring(cast.north.id, code="bob", amount_minor=10_850, currency="USD", external_id="usd-1").id
        give_back(cast.north.id, "usd-1", 1_085)
    assert rewards_of(order) == []
    enter(cast, ("EUR", "USD", "1.085"))
    assert late_grants.grant_waiting() == 1
    (reward,) = rewards_of(order)
    assert (reward.granted_minor, reward.amount_minor) == (1_000, 900)
    enter(cast, ("EUR", "USD", "2"))
    with transaction():
        give_back(cast.north.id, "usd-1", 9_765, external_id="the-rest")
    assert [each.amount_minor for each in rewards_of(order)] == [0]


def test_a_dispute_and_a_review_hold_what_is_granted_late(cast: Cast, ana: Membership) -> None:
    reviewed, disputed_ = sold(ana)[0], sold(ana)[0]
    over, _none = sold(ana)
    with transaction():
        session().add(case_of_sale(reviewed, ana))
        disputed.review(disputed_, {"pi_1": ["du_1"]})
        disputed.review(over, {"pi_2": ["du_2"]})
        disputed.review(over, {})
    enter(cast, ("EUR", "USD", "1.085"))
    assert late_grants.grant_waiting() == 3
    states = {each: [one.state for one in rewards_of(each)] for each in (reviewed, disputed_, over)}
    assert states == {reviewed: ["held"], disputed_: ["held"], over: ["pending"]}
    with transaction():
        disputed.review(disputed_, {})
    assert [each.state for each in rewards_of(disputed_)] == ["pending"]


def case_of_sale(conversion_id: str, member: Membership) -> FraudCase:
    return FraudCase(
        conversion_id=conversion_id, membership_id=member.id, programme_id=member.programme_id,
        unit_id=member.unit_id, score=99, signals=[], state="open",
    )  # fmt: skip


def test_advocate_and_staff_see_what_a_sale_without_a_reward_waits_for(
    cast: Cast, client: FlaskClient
) -> None:
    with transaction():
        rule_in_euros(cast)
        get_programme(cast.programme.id).time_zone = "UTC"
        bob = make_earner(cast.programme, "Bob")
        make_link(bob, "bob")
        conversion = bring(cast.north.id, code="bob", amount_minor=10_850, currency="USD").id
        person = get_person(bob.person_id)
    for who, page in ((person, "/portal/conversions"), (cast.manager, "/console/conversions")):
        sign_in(client, who)
        shown = client.get(f"{page}/{conversion}").text
        assert f"waits until finance has entered what USD was worth on {now():%Y-%m-%d}" in shown


def test_what_waits_for_a_rate_that_is_there_is_found_by_the_proof(cast: Cast, ana: Membership) -> None:
    sold(ana)
    enter(cast, ("EUR", "USD", "1.085"))
    with at(now() + timedelta(minutes=11)):
        with transaction(read_only=True):
            assert [each.partition(" on ")[0] for each in late_grants.stuck()] == [
                "rewards wait for USD in EUR"
            ]
        late_grants.grant_waiting()
        with transaction(read_only=True):
            assert late_grants.stuck() == []


def test_whoever_lost_the_sale_meanwhile_is_granted_nothing(cast: Cast, ana: Membership) -> None:
    conversion, _none = sold(ana)
    with transaction():
        reassign(get_conversion(conversion), None, link_id=None, why="a mistake", by=acting(cast.manager))
    enter(cast, ("EUR", "USD", "1.085"))
    assert late_grants.grant_waiting() == 0
    assert rewards_of(conversion) == []
