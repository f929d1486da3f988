from datetime import timedelta

import pytest

from core.clock import at, now
from core.db import session, transaction
from core.money import POINTS, Money
from hub import actions, metrics
from referrals.conversions.conversions import Conversion
from rewards import grants
from rewards.grants import Reward
from rewards.ledger import ledger, proof
from rewards.reward import RewardNotFound
from tests.factories import Cast, acting, make_advocate
from tests.rewards.stories import approvable, approved, earn, percent_rule, points_rule, refund, sale


def owed(membership_id: str, currency: str = "EUR") -> dict[str, int]:
    held = ledger.balances(ledger.accounts_of(membership_id))
    return {account.rsplit(":", 1)[1]: amount for (account, its), amount in held.items() if its == currency}


def test_a_sale_earns_its_percentage_and_the_reward_explains_itself(cast: Cast) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        (reward,) = grants.grant_for_conversion(sale(ana).id)
        assert (reward.amount, reward.state, reward.rule_version) == (Money(1_290, "EUR"), "pending", 1)
        assert reward.arithmetic == "10 % of €129.00 = €12.90 (sale rule, version 1)"
        assert reward.hold_until == reward.occurred_at + timedelta(days=30)
        assert owed(ana.id) == {"pending": 1_290}
        assert ledger.balance(ledger.expense(cast.programme.id), "EUR") == -1_290
        assert proof.problems() == []


def test_a_sale_is_rewarded_once_however_often_it_is_told(cast: Cast) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        conversion = sale(ana)
        first = grants.grant_for_conversion(conversion.id)
        assert grants.grant_for_conversion(conversion.id) == first
        assert owed(ana.id) == {"pending": 1_290}


def test_nobodys_sale_and_a_sale_before_any_rule_earn_nothing(cast: Cast) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
        assert grants.grant_for_conversion(sale(ana).id) == []
        percent_rule(cast.programme)
        nobodys = sale(ana)
        nobodys.membership_id = None
        assert grants.grant_for_conversion(nobodys.id) == []
        assert grants.grant_for_conversion(sale(ana, 4).id) == []


def test_a_certification_earns_points_at_once_and_they_are_on_the_scoreboard(cast: Cast) -> None:
    metrics.metric_from("points", grants.facts_points)
    with transaction():
        points_rule(cast.programme)
        ana = make_advocate(cast.programme)
        (reward,) = grants.grant_for_certification("award-1", ana.id)
        assert grants.grant_for_certification("award-1", ana.id) == [reward]
        assert (reward.state, reward.amount) == ("credited", Money(50, POINTS))
        assert metrics.value_of("points", "all", ana.id) == 50
        assert [each for each in metrics.differences() if "'points'" in each] == []
        assert proof.problems() == []


def test_points_of_a_refunded_sale_go_back(cast: Cast) -> None:
    metrics.metric_from("points", grants.facts_points)
    with transaction():
        points_rule(cast.programme, "sale", 9)
        ana = make_advocate(cast.programme)
        conversion = sale(ana, 300)
        grants.grant_for_conversion(conversion.id)
        for _ in range(3):
            grants.reverse_for_refund(refund(conversion, 100).id)
        assert metrics.value_of("points", "all", ana.id) == 0
        assert [each for each in metrics.differences() if "'points'" in each] == []
        assert proof.problems() == []


def test_after_the_hold_the_reward_is_on_the_managers_list(cast: Cast) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        (reward,) = grants.grant_for_conversion(sale(ana).id)
    assert grants.open_after_hold() == 0
    with at(now() + timedelta(days=30)):
        assert grants.open_after_hold() == 1
        assert grants.open_after_hold() == 0
        with transaction():
            assert grants.get_reward(reward.id).state == "approvable"
            (waiting,) = actions.waiting_for(acting(cast.manager)).items
            assert waiting.summary == f"€12.90 for Ana Advocate: {reward.arithmetic}"
            assert actions.waiting_for(acting(cast.other_manager)).items == []


