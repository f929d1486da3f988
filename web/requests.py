"""One request is one transaction; GET cannot write, except where a view says so."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from flask import Flask, request, session
from flask.typing import ResponseReturnValue

from core.db import again_after_deadlock, transaction
from web.proving import question_before

View = TypeVar("View", bound=Callable[..., Any])
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SpokesFlask(Flask):
    """Flask whose views run inside a transaction: raise to roll back, return to commit."""

    def dispatch_request(self) -> ResponseReturnValue:
        """Run the view in its transaction; the commit happens before the answer leaves.

        What the database broke off to end a deadlock is run again, where the rollback undid all of it.
        """
        view = self.view_functions.get(request.endpoint or "")
        question = question_before(view) if request.method == "POST" else None
        if question is not None:
            return question
        if getattr(view, "transacts_itself", False):
            return super().dispatch_request()
        read_only = request.method in SAFE and not getattr(view, "writes_on_get", False)
        return again_after_deadlock(partial(self._transacted, read_only=read_only), undone=_undone)

    def _transacted(self, *, read_only: bool) -> ResponseReturnValue:
        with transaction(read_only=read_only):
            return super().dispatch_request()


def _undone() -> bool:
    """Whether the rollback undid all that the view did: not what it put into the cookie, nor that it read an upload."""
    return not session.modified and request.mimetype != "multipart/form-data"


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
