"""What a shop is told of the conversions it brought: their attribution and rewards, the first time and ever after."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import RootModel
from sqlalchemy import select as select_columns
from sqlmodel import col

from core import bulk
from core.access import Actor
from core.answers import Answer, Refusal
from core.errors import SpokesError
from core.reading import Columns, Reading, among
from hub.units import reach
from referrals import answers
from referrals.answers import ShownConversion
from referrals.conversions import conversions
from referrals.conversions.conversion_input import NewConversion
from referrals.conversions.conversions import Conversion, get_conversion
from referrals.conversions.known import Before
from referrals.conversions.recording import Arrival, ConversionDiffers, NewRow
from rewards.reward import Reward
from rewards.rules.customer_rewards import CustomerReward

Told = tuple[str, int] | SpokesError
"""the answer as JSON with its status (201 new, 200 known), or why there is none"""


class ToldReward(Answer):
    """What a conversion earned; of a shared one each advocate's."""

    id: str
    advocate_id: str
    kind: str
    amount_minor: int
    currency: str
    state: str
    arithmetic: str


class ToldCustomerReward(Answer):
    """What the customer gets, for the shop to hand over: a coupon, or a credit."""

    coupon: str
    """empty for a credit"""
    amount_minor: int
    """of a credit, else 0"""
    currency: str


class ToldConversion(ShownConversion):
    """A stored conversion with what it earned: money before points."""

    reward: ToldReward | None
    """the first of `rewards`"""
    rewards: list[ToldReward]
    customer_reward: ToldCustomerReward | None = None
    """given once: null for a customer who got something before, and where no rule gives anything"""


class ToldLine(ToldConversion):
    """A line of a batch that was taken."""

    status: Literal[200, 201]


class RefusedLine(Refusal):
    """A line of a batch that was refused; the others stand."""

    status: int


class BatchResult(RootModel[ToldLine | RefusedLine]):
    """What became of one line."""


def take_all(news: Sequence[NewConversion], by: Actor, unit_id: str) -> list[Told]:
    """Record conversions that a unit's shop brought, and what it is told of each; of a repetition the first answer."""
    arrivals = [Arrival(new, by.id, unit_id) for new in news]
    decided = conversions.record_all(arrivals)
    said = first_answers([each for each in decided if isinstance(each, NewRow)])
    return [_told(each, said, by) for each in decided]


def first_answers(rows: Sequence[NewRow]) -> dict[str, str]:
    """New conversion → its answer as JSON, kept for repetitions."""
    said: dict[str, str] = {}
    for unit_id in {each.unit_id for each in rows}:
        said |= _said([each for each in rows if each.unit_id == unit_id], reach(unit_id))
    bulk.set_json(Conversion, "answer", said)
    return said


def _told(decided: NewRow | Before | ConversionDiffers, said: Mapping[str, str], by: Actor) -> Told:
    if isinstance(decided, ConversionDiffers):
        return decided
    if isinstance(decided, NewRow):
        return said[decided.id], 201
    seen = by.units_for("conversions:write")
    if decided.unit_id not in seen:
        # Told before by a key above, whose answer knows more than this key may.
        return _said([get_conversion(decided.id)], seen)[decided.id], 200
    if decided.id in said:
        return said[decided.id], 200
    if decided.answer is not None:
        return json.dumps(decided.answer, ensure_ascii=False, separators=(",", ":")), 200
    first = _said([get_conversion(decided.id)], reach(decided.unit_id))  # brought by other means than the API
    bulk.set_json(Conversion, "answer", first)
    return first[decided.id], 200


def _said(rows: Sequence[Conversion | NewRow], units: frozenset[str]) -> dict[str, str]:
    """Conversion → it with its attribution and rewards, as far as a reader of these units may know, as JSON."""
    keys = [each.id for each in rows]
    shown, rewards, given = answers.show_conversions(rows, units), _rewards(keys, units), _given(keys, units)
    return {
        key: ToldConversion(
            **vars(each),
            reward=rewards[key][0] if rewards[key] else None,
            rewards=rewards[key],
            customer_reward=given.get(key),
        ).model_dump_json()
        for key, each in shown.items()
    }


def _rewards(conversion_ids: Sequence[str], units: frozenset[str]) -> dict[str, list[ToldReward]]:
    names = tuple(ToldReward.model_fields)
    found: dict[str, list[ToldReward]] = defaultdict(list)
    for conversion_id, unit_id, *values in _GRANTED.rows(conversion_ids):
        if unit_id in units:
            found[conversion_id].append(ToldReward(**dict(zip(names, values, strict=True))))
    return found


def _given(conversion_ids: Sequence[str], units: frozenset[str]) -> dict[str, ToldCustomerReward]:
    return {
        conversion_id: ToldCustomerReward(coupon=coupon, amount_minor=minor, currency=currency)
        for conversion_id, unit_id, coupon, minor, currency in _GIVEN.rows(conversion_ids)
        if unit_id in units
    }


def _given_to_customers() -> Columns:
    columns: tuple[Any, ...] = (
        *(col(CustomerReward.conversion_id), col(CustomerReward.unit_id), col(CustomerReward.coupon)),
        *(col(CustomerReward.amount_minor), col(CustomerReward.currency)),
    )
    return select_columns(*columns).where(among(CustomerReward.conversion_id))


_GIVEN = Reading(_given_to_customers)


def _granted() -> Columns:
    columns: tuple[Any, ...] = (
        *(col(Reward.conversion_id), col(Reward.unit_id), col(Reward.id), col(Reward.membership_id)),
        *(col(Reward.kind), col(Reward.amount_minor), col(Reward.currency), col(Reward.state)),
        col(Reward.arithmetic),
    )
    granted = select_columns(*columns).where(among(Reward.conversion_id), col(Reward.parent_id).is_(None))
    return granted.order_by(col(Reward.kind), col(Reward.id))


_GRANTED = Reading(_granted)