def test_a_refund_before_approval_makes_the_reward_smaller_and_voids_what_was_seen(cast: Cast) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
    reward_id = approvable(ana)
    with transaction():
        reward = grants.get_reward(reward_id)
        before = reward.content_hash
        conversion = session().get_one(Conversion, reward.conversion_id)
        taken = refund(conversion, 3_000)
        assert grants.reverse_for_refund(taken.id) == [reward]
        assert grants.reverse_for_refund(taken.id) == []
        assert (reward.amount_minor, reward.reversed_minor, reward.granted_minor) == (990, 300, 1_290)
        assert reward.content_hash != before
        assert "€30.00 of €129.00 was refunded: €3.00 taken back" in reward.arithmetic
        assert owed(ana.id) == {"pending": 990}
        assert proof.problems() == []


def test_a_full_refund_before_approval_reverses_the_reward_and_empties_the_list(cast: Cast) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
    reward_id = approvable(ana)
    with transaction():
        reward = grants.get_reward(reward_id)
        conversion = session().get_one(Conversion, reward.conversion_id)
        grants.reverse_for_refund(refund(conversion, 12_900).id)
        assert (reward.state, reward.amount_minor) == ("reversed", 0)
        assert actions.waiting_for(acting(cast.manager)).items == []
        assert grants.reverse_for_refund(refund(conversion, 12_900).id) == []
        assert proof.problems() == []


def test_a_refund_after_approval_is_a_negative_line(cast: Cast) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
    reward_id = approved(ana, cast.manager)
    with transaction():
        reward = grants.get_reward(reward_id)
        conversion = session().get_one(Conversion, reward.conversion_id)
        grants.reverse_for_refund(refund(conversion, 6_450).id)
        earned, clawback = grants.rewards_of_conversion(conversion.id)
        assert (earned.amount_minor, clawback.amount_minor) == (1_290, -645)
        assert (clawback.kind, clawback.state, clawback.parent_id) == ("clawback", "approved", earned.id)
        assert owed(ana.id) == {"pending": 0, "payable": 645}
        assert proof.problems() == []


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
@pytest.mark.parametrize("decided", [False, True])
def test_many_small_refunds_take_back_exactly_the_reward(cast: Cast, currency: str, decided: bool) -> None:
    with transaction():
        percent_rule(cast.programme, 3_333)
        ana = make_advocate(cast.programme)
    second = cast.finance if currency != "EUR" else None
    if decided:
        reward_id = approved(ana, cast.manager, 700, currency, second)
    else:
        reward_id = approvable(ana, 700, currency)
    with transaction():
        reward = grants.get_reward(reward_id)
        conversion = session().get_one(Conversion, reward.conversion_id)
        for _ in range(9):
            grants.reverse_for_refund(refund(conversion, 99).id)
        assert reward.reversed_minor == reward.granted_minor == 233
        assert sum(each.amount_minor for each in grants.rewards_of_conversion(conversion.id)) == 0
        assert proof.problems() == []


def test_a_parked_refund_waits_for_its_sale(cast: Cast) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        parked = refund(sale(ana), 100)
        parked.state, parked.conversion_id = "parked", None
        assert grants.reverse_for_refund(parked.id) == []


def test_a_denied_reward_is_not_taken_back_again(cast: Cast) -> None:
    from rewards.approvals import approvals

    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        reward: Reward = earn(ana)
        approvals.deny(reward, by=acting(cast.manager), reason="Paid from the own pocket.")
        conversion = session().get_one(Conversion, reward.conversion_id)
        assert grants.reverse_for_refund(refund(conversion, 12_900).id) == []
        assert owed(ana.id) == {"pending": 0}
        assert proof.problems() == []


def test_a_reward_that_cannot_be_opened_stops_none_after_it_and_the_job_says_so(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        broken, whole = earn(ana), earn(ana)
    opened = grants._open  # noqa: SLF001 - what fails is the step itself

    def fails_once(reward_id: str) -> bool:
        if reward_id == broken.id:
            raise RewardNotFound
        return opened(reward_id)

    monkeypatch.setattr(grants, "_open", fails_once)
    with pytest.raises(RewardNotFound):
        grants.open_after_hold()
    with transaction():
        assert [grants.get_reward(each.id).state for each in (broken, whole)] == ["pending", "approvable"]
