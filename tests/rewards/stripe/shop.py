"""A shop that takes payments at a real local Stripe, and what Stripe then tells us."""

import itertools
from datetime import timedelta
from typing import Any

from sqlmodel import col, select

from core.clock import now
from core.db import session, transaction
from core.ids import new_id
from core.settings import settings as settings_now
from referrals.clicks.tokens import sign, signing_key
from referrals.conversions.conversions import Conversion, Refund
from rewards.reward import rewards_of_conversion
from rewards.stripe import stripe_event_rows, stripe_events
from tests.rewards.local_stripe import LocalStripe

_events = itertools.count(1)


def token(code: str = "ana", ago: timedelta = timedelta()) -> str:
    at_ms = int((now() - ago).timestamp() * 1000)
    return sign(new_id(), code, at_ms, signing_key(settings_now().secret))


def told(kind: str, about: dict[str, Any]) -> str:
    """Stripe tells us so, and it is applied; what became of it."""
    with transaction():
        event = {
            "id": f"evt_{next(_events)}",
            "type": kind,
            "data": {"object": about},
            "created": int(now().timestamp()),
        }
        assert stripe_event_rows.store(event)
    stripe_events.apply_events()
    with transaction():
        last = select(stripe_event_rows.StripeEvent).order_by(col(stripe_event_rows.StripeEvent.id).desc())
        return session().exec(last).first().result  # type: ignore[union-attr]


class Shop:
    """A shop that takes payments at Stripe."""

    def __init__(self, stripe: LocalStripe) -> None:
        self.stripe = stripe

    def sells(
        self,
        amount: int = 12_900,
        currency: str = "eur",
        *,
        email: str = "buyer@example.org",
        code: str = "",
        recurring: bool = False,
        sent: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """A session that was paid."""
        price: dict[str, Any] = {"currency": currency, "unit_amount": amount, "product_data[name]": "Course"}
        price |= {"recurring[interval]": "month"} if recurring else {}
        form = {"mode": "subscription" if recurring else "payment", "success_url": "http://shop.test/"}
        form |= {f"line_items[0][price_data]{_bracketed(name)}": str(value) for name, value in price.items()}
        made = self.stripe.api("checkout/sessions", **form, **(sent or {}))
        return self.stripe.order(f"checkout/{made['id']}/pay", email=email, code=code)

    def charge(self, paid: dict[str, Any]) -> dict[str, Any]:
        """The charge of a session."""
        return dict(self.stripe.read("charges", payment_intent=paid["payment_intent"])["data"][0])

    def given_back(self, paid: dict[str, Any]) -> list[dict[str, Any]]:
        """The refunds of a session at Stripe, the newest first."""
        return list(self.stripe.read("refunds", payment_intent=paid["payment_intent"])["data"])

    def refunds(self, paid: dict[str, Any], amount: int) -> dict[str, Any]:
        """Give something back; the charge as it is then."""
        self.stripe.api("refunds", payment_intent=paid["payment_intent"], amount=str(amount))
        return self.charge(paid)


def bought(shop: Shop) -> tuple[dict[str, Any], Conversion]:
    """Somebody paid, after a click on Ana's link: the Checkout session, and the sale that it became."""
    paid = shop.sells(sent={"metadata[spk]": token()})
    told("checkout.session.completed", paid)
    (sale,) = every()
    return paid, sale


def failed(stripe: LocalStripe, refund: dict[str, Any]) -> str:
    """A refund fails at Stripe: what became of that."""
    return told("refund.failed", stripe.order(f"refunds/{refund['id']}/fail"))


def _bracketed(name: str) -> str:
    head, bracket, rest = name.partition("[")
    return f"[{head}]{bracket}{rest}"


def every() -> list[Conversion]:
    with transaction():
        return list(session().exec(select(Conversion).order_by(col(Conversion.id))).all())


def refunds() -> list[tuple[int, str]]:
    with transaction():
        found = session().exec(select(Refund).order_by(col(Refund.id))).all()
        return [(each.amount_minor, each.state) for each in found]


def earned(conversion: Conversion) -> int:
    with transaction():
        return sum(each.amount_minor for each in rewards_of_conversion(conversion.id))


def left_lying() -> list[stripe_event_rows.StripeEvent]:
    with transaction():
        waiting = select(stripe_event_rows.StripeEvent).where(
            col(stripe_event_rows.StripeEvent.applied_at).is_(None)
        )
        return list(session().exec(waiting).all())
