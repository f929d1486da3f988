"""The way of every API call: key, fault, idempotency, execution and answer in one transaction, log."""

import json
import socket
from dataclasses import dataclass

from flask import Request, Response, request

from sandbox.stripe import expand, faults, form, idempotency, keys, recording, request_log
from sandbox.stripe.accounts import check_access
from sandbox.stripe.box import Box
from sandbox.stripe.call import Call, View
from sandbox.stripe.errors import StripeRefusal, server_error
from sandbox.stripe.faults import Fault
from sandbox.stripe.idempotency import FirstAnswer
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True)
class Answer:
    """What a call is answered; status 0 stands for no answer at all."""

    status: int
    body: Json
    original_request: str | None = None  # set when an idempotency key replays it


def answer(box: Box, view: View, path_args: dict[str, str]) -> Response:
    """Handle the current request with `view` and answer it, or break as a waiting fault says."""
    call, fault, outcome = _received(box, request), None, Answer(0, {})
    sent: form.Tree = {}
    try:
        keys.check(request.authorization)
        sent = _sent(call)
        call.params.update(sent)
        fault, first = _begun(call)
        outcome = _outcome(call, view, path_args, fault, first)
    except StripeRefusal as refused:
        outcome = Answer(refused.status, _error_body(call, refused))
    _log(call, outcome, fault)
    address = str(request.url_rule)
    recording.note(call.method, address, call.path, sent=sent, status=outcome.status, body=outcome.body)
    return _delivered(box, call, outcome, fault)


def _sent(call: Call) -> form.Tree:
    """The parameters: version 2 takes JSON."""
    if call.method in {"GET", "DELETE"}:
        return form.decode(request.args.items(multi=True))
    if not call.is_v2:
        return form.decode(request.form.items(multi=True))
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise StripeRefusal("The request body is not a JSON object.", code="invalid_json")
    return body


def _received(box: Box, asked: Request) -> Call:
    return Call(
        box=box,
        method=asked.method,
        path=asked.path,
        params={},
        owner=asked.headers.get("Stripe-Account", ""),
        request_id=new_id("req", 14),
        idempotency_key=asked.headers.get("Idempotency-Key") if asked.method == "POST" else None,
        host_url=asked.host_url,
    )


def _begun(call: Call) -> tuple[Fault | None, FirstAnswer | None]:
    """The fault waiting for this call, and what its idempotency key was answered before; else the key is claimed."""
    with call.store.transaction():
        fault = faults.take(call.store, call.method, call.path)
        if call.idempotency_key is None or (fault and fault.kind in {"hang_before", "rate_limit_429"}):
            return fault, None
        print_ = idempotency.fingerprint(call.method, call.path, call.params)
        first = idempotency.claim(
            call.store, call.idempotency_key, call.owner, print_, call.request_id, call.now
        )
        return fault, first


def _outcome(
    call: Call, view: View, path_args: dict[str, str], fault: Fault | None, first: FirstAnswer | None
) -> Answer:
    if fault and fault.kind == "hang_before":
        return Answer(0, {})
    if fault and fault.kind == "rate_limit_429":
        raise StripeRefusal("Request rate limit exceeded.", status=429, code="rate_limit")
    if first is not None:
        return Answer(first.status, first.body, first.request_id)
    return (
        _executed(call, view, path_args, fault)
        if call.idempotency_key is None
        else _once(call, view, path_args, fault)
    )


def _once(call: Call, view: View, path_args: dict[str, str], fault: Fault | None) -> Answer:
    """Execute under the claimed idempotency key; a refusal is kept under it or gives it back."""
    key, finished = call.idempotency_key or "", False
    try:
        outcome = _executed(call, view, path_args, fault)
        finished = True
    except StripeRefusal as refused:
        if finished := refused.remembered and not call.is_v2:  # version 2 tries a refused request anew
            idempotency.keep(call.store, key, call.owner, refused.status, _error_body(call, refused))
        raise
    finally:
        if not finished:
            idempotency.release(call.store, key, call.owner)
    return outcome


def _executed(call: Call, view: View, path_args: dict[str, str], fault: Fault | None) -> Answer:
    if fault and fault.kind == "slow_commit":
        call.box.hold(fault.seconds)
    with call.store.transaction():
        check_access(call.store, call.owner)
        if fault and fault.kind == "refuse":
            raise fault.refusal()
        if fault and fault.kind == "error_500_before":
            raise server_error(remembered=fault.remembered)
        asked_to_expand = expand.asked(call.params)
        outcome = Answer(200, expand.expanded(call.store, view(call, **path_args), asked_to_expand))
        if fault and fault.kind == "error_500_after_commit":
            outcome = Answer(500, _error_body(call, server_error(remembered=True)))
        if call.idempotency_key is not None:
            idempotency.keep(call.store, call.idempotency_key, call.owner, outcome.status, outcome.body)
        return outcome


def _error_body(call: Call, refused: StripeRefusal) -> Json:
    log_url = f"{call.host_url}_sandbox/requests?request_id={call.request_id}"
    return {"error": refused.error | {"request_log_url": log_url}}


def _log(call: Call, outcome: Answer, fault: Fault | None) -> None:
    with call.store.transaction():
        request_log.note(
            call.store, request_id=call.request_id, method=call.method, path=call.path, account=call.owner,
            key=call.idempotency_key, status=outcome.status, replayed=outcome.original_request is not None,
            fault=fault.kind if fault else None,
        )  # fmt: skip


def _delivered(box: Box, call: Call, outcome: Answer, fault: Fault | None) -> Response:
    text = json.dumps(outcome.body, indent=2)
    if fault and fault.kind in {"hang_before", "hang_after_commit"}:
        box.hold(fault.seconds)
    if fault and fault.kind in {"hang_before", "hang_after_commit", "drop_after_commit"}:
        return _cut_off()
    if fault and fault.kind == "bad_json":
        text = text[: len(text) // 2]
    response = Response(text, outcome.status, content_type="application/json")
    response.headers.update(_headers(call, outcome))
    return response


def _headers(call: Call, outcome: Answer) -> dict[str, str]:
    headers = {
        "Request-Id": call.request_id,
        "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
    }
    if call.owner:
        headers["Stripe-Account"] = call.owner
    if call.idempotency_key is not None:
        headers["Idempotency-Key"] = call.idempotency_key
    if outcome.original_request is not None:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": outcome.original_request}
    if outcome.status == 401:  # noqa: PLR2004 - the HTTP status
        headers["WWW-Authenticate"] = 'Bearer realm="Stripe"'
    if outcome.status in {409, 500}:  # a remembered 500 would only be replayed; a busy key will be free again
        headers["Stripe-Should-Retry"] = "true" if outcome.status == 409 else "false"  # noqa: PLR2004 - as above
    return headers


def _cut_off() -> Response:
    """Close the connection under the answer, which the client then never sees."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)
