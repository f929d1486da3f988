"""Arrivals become conversions: read what is known, decide purely, write at once. One is many with one in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core import bulk, events
from core.clock import day_number, now
from core.errors import Conflict
from core.ids import new_ids
from hub import metrics
from hub.metrics import Gain, metric_name
from referrals.clicks.tokens import ClickFacts
from referrals.conversions import same_order, split, touches, waiting
from referrals.conversions.attribution import Attribution, Happened, Judged, Source, decide
from referrals.conversions.conversion_input import NORMALISED, NewConversion, content_hash, hashes_of
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion, Kind
from referrals.conversions.known import Before, Brought, Known
from referrals.conversions.won import Share, Won, bought_of


class ConversionDiffers(Conflict):
    """A conversion with this external_id was recorded before, with other content."""


@dataclass(frozen=True)
class ConversionsWon:
    """Conversions were stored, all of them won by somebody."""

    won: tuple[Won, ...]


@dataclass(frozen=True)
class ConversionRecorded:
    """A conversion was stored and somebody won it; each of ConversionsWon is also told alone, after it."""

    conversion_id: str
    occurred_at: datetime


class Arrival:
    """A conversion as it was told, by whom, for which unit."""

    def __init__(self, new: NewConversion, brought_by: str, unit_id: str) -> None:
        self.new, self.brought_by, self.unit_id = new, brought_by, unit_id
        self.content_hash = content_hash(new)
        self.hashes = hashes_of(new) if NORMALISED in new.metadata else frozenset({self.content_hash})
        """by which one that was stored before is known to be the same"""
        self.clicks: dict[str, ClickFacts | None] = touches.clicks_of(new)

    @property
    def customer_id(self) -> str:
        """The shop's id of the customer, empty where it names none."""
        return (self.new.customer and self.new.customer.external_id) or ""


@dataclass
class NewCandidate:
    """A candidate that is about to be stored."""

    conversion_id: str
    position: int
    source: Source
    given: str
    at: datetime
    link_id: str | None
    membership_id: str | None
    won: bool
    weight_basis_points: int
    share_minor: int
    verdict: str
    id: str = ""


@dataclass
class NewRow:
    """A conversion that is about to be stored, with its candidates."""

    id: str
    unit_id: str
    external_id: str
    content_hash: str
    kind: Kind
    occurred_at: datetime
    received_at: datetime
    brought_by: str
    day: int
    amount_minor: int
    currency: str
    tax_minor: int
    shipping_minor: int
    discount_minor: int
    customer_id: str
    email_sha256: str
    lines: list[dict[str, Any]]
    details: dict[str, Any]
    membership_id: str | None
    programme_id: str | None
    link_id: str | None
    earning_unit_id: str | None
    reason: str
    shared: bool
    refunded_minor: int = 0
    candidates: list[NewCandidate] = field(default_factory=list)


Decided = NewRow | Before | ConversionDiffers


def decide_all(arrivals: Sequence[Arrival], known: Known) -> list[Decided]:
    """What becomes of each, as if the ones before it were stored: a new row, the one there was, or a conflict."""
    at = now()
    return [_decide(each, key, at, known) for each, key in zip(arrivals, new_ids(len(arrivals)), strict=True)]


def known_for(arrivals: Sequence[Arrival]) -> Known:
    """What is known of all that these name; nobody else stores the same orders until the commit."""
    orders = {each.new.external_id for each in arrivals}
    same_order.one_at_a_time(*orders)
    moments = [each.new.occurred_at for each in arrivals]
    clicked = {facts.code for each in arrivals for facts in each.clicks.values() if facts is not None}
    return Known(
        codes=clicked | {each.new.code.lower() for each in arrivals if each.new.code is not None},
        coupons={each.new.coupon.upper() for each in arrivals if each.new.coupon is not None},
        unit_ids={each.unit_id for each in arrivals},
        external_ids=orders,
        customers={each.customer_id for each in arrivals if each.customer_id},
        moments=(min(moments), max(moments)),
    )


def store_all(rows: Sequence[NewRow]) -> None:
    """Write new conversions with their candidates and what they add to the scoreboard, and announce them."""
    bulk.store(Conversion, rows)
    candidates = [each for row in rows for each in row.candidates]
    for each, key in zip(candidates, new_ids(len(candidates)), strict=True):
        each.id = key
    bulk.store(AttributionCandidate, candidates)
    waiting.wait_for(_waiting(rows), now())
    won = [row for row in rows if row.membership_id is not None]
    if not won:
        return
    metrics.add(gain for row in won for gain in _gains(row))
    events.publish(ConversionsWon(tuple(_won(row) for row in won)))
    for row in won:
        events.publish(ConversionRecorded(row.id, row.occurred_at))


