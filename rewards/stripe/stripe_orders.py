"""Which of the orders that shops told is the one that Stripe means: several units may sell under the same numbers."""

from collections.abc import Callable, Sequence

from sqlmodel import col, select

from core.db import session
from hub.units import find_hub
from referrals.clicks import tokens
from referrals.conversions import same_order
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from rewards.stripe.stripe_facts import Paid
from rewards.stripe.stripe_gateway import Unsure


def told_by_api(order_id: str, paid: Paid | None = None) -> Conversion | None:
    """The sale that a shop knows by this number, whichever of our units heard of it.

    Of several it is the only one with a click, code or coupon that Stripe's session has, else the only one about its sum,
    else the only one that somebody won. Where nobody won any it is none of them. Raises Unsure when several are left: a
    guess would take money from the wrong one.
    """
    hub = find_hub()
    if hub is None or not order_id:
        return None
    same_order.one_at_a_time(order_id)
    told = [each for each in same_order.conversions_meant(hub.id, order_id) if each.kind == "sale"]
    if len(told) < 2:  # noqa: PLR2004 - nothing to choose from
        return next(iter(told), None)
    meant = told
    for fits in _fitting(told, paid):
        meant = [each for each in meant if fits(each)] or meant
    if len(meant) == 1:
        return meant[0]
    if any(map(_was_won, meant)):
        raise Unsure(f"Several units sold under the number {order_id}.")
    return None


def _fitting(told: Sequence[Conversion], paid: Paid | None) -> list[Callable[[Conversion], bool]]:
    """What tells them apart, the surest first."""
    if paid is None:
        return [_was_won]
    named = _with_touches(told, paid)
    about = paid.currency, paid.amount_minor
    return [
        lambda sale: sale.id in named,
        lambda sale: (sale.currency, sale.amount_minor) == about,
        _was_won,
    ]


def _was_won(sale: Conversion) -> bool:
    return sale.membership_id is not None


def _with_touches(told: Sequence[Conversion], paid: Paid) -> frozenset[str]:
    """Those of them that name a click, code or coupon which the session names."""
    clicks = [tokens.verify(tokens.of_reference(each)) for each in paid.told.tokens]
    given = {paid.told.code, *paid.coupons, *(each.click_id for each in clicks if each is not None)} - {""}
    same = select(AttributionCandidate.conversion_id).where(
        col(AttributionCandidate.conversion_id).in_([each.id for each in told]),
        col(AttributionCandidate.given).in_(given),
    )
    return frozenset(session().exec(same))
