"""Which of the orders that shops told is the one that Stripe means: several units may sell under the same numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_
from sqlmodel import col, func, select

from core.db import session
from core.errors import Conflict
from hub.units import find_hub
from referrals.clicks import tokens
from referrals.conversions import same_order
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.links import former_coupons, links
from referrals.links.links import Link
from rewards.stripe.stripe_facts import Paid


class Undecided(Conflict):
    """Nothing tells apart which order is meant: a person has to say it."""


def order_meant(order_id: str, paid: Paid | None = None) -> Conversion | None:
    """The order that is known by this number, whichever of our units heard of it; a lead where nothing was paid yet.

    What a session names decides first: orders of shops that cannot sell for the advocates of its click, code or coupon are
    other orders. Of the rest it is the only one with that click, else with that link, else about its sum, else the only one
    that somebody won, else the hub's own. An order that nobody won and that none of this speaks for is none of them. Raises
    Undecided when several are left: a guess would take money from the wrong one.
    """
    hub = find_hub()
    if hub is None or not order_id:
        return None
    same_order.one_at_a_time(order_id)
    kind = "lead" if paid is not None and paid.is_lead else "sale"
    meant = [each for each in same_order.all_of_number(order_id) if each.kind == kind]
    named = _named(paid) if paid is not None else _Named()
    meant, spoken_for = [each for each in meant if named.may_be_sold_by(each)], False
    for fits in _fitting(meant, paid, named):
        if fitting := [each for each in meant if fits(each)]:
            meant, spoken_for = fitting, True
    won = [each for each in meant if each.membership_id is not None]
    if len(won) > 1:
        raise Undecided(f"Several units sold under the number {order_id}.")
    if won:
        return won[0]
    own = [each for each in meant if each.unit_id == hub.id or (spoken_for and len(meant) == 1)]
    return own[0] if own else None


@dataclass(frozen=True)
class _Named:
    """What a session names of ours: clicks by their ids, links, and codes and coupons as they are spelled everywhere."""

    clicks: frozenset[str] = frozenset()
    links: Sequence[Link] = ()
    codes: frozenset[str] = frozenset()
    coupons: frozenset[str] = frozenset()

    def may_be_sold_by(self, order: Conversion) -> bool:
        """Whether the shop that told an order sells for the advocate of one of these links; where there is none it may."""
        seen = same_order.related(order.unit_id) | {order.unit_id}
        return not self.links or any(each.unit_id in seen for each in self.links)


def _named(paid: Paid) -> _Named:
    verified = (tokens.verify(tokens.of_reference(each)) for each in paid.told.tokens)
    facts = [each for each in verified if each is not None]
    codes = frozenset({paid.told.code.lower(), *(each.code for each in facts)} - {""})
    coupons = frozenset(each.upper() for each in paid.coupons)
    holders = (former_coupons.holder(each, paid.at) for each in sorted(coupons))
    found = [*map(links.find_link, sorted(codes)), *holders]
    clicks = frozenset(each.click_id for each in facts)
    return _Named(clicks, [each for each in found if each is not None], codes, coupons)


def _fitting(
    told: Sequence[Conversion], paid: Paid | None, named: _Named
) -> list[Callable[[Conversion], bool]]:
    """What tells them apart, the surest first."""
    if paid is None or len(told) == 0:
        return []
    clicked, linked = _with_clicks(told, named), _with_links(told, named)
    about = paid.currency, paid.amount_minor
    return [
        lambda order: order.id in clicked,
        lambda order: order.id in linked,
        lambda order: (order.currency, order.amount_minor) == about,
    ]


def _with_clicks(told: Sequence[Conversion], named: _Named) -> frozenset[str]:
    same = select(AttributionCandidate.conversion_id).where(
        col(AttributionCandidate.conversion_id).in_([each.id for each in told]),
        AttributionCandidate.source == "click",
        col(AttributionCandidate.given).in_(named.clicks),
    )
    return frozenset(session().exec(same))


def _with_links(told: Sequence[Conversion], named: _Named) -> frozenset[str]:
    """Those of them that name a link which the session names, or its code or coupon while there is no such link."""
    given, source = col(AttributionCandidate.given), col(AttributionCandidate.source)
    same = select(AttributionCandidate.conversion_id).where(
        col(AttributionCandidate.conversion_id).in_([each.id for each in told]),
        or_(
            col(AttributionCandidate.link_id).in_([each.id for each in named.links]),
            and_(source == "code", func.lower(given).in_(named.codes)),
            and_(source == "coupon", func.upper(given).in_(named.coupons)),
        ),
    )
    return frozenset(session().exec(same))
