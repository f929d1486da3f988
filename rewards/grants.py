"""Rewards are granted for facts, and wait out their hold."""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Select, literal, update
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from advocates.membership import Membership, get_membership
from core.clock import day_number, now
from core.db import session, transaction, update_one
from core.money import POINTS, Money
from hub.programmes import get_programme
from referrals.conversions import Conversion
from rewards import reviews
from rewards.asking import ask_first
from rewards.one_by_one import one_by_one
from rewards.reversals import reverse_for_refund
from rewards.reward import Reward, RewardReversal, book, get_reward, rewards_of_conversion
from rewards.rules import Fact, RewardRule, reward_for, rules_at

__all__ = [
    "Reward",
    "RewardReversal",
    "facts_points",
    "get_reward",
    "grant_for_certification",
    "grant_for_conversion",
    "open_after_hold",
    "reverse_for_refund",
    "rewards_of_conversion",
]
BATCH = 200


def grant_for_conversion(conversion_id: str) -> list[Reward]:
    """Grant what the rules in force at the moment of the conversion give its winner; again: the same rewards."""
    conversion = session().get_one(Conversion, conversion_id)
    return _grant_conversion(conversion, f"conversion:{conversion_id}")


def _grant_conversion(conversion: Conversion, source: str) -> list[Reward]:
    if conversion.membership_id is None:
        return []
    base = Money(conversion.amount_minor, conversion.currency) if conversion.currency else None
    membership = get_membership(conversion.membership_id)
    fact = Fact(conversion.kind, base)
    return _grant(fact, membership, conversion.occurred_at, source, conversion_id=conversion.id)


def grant_again(conversion_id: str, reassignment_id: str) -> list[Reward]:
    """Grant what the rules of the conversion's moment give whoever has it now; again: the same rewards."""
    conversion = session().get_one(Conversion, conversion_id)
    return _grant_conversion(conversion, f"reassignment:{reassignment_id}")


def grant_for_certification(award_id: str, membership_id: str) -> list[Reward]:
    """Grant what the rules give for a certification, now; again: the same rewards."""
    member, source = get_membership(membership_id), f"award:{award_id}"
    return _grant(Fact("certification"), member, now(), source, award_id=award_id)


def _grant(
    fact: Fact,
    membership: Membership,
    at: datetime,
    source: str,
    *,
    conversion_id: str | None = None,
    award_id: str | None = None,
) -> list[Reward]:
    granted = []
    for rule in rules_at(membership.programme_id, fact.trigger, at):
        grant_key = f"{source}:{rule.pays}"
        known = session().exec(select(Reward).where(Reward.grant_key == grant_key)).first()
        if known is not None:
            granted.append(known)
            continue
        reward = _new_reward(fact, rule, membership, at, grant_key)
        if reward.amount_minor == 0:  # a percentage of a few cents: nothing to owe
            continue
        reward.conversion_id, reward.award_id = conversion_id, award_id
        granted.append(book(reward))
    return granted


def _new_reward(fact: Fact, rule: RewardRule, membership: Membership, at: datetime, grant_key: str) -> Reward:
    computed = reward_for(fact, rule)
    in_points = computed.amount.currency == POINTS
    hold = timedelta(days=get_programme(membership.programme_id).hold_days)
    return Reward(
        grant_key=grant_key,
        membership_id=membership.id,
        programme_id=membership.programme_id,
        unit_id=membership.unit_id,
        kind="points" if in_points else "earned",
        rule_id=rule.id,
        rule_version=rule.version,
        base_minor=fact.base.amount_minor if fact.base else 0,
        rate_basis_points=rule.rate_basis_points,
        currency=computed.amount.currency,
        granted_minor=computed.amount.amount_minor,
        amount_minor=computed.amount.amount_minor,
        arithmetic=computed.arithmetic,
        state="credited" if in_points else "pending",
        hold_until=None if in_points else at + hold,
        occurred_at=at,
        day=day_number(at),
        made_at=now(),
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
