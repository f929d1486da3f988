"""Checkout sessions: made by the shop, paid on the hosted page, told by `checkout.session.completed`."""

from sandbox.stripe import charges, checkout_lines, coupons, events, invoices, lists, params
from sandbox.stripe.account_links import address
from sandbox.stripe.call import Call
from sandbox.stripe.checkout_lines import NOTHING, Sums
from sandbox.stripe.checkout_shape import new_session, summed
from sandbox.stripe.errors import StripeRefusal, no_such
from sandbox.stripe.form import Tree
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json, Store

MAX_REFERENCE = 200
MODES = ("payment", "subscription")


def create(call: Call) -> Json:
    """`POST /v1/checkout/sessions` in mode payment or subscription, with `price_data` lines."""
    params.allow(
        call.params, "mode", "line_items", "success_url", "cancel_url", "client_reference_id", "customer",
        "customer_email", "customer_creation", "metadata", "discounts", "allow_promotion_codes", "automatic_tax",
        "shipping_options", "payment_intent_data", "subscription_data",
    )  # fmt: skip
    mode = params.required(call.params, "mode")
    if mode not in MODES:
        raise StripeRefusal(
            "The local Stripe makes sessions of mode payment or subscription only.", param="mode"
        )
    lines = checkout_lines.read(params.branches(call.params, "line_items"), call.now)
    if (mode == "subscription") != any(each["price"]["recurring"] for each in lines):
        raise StripeRefusal("A recurring price needs the mode subscription, and that mode one.", param="mode")
    discounts = coupons.named(call.store, params.branches(call.params, "discounts"))
    shipping = sum(_shipping(each) for each in params.branches(call.params, "shipping_options"))
    taxed = params.boolean(params.branch(call.params, "automatic_tax"), "enabled") is True
    sums = _sums(call.store, lines, discounts, shipping, taxed=taxed)
    trial = _trial_days(call, mode) > 0
    due = NOTHING if trial else sums
    body = new_session(call.now, lines[0]["currency"], due, mode) | _told(call) | {"discounts": discounts}
    body["url"] = f"{call.host_url}pay/{body['id']}"
    call.store.add("checkout_session", body)
    _keep_inside(call, body, {"shipping": shipping, "taxed": taxed, "trial": trial, **_billed(sums)})
    listed = lists.listed(_lines(lines, sums, trial=trial), f"/v1/checkout/sessions/{body['id']}/line_items")
    call.store.add("lines", {"id": f"{body['id']}/line_items", "created": call.now, "list": listed})
    return body


def _trial_days(call: Call, mode: str) -> int:
    days = params.integer(params.branch(call.params, "subscription_data"), "trial_period_days")
    if days is None:
        return 0
    if mode != "subscription" or days < 1:
        raise StripeRefusal(
            "A trial is of at least one day, and of a subscription.", param="subscription_data"
        )
    return days


def _lines(lines: list[Json], sums: Sums, *, trial: bool) -> list[Json]:
    """The lines with what is due of them now."""
    return checkout_lines.of_trial(lines) if trial else checkout_lines.shared_out(lines, sums)


def _billed(sums: Sums) -> Json:
    """What each period of a subscription costs; the first one, too, where there is no trial."""
    return {"amount": sums.total, "tax": sums.tax}


def _told(call: Call) -> Json:
    reference = params.text(call.params, "client_reference_id")
    if reference is not None and len(reference) > MAX_REFERENCE:
        raise StripeRefusal(f"At most {MAX_REFERENCE} characters.", param="client_reference_id")
    return {
        "client_reference_id": reference, "success_url": address(call.params, "success_url"),
        "cancel_url": params.text(call.params, "cancel_url"), "customer": params.text(call.params, "customer"),
        "customer_email": params.text(call.params, "customer_email"), "metadata": params.metadata(call.params, {}),
        "allow_promotion_codes": params.boolean(call.params, "allow_promotion_codes"),
        "customer_creation": params.text(call.params, "customer_creation"),
    }  # fmt: skip


def _shipping(sent: Tree) -> int:
    rate = params.branch(sent, "shipping_rate_data")
    return params.integer(params.branch(rate, "fixed_amount"), "amount") or 0


def _sums(store: Store, lines: list[Json], discounts: list[Json], shipping: int, *, taxed: bool) -> Sums:
    subtotal = checkout_lines.subtotal_of(lines)
    off = coupons.amount_off(store, discounts, subtotal)
    return Sums(subtotal, off, shipping, checkout_lines.tax_of(subtotal - off) if taxed else 0)


