"""Accepted activities and answers earn by rule, once, and give it back when they are taken back."""

from datetime import timedelta

import pytest
from sqlmodel import select

import reactions
from advocates import activities, activity_kinds
from advocates.activities import Activity
from advocates.activity_kinds import CountsAs
from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from core.money import POINTS, Money
from core.people import get_person
from hub import metrics
from rewards import grants
from rewards.approvals import approvals
from rewards.explanations import explain
from rewards.ledger import ledger, proof
from rewards.reward import Reward, rewards_of_activity
from rewards.rules import rules
from rewards.rules.rules import PercentOfNothing, Terms
from tests.factories import Cast, acting, make_advocate
from tests.rewards.stories import LONG_AGO, points_rule, seen


@pytest.fixture(autouse=True)
def _reactions() -> None:
    reactions.wire()


def flat_rule(cast: Cast, trigger: rules.Trigger, minor: int) -> None:
    rules.change_rule(
        cast.programme, trigger, Terms("flat", flat=Money(minor, "EUR")), by=COMMAND, valid_from=LONG_AGO
    )


def accepted(cast: Cast, member: Membership, counts_as: CountsAs = "activity", number: int = 1) -> Activity:
    kinds = activity_kinds.kinds_of(cast.programme.id)
    known = [each for each in kinds if each.counts_as == counts_as]
    kind = known[0] if known else activity_kinds.define(cast.programme, counts_as, counts_as, by=COMMAND)
    by = acting(get_person(member.person_id))
    made = activities.submit(
        member, kind.id, evidence=f"https://x.example/{counts_as}/{number}", words="", by=by
    )
    activities.accept(made, by=acting(cast.manager))
    return made


def test_an_accepted_activity_earns_money_and_points_once_and_an_answer_its_own(cast: Cast) -> None:
    with transaction():
        flat_rule(cast, "activity", 2_500)
        points_rule(cast.programme, "activity", 20)
        points_rule(cast.programme, "answer", 5)
        ana = make_advocate(cast.programme)
        activity = accepted(cast, ana)
        money, points = rewards_of_activity(activity.id)
        assert (money.amount, money.state) == (Money(2_500, "EUR"), "pending")
        assert money.arithmetic == "€25.00 for each accepted activity (activity rule, version 1)"
        assert (points.amount, points.state) == (Money(20, POINTS), "credited")
        assert grants.grant_for_activity(activity.id) == [money, points]
        (answer,) = rewards_of_activity(accepted(cast, ana, "answer").id)
        assert answer.arithmetic == "5 points for each accepted answer (answer rule, version 1)"
        assert metrics.value_of("points", "all", ana.id) == 25
        assert explain(money).activity == activity
        assert proof.problems() == []


def test_a_declined_activity_earns_nothing_and_a_later_rule_changes_nothing(cast: Cast) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
        early = accepted(cast, ana)
    with at(now() + timedelta(hours=1)), transaction():
        rules.change_rule(cast.programme, "activity", Terms("flat", flat=Money(100, "EUR")), by=COMMAND)
        assert grants.grant_for_activity(early.id) == []
        kind = activity_kinds.kinds_of(cast.programme.id)[0]
        by = acting(get_person(ana.person_id))
        late = activities.submit(ana, kind.id, evidence="https://x.example/late", words="", by=by)
        activities.decline(late, by=acting(cast.manager), reason="It is not there.")
        assert grants.grant_for_activity(late.id) == []


def test_taking_back_denies_what_waits_and_takes_points_back_at_once(cast: Cast) -> None:
    with transaction():
        flat_rule(cast, "activity", 2_500)
        points_rule(cast.programme, "activity", 20)
        ana = make_advocate(cast.programme)
        activity = accepted(cast, ana)
        activities.take_back(activity, by=acting(cast.manager), reason="It was a copy.")
        money, _points = rewards_of_activity(activity.id)
        assert (money.state, money.state_reason) == ("denied", "Not granted: It was a copy.")
        assert metrics.value_of("points", "all", ana.id) == 0
        assert grants.grant_for_activity(activity.id) == []
        reactions.activities_taken_back_earn_nothing(activities.ActivityTakenBack(activity.id, now()))
        assert metrics.value_of("points", "all", ana.id) == 0
        assert ledger.balance(ledger.pending(ana.id), "EUR") == 0
        assert proof.problems() == []


def test_what_was_approved_becomes_a_negative_line_that_names_the_activity(cast: Cast) -> None:
    with transaction():
        flat_rule(cast, "activity", 2_500)
        activity = accepted(cast, make_advocate(cast.programme))
        reward_id = rewards_of_activity(activity.id)[0].id
    with at(now() + timedelta(days=31)):
        grants.open_after_hold()
        with transaction():
            reward = grants.get_reward(reward_id)
            approvals.approve(seen(reward), by=acting(cast.manager))
        for _ in range(2):  # told twice, it is taken once
            with transaction():
                now_it_is = activities.get_activity(activity.id)
                if now_it_is.state == "accepted":
                    activities.take_back(now_it_is, by=acting(cast.manager), reason="It was a copy.")
                reactions.activities_taken_back_earn_nothing(activities.ActivityTakenBack(activity.id, now()))
    with transaction(read_only=True):
        (line,) = session().exec(select(Reward).where(Reward.parent_id == reward_id)).all()
        assert (line.amount, line.activity_id) == (Money(-2_500, "EUR"), activity.id)
        assert line.arithmetic == "€25.00 taken back: It was a copy."
        assert proof.problems() == []


def test_no_percentage_of_an_activity(cast: Cast) -> None:
    with transaction(), pytest.raises(PercentOfNothing):
        rules.change_rule(cast.programme, "activity", Terms("percent", 1_000), by=COMMAND)
