import threading
from datetime import timedelta

import pytest
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from advocates import membership as memberships
from core.access import COMMAND
from core.audit import AuditEntry
from core.clock import at, now
from core.db import session, transaction
from core.errors import Forbidden, NotFound
from hub import actions
from hub.roles import give_role
from referrals.conversions.conversions import Conversion
from rewards import grants
from rewards.approvals import approvals, lines
from rewards.approvals.approvals import (
    NotUndecided,
    NotUndoable,
    OwnReward,
    ReasonNeeded,
    RewardsChanged,
    SamePerson,
    Seen,
    TooMany,
)
from rewards.ledger import ledger, proof
from tests.factories import Cast, acting, make_advocate
from tests.rewards.stories import approvable, approved, earn, percent_rule, refund, sale, seen

LARGE = 2_000_000
"""a sale whose reward is above the threshold of 1,000.00"""


@pytest.fixture
def ana(cast: Cast) -> memberships.Membership:
    with transaction():
        percent_rule(cast.programme)
        return make_advocate(cast.programme)


def test_an_approval_makes_the_reward_payable_and_is_on_record(
    cast: Cast, ana: memberships.Membership
) -> None:
    reward_id = approvable(ana)
    with transaction():
        done = approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager))
        assert [each.id for each in done.payable] == [reward_id]
        assert [each.format() for each in done.totals()] == ["€12.90"]
        assert ledger.balance(ledger.payable(ana.id), "EUR") == 1_290
        assert actions.waiting_for(acting(cast.manager)).items == []
    with transaction():
        entry = session().exec(select(AuditEntry).where(AuditEntry.action == "reward.approved")).one()
        assert (entry.actor_id, entry.object_id) == (cast.manager.id, reward_id)
        assert proof.problems() == []


def test_an_approval_of_something_that_changed_approves_nothing(
    cast: Cast, ana: memberships.Membership
) -> None:
    first, second = approvable(ana), approvable(ana, 5_000)
    with transaction():
        shown = seen(grants.get_reward(first), grants.get_reward(second))
        conversion = session().get_one(Conversion, grants.get_reward(second).conversion_id)
        grants.reverse_for_refund(refund(conversion, 100).id)
    with pytest.raises(RewardsChanged) as refusal, transaction():
        approvals.approve(shown, by=acting(cast.manager))
    assert refusal.value.details == {"changed": [second]}
    with transaction():
        assert {grants.get_reward(each).state for each in (first, second)} == {"approvable"}
        assert proof.problems() == []


def test_what_changed_in_the_last_piece_of_many_undoes_the_first(
    cast: Cast, ana: memberships.Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "AT_ONCE", 1)
    first, second, third = (approvable(ana, amount) for amount in (12_900, 5_000, 7_000))
    with transaction():
        shown = seen(*map(grants.get_reward, (first, second, third)))
        conversion = session().get_one(Conversion, grants.get_reward(third).conversion_id)
        grants.reverse_for_refund(refund(conversion, 100).id)
    with pytest.raises(RewardsChanged), transaction():
        approvals.approve(shown, by=acting(cast.manager))
    with transaction():
        assert {grants.get_reward(each).state for each in (first, second, third)} == {"approvable"}
        assert ledger.balance(ledger.payable(ana.id), "EUR") == 0
        assert proof.problems() == []
    with transaction():
        now_shown = seen(*map(grants.get_reward, (first, second, third)))
        assert len(approvals.approve(now_shown, by=acting(cast.manager)).payable) == 3
    with transaction():
        assert proof.problems() == []


def test_a_forged_hash_and_an_unknown_reward_are_refused(cast: Cast, ana: memberships.Membership) -> None:
    reward_id = approvable(ana)
    for picked in ([Seen(reward_id, "0" * 64)], [Seen("0" * 26, "0" * 64)]):
        with pytest.raises(RewardsChanged), transaction():
            approvals.approve(picked, by=acting(cast.manager))
    with pytest.raises(TooMany), transaction():
        approvals.approve([], by=acting(cast.manager))
    too_many = [Seen(f"{number:026}", "0" * 64) for number in range(10_001)]
    with pytest.raises(TooMany), transaction():
        approvals.approve(too_many, by=acting(cast.manager))


