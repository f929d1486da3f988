"""What went back of a sale at Stripe, refunds that stand and disputes that were lost, is taken off; what did not after all is given again."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count

from sqlmodel import col, func, select

from core.clock import now
from core.db import session, transaction
from core.money import Money
from referrals.conversions import refunds, same_order
from referrals.conversions.conversion_rows import LOST_DISPUTE
from referrals.conversions.conversions import Conversion, NewRefund, Refund
from rewards.stripe import moved_sales, stripe_facts, stripe_gateway
from rewards.stripe.stripe_facts import Charged
from rewards.stripe.stripe_gateway import TryLater
from rewards.stripe.stripe_orders import Undecided
from rewards.stripe.stripe_sale_rows import STRIPE
from rewards.taking_back import disputed


def compare(sale_id: str, payment_intent: str, charged: Charged, at: datetime) -> str:
    """Take off, or give again, what all payments of a sale say together; one order may be paid in parts, or twice.

    Raises TryLater when what is known of its payments changed meanwhile, Undecided when a person has to say whose they are;
    until then what is disputed is held.
    """
    with transaction(read_only=True):
        others = moved_sales.payments_beside(payment_intent, sale_id)
    paid = {payment_intent: charged}
    paid |= {each: found for each in others if (found := charged_of(each)) is not None}
    with transaction():
        sale = session().get_one(Conversion, sale_id)
        same_order.one_at_a_time(sale.external_id)
        session().refresh(sale)
        moved = moved_sales.is_anothers(payment_intent, sale_id)
        if moved or moved_sales.payments_beside(payment_intent, sale_id) != others:
            raise TryLater("what is known of its payments has changed")
        is_said = moved_sales.is_said(payment_intent)
        if not is_said and sale.earning_unit_id is None and (other := moved_sales.whose(sale)) is not None:
            moved_sales.move_all(sale, other)
            return "another shop told this order and it was won there: read once more for that one"
        disputed.review(sale.id, {each: found.disputed for each, found in paid.items()})
        if is_said or not (_went_back(paid.values()) and _may_be_anothers(sale)):
            return _take_off(sale, payment_intent, paid, at)
    raise Undecided(f"More than one unit may have sold what was paid under the number {sale.external_id}.")


def charged_of(payment_intent: str) -> Charged | None:
    """What became of a payment, read now; None while it was not charged."""
    charges = stripe_gateway.charges_of(payment_intent)
    found = stripe_facts.of_charge(charges, ())
    if found is None:
        return None
    refunded = stripe_gateway.refunds_of(found.charge_id) if found.refunded else ()
    return stripe_facts.of_charge(charges, stripe_gateway.disputes_of(found.charge_id), refunded)


def _take_off(sale: Conversion, payment: str, paid: Mapping[str, Charged], at: datetime) -> str:
    """Refund the difference between what has gone back and what was taken off."""
    session().refresh(sale)
    charges, charged = list(paid.values()), paid[payment]
    gone = stripe_facts.gone_of(Money(sale.amount_minor, sale.currency), charges)
    missing = gone - sale.refunded_minor
    if missing > 0:
        _take(sale, charged, missing, _why(charges), at)
        return f"{missing} {sale.currency} taken off"
    surplus = min(_taken_by_us(sale), -missing)  # what a shop told is the shop's to take back
    if surplus > 0:
        _give_again(sale, charged, surplus, at)
        return f"{surplus} {sale.currency} given again"
    return "nothing to take off"


def _went_back(charges: Iterable[Charged]) -> bool:
    """Whether anything of these payments went back, or is disputed."""
    return any(each.gone or each.disputed for each in charges)


def _may_be_anothers(sale: Conversion) -> bool:
    """Whether other orders of its number were won that a payment of it may be of.

    Of one that Stripe told first and nobody won; or of one that got its payments from such a one before another unit won it, too.
    """
    if sale.earning_unit_id is None:
        return bool(same_order.won_beside(sale))
    told = [each for each in same_order.nobodys_beside(sale) if each.brought_by == STRIPE.id]
    return any(len(same_order.won_beside(each)) > 1 for each in told)


def _why(charges: Sequence[Charged]) -> str:
    lost, refunded = (any(getattr(each, name) for each in charges) for name in ("lost", "refunded"))
    if lost:
        return "lost dispute and refunds at Stripe" if refunded else LOST_DISPUTE
    return "refunded at Stripe"


def _take(sale: Conversion, charged: Charged, amount_minor: int, reason: str, at: datetime) -> None:
    """One refund more of the sale; its name is its number, as the same sum may go, come back, and go again."""
    names = (f"{charged.charge_id}#{number}" for number in count(1))
    said = NewRefund(
        external_id=next(each for each in names if same_order.find_refund(sale.unit_id, each) is None),
        conversion_external_id=sale.external_id,
        amount_minor=amount_minor,
        reason=reason,
        occurred_at=min(at, now()).astimezone(UTC).isoformat(),
    )
    refunds.refund(said, by=STRIPE, unit_id=sale.unit_id, of=sale)


def _give_again(sale: Conversion, charged: Charged, surplus: int, at: datetime) -> None:
    """Undo the newest of what we took off, as a refund that failed or a dispute that was won late does; the rest is taken anew."""
    ours = select(Refund).where(
        Refund.conversion_id == sale.id, Refund.brought_by == STRIPE.id, Refund.state == "applied"
    )
    rows = session().exec(ours.order_by(col(Refund.received_at).desc(), col(Refund.id).desc())).all()
    for row_id, amount in [(each.id, each.amount_minor) for each in rows]:
        if surplus <= 0:
            return
        refunds.undo(session().get_one(Refund, row_id))
        if amount > surplus:
            _take(sale, charged, amount - surplus, "what stands of a refund at Stripe", at)
        surplus -= amount


def _taken_by_us(sale: Conversion) -> int:
    told = select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
        Refund.conversion_id == sale.id, Refund.brought_by == STRIPE.id, Refund.state == "applied"
    )
    return int(session().exec(told).one())