def _keep_inside(call: Call, session: Json, more: Json) -> None:
    """What a session does not say of itself, with what was sent for the payment."""
    metadata = {
        name: params.metadata(params.branch(call.params, name), {})
        for name in ("payment_intent_data", "subscription_data")
    }
    call.store.add(
        "inside", {"id": f"{session['id']}/inside", "created": call.now, "metadata": metadata, **more}
    )


def lines_of(store: Store, session_id: str) -> list[Json]:
    """The lines of a session."""
    kept = store.find("lines", f"{session_id}/line_items")
    found: list[Json] = kept["list"]["data"] if kept else []
    return found


def existing(store: Store, session: str) -> Json:
    """The session, or 404."""
    body = store.find("checkout_session", session)
    if body is None:
        raise no_such("checkout.session", session, param="session", status=404)
    return body


def retrieve(call: Call, session: str) -> Json:
    """`GET /v1/checkout/sessions/{session}`."""
    params.allow(call.params)
    return existing(call.store, session)


def list_sessions(call: Call) -> Json:
    """`GET /v1/checkout/sessions`, also by `payment_intent` or `subscription`."""
    params.allow(call.params, "payment_intent", "subscription", *lists.NAMES)
    payment, subscription = (
        params.text(call.params, "payment_intent"),
        params.text(call.params, "subscription"),
    )
    return lists.page(
        call, "checkout_session", subjects=[subscription] if subscription else None, grouping=payment
    )


def use_code(call: Call, session: Json, typed: str) -> Json:
    """The buyer types a promotion code."""
    code = coupons.find_code(call.store, typed) if session["allow_promotion_codes"] else None
    if code is None:
        raise StripeRefusal("This code is invalid.", param="promotion_code")
    inside = call.store.find("inside", f"{session['id']}/inside") or {}
    lines, discounts = lines_of(call.store, session["id"]), [coupons.of_code(code)]
    sums = _sums(call.store, lines, discounts, inside["shipping"], taxed=inside["taxed"])
    trial = inside["trial"]
    after: Json = session | {"discounts": discounts} | summed(NOTHING if trial else sums)
    call.store.save(after)
    call.store.save(inside | _billed(sums))
    kept = call.store.find("lines", f"{session['id']}/line_items") or {}
    call.store.save(kept | {"list": kept["list"] | {"data": _lines(lines, sums, trial=trial)}})
    return after


def pay(call: Call, session: Json, email: str) -> Json:
    """The buyer pays what is due: a charge (and a subscription with its first invoice), then `checkout.session.completed`."""
    if session["status"] != "open":
        raise StripeRefusal("This session is closed.")
    inside = call.store.find("inside", f"{session['id']}/inside") or {}
    guest = session["mode"] == "payment" and session["customer_creation"] != "always"
    customer = session["customer"] or (None if guest else new_id("cus", 14))
    person = dict.fromkeys(("address", "business_name", "individual_name", "name", "phone")) | {
        "email": email
    }
    after: Json = session | {
        "customer": customer, "customer_details": person | {"tax_exempt": "none", "tax_ids": []},
        "payment_status": "paid" if session["amount_total"] else "no_payment_required", "status": "complete", "url": None,
    }  # fmt: skip
    made = (
        _subscribe(call, after, inside) if session["mode"] == "subscription" else _charge(call, after, inside)
    )
    after |= made
    call.store.save(after)
    call.store.run(
        "UPDATE objects SET subject = :subscription, grouping = :payment WHERE id = :id",
        {"id": after["id"], "subscription": after["subscription"], "payment": after["payment_intent"]},
    )
    events.emit(call.box, "checkout.session.completed", after)
    return after


def _charge(call: Call, session: Json, inside: Json) -> Json:
    if not session["amount_total"]:
        return {}
    payment = new_id("pi")
    charges.charge(
        call,
        session["amount_total"],
        session["currency"],
        payment_intent=payment,
        customer=session["customer"],
        email=session["customer_details"]["email"],
        metadata=inside["metadata"]["payment_intent_data"],
    )
    return {"payment_intent": payment}


def _subscribe(call: Call, session: Json, inside: Json) -> Json:
    subscription: Json = {
        "id": new_id("sub"), "object": "subscription", "created": call.now, "customer": session["customer"],
        "metadata": inside["metadata"]["subscription_data"], "email": session["customer_details"]["email"],
        "amount": inside["amount"], "tax": inside["tax"], "currency": session["currency"],
    }  # fmt: skip
    call.store.add("subscription", subscription)
    free = {"amount": 0, "tax": 0} if inside["trial"] else {}
    invoice = invoices.bill(call, subscription | free, "subscription_create")
    return {"subscription": subscription["id"], "invoice": invoice["id"]}