def test_the_same_approval_twice_is_one(cast: Cast, ana: memberships.Membership) -> None:
    reward_id = approvable(ana)
    with transaction():
        shown = seen(grants.get_reward(reward_id))
        approvals.approve(shown, by=acting(cast.manager))
    with pytest.raises(RewardsChanged), transaction():
        approvals.approve(shown, by=acting(cast.manager))


def test_many_approvals_of_one_reward_at_once_are_one(cast: Cast, ana: memberships.Membership) -> None:
    reward_id = approvable(ana)
    with transaction():
        shown, manager = seen(grants.get_reward(reward_id)), acting(cast.manager)
    outcomes: list[str] = []

    def approve() -> None:
        try:
            with transaction():
                approvals.approve(shown, by=manager)
            outcomes.append("approved")
        except RewardsChanged:
            outcomes.append("too late")

    threads = [threading.Thread(target=approve) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == ["approved"] + ["too late"] * 7
    with transaction():
        assert ledger.balance(ledger.payable(ana.id), "EUR") == 1_290
        assert proof.problems() == []


def test_nobody_approves_or_denies_their_own(cast: Cast, ana: memberships.Membership) -> None:
    with transaction():
        mine = memberships.welcome(cast.manager, cast.programme, by=COMMAND)
    reward_id = approvable(mine)
    with pytest.raises(OwnReward), transaction():
        approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager))
    with pytest.raises(OwnReward), transaction():
        approvals.deny(grants.get_reward(reward_id), by=acting(cast.manager), reason="no")


def test_the_stranger_the_other_units_manager_and_marketing_cannot_approve(
    cast: Cast, ana: memberships.Membership
) -> None:
    reward_id = approvable(ana)
    for person, refusal in (
        (cast.stranger, NotFound),
        (cast.other_manager, NotFound),
        (cast.marketing, Forbidden),
    ):
        with pytest.raises(refusal), transaction():
            approvals.approve(seen(grants.get_reward(reward_id)), by=acting(person))


def test_a_large_reward_needs_a_second_and_different_person_from_finance(
    cast: Cast, ana: memberships.Membership
) -> None:
    reward_id = approvable(ana, LARGE)
    with transaction():
        give_role(cast.manager, "finance", cast.north.id, by=COMMAND)
    with transaction():
        done = approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager))
        assert (done.payable, [each.id for each in done.waiting]) == ((), [reward_id])
        assert ledger.balance(ledger.payable(ana.id), "EUR") == 0
        (asked,) = actions.waiting_for(acting(cast.finance)).items
        assert asked.kind == "reward.approve_second"
    with pytest.raises(SamePerson), transaction():
        approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager))
    with pytest.raises(Forbidden), transaction():
        approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.hub_admin))
    with transaction():
        done = approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.finance))
        assert [each.id for each in done.payable] == [reward_id]
        reward = grants.get_reward(reward_id)
        assert (reward.approved_by, reward.second_approved_by) == (cast.manager.id, cast.finance.id)
        assert actions.waiting_for(acting(cast.finance)).items == []
        assert proof.problems() == []


def test_finance_alone_cannot_give_the_first_approval(cast: Cast, ana: memberships.Membership) -> None:
    reward_id = approvable(ana)
    with pytest.raises(Forbidden), transaction():
        approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.finance))


def test_a_currency_the_threshold_does_not_speak_about_needs_two(
    cast: Cast, ana: memberships.Membership
) -> None:
    reward_id = approvable(ana, 1_000, "JPY")
    with transaction():
        assert approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager)).payable == ()


def test_a_refund_between_first_and_second_approval_voids_the_first(
    cast: Cast, ana: memberships.Membership
) -> None:
    reward_id = approvable(ana, LARGE)
    with transaction():
        approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager))
    with transaction():
        conversion = session().get_one(Conversion, grants.get_reward(reward_id).conversion_id)
        grants.reverse_for_refund(refund(conversion, 100).id)
        reward = grants.get_reward(reward_id)
        assert (reward.approved_by, reward.state) == (None, "approvable")
        assert [each.kind for each in actions.waiting_for(acting(cast.manager)).items] == ["reward.approve"]
        assert actions.waiting_for(acting(cast.finance)).items == []


