"""The platform's balance at Stripe: what is there now, and what our transfers and their reversals moved in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rewards.stripe.stripe_gateway import PAGE, Body, services, understood

KINDS = ("transfer", "transfer_refund", "transfer_cancel", "transfer_failure")
"""of balance transactions: a transfer takes, the others give back (Stripe, Balance transaction types)"""


@dataclass(frozen=True)
class Moved:
    """What a transfer, or what gave it back, moved; in Stripe's units, negative when it left."""

    transfer_id: str
    amount: int
    currency: str


def available() -> dict[str, int]:
    """Currency → what the platform can transfer now, in Stripe's units."""
    with understood():
        body = services().v1.balance.retrieve().to_dict()
    return {str(each["currency"]).upper(): int(each["amount"]) for each in body["available"]}


def moves_since(since: datetime) -> Iterator[Moved]:
    """Every movement of transfers from a moment on, a page at a time."""
    for kind in KINDS:
        with understood():
            wanted = {"type": kind, "created": {"gte": int(since.timestamp())}, "limit": PAGE}
            listed = services().v1.balance_transactions.list(wanted | {"expand": ["data.source"]})
            for each in listed.auto_paging_iter():
                yield _moved(each.to_dict())


def _moved(body: Body) -> Moved:
    source = body["source"]
    transfer = source.get("transfer") or source["id"] if isinstance(source, dict) else source
    return Moved(str(transfer), int(body["amount"]), str(body["currency"]).upper())
