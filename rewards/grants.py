"""Rewards are granted for facts, and wait out their hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Select, literal, update
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from advocates.activities import counts_as, get_activity
from advocates.membership import get_membership
from core import events
from core.clock import day_number, now
from core.db import session, transaction, update_one
from core.ids import new_ids
from core.money import POINTS, Money
from core.one_by_one import one_by_one
from core.reading import Reading, among
from referrals.conversions.conversion_rows import Conversion
from referrals.conversions.customers import first_of
from referrals.conversions.split import WHOLE, parts
from referrals.conversions.split import percent as share_percent
from referrals.conversions.won import Share, Won, won_of
from rewards.approvals import reviews
from rewards.approvals.asking import ask_first
from rewards.reward import (
    NewReward,
    Reward,
    RewardReversal,
    RewardsGranted,
    book_all,
    get_reward,
    rewards_of_activity,
    rewards_of_conversion,
)
from rewards.rules import rate_waits
from rewards.rules.arithmetic import Computed, Exchanging, Fact, aged, reward_for, rules_for
from rewards.rules.caps import within_caps
from rewards.rules.customer_rewards import Referred, give
from rewards.rules.exchange_rates import NoRate, Rates, rates_of
from rewards.rules.milestones import Step, key_of, reached_in, steps_of
from rewards.rules.rules import Version, versions_of
from rewards.rules.who import NOBODY, Who, who_were
from rewards.taking_back.reversals import reverse_for_refund

__all__ = [
    "Reward",
    "RewardReversal",
    "facts_points",
    "get_reward",
    "grant_again",
    "grant_for_activity",
    "grant_for_certification",
    "grant_for_conversion",
    "grant_for_conversions",
    "open_after_hold",
    "reverse_for_refund",
    "rewards_of_conversion",
]
BATCH = 200


@dataclass(frozen=True)
class _Due:
    """A fact that may earn something, for those who share it."""

    key: str
    """what it is, in grant keys"""
    fact: Fact
    programme_id: str
    unit_id: str
    at: datetime
    shares: tuple[Share, ...]
    conversion_id: str | None = None
    award_id: str | None = None
    activity_id: str | None = None
    steps: tuple[Step, ...] = ()
    """what it adds to what milestones count"""

    @property
    def referred(self) -> Referred | None:
        """Whose customer may get something, too; None where there is no conversion."""
        if self.conversion_id is None:
            return None
        return Referred(self.conversion_id, self.programme_id, self.unit_id, self.fact.bought.customer)


def grant_for_conversion(conversion_id: str) -> list[Reward]:
    """Grant what the rules in force at the moment of the conversion give its winners; again: the same rewards."""
    grant_for_conversions(won_of([conversion_id]))
    granted = select(Reward).where(Reward.conversion_id == conversion_id, col(Reward.parent_id).is_(None))
    return list(session().exec(granted.order_by(col(Reward.grant_key))).all())


def grant_for_conversions(won: Sequence[Won]) -> None:
    """The same for many at once; what was granted before stays as it is."""
    _grant([_due(each, f"conversion:{each.conversion_id}") for each in won])


def grant_again(conversion_id: str, reassignment_id: str) -> None:
    """Grant what the rules of the conversion's moment give whoever has it now; again: nothing."""
    given_back = session().get_one(Conversion, conversion_id).refunded_minor
    dues = [
        replace(_due(each, f"reassignment:{reassignment_id}"), steps=steps_of(each, given_back))
        for each in won_of([conversion_id])
    ]
    _grant(dues)


def _due(won: Won, key: str) -> _Due:
    return _Due(
        key,
        Fact(won.kind, Money(won.amount_minor, won.currency) if won.currency else None, won.bought),
        won.programme_id,
        won.unit_id,
        won.occurred_at,
        won.shares,
        conversion_id=won.conversion_id,
        steps=steps_of(won),
    )


def grant_for_certification(award_id: str, membership_id: str) -> list[Reward]:
    """Grant what the rules give for a certification, now; again: the same rewards."""
    member = get_membership(membership_id)
    shares = (Share(member.id, WHOLE, 0),)
    key = f"award:{award_id}"
    certified = Fact("certification")
    _grant([_Due(key, certified, member.programme_id, member.unit_id, now(), shares, award_id=award_id)])
    granted = select(Reward).where(Reward.award_id == award_id)
    return list(session().exec(granted.order_by(col(Reward.grant_key))).all())


