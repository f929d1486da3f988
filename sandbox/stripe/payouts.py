"""Payouts: money of a connected account on its way to the bank, where it lands or fails."""

from dataclasses import replace

from sandbox.stripe import balance, events, lists, params
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal, missing_param, no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json, decoded

ARRIVAL_S = 2 * 24 * 3600
FAILURES = {
    "account_closed": "The bank account has been closed.",
    "account_frozen": "The bank account has been frozen.",
    "could_not_process": "The bank could not process this payout.",
    "incorrect_account_holder_name": "The name does not match the bank account.",
    "invalid_account_number": "The bank account number is not valid.",
    "no_account": "The bank account could not be found.",
}


def create(call: Call) -> Json:
    """`POST /v1/payouts` with `Stripe-Account`: amount in minor units and currency."""
    params.allow(
        call.params, "amount", "currency", "description", "metadata", "method", "statement_descriptor"
    )
    amount = params.amount(call.params)
    if amount is None:
        raise missing_param("amount")
    currency = balance.known_currency(params.required(call.params, "currency"))
    return begin(call, amount, currency, automatic=False)


def begin(call: Call, amount: int, currency: str, *, automatic: bool) -> Json:
    """Send money of the account in `call.owner` to its bank; announces `payout.created`."""
    account = call.store.find("account", call.owner) if call.owner else None
    if account is None or not account["payouts_enabled"]:
        raise StripeRefusal(
            "Payouts are not enabled for this account.", code="payouts_not_allowed", remembered=True
        )
    body = _payout(call, amount, currency, account) | {"automatic": automatic}
    if automatic:
        balance.put_into(call.store, call.owner, currency, body["id"])
    body["balance_transaction"] = balance.book(
        call, call.owner, -amount, currency, kind="payout", source=body["id"]
    )
    call.store.add("payout", body, owner=call.owner, subject=body["status"])
    events.emit(call.box, "payout.created", body, account=call.owner, cause=call)
    return body


def _payout(call: Call, amount: int, currency: str, account: Json) -> Json:
    return {
        "id": new_id("po"), "object": "payout", "amount": amount, "application_fee": None,
        "application_fee_amount": None, "arrival_date": call.now + ARRIVAL_S, "automatic": True,
        "balance_transaction": None, "created": call.now, "currency": currency,
        "description": params.text(call.params, "description"), "destination": account["external_accounts"]["data"][0]["id"],
        "failure_balance_transaction": None, "failure_code": None, "failure_message": None, "livemode": False,
        "metadata": params.metadata(call.params, {}), "method": params.text(call.params, "method") or "standard",
        "original_payout": None, "payout_method": None, "reconciliation_status": "not_applicable", "reversed_by": None,
        "source_type": "card", "statement_descriptor": params.text(call.params, "statement_descriptor"),
        "status": "in_transit", "trace_id": None, "type": "bank_account",
    }  # fmt: skip


def land(call: Call, body: Json) -> Json:
    """The money has reached the bank; announces `payout.paid`."""
    return _changed(call, body, "payout.paid", {"status": "paid"})


def fail(call: Call, body: Json, code: str) -> Json:
    """The bank has sent the money back, even days after it landed; announces `payout.failed`."""
    returned = balance.book(
        call, call.owner, body["amount"], body["currency"], kind="payout_failure", source=body["id"]
    )
    failure = {
        "failure_code": code,
        "failure_message": FAILURES[code],
        "failure_balance_transaction": returned,
    }
    return _changed(call, body, "payout.failed", {"status": "failed", **failure})


def _changed(call: Call, before: Json, kind: str, changes: Json) -> Json:
    after = before | changes
    call.store.save(after)
    call.store.run(
        "UPDATE objects SET subject = :status WHERE id = :id", {"status": after["status"], "id": after["id"]}
    )
    events.emit(call.box, kind, after, account=call.owner, previous=events.changed(before, after), cause=call)
    return after


def pay_out_everything(call: Call) -> list[Json]:
    """As Stripe does daily: every account not on a manual schedule gets all it holds, landed at once."""
    rows = call.store.rows(
        "SELECT funds.owner AS owner, currency, amount, body FROM funds"
        " JOIN objects ON objects.id = funds.owner AND kind = 'account'"
        " WHERE amount > 0 ORDER BY funds.owner, currency"
    )
    done = []
    for row in rows:
        account = decoded(row["body"])
        if account["payouts_enabled"] and account["settings"]["payouts"]["schedule"]["interval"] != "manual":
            own = replace(call, owner=account["id"])
            done.append(land(own, begin(own, int(row["amount"]), row["currency"], automatic=True)))
    return done


def retrieve(call: Call, payout: str) -> Json:
    """`GET /v1/payouts/{payout}` with `Stripe-Account`."""
    params.allow(call.params)
    body = call.store.find("payout", payout, owner=call.owner)
    if body is None:
        raise no_such("payout", payout, param="payout", status=404)
    return body


def list_payouts(call: Call) -> Json:
    """`GET /v1/payouts` with `Stripe-Account`, also by `status`."""
    params.allow(call.params, "status", *lists.NAMES)
    status = params.text(call.params, "status")
    return lists.page(call, "payout", subjects=[status] if status else None)
