"""One request is one transaction; GET cannot write, except where a view says so."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, request
from flask.typing import ResponseReturnValue

from core.db import transaction
from web.proving import question_before

View = TypeVar("View", bound=Callable[..., Any])
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SpokesFlask(Flask):
    """Flask whose views run inside a transaction: raise to roll back, return to commit."""

    def dispatch_request(self) -> ResponseReturnValue:
        """Run the view in its transaction; the commit happens before the answer leaves."""
        view = self.view_functions.get(request.endpoint or "")
        question = question_before(view) if request.method == "POST" else None
        if question is not None:
            return question
        if getattr(view, "transacts_itself", False):
            return super().dispatch_request()
        with transaction(read_only=request.method in SAFE and not getattr(view, "writes_on_get", False)):
            return super().dispatch_request()


def writes_on_get(view: View) -> View:
    """Mark a GET view that must write (an export is on the audit log)."""
    view.writes_on_get = True  # type: ignore[attr-defined]  # functions take attributes
    return view


def transacts_itself(view: View) -> View:
    """Mark a view that opens its own transactions, because it calls another server between them or keeps a failed try."""
    view.transacts_itself = True  # type: ignore[attr-defined]  # functions take attributes
    return view


def takes_bytes(most: int) -> Callable[[View], View]:
    """Mark a view that takes larger bodies than the others, up to `most` bytes (an upload)."""

    def mark(view: View) -> View:
        view.takes_bytes = most  # type: ignore[attr-defined]  # functions take attributes
        return view

    return mark