def grant_for_activity(activity_id: str) -> list[Reward]:
    """Grant what the rules in force when it was accepted give for an activity; again: the same rewards."""
    activity = get_activity(activity_id)
    if activity.state != "accepted" or activity.decided_at is None:
        return []
    member = get_membership(activity.membership_id)
    shares, fact = (Share(member.id, WHOLE, 0),), Fact(counts_as(activity))
    where = (member.programme_id, member.unit_id)
    due = _Due(f"activity:{activity.id}", fact, *where, activity.decided_at, shares, activity_id=activity.id)
    _grant([due])
    return rewards_of_activity(activity.id)


def _grant(dues: Sequence[_Due]) -> None:
    """Book what was not granted before; an amount too small to owe, a percentage of a few cents, is left out."""
    ruled = versions_of({each.programme_id for each in dues})
    made_at = now()
    ruling = [
        (due, rule)
        for due in (*_aged(dues, ruled), *_reached(dues, ruled))
        for rule in rules_for(ruled[due.programme_id], due.fact, due.at)
    ]
    people, rates = _people(ruling), _rates(ruling)
    rewards: list[NewReward] = []
    unknown: list[rate_waits.NewWait] = []
    for due, rule in ruling:
        try:
            found = list(_rewards(due, rule, made_at, people, rates))
        except NoRate as missing:  # it is granted as soon as the rate is there: late_grants.py
            unknown.append(rate_waits.of(due.key, str(due.conversion_id), due.unit_id, missing))
            continue
        rewards += [each for each in found if each.amount_minor > 0]
    rate_waits.wait(unknown)
    known = {key for (key,) in _KNOWN.rows(each.grant_key for each in rewards)}
    new = [each for each in rewards if each.grant_key not in known]
    rules = {each.id: each for versions in ruled.values() for each in versions}
    if any(each.conditions.cap_minor for each in rules.values()):
        new = within_caps(new, rules)
    if any(each.conditions.gives_customer for each in rules.values()):
        give((referred, rule) for due, rule in ruling if (referred := due.referred) is not None)
    for reward, key in zip(new, new_ids(len(new)), strict=True):
        reward.id = key
    book_all(new)
    if new:
        events.publish(RewardsGranted(tuple(each.id for each in new)))


def _people(ruling: Sequence[tuple[_Due, Version]]) -> Mapping[tuple[str, datetime], Who]:
    """Who the sharers were at the moment of what they share, asked only where a rule looks at that."""
    asking = [(due, rule) for due, rule in ruling if rule.conditions.for_whom]
    places = {(share.membership_id, due.at) for due, _rule in asking for share in due.shares}
    return who_were(places, [rule.conditions for _due, rule in asking]) if asking else {}


def _rates(ruling: Sequence[tuple[_Due, Version]]) -> Rates:
    """The exchange rates that rules need which pay in another currency than a sale's; asked only where there are such."""
    return rates_of(
        due.at.astimezone(rule.zone).date()
        for due, rule in ruling
        if rule.conditions.pays_in and due.fact.amount and due.fact.amount.currency != rule.conditions.pays_in
    )


def _aged(dues: Sequence[_Due], ruled: Mapping[str, Sequence[Version]]) -> Sequence[_Due]:
    """With the month of each customer who bought before, asked only where a rule rewards recurring sales."""
    asked = {key for key, versions in ruled.items() if any(each.trigger == "recurring" for each in versions)}
    if not asked:
        return dues
    may_recur = [each for each in dues if each.programme_id in asked and each.fact.trigger == "sale"]
    first = first_of(each.fact.bought.customer for each in may_recur if each.fact.bought.customer[1])
    return [
        replace(each, fact=aged(each.fact, each.at, first, ruled[each.programme_id][0].zone))
        if each.programme_id in asked
        else each
        for each in dues
    ]


