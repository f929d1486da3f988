"""What somebody won, as those who act on it need it: the conversion's facts, and each advocate's share."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlmodel import col, select

from advocates.membership import Membership
from core.db import session
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion, Kind
from referrals.conversions.split import WHOLE


@dataclass(frozen=True)
class Share:
    """An advocate's part of a conversion; all parts of one sum to its amount and to 10,000 basis points."""

    membership_id: str
    weight_basis_points: int
    amount_minor: int


@dataclass(frozen=True)
class Bought:
    """What was bought, by whom, as rules look at it."""

    tax_minor: int = 0
    shipping_minor: int = 0
    discount_minor: int = 0
    lines: Sequence[Mapping[str, Any]] = ()
    """sku and amount_minor of each"""
    customer: tuple[str, str] = ("", "")
    """the unit whose shop knows them, and its id of them; empty for guests"""


class _Told(Protocol):
    """A conversion, stored or about to be."""

    unit_id: str
    customer_id: str
    tax_minor: int
    shipping_minor: int
    discount_minor: int
    lines: list[dict[str, Any]]


def bought_of(told: _Told) -> Bought:
    """What a conversion says of it."""
    customer = (told.unit_id, told.customer_id) if told.customer_id else ("", "")
    return Bought(told.tax_minor, told.shipping_minor, told.discount_minor, told.lines, customer)


@dataclass(frozen=True)
class Won:
    """A lead or sale that somebody won; `currency` is empty where no amount is involved."""

    conversion_id: str
    kind: Kind
    programme_id: str
    unit_id: str
    occurred_at: datetime
    amount_minor: int
    currency: str
    shares: tuple[Share, ...]
    """in the order of the candidates; of most conversions there is one"""
    bought: Bought = Bought()
    membership_id: str = ""
    """who has it; of a shared one the last touch, for whom it counts"""


@dataclass(frozen=True)
class Holder:
    """Somebody who has a conversion or a part of it."""

    conversion: Conversion
    membership_id: str
    link_id: str | None
    touch: AttributionCandidate | None
    """what won it for them; None where they were given it without one"""

    @property
    def place(self) -> tuple[str, str]:
        """The conversion's id and theirs."""
        return self.conversion.id, self.membership_id

    @property
    def was_last(self) -> bool:
        """Whether it counts for them: of those who share it they were the last touch."""
        return self.membership_id == self.conversion.membership_id


def holders_of(conversions: Sequence[Conversion], candidates: Sequence[AttributionCandidate]) -> list[Holder]:
    """Everybody who has a part of these conversions, whose candidates are given."""
    touches: dict[str, list[AttributionCandidate]] = defaultdict(list)
    for touch in candidates:
        if touch.won:
            touches[touch.conversion_id].append(touch)
    return [holder for each in conversions for holder in _holders(each, touches[each.id])]


def _holders(conversion: Conversion, touches: Sequence[AttributionCandidate]) -> list[Holder]:
    if conversion.membership_id is None:
        return []
    if conversion.shared:
        return [Holder(conversion, str(each.membership_id), each.link_id, each) for each in touches]
    whose = conversion.membership_id
    touch = next((each for each in touches if each.membership_id == whose), None)
    return [Holder(conversion, whose, conversion.link_id, touch)]


def members_of(conversion: Conversion) -> frozenset[str]:
    """The memberships that have a part of a conversion; nobody's has none."""
    if conversion.membership_id is None:
        return frozenset()
    if not conversion.shared:
        return frozenset({conversion.membership_id})
    return frozenset(each.membership_id for each in shares_of([conversion.id])[conversion.id])


def lost_by_all(conversion_id: str) -> list[AttributionCandidate]:
    """The candidates of a shared conversion that was taken from all of them; each keeps its weight and its part."""
    lost = select(AttributionCandidate).where(
        AttributionCandidate.conversion_id == conversion_id,
        col(AttributionCandidate.won).is_(False),
        AttributionCandidate.weight_basis_points > 0,
    )
    return list(session().exec(lost.order_by(col(AttributionCandidate.position))).all())


def won_of(conversion_ids: Sequence[str]) -> list[Won]:
    """These conversions, without those that nobody won."""
    wanted = select(Conversion, Membership).where(
        col(Conversion.id).in_(conversion_ids), Conversion.membership_id == Membership.id
    )
    rows = session().exec(wanted).all()
    shares = shares_of([each.id for each, _ in rows if each.shared])
    return [
        Won(
            each.id,
            each.kind,
            member.programme_id,
            member.unit_id,
            each.occurred_at,
            each.amount_minor,
            each.currency,
            tuple(shares[each.id]) if each.shared else (Share(member.id, WHOLE, each.amount_minor),),
            bought_of(each),
            member.id,
        )
        for each, member in rows
    ]


def shares_of(conversion_ids: Sequence[str]) -> dict[str, list[Share]]:
    """Shared conversion → the parts that its candidates have."""
    parts: dict[str, list[Share]] = defaultdict(list)
    if not conversion_ids:
        return parts
    wanted = select(AttributionCandidate).where(
        col(AttributionCandidate.conversion_id).in_(conversion_ids), col(AttributionCandidate.won).is_(True)
    )
    for each in session().exec(wanted.order_by(col(AttributionCandidate.position))):
        parts[each.conversion_id].append(
            Share(str(each.membership_id), each.weight_basis_points, each.share_minor)
        )
    return parts
