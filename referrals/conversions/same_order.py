"""One order told by several keys: of a unit, of units below it, of units above it."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import text
from sqlmodel import col, select

from core.db import dialect, session
from hub.units import Place, Unit, places, reach
from referrals.conversions.conversion_rows import Conversion, Refund

STRIPE = "stripe"
"""who brought a sale that was told by Stripe's webhooks, not by a shop's key"""


class Order(Protocol):
    """What tells an order from another: as a shop told it, or as it is stored."""

    @property
    def external_id(self) -> str:
        """The shop's number of it."""

    @property
    def kind(self) -> str:
        """Lead or sale."""

    @property
    def currency(self) -> str | None:
        """Of its sum."""

    @property
    def amount_minor(self) -> int | None:
        """Its sum."""


class Told(Order, Protocol):
    """An order that was told before."""

    @property
    def brought_by(self) -> str:
        """By whom."""

    @property
    def content_hash(self) -> str:
        """Of all that was said."""


def related(unit_id: str, units: Sequence[Unit | Place] | None = None) -> frozenset[str]:
    """The units below a unit and those above it, without itself; `units` spares a query."""
    units = places() if units is None else units
    parents = {each.id: each.parent_id for each in units}
    above: set[str] = set()
    parent = parents.get(unit_id)
    while parent is not None and parent not in above:
        above.add(parent)
        parent = parents.get(parent)
    return (reach(unit_id, units) | above) - {unit_id}


def one_at_a_time(*external_ids: str) -> None:
    """Until the commit nobody else stores orders of these ids or refunds of them, whatever their unit.

    SQLite has one writer at a time anyway.
    """
    if dialect() == "postgresql" and external_ids:
        # Sorted: two batches with the same orders take them in the same order.
        locks = sorted({_lock(each) for each in external_ids})
        session().execute(
            text("SELECT pg_advisory_xact_lock(each) FROM unnest(:locks) AS each"), {"locks": locks}
        )


def _lock(external_id: str) -> int:
    return int.from_bytes(hashlib.sha256(external_id.encode()).digest()[:8], signed=True)


def find_conversion(unit_id: str, external_id: str) -> Conversion | None:
    """The conversion that a unit's shop knows by this id."""
    known = select(Conversion).where(Conversion.unit_id == unit_id, Conversion.external_id == external_id)
    return session().exec(known).first()


def find_refund(unit_id: str, external_id: str) -> Refund | None:
    """The refund that a unit's shop knows by this id."""
    known = select(Refund).where(Refund.unit_id == unit_id, Refund.external_id == external_id)
    return session().exec(known).first()


def conversion_meant(unit_id: str, external_id: str) -> Conversion | None:
    """The conversion that a unit's shop means: its own, or the only one of this id in the units below and above."""
    found = conversions_meant(unit_id, external_id)
    return found[0] if len(found) == 1 else None


def conversions_meant(unit_id: str, external_id: str) -> list[Conversion]:
    """Those that a unit's shop may mean: its own alone, or all of this id in the units below and above.

    Of what a unit above told, only what was won in this unit or below it: nobody touches what a neighbour won. Where nobody
    won the shop's own and somebody won the same order as another shop told it, that one is meant.
    """
    own = find_conversion(unit_id, external_id)
    if own is not None and own.earning_unit_id is not None:
        return [own]
    known = select(Conversion).where(
        col(Conversion.unit_id).in_(related(unit_id)), Conversion.external_id == external_id
    )
    reached = reach(unit_id)
    others = [
        each for each in session().exec(known) if each.unit_id in reached or each.earning_unit_id in reached
    ]
    if own is None:
        return others
    if own.stands_alone:
        return [own]
    won = [each for each in others if each.earning_unit_id in reached and are_one(own, each)]
    return won if len(won) == 1 else [own]


def all_of_number(external_id: str) -> list[Conversion]:
    """Every order of this number, whichever unit told it; of one that several told only the one that somebody won."""
    known = select(Conversion).where(Conversion.external_id == external_id).order_by(col(Conversion.id))
    told = list(session().exec(known))
    won = [each for each in told if each.earning_unit_id is not None]
    return [each for each in told if each in won or not any(_is_twin(each, other) for other in won)]


def _is_twin(order: Conversion, won: Conversion) -> bool:
    return not order.stands_alone and won.unit_id in related(order.unit_id) and are_one(order, won)


def are_one(order: Order, other: Order) -> bool:
    """Whether two of one number, told by related units, are one order in different words: of one kind about the same sum."""
    one, two = ((each.kind, each.currency or "", each.amount_minor or 0) for each in (order, other))
    return one == two


def is_told_again(told: Told, order: Order, hashes: frozenset[str]) -> bool:
    """Whether an order of a number was told before: word for word, or in a shop's own words after Stripe told it."""
    by_stripe = told.brought_by == STRIPE and (told.kind, told.currency) == (order.kind, order.currency or "")
    return by_stripe or told.content_hash in hashes


def beside(conversion: Conversion) -> list[Conversion]:
    """Orders of the same number, kind and currency that units below and above told; none where one stands alone."""
    if conversion.stands_alone:
        return []
    told = select(Conversion).where(
        col(Conversion.stands_alone).is_(False),
        col(Conversion.unit_id).in_(related(conversion.unit_id)),
        Conversion.external_id == conversion.external_id,
        Conversion.kind == conversion.kind,
        Conversion.currency == conversion.currency,
    )
    return list(session().exec(told.order_by(col(Conversion.id))))


def won_beside(conversion: Conversion) -> list[Conversion]:
    """Those of them that were won in this one's unit or below it."""
    reached = reach(conversion.unit_id)
    return [each for each in beside(conversion) if each.earning_unit_id in reached]


def nobodys_beside(won: Conversion) -> list[Conversion]:
    """Those of them that nobody won, of shops that see who won this one."""
    nobodys = [each for each in beside(won) if each.earning_unit_id is None]
    return [each for each in nobodys if won.earning_unit_id in reach(each.unit_id)]


def won_elsewhere(conversion: Conversion, membership_id: str | None) -> Conversion | None:
    """The same order as a shop of a unit below or above told it, won in this one's unit or below it: there is one credit.

    A shop may tell gross what Stripe tells net, whichever of the two is decided first: so what Stripe told is what the
    same advocate (`membership_id`, who is about to win it) has won already.
    """
    said = frozenset({conversion.content_hash})
    by_stripe = conversion.brought_by == STRIPE
    return next(
        (
            each
            for each in won_beside(conversion)
            if are_one(each, conversion)
            or is_told_again(each, conversion, said)
            or (by_stripe and each.membership_id == membership_id)
        ),
        None,
    )


def refund_told_before(unit_id: str, external_id: str, content_hash: str) -> Refund | None:
    """The same refund, told by a key of a unit below or above."""
    same = select(Refund).where(
        col(Refund.unit_id).in_(related(unit_id)),
        Refund.external_id == external_id,
        Refund.content_hash == content_hash,
    )
    return session().exec(same.order_by(col(Refund.id)).limit(1)).first()
