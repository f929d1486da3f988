"""Stripe, and nothing else knows it: transfers, sales, signatures; accounts are in stripe_accounts.py.

Every call may raise three kinds of answers: Refused (Stripe did nothing and will not), TryLater (Stripe did nothing
now), Unsure (nobody can tell: a lost answer, a 5xx, a key in use).
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from core.clock import now
from core.errors import Malformed, SpokesError, Unavailable
from core.settings import settings

if TYPE_CHECKING:
    import stripe

Body: TypeAlias = dict[str, Any]
"""an object of Stripe's, as plain dictionaries and lists"""
TIMEOUT_S = 12
RETRIES = 2
SKEW_S = 300
PAGE = 100
_TIMESTAMP = re.compile(r"(?:^|,)\s*t=(\d{1,12})(?:,|$)")


class StripeError(Exception):
    """What Stripe said, or did not say."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.message, self.code = message, code


class Refused(StripeError):
    """A definitive no: nothing was done."""


class TryLater(StripeError):
    """Turned away before anything was done: the same request may be sent again."""


class Unsure(StripeError):
    """Nobody can tell whether it was done."""


class NoStripe(Unavailable):
    """Payouts through Stripe are not set up here."""


class WebhookRefused(Malformed):
    """This is not a message from Stripe."""


class StripeBusy(SpokesError):
    """Stripe does not answer just now. Please try again in a few minutes."""

    status = 503


@dataclass(frozen=True)
class Transfer:
    """A transfer as Stripe has it; `amount` in Stripe's units."""

    transfer_id: str
    destination: str
    amount: int
    currency: str
    attempt: str
    reversed: bool
    payout_id: str
    """of ours, as its metadata say; empty for any other transfer"""
    reversed_amount: int
    """how much of it was taken back"""
    at: datetime

    @property
    def stands(self) -> int:
        """How much of it was not taken back."""
        return self.amount - self.reversed_amount


@cache
def _client(key: str, base: str) -> "stripe.StripeClient":
    import stripe

    addresses: Any = {"base_addresses": {"api": base}} if base else {}
    http = stripe.new_default_http_client(timeout=TIMEOUT_S)
    return stripe.StripeClient(key, max_network_retries=RETRIES, http_client=http, **addresses)


def services() -> Any:  # noqa: ANN401 - the SDK's services type their parameters as closed dictionaries
    """Both versions of the API, `.v1` and `.v2`; raises NoStripe."""
    if not settings().stripe_key:
        raise NoStripe
    return _client(settings().stripe_key, settings().stripe_base)


def _v1() -> Any:  # noqa: ANN401 - as above
    return services().v1


@contextmanager
def understood() -> Iterator[None]:
    """Speak to Stripe: what the SDK raises is raised as one of the three."""
    import stripe  # 15 MiB, which a web process needs only when it speaks to Stripe

    try:
        yield
    except stripe.StripeError as error:
        raise _meaning(error) from error


def _meaning(error: "stripe.StripeError") -> StripeError:
    """Which of the three an SDK error is (money.md, Stripe facts that matter)."""
    import stripe

    code = (error.error.code if error.error else None) or error.code or ""
    message = error.user_message or type(error).__name__
    if isinstance(error, stripe.RateLimitError):
        return TryLater(message, code)
    if isinstance(error, stripe.InvalidRequestError | stripe.PermissionError | stripe.CardError):
        return Unsure(message, code) if error.http_status == 409 else Refused(message, code)  # noqa: PLR2004
    return Unsure(message, code)  # APIError, APIConnectionError, AuthenticationError, IdempotencyError


def send_transfer(
    key: str, *, amount: int, currency: str, destination: str, group: str, payout_id: str
) -> Transfer:
    """Transfer `amount` (Stripe's units) under this idempotency key."""
    wanted = {
        "amount": amount,
        "currency": currency.lower(),
        "destination": destination,
        "transfer_group": group,
        "metadata": {"payout": payout_id, "attempt": key},
    }
    with understood():
        return _transfer(_v1().transfers.create(wanted, {"idempotency_key": key}).to_dict())


