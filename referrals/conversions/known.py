"""What is known when conversions arrive, read at once for all of them: links, owners, programmes, rights, what came before."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, literal_column
from sqlalchemy import select as select_columns
from sqlmodel import col

from advocates.membership import Membership
from core.columns import UtcDateTime
from core.people import Person
from core.reading import Columns, Reading, among
from hub.programmes import Programme
from hub.units import places, reach
from referrals.conversions.attribution import Rule, Touch
from referrals.conversions.conversion_input import NewConversion
from referrals.conversions.conversion_rows import Conversion, Refund
from referrals.conversions.rights import Dated, Right, dated_facts
from referrals.conversions.same_order import Order, are_one, is_told_again, related
from referrals.links.former_coupons import FormerCoupon, Holding, holder_among
from referrals.links.links import Link


class KnownLink(NamedTuple):
    """A link with what attribution needs of its owner."""

    id: str
    code: str
    coupon: str | None
    membership_id: str
    programme_id: str
    unit_id: str
    starts_at: datetime
    ends_at: datetime | None
    email: str

    def runs_at(self, at: datetime) -> bool:
        """Whether the link forwarded at a moment."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


class Before(NamedTuple):
    """A conversion that was stored before."""

    id: str
    unit_id: str
    external_id: str
    content_hash: str
    answer: Any
    brought_by: str = ""
    kind: str = ""
    currency: str = ""
    earning_unit_id: str | None = None
    amount_minor: int = 0

    def is_meant_by(self, new: Order) -> bool:
        """Whether `new` can only be this one in other words: the same kind of order about the same sum."""
        return are_one(self, new)

    def is_told_by(self, new: Order, hashes: frozenset[str]) -> bool:
        """Whether this is told again: word for word, or in a shop's own words after Stripe told it."""
        return is_told_again(self, new, hashes)


class Brought(NamedTuple):
    """A customer's conversion that was somebody's."""

    occurred_at: datetime
    id: str
    link_id: str