def _waiting(rows: Sequence[NewRow]) -> list[str]:
    """Those that are nobody's and may become somebody's: by what they name, or by their customer's order before."""
    naming = [row for row in rows if _may_become_known(row)]
    following = [
        row for row in rows if row.membership_id is None and row.customer_id and not _may_become_known(row)
    ]
    customers = {_customer(row) for row in naming} | waiting.customers_among(set(map(_customer, following)))
    return [row.id for row in (*naming, *(each for each in following if _customer(each) in customers))]


def _customer(row: NewRow) -> tuple[str, str]:
    return row.unit_id, row.customer_id


def _may_become_known(row: NewRow) -> bool:
    """Whether it is nobody's, and named a code or coupon that may become somebody's."""
    return row.membership_id is None and any(
        touches.may_mean_another(each.source, each.verdict) for each in row.candidates
    )


def _decide(arrival: Arrival, key: str, received_at: datetime, known: Known) -> Decided:
    before = known.before(arrival.unit_id, arrival.new, arrival.hashes)
    if before is not None:
        return before if before.is_told_by(arrival.new, arrival.hashes) else ConversionDiffers()
    named = touches.of(arrival.new, arrival.clicks, arrival.unit_id, known)
    customer = arrival.new.customer
    happened = Happened(arrival.new.occurred_at, (customer and customer.email_sha256) or "")
    decided = decide(happened, named, known.rules, known.right)
    row = _row(arrival, key, received_at, decided, known)
    told = Before(
        row.id, row.unit_id, row.external_id, row.content_hash, None,
        row.brought_by, row.kind, row.currency, row.earning_unit_id, row.amount_minor,
    )  # fmt: skip
    brought = None if row.link_id is None else Brought(row.occurred_at, row.id, row.link_id)
    known.remember(told, brought, row.customer_id)
    return row


def _row(arrival: Arrival, key: str, received_at: datetime, decided: Attribution, known: Known) -> NewRow:
    new, winner = arrival.new, decided.winner
    row = NewRow(
        id=key,
        unit_id=arrival.unit_id,
        external_id=new.external_id,
        content_hash=arrival.content_hash,
        kind=new.kind,
        occurred_at=new.occurred_at,
        received_at=received_at,
        brought_by=arrival.brought_by,
        day=day_number(new.occurred_at),
        amount_minor=new.amount_minor or 0,
        currency=new.currency or "",
        tax_minor=new.tax_minor or 0,
        shipping_minor=new.shipping_minor or 0,
        discount_minor=new.discount_minor or 0,
        customer_id=arrival.customer_id,
        email_sha256=(new.customer and new.customer.email_sha256) or "",
        lines=[line.model_dump(mode="json") for line in new.lines],
        details=dict(new.metadata),
        membership_id=winner.membership_id if winner else None,
        programme_id=winner.programme_id if winner else None,
        link_id=winner.link_id if winner else None,
        earning_unit_id=known.units[winner.programme_id] if winner else None,
        reason=decided.reason,
        shared=len(decided.shares) > 1,
    )
    weights = [judged.weight_basis_points for judged in decided.candidates]
    shares = (
        split.parts(row.amount_minor, weights)
        if row.shared
        else [row.amount_minor * bool(each) for each in weights]
    )
    for position, (judged, share) in enumerate(zip(decided.candidates, shares, strict=True)):
        row.candidates.append(_candidate(row.id, position, judged, share))
    return row


def _candidate(conversion_id: str, position: int, judged: Judged, share_minor: int) -> NewCandidate:
    touch = judged.touch
    return NewCandidate(
        conversion_id=conversion_id,
        position=position,
        source=touch.source,
        given=touch.given,
        at=touch.at,
        link_id=touch.link_id,
        membership_id=touch.membership_id or None,
        won=judged.won,
        weight_basis_points=judged.weight_basis_points,
        share_minor=share_minor,
        verdict=judged.verdict,
    )


def _shares(row: NewRow) -> tuple[Share, ...]:
    return tuple(
        Share(each.membership_id, each.weight_basis_points, each.share_minor)
        for each in row.candidates
        if each.won and each.membership_id is not None
    )


def _won(row: NewRow) -> Won:
    whose = (str(row.programme_id), str(row.earning_unit_id))
    bought = bought_of(row)
    return Won(
        row.id, row.kind, *whose, row.occurred_at, row.amount_minor, row.currency, _shares(row), bought,
        str(row.membership_id),
    )  # fmt: skip


def _gains(row: NewRow) -> list[Gain]:
    """What a won conversion adds to the scoreboard on its day: a lead, or a sale and its revenue.

    Of a shared one the revenue is everybody's by their share; the lead or sale counts once, for the last touch.
    """
    member, where = str(row.membership_id), (str(row.earning_unit_id), row.day)
    if row.kind == "lead":
        return [Gain("leads", member, *where, 1)]
    revenue = metric_name("revenue", row.currency)
    shares = [Gain(revenue, each.membership_id, *where, each.amount_minor) for each in _shares(row)]
    return [Gain("sales", member, *where, 1), *shares]