def _reached(dues: Sequence[_Due], ruled: Mapping[str, Sequence[Version]]) -> Iterator[_Due]:
    """The milestones that conversions reached, each once as long as it stays reached: the key of its reward says so."""
    asking = [
        each
        for each in dues
        if each.steps and any(one.conditions.milestones for one in ruled[each.programme_id])
    ]
    for due, member, what in reached_in(
        [(each, each.steps, ruled[each.programme_id], each.at) for each in asking]
    ):
        fact, alone = Fact("milestone", reached=what), (Share(member, WHOLE, 0),)
        yield replace(due, key=key_of(member, what), fact=fact, shares=alone, steps=())


_KNOWN = Reading(lambda: select_columns(col(Reward.grant_key)).where(among(Reward.grant_key)))


def _rewards(
    due: _Due, rule: Version, made_at: datetime, people: Mapping[tuple[str, datetime], Who], rates: Rates
) -> Iterator[NewReward]:
    """One reward for each who shares; together they are what one advocate alone would get, each by their own tier's rate."""
    exchanging = Exchanging(rates, due.unit_id, due.at)
    when = (due.at + timedelta(days=rule.hold_days), made_at)
    wholes = [
        reward_for(due.fact, rule, people.get((each.membership_id, due.at), NOBODY), exchanging)
        for each in due.shares
    ]
    if len(due.shares) == 1:
        yield _reward(due, rule, when, due.shares[0], wholes[0], f"{due.key}:{rule.pays}")
        return
    weights = [each.weight_basis_points for each in due.shares]
    for place, (share, whole) in enumerate(zip(due.shares, wholes, strict=True)):
        base = parts(whole.base_minor, weights)[place]
        amount = Money(parts(whole.amount.amount_minor, weights)[place], whole.amount.currency)
        says = (
            f"{whole.arithmetic}; a share of {share_percent(share.weight_basis_points)} = {amount.format()}"
        )
        key = f"{due.key}:{rule.pays}:{share.membership_id}"
        computed = Computed(amount, says, base, whole.rate_basis_points, whole.exchange)
        yield _reward(due, rule, when, share, computed, key)


def _reward(
    due: _Due, rule: Version, when: tuple[datetime, datetime], share: Share, computed: Computed, key: str
) -> NewReward:
    in_points = computed.amount.currency == POINTS
    return NewReward(
        grant_key=key,
        membership_id=share.membership_id,
        programme_id=due.programme_id,
        unit_id=due.unit_id,
        kind="points" if in_points else "earned",
        conversion_id=due.conversion_id,
        award_id=due.award_id,
        activity_id=due.activity_id,
        rule_id=rule.id,
        rule_version=rule.version,
        base_minor=computed.base_minor,
        rate_basis_points=computed.rate_basis_points,
        currency=computed.amount.currency,
        granted_minor=computed.amount.amount_minor,
        amount_minor=computed.amount.amount_minor,
        arithmetic=computed.arithmetic,
        exchange=computed.exchange,
        state="credited" if in_points else "pending",
        hold_until=None if in_points else when[0],
        occurred_at=due.at,
        day=day_number(due.at),
        made_at=when[1],
    )


def open_after_hold() -> int:
    """Job: put rewards whose hold has passed on the approvers' list; answers how many; raises as one_by_one does."""
    with transaction(read_only=True):
        over = select(Reward.id).where(Reward.state == "pending", col(Reward.hold_until) <= now())
        due = session().exec(over.order_by(col(Reward.hold_until)).limit(BATCH)).all()
    return one_by_one(due, _open)


def _open(reward_id: str) -> bool:
    """Nothing is opened before its conversion was looked at, whichever job comes first and however short the hold."""
    reviews.look_first(get_reward(reward_id))
    still = update(Reward).where(
        col(Reward.id) == reward_id, col(Reward.state) == "pending", reviews.looked_at()
    )
    if not update_one(still.values(state="approvable")):
        return False
    ask_first(get_reward(reward_id))
    return True


def facts_points() -> Select[Any]:
    """(metric, member, unit, day, value) over every line of points, for the scoreboard's proof."""
    facts: Any = select_columns(
        literal("points").label("metric"),
        col(Reward.membership_id).label("member_id"),
        col(Reward.unit_id).label("unit_id"),
        col(Reward.day).label("day"),
        col(Reward.amount_minor).label("value"),
    ).where(col(Reward.currency) == POINTS, col(Reward.state) == "credited")
    return cast("Select[Any]", facts)
