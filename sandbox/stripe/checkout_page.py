"""The page on which a buyer pays a Checkout session."""

from urllib.parse import urlsplit

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from sandbox.stripe import checkout
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.onboarding import box_of_app, gone
from sandbox.stripe.store import Json

payments = Blueprint("payments", __name__)
MAX_EMAIL = 200


@payments.get("/pay/<session>")
def show_payment(session: str) -> AnyResponse:
    """What is bought, and the button."""
    found = _open_session(session)
    return gone() if found is None else _page(found)


@payments.post("/pay/<session>")
def pay(session: str) -> AnyResponse:
    """Take a promotion code, or the payment; the buyer goes back to the shop."""
    found, call = _open_session(session), acting()
    if found is None:
        return gone()
    email = (found["customer_email"] or request.form.get("email", "")).strip()
    typed = request.form.get("code", "").strip()
    if "@" not in email or len(email) > MAX_EMAIL:
        return _page(found, email="Enter an email address such as ana@example.org.")
    try:
        with call.store.transaction():
            if typed:
                found = checkout.use_code(call, found, typed)
            if request.form.get("then") == "code":
                return _page(found)
            checkout.pay(call, found, email)
    except StripeRefusal as refused:
        return _page(found, code=str(refused))
    return redirect(found["success_url"].replace("{CHECKOUT_SESSION_ID}", found["id"]), 303)


def acting() -> Call:
    """A call of the platform's own, for what happens on pages and by control."""
    return Call(
        box=box_of_app(), method="POST", path=request.path, params={}, owner="", request_id="", idempotency_key=None,
        host_url=request.host_url,
    )  # fmt: skip


def _open_session(session: str) -> Json | None:
    box = box_of_app()
    with box.store.transaction():
        found = box.store.find("checkout_session", session)
    return found if found and found["status"] == "open" and found["expires_at"] > box.now() else None


def _page(session: Json, **errors: str) -> AnyResponse:
    lines = checkout.lines_of(box_of_app().store, session["id"])
    page = render_template(
        "sandbox/checkout.html", session=session, lines=lines, errors=errors, sent=request.form,
        shop=urlsplit(session["success_url"]).netloc,
    )  # fmt: skip
    return make_response(page, 422 if errors else 200)
