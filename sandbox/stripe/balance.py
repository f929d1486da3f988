"""Money held: the platform's and each connected account's, per currency, in minor units."""

from sandbox.stripe import lists, params
from sandbox.stripe.call import Call
from sandbox.stripe.countries import CURRENCIES
from sandbox.stripe.errors import StripeRefusal, no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json, Store

PLATFORM = ""
PLATFORM_FUNDS = 10_000_000_000  # minor units of each currency on the first start


def fund_platform(store: Store) -> None:
    """Give a new platform large funds in every currency; what is already there stays."""
    for currency in CURRENCIES:
        store.run(
            "INSERT OR IGNORE INTO funds VALUES ('', :currency, :amount)",
            {"currency": currency, "amount": PLATFORM_FUNDS},
        )


def set_funds(store: Store, owner: str, currency: str, amount: int) -> None:
    """Set what an owner (empty: the platform) holds, in minor units."""
    store.run(
        "INSERT OR REPLACE INTO funds VALUES (:owner, :currency, :amount)",
        {"owner": owner, "currency": currency, "amount": amount},
    )


def held(store: Store, owner: str, currency: str) -> int:
    """What an owner (empty: the platform) holds, in minor units."""
    row = store.row(
        "SELECT amount FROM funds WHERE owner = :owner AND currency = :currency",
        {"owner": owner, "currency": currency},
    )
    return int(row["amount"]) if row else 0


def known_currency(sent: str) -> str:
    """The currency in small letters; refuses unknown ones."""
    if sent.lower() not in CURRENCIES:
        raise StripeRefusal(
            f"Invalid currency: {sent[:10]}. The local Stripe knows these currencies: {', '.join(CURRENCIES)}",
            param="currency",
        )
    return sent.lower()


def book(call: Call, owner: str, amount: int, currency: str, *, kind: str, source: str) -> str:
    """Add (or, negative, take) money and write the balance transaction; its id. Refuses to go below zero."""
    left = held(call.store, owner, currency) + amount
    if left < 0:
        raise StripeRefusal(
            f"Insufficient available funds: {held(call.store, owner, currency)} {currency}, asked for {-amount}.",
            code="balance_insufficient",
            remembered=True,
        )
    set_funds(call.store, owner, currency, left)
    body = _transaction(call.now, amount, currency, kind, source)
    call.store.add("balance_transaction", body, owner=owner, subject=kind, grouping=source)
    return str(body["id"])


def _transaction(now: int, amount: int, currency: str, kind: str, source: str) -> Json:
    return {
        "id": new_id("txn"), "object": "balance_transaction", "amount": amount, "available_on": now,
        "balance_type": "payments", "created": now, "currency": currency, "description": None, "exchange_rate": None,
        "fee": 0, "fee_details": [], "net": amount, "reporting_category": kind, "source": source,
        "status": "available", "type": kind,
    }  # fmt: skip


def put_into(store: Store, owner: str, currency: str, payout: str) -> None:
    """Everything that moved an account's balance since the payout before is what this payout is made of."""
    store.run(
        "INSERT INTO payout_parts (part, payout) SELECT id, :payout FROM objects"
        " WHERE kind = 'balance_transaction' AND owner = :owner AND json_extract(body, '$.currency') = :currency"
        " AND subject <> 'payout' AND id NOT IN (SELECT part FROM payout_parts)",
        {"payout": payout, "owner": owner, "currency": currency},
    )


def retrieve_balance(call: Call) -> Json:
    """`GET /v1/balance`: of the platform, or of the account in `Stripe-Account`."""
    params.allow(call.params)
    rows = call.store.rows(
        "SELECT currency, amount FROM funds WHERE owner = :owner ORDER BY currency", {"owner": call.owner}
    )
    amounts = {row["currency"]: int(row["amount"]) for row in rows} or {"eur": 0}
    return {
        "object": "balance",
        "livemode": False,
        "available": [_entry(currency, amount) for currency, amount in amounts.items()],
        "pending": [_entry(currency, 0) for currency in amounts],
    }


def _entry(currency: str, amount: int) -> Json:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def retrieve_transaction(call: Call, transaction: str) -> Json:
    """`GET /v1/balance_transactions/{id}`."""
    params.allow(call.params)
    body = call.store.find("balance_transaction", transaction, owner=call.owner)
    if body is None:
        raise no_such("balance transaction", transaction, param="id", status=404)
    return body


def list_transactions(call: Call) -> Json:
    """`GET /v1/balance_transactions`, also by `type` and `source`, or those that an automatic `payout` is made of."""
    params.allow(call.params, "type", "source", "payout", *lists.NAMES)
    kind = params.text(call.params, "type")
    return lists.page(
        call,
        "balance_transaction",
        subjects=[kind] if kind else None,
        grouping=params.text(call.params, "source"),
        part_of=params.text(call.params, "payout"),
    )
