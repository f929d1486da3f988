"""Every night what we believe we paid is held against Stripe's list: per unit and currency, each difference by name.

Nothing is changed by it. What was sent within the last minutes is left to the next night, since one side may not know it yet;
what is older than LOOK_BACK was compared before, and Stripe reverses it no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select

from core import audit
from core.access import CLOCK, Actor, authorize_anywhere
from core.clock import now
from core.db import session, transaction, update_one
from core.settings import settings
from hub import actions
from hub.units import all_units
from rewards.payouts import reconciliation_balance as balance
from rewards.payouts.reconciliation_rows import (
    Kind,
    ReconciledBalance,
    ReconciledSum,
    Reconciliation,
    ReconciliationDifference,
)
from rewards.payouts.runs import GONE, Payout
from rewards.stripe import stripe_balance, stripe_gateway
from rewards.stripe.stripe_balance import Moved
from rewards.stripe.stripe_gateway import Transfer
from rewards.stripe.stripe_units import minor_of

__all__ = [
    "ReconciledBalance",
    "ReconciledSum",
    "Reconciliation",
    "ReconciliationDifference",
    "ask_to_compare",
    "compare",
    "reconcile",
]
PAID = frozenset(GONE) - {"reversed"}
EVERY = timedelta(hours=24)
LOOK_BACK = timedelta(days=400)
SETTLED_AFTER = timedelta(minutes=10)
EDGE = timedelta(days=1)
"""Stripe is asked for so much more at the beginning, so that a transfer on the border is not missed"""
LEASE = timedelta(minutes=30)
CHUNK = 500
LOOK = "reconciliation.look"
LOOK_WITHIN_DAYS = 1
COMPARE = "payout.run"


@dataclass(frozen=True)
class Found:
    """What a comparison found, before it is stored."""

    sums: Mapping[tuple[str, str], tuple[int, int]]
    """(unit, currency) → ours, theirs; the unit is empty where no payout of ours is known"""
    differences: tuple[ReconciliationDifference, ...]


@dataclass(frozen=True)
class Said:
    """What Stripe says."""

    transfers: tuple[Transfer, ...]
    moves: tuple[Moved, ...]
    """of the balance"""
    available: Mapping[str, int]
    """currency → what is there, in Stripe's units"""


def ask_to_compare(*, by: Actor) -> Reconciliation:
    """Have the clock compare now; while one waits or is under way, it is that one. Raises Forbidden."""
    authorize_anywhere(by, COMPARE)
    waiting = session().exec(select(Reconciliation).where(col(Reconciliation.ended_at).is_(None))).first()
    if waiting is not None:
        return waiting
    asked = Reconciliation(asked_at=now(), due_at=now(), asked_by=by.id)
    session().add(asked)
    session().flush()
    audit.record(by, "reconciliation.asked", "reconciliation", asked.id)
    return asked


def reconcile() -> int:
    """Job: the comparison that is due, a day after the last or because somebody asked; answers how many were made.

    Raises StripeError when Stripe does not answer: the next run begins it again.
    """
    if not settings().stripe_key:
        return 0
    with transaction():
        claimed = _claim()
    if claimed is None:
        return 0
    since, until = now() - LOOK_BACK, now() - SETTLED_AFTER
    said = _ask_stripe(since - EDGE)  # no transaction is open while Stripe is asked
    with transaction():
        claimed = session().get_one(Reconciliation, claimed.id)
        claimed.since, claimed.until, claimed.ended_at = since, until, now()
        claimed.transfers = len(said.transfers)
        claimed.not_ours = sum(not each.payout_id for each in said.transfers)
        session().add(claimed)
        payouts, transfers = _settled(said.transfers, since, until)
        found = compare(payouts, transfers)
        left = balance.left_by_ledger(payouts, since), balance.left_by_balance(transfers, said.moves)
        found = replace(found, differences=found.differences + _moved_otherwise(payouts, found, *left))
        _store(claimed.id, found)
        _store_balance(claimed.id, *left, said.available)
    return 1


def _ask_stripe(since: datetime) -> Said:
    return Said(
        tuple(stripe_gateway.transfers_since(since)),
        tuple(stripe_balance.moves_since(since)),
        stripe_balance.available(),
    )


def _settled(
    listed: Iterable[Transfer], since: datetime, until: datetime
) -> tuple[list[Payout], list[Transfer]]:
    """The payouts and the transfers of ours that can be compared.

    Of a transfer that was made just now we may not know yet; of one that we know both sides are compared.
    """
    ours = [each for each in listed if each.payout_id]
    sent = (
        (col(Payout.provider) == "stripe")
        & col(Payout.state).in_(GONE)
        & (col(Payout.sent_at) >= since)
        & (col(Payout.sent_at) < until)
    )
    payouts = _payouts({each.payout_id for each in ours}, sent)
    just_made = {each.payout_id for each in ours if each.at >= until}
    under_way = just_made - {each.id for each in payouts if each.state in PAID}
    return (
        [each for each in payouts if each.id not in under_way],
        [each for each in ours if each.payout_id not in under_way],
    )


def compare(payouts: Sequence[Payout], transfers: Iterable[Transfer]) -> Found:
    """Which of Stripe's transfers are which payouts, and where the two disagree; purely. Amounts in our minor units."""
    made: dict[str, list[Transfer]] = {}
    for each in transfers:
        made.setdefault(each.payout_id, []).append(each)
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    differences = []
    for payout in payouts:
        found = made.pop(payout.id, [])
        ours = payout.amount_minor - payout.part_back.amount_minor if payout.state in PAID else 0
        theirs = sum(
            minor_of(each.stands, payout.currency) for each in found if each.currency == payout.currency
        )
        _add(sums, (payout.unit_id, payout.currency), ours, theirs)
        kind = _difference(payout, found, ours, theirs)
        if kind is not None:
            differences.append(_row(kind, payout, found, ours, theirs))
    for each in (one for strangers in made.values() for one in strangers):
        theirs = minor_of(each.stands, each.currency)
        _add(sums, ("", each.currency), 0, theirs)
        differences.append(_row("stranger", None, [each], 0, theirs))
    return Found(sums, tuple(differences))


