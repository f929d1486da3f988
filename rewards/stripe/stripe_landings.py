"""What an advocate's account at Stripe paid out to their bank, and which of our transfers were in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from rewards.stripe.stripe_gateway import PAGE, Body, services, understood

DEEPEST = 5
"""how often a failed payout is followed back to what it was made of"""


@dataclass(frozen=True)
class BankPayout:
    """A payout of the connected account's own, as Stripe has it now."""

    bank_payout_id: str
    account_id: str
    status: str
    """pending, in_transit, paid, failed, canceled"""
    failure: str
    made_at: datetime


def read_bank_payout(account_id: str, bank_payout_id: str) -> BankPayout:
    """It as it stands now; Refused where we see none."""
    with understood():
        found = services().v1.payouts.retrieve(bank_payout_id, options={"stripe_account": account_id})
        return _bank_payout(account_id, found.to_dict())


def bank_payouts_since(account_id: str, since: datetime) -> Iterator[BankPayout]:
    """Every one from a moment on, the oldest first."""
    with understood():
        wanted = {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
        listed = services().v1.payouts.list(wanted, {"stripe_account": account_id})
        found = [each.to_dict() for each in listed.auto_paging_iter()]
    yield from (_bank_payout(account_id, each) for each in reversed(found))


def transfers_in(paid: BankPayout) -> frozenset[str]:
    """The ids of our transfers whose money was in it; those of a failed one that it makes up for, too."""
    payments = _payments(paid.account_id, paid.bank_payout_id, DEEPEST)
    if not payments:
        return frozenset()
    found = set()
    with understood():
        sent = services().v1.transfers.list({"destination": paid.account_id, "limit": PAGE})
        for each in sent.auto_paging_iter():
            if str(each.destination_payment) in payments:
                found.add(str(each.id))
                if len(found) == len(payments):
                    break
    return frozenset(found)


def _payments(account_id: str, bank_payout_id: str, deepest: int) -> set[str]:
    """The payments (`py_…`) behind a payout: Stripe knows them of automatic ones only."""
    with understood():
        wanted = {"payout": bank_payout_id, "limit": PAGE}
        parts = services().v1.balance_transactions.list(wanted, {"stripe_account": account_id})
        found = [(str(each.type), str(each.source)) for each in parts.auto_paging_iter()]
    payments = {source for kind, source in found if kind == "payment"}
    if deepest:
        for _kind, source in (each for each in found if each[0] == "payout_failure"):
            payments |= _payments(account_id, source, deepest - 1)
    return payments


def _bank_payout(account_id: str, body: Body) -> BankPayout:
    return BankPayout(
        bank_payout_id=str(body["id"]),
        account_id=account_id,
        status=str(body["status"]),
        failure=str(body.get("failure_message") or body.get("failure_code") or ""),
        made_at=datetime.fromtimestamp(int(body["created"]), UTC),
    )
