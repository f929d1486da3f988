"""Reversals: money of a transfer taken back from the connected account."""

from sandbox.stripe import balance, events, lists, params
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal, no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json
from sandbox.stripe.transfers import existing

SHOWN = 10  # newest reversals inside the transfer itself


def create(call: Call, transfer: str) -> Json:
    """`POST /v1/transfers/{id}/reversals`: amount in minor units, by default all that is left."""
    params.allow(call.params, "amount", "description", "metadata", "refund_application_fee")
    sent, before = params.amount(call.params), existing(call, transfer)
    left = before["amount"] - before["amount_reversed"]
    amount = left if sent is None else sent
    if left == 0 or amount > left:
        raise StripeRefusal(
            f"Only {left} of this transfer is left to be reversed, not {amount}.",
            param="amount",
            remembered=True,
        )
    reversal = _reversal(call, transfer, amount, before["currency"])
    balance.book(
        call, before["destination"], -amount, before["currency"], kind="payment_refund",
        source=reversal["destination_payment_refund"],
    )  # fmt: skip
    reversal["balance_transaction"] = balance.book(
        call, balance.PLATFORM, amount, before["currency"], kind="transfer_refund", source=reversal["id"]
    )
    call.store.add("transfer_reversal", reversal, subject=transfer)
    _note_on_transfer(call, before, reversal)
    return reversal


def _reversal(call: Call, transfer: str, amount: int, currency: str) -> Json:
    return {
        "id": new_id("trr"), "object": "transfer_reversal", "amount": amount, "balance_transaction": None,
        "created": call.now, "currency": currency, "destination_payment_refund": new_id("pyr"),
        "metadata": params.metadata(call.params, {}), "source_refund": None, "transfer": transfer,
    }  # fmt: skip


def _note_on_transfer(call: Call, before: Json, reversal: Json) -> None:
    done = before["amount_reversed"] + reversal["amount"]
    shown, listed = [reversal, *before["reversals"]["data"]], before["reversals"]
    after = before | {
        "amount_reversed": done,
        "reversed": done == before["amount"],
        "reversals": listed | {"data": shown[:SHOWN], "has_more": listed["has_more"] or len(shown) > SHOWN},
    }
    call.store.save(after)
    events.emit(call.box, "transfer.reversed", after, previous=events.changed(before, after), cause=call)


def list_reversals(call: Call, transfer: str) -> Json:
    """`GET /v1/transfers/{id}/reversals`."""
    params.allow(call.params, *lists.NAMES)
    existing(call, transfer)
    return lists.page(call, "transfer_reversal", subjects=[transfer])


def retrieve(call: Call, transfer: str, reversal: str) -> Json:
    """`GET /v1/transfers/{transfer}/reversals/{id}`."""
    params.allow(call.params)
    body = call.store.find("transfer_reversal", reversal, owner=call.owner)
    if body is None or body["transfer"] != transfer:
        raise no_such("transfer reversal", reversal, param="id", status=404)
    return body