def _difference(payout: Payout, found: Sequence[Transfer], ours: int, theirs: int) -> Kind | None:
    """In what we and Stripe disagree about a payout; None when we do not."""
    standing = [each for each in found if each.stands]
    if len(standing) > 1:
        return "twice"
    if any(each.currency != payout.currency for each in standing):
        return "amount"
    if ours == theirs:
        return None
    if payout.state not in PAID:
        return "unsettled"
    if not found:
        return "missing"
    return "reversed" if any(each.reversed_amount for each in found) else "amount"


def _row(
    kind: Kind, payout: Payout | None, found: Sequence[Transfer], ours: int, theirs: int
) -> ReconciliationDifference:
    return ReconciliationDifference(
        unit_id=payout.unit_id if payout else "",
        kind=kind,
        payout_id=payout.id if payout else None,
        transfer_id=", ".join(each.transfer_id for each in found),
        currency=payout.currency if payout else found[0].currency,
        ours_minor=ours,
        theirs_minor=theirs,
    )


def _moved_otherwise(
    payouts: Sequence[Payout], found: Found, ours: balance.Left, theirs: balance.Left
) -> tuple[ReconciliationDifference, ...]:
    """Payouts about which the lists agree, and the ledger and Stripe's balance do not."""
    named = {each.payout_id for each in found.differences}
    known = {each.id: each for each in payouts if each.id not in named}
    return tuple(
        ReconciliationDifference(
            unit_id=known[payout_id].unit_id,
            kind="balance",
            payout_id=payout_id,
            transfer_id=known[payout_id].transfer_id or "",
            currency=currency,
            ours_minor=ours[payout_id, currency],
            theirs_minor=theirs[payout_id, currency],
        )
        for payout_id, currency in balance.differences(ours, theirs)
        if payout_id in known
    )


def _add(
    sums: dict[tuple[str, str], tuple[int, int]], place: tuple[str, str], ours: int, theirs: int
) -> None:
    before = sums.get(place, (0, 0))
    sums[place] = before[0] + ours, before[1] + theirs


def _claim() -> Reconciliation | None:
    """Take the one that waits, or begin the night's; None when there is nothing to do, or another clock does it."""
    newest = session().exec(select(Reconciliation).order_by(col(Reconciliation.id).desc())).first()
    if newest is None or (newest.ended_at is not None and newest.asked_at <= now() - EVERY):
        newest = Reconciliation(asked_at=now(), due_at=now(), asked_by=CLOCK.id)
        session().add(newest)
        session().flush()
    free = update(Reconciliation).where(
        col(Reconciliation.id) == newest.id,
        col(Reconciliation.ended_at).is_(None),
        col(Reconciliation.due_at) <= now(),
    )
    return newest if update_one(free.values(due_at=now() + LEASE)) else None


def _payouts(named: set[str], sent: ColumnElement[bool]) -> list[Payout]:
    """The payouts of a span, and those that transfers name."""
    found = {each.id: each for each in session().exec(select(Payout).where(sent)).all()}
    missing = sorted(named - found.keys())
    for start in range(0, len(missing), CHUNK):
        some = select(Payout).where(col(Payout.id).in_(missing[start : start + CHUNK]))
        found |= {each.id: each for each in session().exec(some).all()}
    return list(found.values())


def _store_balance(
    reconciliation_id: str, ours: balance.Left, theirs: balance.Left, available: Mapping[str, int]
) -> None:
    """Keep what left in every currency, with what is there and what waits."""
    waiting, left, moved = balance.waiting(), balance.by_currency(ours), balance.by_currency(theirs)
    for currency in sorted(waiting.keys() | left.keys() | moved.keys()):
        session().add(
            ReconciledBalance(
                reconciliation_id=reconciliation_id,
                currency=currency,
                ours_minor=left[currency],
                theirs_minor=moved[currency],
                available_minor=minor_of(available.get(currency, 0), currency),
                waiting_minor=waiting.get(currency, 0),
            )
        )
    session().flush()


def _store(reconciliation_id: str, found: Found) -> None:
    """Keep what was found; for finance to look at where the two disagree."""
    for (unit_id, currency), (ours, theirs) in sorted(found.sums.items()):
        session().add(
            ReconciledSum(
                reconciliation_id=reconciliation_id,
                unit_id=unit_id,
                currency=currency,
                ours_minor=ours,
                theirs_minor=theirs,
            )
        )
    session().flush()
    for each in found.differences:
        each.reconciliation_id = reconciliation_id
        session().add(each)
    hub = next(each.id for each in all_units() if each.parent_id is None)
    troubled = {each.unit_id or hub for each in found.differences}
    actions.finish(LOOK, [each.id for each in all_units() if each.id not in troubled], by=CLOCK)
    for unit_id in sorted(troubled):
        number = sum((each.unit_id or hub) == unit_id for each in found.differences)
        summary = f"Stripe and our books differ about {number} payout{'' if number == 1 else 's'}."
        due = actions.due_in(LOOK_WITHIN_DAYS)
        actions.ask(LOOK, unit_id, unit_id, right=COMPARE, summary=summary, due_at=due)
