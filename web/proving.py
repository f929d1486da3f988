"""Who decides about money, or where it goes, proves again who they are when the last proof is some time ago (security.md).

The form comes back as a question for the password, with everything that was typed or picked in it; answered, it is what it
would have been. The password is checked before the view's transaction begins, because that is slow on purpose.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from core import signin, throttle
from core.db import transaction
from core.people import get_person
from core.signin import WrongSignIn
from web.forms import AGAIN_FIELD, CSRF_FIELD
from web.signing_in import SignedIn, me

View = TypeVar("View", bound=Callable[..., Any])
TRIES, WINDOW_S = 10, 900
ASKED = 403
"""the status of the question: not yet allowed"""


class WrongPassword(WrongSignIn):
    """This is not your password."""


@dataclass(frozen=True)
class Proof:
    """When a view wants one: of whoever has this right, where a field `act` has one of these values; empty: always."""

    right: str
    acts: frozenset[str]


def proves(right: str = "", *acts: str) -> Callable[[View], View]:
    """Mark a view whose posts need a fresh proof; without a right of everybody who is signed in."""

    def mark(view: View) -> View:
        view.proof = Proof(right, frozenset(acts))  # type: ignore[attr-defined]  # functions take attributes
        return view

    return mark


def question_before(view: Callable[..., Any] | None) -> ResponseReturnValue | None:
    """The question for the password, where one has to be asked before this view; call it outside of transactions."""
    proof: Proof | None = getattr(view, "proof", None)
    if proof is None or (proof.acts and not _acts() & proof.acts):
        return None
    if not current_user.is_authenticated or (proof.right and not current_user.may(proof.right)):
        return None  # the view refuses them
    signed_in = me()
    with transaction(read_only=True):
        if signin.proved_lately(signed_in.secret):
            return None
    given = request.form.get(AGAIN_FIELD, "")
    if not given:
        return _question(None)
    try:
        _prove(signed_in, given)
    except WrongPassword as error:
        return _question(error)
    return None


def _acts() -> set[str]:
    """Every value of the field that was sent: which of several a view takes is its own affair."""
    return {each.strip() for each in request.form.getlist("act")}


def _prove(signed_in: SignedIn, given: str) -> None:
    with transaction():
        throttle.count(f"again:{signed_in.actor.id}", most=TRIES, window_s=WINDOW_S)
    with transaction(read_only=True):
        person = get_person(signed_in.actor.id)
    try:
        signin.require_password(person, given)
    except WrongSignIn as error:
        raise WrongPassword from error
    with transaction():
        signin.note_proof(signed_in.secret)


def _question(error: WrongPassword | None) -> ResponseReturnValue:
    own = {CSRF_FIELD, AGAIN_FIELD}
    kept = [(name, value) for name, value in request.form.items(multi=True) if name not in own]
    page = render_template(
        "public/core/again.html", kept=kept, address=request.full_path.removesuffix("?"), error=error
    )
    return page, ASKED if error is None else error.status