def test_a_denial_has_a_reason_and_returns_the_money(cast: Cast, ana: memberships.Membership) -> None:
    reward_id = approvable(ana)
    with pytest.raises(ReasonNeeded), transaction():
        approvals.deny(grants.get_reward(reward_id), by=acting(cast.manager), reason="  ")
    with transaction():
        approvals.deny(
            grants.get_reward(reward_id), by=acting(cast.manager), reason="The order was their own."
        )
        reward = grants.get_reward(reward_id)
        assert (reward.state, reward.state_reason) == ("denied", "The order was their own.")
        assert ledger.balance(ledger.pending(ana.id), "EUR") == 0
        assert actions.waiting_for(acting(cast.manager)).items == []
        assert proof.problems() == []
    with pytest.raises(NotUndecided), transaction():
        approvals.deny(grants.get_reward(reward_id), by=acting(cast.manager), reason="again")


def test_an_approval_can_be_undone_and_given_again(cast: Cast, ana: memberships.Membership) -> None:
    reward_id = approved(ana, cast.manager)
    for _ in range(2):
        with transaction():
            approvals.undo(grants.get_reward(reward_id), by=acting(cast.manager))
            assert ledger.balance(ledger.payable(ana.id), "EUR") == 0
            assert proof.problems() == []
        with transaction():
            approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager))
            assert ledger.balance(ledger.payable(ana.id), "EUR") == 1_290
            assert proof.problems() == []


def test_an_approval_that_a_refund_already_touched_cannot_be_undone(
    cast: Cast, ana: memberships.Membership
) -> None:
    reward_id = approved(ana, cast.manager)
    with transaction():
        conversion = session().get_one(Conversion, grants.get_reward(reward_id).conversion_id)
        grants.reverse_for_refund(refund(conversion, 100).id)
    with pytest.raises(NotUndoable), transaction():
        approvals.undo(grants.get_reward(reward_id), by=acting(cast.manager))


def test_a_held_reward_cannot_be_approved_until_it_is_released(
    cast: Cast, ana: memberships.Membership
) -> None:
    reward_id = approvable(ana)
    with transaction():
        approvals.hold(
            grants.get_reward(reward_id), by=acting(cast.manager), reason="Three orders in a minute."
        )
        assert actions.waiting_for(acting(cast.manager)).items == []
    with pytest.raises(RewardsChanged), transaction():
        approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager))
    with transaction():
        approvals.release(grants.get_reward(reward_id), by=acting(cast.manager))
        approvals.approve(seen(grants.get_reward(reward_id)), by=acting(cast.manager))
        assert proof.problems() == []


def test_a_reward_released_within_its_hold_goes_on_waiting_and_nobody_is_asked(
    cast: Cast, ana: memberships.Membership
) -> None:
    with transaction():
        (reward,) = grants.grant_for_conversion(sale(ana).id)
        approvals.hold(reward, by=acting(cast.manager), reason="Three orders in a minute.")
    with transaction():
        approvals.release(grants.get_reward(reward.id), by=acting(cast.manager))
        assert grants.get_reward(reward.id).state == "pending"
        assert actions.waiting_for(acting(cast.manager)).items == []
    with at(now() + timedelta(days=31)):
        assert grants.open_after_hold() == 1


@pytest.mark.parametrize("act", ["approve", "deny"])
def test_two_bulks_over_the_same_advocates_in_opposite_order_never_lock_each_other(
    cast: Cast, ana: memberships.Membership, act: str
) -> None:
    with transaction():
        ben, manager = make_advocate(cast.programme, "Ben Bee"), acting(cast.manager)
    failures: list[BaseException] = []

    def decide(shown: list[Seen], start: threading.Barrier) -> None:
        start.wait()
        try:
            with transaction():
                if act == "approve":
                    approvals.approve(shown, by=manager)
                else:
                    approvals.deny_many(shown, by=manager, reason="Their own orders.")
        except SQLAlchemyError as error:
            failures.append(error)

    for _ in range(8):
        with transaction():  # ids rise: the one has Ana's before Ben's, the other Ben's before Ana's
            ids = [earn(each).id for each in (ana, ben, ben, ana)]
        grants.open_after_hold()
        with transaction():
            rewards = [grants.get_reward(each) for each in ids]
        start = threading.Barrier(2)
        picks = seen(*rewards[:2]), seen(*rewards[2:])
        threads = [threading.Thread(target=decide, args=(shown, start)) for shown in picks]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert failures == []
    with transaction():
        assert proof.problems() == []
