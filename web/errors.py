"""Errors as people and machines read them: a sentence, the fitting status, nothing lost."""

from collections.abc import Iterable
from contextlib import nullcontext

import structlog
from flask import Flask, current_app, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response

from core.db import transaction
from core.errors import (
    Conflict,
    Malformed,
    NotFound,
    NotSignedIn,
    SpokesError,
    TooLarge,
    TooManyAttempts,
    Unavailable,
)

log = structlog.get_logger()

UNIQUE_VIOLATION = "23505"
"""PostgreSQL's code"""


class FormExpired(Malformed):
    """This form is too old or was not ours. Please go back, reload the page and try again."""


class NotAllowedHere(SpokesError):
    """This address does not take that kind of request."""

    status = 405

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed`: the methods that the address takes."""
        super().__init__()
        self.allowed = sorted(allowed)


class OurFault(SpokesError):
    """Something went wrong on our side. It is on record; please try again."""

    status = 500


_BY_STATUS: dict[int, type[SpokesError]] = {404: NotFound, 413: TooLarge}


def register_errors(app: Flask) -> None:
    """Hang every handler on the application."""
    app.register_error_handler(SpokesError, answer)
    app.register_error_handler(CSRFError, lambda _error: answer(FormExpired()))
    app.register_error_handler(IntegrityError, _conflict)
    app.register_error_handler(OperationalError, _busy)
    app.register_error_handler(PoolTimeout, _all_in_use)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _ours)


def answer(error: SpokesError) -> ResponseReturnValue:
    """The refusal as JSON, as the form shown again, or as a page of its own."""
    if _for_machines():
        return _as_json(error)
    if isinstance(error, NotSignedIn):
        wanted = request.full_path.removesuffix("?") if request.method == "GET" else None
        return redirect(url_for("core_public.sign_in_page", next=wanted))
    again = _form_again(error)
    return _as_page(error) if again is None else (again, error.status, _headers(error))


def _for_machines() -> bool:
    return request.path.startswith(("/api/", "/webhooks/", "/openapi"))


def _as_json(error: SpokesError) -> ResponseReturnValue:
    body = {"error": type(error).__name__, "message": error.sentence, "details": error.details}
    return jsonify(body), error.status, _headers(error)


def _as_page(error: SpokesError) -> ResponseReturnValue:
    page = render_template(
        "layout/error.html", status=error.status, sentence=_(error.sentence), request_id=g.get("request_id")
    )
    return page, error.status, _headers(error)


def _headers(error: SpokesError) -> dict[str, str]:
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, NotAllowedHere):
        return {"Allow": ", ".join(error.allowed)}
    return {"Retry-After": "2"} if isinstance(error, Unavailable) else {}


def _form_again(error: SpokesError) -> str | Response | None:
    """The page whose form was refused, with what was typed: its GET view, run again."""
    if request.method != "POST" or error.status not in {409, 422, 429}:
        return None
    adapter = current_app.create_url_adapter(request)
    if adapter is None:
        return None
    try:
        endpoint, arguments = adapter.match(method="GET")
    except HTTPException:
        return None
    g.typed, g.refusal = request.form, error
    view = current_app.view_functions[endpoint]
    own = getattr(view, "transacts_itself", False)
    try:
        with nullcontext() if own else transaction(read_only=True):
            page = view(**arguments)
    except SpokesError:
        return None
    return page if isinstance(page, str | Response) else None


def _conflict(error: IntegrityError) -> ResponseReturnValue:
    """Two at once met a UNIQUE; any other broken constraint is a mistake of ours."""
    if not (
        getattr(error.orig, "sqlstate", "") == UNIQUE_VIOLATION or "UNIQUE constraint" in str(error.orig)
    ):
        return _ours(error)
    log.warning("conflict", reason=str(error.orig)[:300])
    return answer(Conflict())


def _busy(error: OperationalError) -> ResponseReturnValue:
    log.warning("database", reason=str(error.orig)[:300])
    return answer(Unavailable())


def _all_in_use(_error: PoolTimeout) -> ResponseReturnValue:
    log.warning("database", reason="every connection is in use")
    return answer(Unavailable())


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:  # noqa: PLR2004 - a redirect by the router
        return error.get_response()
    if isinstance(error, MethodNotAllowed):
        return answer(NotAllowedHere(error.valid_methods or ()))
    refusal = _BY_STATUS.get(error.code, Malformed)()
    refusal_status = type(refusal).status
    return answer(refusal) if refusal_status == error.code or error.code < 500 else _ours(error)  # noqa: PLR2004


def _ours(error: BaseException) -> ResponseReturnValue:
    log.error("failed", exc_info=error)
    return answer(OurFault())