@dataclass
class Known:
    """All of it; `codes`, `coupons`, `customers` and `external_ids` are those that arrivals name."""

    codes: Collection[str]
    coupons: Collection[str]
    unit_ids: Collection[str]
    external_ids: Collection[str]
    customers: Collection[str]
    moments: tuple[datetime, datetime]
    """of the earliest and of the latest arrival"""
    by_unit_and_order: dict[tuple[str, str], Before] = field(default_factory=dict)
    by_customer: dict[tuple[str, str], list[Brought]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what may be asked for in any case; the rest is read when it is first asked for."""
        units = places()
        self.seen = {each: reach(each, units) for each in self.unit_ids}
        self.related = {each: related(each, units) for each in self.unit_ids}
        self._read_orders()
        self._read_customers()

    def before(self, unit_id: str, new: NewConversion, hashes: frozenset[str]) -> Before | None:
        """The same order: of the unit's own whatever its content, of those below and above with the same content.

        One that was won in the unit or below it counts also where Stripe told it, or where it is about the same sum in other
        words: two credits for one order are worse than a question to the second shop.
        """
        own = self.by_unit_and_order.get((unit_id, new.external_id))
        if own is not None:
            return own
        others, won_here = self._others(unit_id, new), self.won_elsewhere(unit_id, new)
        same = [each for each in others if each.content_hash in hashes]
        same += [each for each in won_here if each.is_told_by(new, hashes)]
        meant = [each for each in won_here if each.is_meant_by(new)]
        return min(same or meant, key=lambda each: each.id, default=None)

    def won_elsewhere(self, unit_id: str, order: Order) -> list[Before]:
        """Orders of this number that units below and above told and that were won in the unit or below it."""
        return [each for each in self._others(unit_id, order) if each.earning_unit_id in self.seen[unit_id]]

    def is_won_beside_nobodys(self, unit_id: str, order: Order) -> bool:
        """Whether an order was won, and others of its number that units below and above told are nobody's."""
        own = self.by_unit_and_order.get((unit_id, order.external_id))
        others = self._others(unit_id, order)
        return (
            own is not None
            and own.earning_unit_id is not None
            and any(each.earning_unit_id is None for each in others)
        )

    def _others(self, unit_id: str, order: Order) -> list[Before]:
        found = (self.by_unit_and_order.get((each, order.external_id)) for each in self.related[unit_id])
        return [each for each in found if each is not None]

    def latest_brought(self, unit_id: str, customer_id: str, at: datetime) -> Brought | None:
        """The customer's latest conversion by then that was somebody's."""
        brought = self.by_customer.get((unit_id, customer_id), ())
        return max((each for each in brought if each.occurred_at <= at), default=None)

    def remember(self, row: Before, brought: Brought | None, customer_id: str) -> None:
        """An arrival before the next one is as if it were stored: the same order, the same customer."""
        self.by_unit_and_order[row.unit_id, row.external_id] = row
        if brought is not None and customer_id:
            self.by_customer.setdefault((row.unit_id, customer_id), []).append(brought)

    def of_code(self, code: str) -> KnownLink | None:
        """The link with this code, in upper or lower case."""
        return self._links[0].get(code.lower())

    def of_coupon(self, coupon: str, at: datetime) -> KnownLink | None:
        """The link that a coupon belongs to for a sale of a moment."""
        link = self._links[1].get(coupon.upper())
        whose = holder_among(self._former.get(coupon.upper(), ()), link.id if link else None, at)
        return None if whose is None else self.of_id(whose)

    def of_id(self, link_id: str) -> KnownLink:
        """The link with this id."""
        return self._links[2][link_id]

    def right(self, touch: Touch) -> Right:
        """Whether the owner of a touch could earn at it."""
        return self._rights[touch.membership_id].right(touch.at)

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """Programme → its rule and window."""
        return {key: Rule(rule, days) for key, (_, rule, days) in self._programmes.items()}

    @cached_property
    def units(self) -> dict[str, str]:
        """Programme → its unit."""
        return {key: unit_id for key, (unit_id, _, _) in self._programmes.items()}

    def has_refunds(self, external_id: str) -> bool:
        """Whether a refund of an order of this id was told: it may wait for one, or be of one that nobody won."""
        return external_id in self._refunded

    @cached_property
    def _refunded(self) -> frozenset[str]:
        return frozenset(external_id for (external_id,) in _REFUNDS.rows(self.external_ids))

    @cached_property
    def _former(self) -> dict[str, list[Holding]]:
        """Coupon → the links that had it once, and when."""
        found: dict[str, list[Holding]] = {}
        for coupon, *held in _FORMER.rows(self.coupons):
            found.setdefault(coupon, []).append(Holding(*held))
        return found

    @cached_property
    def _links(self) -> tuple[dict[str, KnownLink], dict[str, KnownLink], dict[str, KnownLink]]:
        ids = {each.link_id for brought in self.by_customer.values() for each in brought}
        ids |= {each.link_id for former in self._former.values() for each in former}
        rows = [*_BY_CODE.rows(self.codes), *_BY_COUPON.rows(self.coupons), *_BY_ID.rows(ids)]
        found = [KnownLink(*row) for row in rows]
        return (
            {each.code: each for each in found},
            {each.coupon: each for each in found if each.coupon is not None},
            {each.id: each for each in found},
        )

    @cached_property
    def _rights(self) -> dict[str, Dated]:
        return dated_facts(each.membership_id for each in self._links[2].values())

    @cached_property
    def _programmes(self) -> dict[str, tuple[str, Any, int]]:
        rows = _PROGRAMMES.rows(each.programme_id for each in self._links[2].values())
        return {key: (unit_id, rule, days) for key, unit_id, rule, days in rows}

    def _read_orders(self) -> None:
        units = sorted(frozenset(self.unit_ids).union(*self.related.values()))
        for row in _ORDERS.rows(self.external_ids, units=units):
            before = Before(*row)
            self.by_unit_and_order[before.unit_id, before.external_id] = before

    def _read_customers(self) -> None:
        """Of each customer the latest conversion before all arrivals, and those between the first and the last."""
        first, last = self.moments
        found = _CUSTOMERS_BEFORE.rows(self.customers, units=sorted(self.unit_ids), first=first)
        if first < last:
            found += _CUSTOMERS.rows(self.customers, units=sorted(self.unit_ids), first=first, last=last)
        for unit_id, customer_id, at, key, link_id, *_place in found:
            self.by_customer.setdefault((unit_id, customer_id), []).append(Brought(at, key, link_id))


def _owned() -> Columns:
    columns = (
        *(col(Link.id), col(Link.code), col(Link.coupon), col(Link.membership_id), col(Link.programme_id)),
        *(col(Link.unit_id), col(Link.starts_at), col(Link.ends_at), col(Person.email)),
    )
    return (
        select_columns(*columns)
        .join(Membership, col(Membership.id) == col(Link.membership_id))
        .join(Person, col(Person.id) == col(Membership.person_id))
    )


def _brought(*, place: bool = False) -> Columns:
    whose = (col(Conversion.unit_id), col(Conversion.customer_id))
    columns: list[Any] = [*whose, col(Conversion.occurred_at), col(Conversion.id), col(Conversion.link_id)]
    if place:
        order = (col(Conversion.occurred_at).desc(), col(Conversion.id).desc())
        columns.append(func.row_number().over(partition_by=whose, order_by=order).label("place"))
    theirs = among(Conversion.unit_id, "units"), among(Conversion.customer_id)
    return select_columns(*columns).where(*theirs, col(Conversion.link_id).is_not(None))


def _brought_before() -> Columns:
    until = col(Conversion.occurred_at) <= bindparam("first", type_=UtcDateTime())
    numbered = _brought(place=True).where(until).subquery()
    return select_columns(numbered).where(numbered.c.place == literal_column("1"))


def _brought_between() -> Columns:
    at, kind = col(Conversion.occurred_at), UtcDateTime()
    return _brought().where(at > bindparam("first", type_=kind), at <= bindparam("last", type_=kind))


def _told() -> Columns:
    columns = (
        *(col(Conversion.id), col(Conversion.unit_id), col(Conversion.external_id)),
        *(col(Conversion.content_hash), col(Conversion.answer), col(Conversion.brought_by)),
        *(col(Conversion.kind), col(Conversion.currency), col(Conversion.earning_unit_id)),
        col(Conversion.amount_minor),
    )
    return select_columns(*columns).where(among(Conversion.unit_id, "units"), among(Conversion.external_id))


def _programmes() -> Columns:
    columns = (
        *(col(Programme.id), col(Programme.unit_id)),
        *(col(Programme.attribution_rule), col(Programme.attribution_days)),
    )
    return select_columns(*columns).where(among(Programme.id))


_BY_CODE = Reading(lambda: _owned().where(among(Link.code)))
_BY_COUPON = Reading(lambda: _owned().where(among(Link.coupon)))
_BY_ID = Reading(lambda: _owned().where(among(Link.id)))
_FORMER = Reading(
    lambda: select_columns(
        *(
            col(FormerCoupon.coupon),
            col(FormerCoupon.until),
            col(FormerCoupon.since),
            col(FormerCoupon.link_id),
        )
    ).where(among(FormerCoupon.coupon))
)
_CUSTOMERS_BEFORE, _CUSTOMERS = Reading(_brought_before), Reading(_brought_between)
_ORDERS, _PROGRAMMES = Reading(_told), Reading(_programmes)
_REFUNDS = Reading(
    lambda: select_columns(col(Refund.conversion_external_id)).where(among(Refund.conversion_external_id))
)
