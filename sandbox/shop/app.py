"""The shop's pages: products, basket and checkout, thanks, orders with refunds."""

import hashlib
import re

import requests
from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

from sandbox.shop.catalogue import PRODUCTS, price
from sandbox.shop.hooks import Ear, hooks
from sandbox.shop.orders import Line, Order, OrderBook
from sandbox.shop.payments import Stripe, begin_payment
from sandbox.shop.reports import Reported, Spokes, report_order, report_refund

pages = Blueprint("shop", __name__)

# Cookies do not know ports: names of its own keep the shop's apart from those of a Spokes on the same host.
CLICK_COOKIE = "shop_click"
CLICK_DAYS = 90
MAX_TOKEN = 512
MAX_TEXT = 120
MAX_QUANTITY = 99
AMOUNT = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,2}))?")
NO_STRIPE = Stripe()
CSP = (
    "default-src 'none'; script-src {spokes}; style-src 'self'; img-src data:; form-action 'self' {stripe}; "
    "frame-ancestors 'none'; base-uri 'none'"
)


def create_app(state: str, spokes: Spokes, stripe: Stripe = NO_STRIPE) -> Flask:
    """The shop over the SQLite file `state`, reporting to `spokes`; its orders are `app.extensions["orders"]`."""
    app = Flask(__name__)
    # Derived, so that baskets survive a restart; a shop for tests has nothing to protect.
    app.secret_key = hashlib.sha256(f"shop {state} {spokes.url}".encode()).hexdigest()
    app.config.update(
        SESSION_COOKIE_NAME="shop_session", SESSION_COOKIE_SAMESITE="Lax", MAX_CONTENT_LENGTH=100_000
    )
    app.extensions |= {"orders": OrderBook(state), "spokes": spokes, "shop_stripe": stripe}
    app.jinja_env.filters["price"] = price
    app.context_processor(
        lambda: {
            "products": PRODUCTS,
            "basket_size": sum(line.quantity for line in basket()),
            "snippet": f"{spokes.url.rstrip('/')}/spokes.js",
            "takes_stripe": bool(stripe.url),
        }
    )
    app.register_blueprint(pages)
    app.extensions["ear"] = Ear()
    app.register_blueprint(hooks)
    app.after_request(_finish)
    return app


def _orders() -> OrderBook:
    book: OrderBook = current_app.extensions["orders"]
    return book


def _finish(response: Response) -> Response:
    """Keep the click token of a visitor who arrives with one; the last click counts."""
    token = request.args.get("spk", "")
    if token.isprintable() and 0 < len(token) <= MAX_TOKEN:
        response.set_cookie(CLICK_COOKIE, token, max_age=CLICK_DAYS * 86_400, httponly=True, samesite="Lax")
    spokes, stripe = current_app.extensions["spokes"].url, current_app.extensions["shop_stripe"].url
    response.headers["Content-Security-Policy"] = CSP.format(spokes=spokes, stripe=stripe).replace(" ;", ";")
    return response


def basket() -> list[Line]:
    """What the visitor has put into the basket."""
    kept: dict[str, int] = session.get("basket", {})
    return [Line(sku, quantity) for sku, quantity in kept.items() if sku in PRODUCTS]


@pages.get("/")
def show_products() -> str:
    """The products."""
    return render_template("shop/products.html")


@pages.post("/basket")
def add_to_basket() -> AnyResponse:
    """Put one more of a product into the basket."""
    sku, kept = request.form.get("sku", ""), dict(session.get("basket", {}))
    if sku not in PRODUCTS:
        abort(404)
    kept[sku] = min(kept.get(sku, 0) + 1, MAX_QUANTITY)
    session["basket"] = kept
    return redirect(url_for("shop.show_basket"), 303)


@pages.post("/basket/empty")
def empty_basket() -> AnyResponse:
    """Take everything out of the basket."""
    session.pop("basket", None)
    return redirect(url_for("shop.show_basket"), 303)


@pages.get("/basket")
def show_basket() -> str:
    """The basket with the checkout form."""
    return _basket_page({})


