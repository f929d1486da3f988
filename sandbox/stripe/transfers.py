"""Transfers from the platform to connected accounts."""

from sandbox.stripe import balance, events, lists, params
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal, missing_param, no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json

MAX_GROUP = 255


def create(call: Call) -> Json:
    """`POST /v1/transfers`: amount (minor units), currency, destination, transfer_group, description, metadata."""
    params.allow(
        call.params,
        "amount",
        "currency",
        "destination",
        "transfer_group",
        "description",
        "metadata",
        "source_type",
    )
    amount, destination = params.amount(call.params), params.required(call.params, "destination")
    if amount is None:
        raise missing_param("amount")
    currency = balance.known_currency(params.required(call.params, "currency"))
    body = _transfer(call, amount, currency, destination)
    _check_destination(call, destination)
    body["balance_transaction"] = balance.book(
        call, balance.PLATFORM, -amount, currency, kind="transfer", source=body["id"]
    )
    balance.book(call, destination, amount, currency, kind="payment", source=body["destination_payment"])
    call.store.add("transfer", body, subject=destination, grouping=body["transfer_group"])
    events.emit(call.box, "transfer.created", body, cause=call)
    return body


def _transfer(call: Call, amount: int, currency: str, destination: str) -> Json:
    transfer_id, group = new_id("tr"), params.text(call.params, "transfer_group")
    if group is not None and len(group) > MAX_GROUP:
        raise StripeRefusal(f"Invalid string: at most {MAX_GROUP} characters.", param="transfer_group")
    return {
        "id": transfer_id, "object": "transfer", "amount": amount, "amount_reversed": 0, "balance_transaction": None,
        "created": call.now, "currency": currency, "description": params.text(call.params, "description"),
        "destination": destination, "destination_payment": new_id("py"), "livemode": False,
        "metadata": params.metadata(call.params, {}),
        "reversals": lists.listed([], f"/v1/transfers/{transfer_id}/reversals"), "reversed": False,
        "source_transaction": None, "source_type": params.text(call.params, "source_type") or "card",
        "transfer_group": group,
    }  # fmt: skip


def _check_destination(call: Call, destination: str) -> None:
    if call.owner:
        raise StripeRefusal(
            "Connected accounts cannot create transfers.", code="transfers_not_allowed", remembered=True
        )
    account = call.store.find("account", destination)
    if account is None:
        raise no_such("destination", destination, param="destination")
    if account["capabilities"].get("transfers") != "active":
        raise StripeRefusal(
            "The destination account needs the transfers capability to be active before it can receive transfers.",
            code="insufficient_capabilities_for_transfer",
            remembered=True,
        )


def existing(call: Call, transfer: str) -> Json:
    """The transfer in the address, or 404."""
    body = call.store.find("transfer", transfer, owner=call.owner)
    if body is None:
        raise no_such("transfer", transfer, param="id", status=404)
    return body


def retrieve(call: Call, transfer: str) -> Json:
    """`GET /v1/transfers/{transfer}`."""
    params.allow(call.params)
    return existing(call, transfer)


def update(call: Call, transfer: str) -> Json:
    """`POST /v1/transfers/{transfer}`: description and metadata."""
    params.allow(call.params, "description", "metadata")
    before = existing(call, transfer)
    after = before | {"metadata": params.metadata(call.params, before["metadata"])}
    if "description" in call.params:
        after["description"] = params.text(call.params, "description")
    if previous := events.changed(before, after):
        call.store.save(after)
        events.emit(call.box, "transfer.updated", after, previous=previous, cause=call)
    return after


def list_transfers(call: Call) -> Json:
    """`GET /v1/transfers`, also by `destination` and `transfer_group`."""
    params.allow(call.params, "destination", "transfer_group", *lists.NAMES)
    destination = params.text(call.params, "destination")
    return lists.page(
        call,
        "transfer",
        subjects=[destination] if destination else None,
        grouping=params.text(call.params, "transfer_group"),
    )
