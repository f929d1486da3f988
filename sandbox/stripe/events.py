"""Events: what happened, kept for listing and queued for the webhook endpoints."""

from sandbox.stripe import lists, params, recording
from sandbox.stripe.box import Box
from sandbox.stripe.call import Call
from sandbox.stripe.errors import no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json
from sandbox.stripe.webhooks import pending, queue

API_VERSION = "2026-10-28.endive"


def emit(
    box: Box,
    kind: str,
    about: Json,
    *,
    account: str = "",
    previous: Json | None = None,
    cause: Call | None = None,
    ordered: bool = False,
) -> Json:
    """Record that `about` (the object as it now is) changed, and queue it for delivery; answers the event.

    `account` is the connected account concerned: such events go to the connect endpoint, others to the platform's.
    `previous` holds the former values of what changed, `cause` the API call behind it; an `ordered` one says what a test
    made up, so it is not written down as an answer of ours.
    """
    data: Json = {"object": about}
    if previous is not None:
        data["previous_attributes"] = previous
    event: Json = {
        "id": new_id("evt"), "object": "event", "api_version": API_VERSION, "created": box.now(), "data": data,
        "livemode": False, "pending_webhooks": 0, "type": kind,
        "request": {
            "id": (cause.request_id or None) if cause else None,
            "idempotency_key": cause.idempotency_key if cause else None,
        },
    }  # fmt: skip
    if account:
        event["account"] = account
    box.store.add("event", event, owner=account, subject=kind)
    if not ordered:
        recording.note("EVENT", kind, kind, sent={}, status=200, body=event)
    queue(box, event["id"], "connect" if account else "platform")
    return event


def changed(before: Json, after: Json) -> Json:
    """The former values of every top-level field that changed."""
    return {name: before.get(name) for name in after if before.get(name) != after[name]}


def retrieve(call: Call, event: str) -> Json:
    """`GET /v1/events/{id}`."""
    params.allow(call.params)
    body = call.store.find("event", event, owner=call.owner)
    if body is None:
        raise no_such("event", event, param="id", status=404)
    return body | {"pending_webhooks": pending(call.store, event)}


def list_events(call: Call) -> Json:
    """`GET /v1/events`, also by `type` or `types[]`; with `Stripe-Account`, those of that account."""
    params.allow(call.params, "type", "types", *lists.NAMES)
    kind, kinds = params.text(call.params, "type"), params.texts(call.params, "types")
    found = lists.page(call, "event", subjects=[kind] if kind else kinds or None)
    found["data"] = [body | {"pending_webhooks": pending(call.store, body["id"])} for body in found["data"]]
    return found