def find_transfer(group: str, payout_id: str) -> Transfer | None:
    """The transfer that was made for a payout, whichever attempt it was; None is proof that there is none.

    One that stands goes before one that was reversed.
    """
    reversed_one = None
    with understood():
        listed = _v1().transfers.list({"transfer_group": group, "limit": PAGE})
        for each in listed.auto_paging_iter():
            transfer = each.to_dict()
            if (transfer.get("metadata") or {}).get("payout") == payout_id:
                if not transfer.get("reversed"):
                    return _transfer(transfer)
                reversed_one = reversed_one or _transfer(transfer)
    return reversed_one


def read_transfer(transfer_id: str) -> Transfer:
    """A transfer as Stripe has it now; Refused when there is none."""
    return _transfer(_read("transfers", transfer_id, []))


def _transfer(body: dict[str, Any]) -> Transfer:
    return Transfer(
        transfer_id=body["id"],
        destination=str(body["destination"]),
        amount=int(body["amount"]),
        currency=str(body["currency"]).upper(),
        attempt=str((body.get("metadata") or {}).get("attempt", "")),
        reversed=bool(body.get("reversed")),
        payout_id=str((body.get("metadata") or {}).get("payout", "")),
        reversed_amount=int(body.get("amount_reversed") or 0),
        at=datetime.fromtimestamp(int(body["created"]), UTC),
    )


def transfers_since(since: datetime) -> Iterator[Transfer]:
    """Every transfer from a moment on, the newest first, a page at a time."""
    with understood():
        wanted = {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
        for each in _v1().transfers.list(wanted).auto_paging_iter():
            yield _transfer(each.to_dict())


def verify_webhook(payload: bytes, header: str, secret: str) -> dict[str, Any]:
    """The event in a signed request, no more than 300 s off our clock either way; raises WebhookRefused."""
    import stripe

    sent = _TIMESTAMP.search(header)
    if sent is None or not header.isascii() or not secret:
        raise WebhookRefused
    if abs(now().timestamp() - int(sent[1])) > SKEW_S:
        raise WebhookRefused("This message is too old, or comes from the future.")
    try:
        stripe.WebhookSignature.verify_header(payload, header, secret, None)
        event = json.loads(payload)
    except (stripe.SignatureVerificationError, ValueError, RecursionError) as error:
        raise WebhookRefused from error
    if not isinstance(event, dict) or event.get("object") != "event":
        raise WebhookRefused
    if not all(_is_word(event.get(name)) for name in ("id", "type")):
        raise WebhookRefused
    return event


def events_since(since: datetime, kinds: Sequence[str]) -> Iterator[Body]:
    """The platform's events of these kinds from a moment on, the newest first, a page at a time."""
    with understood():
        wanted = {"created": {"gte": int(since.timestamp())}, "types": list(kinds), "limit": PAGE}
        for each in _v1().events.list(wanted).auto_paging_iter():
            yield each.to_dict()


def read_checkout(session_id: str) -> Body:
    """A Checkout session as Stripe has it now, with its lines and promotion codes; Refused when there is none."""
    return _read("checkout.sessions", session_id, ["line_items", "discounts.promotion_code"])


def checkouts_of(**by: str) -> list[Body]:
    """The Checkout sessions of a `payment_intent` or a `subscription`, the newest first."""
    return _listed("checkout.sessions", by)


def read_invoice(invoice_id: str) -> Body:
    """An invoice as Stripe has it now, with what paid it; Refused when there is none."""
    return _read("invoices", invoice_id, ["payments"])


def charges_of(payment_intent: str) -> list[Body]:
    """The charges that were tried for a payment, the newest first."""
    return _listed("charges", {"payment_intent": payment_intent})


def disputes_of(charge_id: str) -> list[Body]:
    """The disputes of a charge, the newest first."""
    return _listed("disputes", {"charge": charge_id})


def refunds_of(charge_id: str) -> list[Body]:
    """The refunds of a charge, the newest first."""
    return _listed("refunds", {"charge": charge_id})


def _read(service: str, object_id: str, expand: list[str]) -> Body:
    with understood():
        return dict(attrgetter(service)(_v1()).retrieve(object_id, {"expand": expand}).to_dict())


def _listed(service: str, by: dict[str, str]) -> list[Body]:
    """One page: no payment has a hundred of anything."""
    with understood():
        found = attrgetter(service)(_v1()).list({**by, "limit": PAGE})
        return [each.to_dict() for each in found.data]


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= PAGE and value.isprintable()
