"""What machines are told of rewards and payouts."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select

from core.answers import Answer, Listed
from core.db import session
from hub.programmes import Programme
from referrals.conversions.conversions import Conversion
from rewards.payouts.runs import Payout, PayoutRun
from rewards.reward import Reward


class ShownReward(Answer):
    """One line; clawbacks are negative."""

    id: str
    kind: str
    """earned (money), points, clawback, restored (what a refund that came back had taken) or carry"""
    state: str
    advocate: str
    """the membership's id, as in /api/v1/advocates"""
    programme: str
    conversion_external_id: str | None
    amount_minor: int
    currency: str
    arithmetic: str
    """how the amount came about, in words"""
    rule_version: int
    rate_basis_points: int
    """the percentage it was computed by; 0 for a flat sum"""
    base_minor: int
    """what the percentage was taken of, in `base_currency`"""
    base_currency: str
    """the sale's; empty where there is none"""
    exchange: str
    """the rates, with their days and sources, by which it became another currency's than the sale's; else empty"""
    occurred_at: datetime
    hold_until: datetime | None
    """not approvable before"""
    payout_id: str | None


class ShownPayout(Answer):
    """What an advocate gets from a run in one currency."""

    id: str
    state: str
    advocate: str
    """the membership's id, as in /api/v1/advocates"""
    programme: str
    period: str
    amount_minor: int
    currency: str
    lines: int
    """how many rewards are in it"""
    sent_at: datetime | None
    transfer_id: str | None
    reason: str
    """why it is held, rejected or unclear, as a sentence"""


class RewardPage(Listed[ShownReward]):
    """Some rewards."""


class PayoutPage(Listed[ShownPayout]):
    """Some payouts."""


def show_rewards(rewards: Sequence[Reward]) -> dict[str, ShownReward]:
    """Reward → what is told of it."""
    slugs = _slugs({each.programme_id for each in rewards})
    ids = {each.conversion_id for each in rewards}
    orders = {each.id: each for each in session().exec(select(Conversion).where(col(Conversion.id).in_(ids)))}
    same = set(ShownReward.model_fields) & set(Reward.model_fields)
    return {
        each.id: ShownReward(
            advocate=each.membership_id,
            programme=slugs[each.programme_id],
            conversion_external_id=order.external_id if order else None,
            base_currency=order.currency if order else "",
            **each.model_dump(include=same),
        )
        for each in rewards
        for order in [orders.get(each.conversion_id or "")]
    }


def show_payouts(payouts: Sequence[Payout]) -> dict[str, ShownPayout]:
    """Payout → what is told of it."""
    slugs = _slugs({each.programme_id for each in payouts})
    ids = {each.run_id for each in payouts}
    periods = {
        each.id: each.period for each in session().exec(select(PayoutRun).where(col(PayoutRun.id).in_(ids)))
    }
    same = set(ShownPayout.model_fields) & set(Payout.model_fields)
    return {
        each.id: ShownPayout(
            advocate=each.membership_id,
            programme=slugs[each.programme_id],
            period=periods[each.run_id],
            **each.model_dump(include=same),
        )
        for each in payouts
    }


def _slugs(programme_ids: set[str]) -> dict[str, str]:
    wanted = select(Programme).where(col(Programme.id).in_(programme_ids))
    return {each.id: each.slug for each in session().exec(wanted)}