@pages.post("/checkout")
def check_out() -> AnyResponse:
    """Take the order, report it, and thank the customer."""
    name, email = request.form.get("name", "").strip(), request.form.get("email", "").strip()
    if errors := _mistakes(name, email):
        return Response(_basket_page(errors), 422)
    number = _orders().place(
        name,
        email,
        basket(),
        click=request.form.get("spk") or request.cookies.get(CLICK_COOKIE),
        coupon=_short("coupon").upper() or None,
    )
    if request.form.get("pay") == "stripe":
        return _pay_at_stripe(_order(number))
    session.pop("basket", None)
    _report(_order(number))
    return redirect(url_for("shop.thank", number=number), 303)


def _pay_at_stripe(order: Order) -> AnyResponse:
    """Send the customer to Stripe, whose webhook tells Spokes of the sale."""
    tokens = request.form.get("spk_all") or order.click or ""
    try:
        address = begin_payment(current_app.extensions["shop_stripe"], order, tokens, request.host_url)
    except requests.RequestException:
        return Response(_basket_page({"basket": "Stripe does not answer just now. Please try again."}), 503)
    session.pop("basket", None)
    return redirect(address, 303)


@pages.get("/orders/<number>/thanks")
def thank(number: str) -> str:
    """Order number, and what Spokes answered."""
    return render_template("shop/thanks.html", order=_order(number))


@pages.get("/orders")
def show_orders() -> str:
    """All orders, with what Spokes knows of them."""
    return render_template("shop/orders.html", orders=_orders().newest())


@pages.post("/orders/<number>/report")
def report_again(number: str) -> AnyResponse:
    """Report an order (and its refunds) again, under the same external ids."""
    order = _order(number)
    reported = _report(order)
    for refund in order.refunds:
        reported = report_refund(current_app.extensions["spokes"], refund)
        _orders().note_report(refund.number, reported.status, reported.text)
    flash(f"Reported {number} again: {reported.status or 'no answer'}.")
    return redirect(url_for("shop.show_orders"), 303)


@pages.post("/orders/<number>/refund")
def refund_order(number: str) -> AnyResponse:
    """Give back the amount asked for in euros (empty: all that is left) and report it."""
    order = _order(number)
    amount_minor = _cents(request.form.get("amount", ""), order.left_minor)
    refund_number = _orders().refund(number, amount_minor, _short("reason") or "returned")
    if refund_number is None:
        flash(f"Nothing was refunded: choose an amount up to {price(order.left_minor)}, such as 10.50.")
        return redirect(url_for("shop.show_orders"), 303)
    refund = next(made for made in _order(number).refunds if made.number == refund_number)
    reported = report_refund(current_app.extensions["spokes"], refund)
    _orders().note_report(refund_number, reported.status, reported.text)
    flash(f"Refunded {price(amount_minor)} of {number}; Spokes answered {reported.status or 'nothing'}.")
    return redirect(url_for("shop.show_orders"), 303)


def _order(number: str) -> Order:
    order = _orders().find(number)
    return order if order is not None else abort(404)


def _report(order: Order) -> Reported:
    reported = report_order(current_app.extensions["spokes"], order)
    _orders().note_report(order.number, reported.status, reported.text)
    return reported


def _basket_page(errors: dict[str, str]) -> str:
    lines = basket()
    total_minor = sum(line.amount_minor for line in lines)
    return render_template(
        "shop/basket.html", lines=lines, total_minor=total_minor, errors=errors, sent=request.form
    )


def _mistakes(name: str, email: str) -> dict[str, str]:
    errors = {}
    if not 0 < len(name) <= MAX_TEXT:
        errors["name"] = f"Enter your name, at most {MAX_TEXT} characters."
    before, at, after = email.partition("@")
    if not (before and at and "." in after) or len(email) > MAX_TEXT or any(sign.isspace() for sign in email):
        errors["email"] = "Enter an email address such as ana@example.org."
    if not basket():
        errors["basket"] = "Your basket is empty: choose something first."
    return errors


def _short(field: str) -> str:
    return request.form.get(field, "").strip()[:MAX_TEXT]


def _cents(sent: str, default_minor: int) -> int:
    """Cents from an amount in euros such as `10`, `10.5` or `10,50`; 0 when it cannot be read."""
    if not sent.strip():
        return default_minor
    found = AMOUNT.fullmatch(sent.strip())
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else 0
