"""What every answer carries and every request must: CSRF, the content policy, who may frame, a request id."""

import re
import secrets

import structlog
from flask import Flask, Response, current_app, g, request
from flask_wtf.csrf import CSRFProtect

from core.settings import Settings

csrf = CSRFProtect()
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'{form_action}; base-uri 'none'; frame-ancestors 'none'"
)
HSTS = "max-age=31536000; includeSubDomains"
_SECRET_IN_PATH = re.compile(r"^(/webhooks/postback/).+")
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


def register_protection(app: Flask, settings: Settings) -> None:
    """CSRF on every form, headers on every answer."""
    app.before_request(_name_request)  # first, so that a refused form has a number on record too
    app.before_request(_let_uploads_in)
    csrf.init_app(app)
    # Stripe's onboarding is reached by redirect from a form, and form-action covers redirects.
    stripe = f" {settings.stripe_base}" if settings.local_stripe else " https://connect.stripe.com"
    policy = POLICY.format(form_action=stripe)

    def protect(response: Response) -> Response:
        """The headers that every answer has."""
        headers = response.headers
        headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Request-Id"] = g.get("request_id", "")
        if settings.production:
            headers.setdefault("Strict-Transport-Security", HSTS)
        return response

    app.after_request(protect)


def _let_uploads_in() -> None:
    """The size of a body is limited before anything, the form's token included, is read of it."""
    view = current_app.view_functions.get(request.endpoint or "")
    most = getattr(view, "takes_bytes", None)
    if most is not None:
        request.max_content_length = most


def _name_request() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    path = _SECRET_IN_PATH.sub(r"\1…", request.path)
    structlog.contextvars.bind_contextvars(request_id=g.request_id, path=path, method=request.method)
