"""The Flask app of the local Stripe: the API, the hosted pages, and the controls for tests."""

from collections.abc import Callable

from flask import Flask, Response, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from sandbox.stripe import balance, idempotency
from sandbox.stripe.box import Box, Delivery
from sandbox.stripe.call import View
from sandbox.stripe.checkout_page import payments
from sandbox.stripe.control import control
from sandbox.stripe.control_sales import sales
from sandbox.stripe.endpoint import answer
from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.onboarding import pages
from sandbox.stripe.routes import ROUTES
from sandbox.stripe.store import Store

MAX_BODY = 1_000_000
CSP = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'"


def create_app(state: str = ":memory:", *, delivery: Delivery | None = None) -> Flask:
    """The app over the SQLite file `state`; its `Box` is `app.extensions["local_stripe"]`."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    box = Box(Store(state), delivery or Delivery())
    app.extensions["local_stripe"] = box
    with box.store.transaction():
        balance.fund_platform(box.store)
        idempotency.release_unfinished(box.store)
    for method, rule, view in ROUTES:
        app.add_url_rule(rule, f"{method} {rule}", _handled(box, view), methods=[method])
    app.register_blueprint(pages)
    app.register_blueprint(payments)
    app.register_blueprint(control)
    app.register_blueprint(sales)
    app.register_error_handler(StripeRefusal, _refused)
    app.register_error_handler(ValidationError, _invalid_order)
    app.register_error_handler(HTTPException, _http_error)
    app.after_request(_guard)
    return app


def _handled(box: Box, view: View) -> Callable[..., Response]:
    def handle(**path_args: str) -> Response:
        return answer(box, view, path_args)

    return handle


def _refused(refused: StripeRefusal) -> tuple[Response, int]:
    return jsonify({"error": refused.error}), refused.status


def _invalid_order(invalid: ValidationError) -> tuple[Response, int]:
    return jsonify({"error": {"type": "invalid_request_error", "message": str(invalid)}}), 422


def _http_error(error: HTTPException) -> tuple[Response, int]:
    """Unknown addresses and methods, in Stripe's shape."""
    status = error.code or 500
    unrecognized = status in {404, 405}
    message = (
        f"Unrecognized request URL ({request.method}: {request.path})." if unrecognized else error.description
    )
    body = {"error": {"type": "invalid_request_error", "message": message}}
    return jsonify(body), 404 if unrecognized else status


def _guard(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = CSP
        response.headers["Cache-Control"] = "no-store"
    return response
