"""Doors for anybody: sign in, sign out, the links that open an account or give a new password."""

from flask import Blueprint, flash, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_user, logout_user
from pydantic import Field

from core import invitations, mail, signin, throttle
from core.db import transaction
from core.ids import new_id
from core.inputs import Input, Line
from core.people import find_person, hashed
from web.forms import read_form
from web.requests import transacts_itself
from web.signing_in import SignedIn, find_signed_in

door = Blueprint("core_public", __name__)

TRIES_PER_ACCOUNT, TRIES_PER_ACCOUNT_FROM_ANYWHERE, TRIES_PER_ADDRESS, LINKS_PER_ACCOUNT = 10, 100, 60, 3
"""in a window; an account's from one address are few, so that a stranger does not lock its owner out elsewhere"""
WINDOW_S = 900


class SignInForm(Input):
    """E-mail and password."""

    email: Line
    password: str = Field(min_length=1, max_length=1_000)
    next: str = Field(default="", max_length=2_000)


class NewPassword(Input):
    """A password to set."""

    password: str = Field(min_length=1, max_length=1_000)


class WhoForgot(Input):
    """Whose password is forgotten."""

    email: Line


@door.get("/login")
def sign_in_page() -> str:
    """The sign-in form."""
    return render_template("public/core/sign_in.html", next=own_path(request.args.get("next")))


@door.post("/login")
@transacts_itself
def sign_in() -> ResponseReturnValue:
    """Sign in; a refused try is counted all the same, so it has a transaction of its own."""
    typed, address = read_form(SignInForm), throttle.masked(request.remote_addr)
    account = f"signin:{typed.email.lower()}"
    _count(f"signin:{address}", TRIES_PER_ADDRESS)
    _count(f"{account}:{address}", TRIES_PER_ACCOUNT)
    _count(account, TRIES_PER_ACCOUNT_FROM_ANYWHERE)
    with transaction(read_only=True):
        known = find_person(typed.email)
    known = signin.require_password(known, typed.password)
    with transaction():
        if current_user.is_authenticated:
            signin.sign_out(current_user.secret)
        for name in (f"{account}:{address}", account):  # who knows the password has not guessed
            throttle.give_back(name, window_s=WINDOW_S)
        person = find_signed_in(signin.sign_in(known, user_agent=request.user_agent.string))
    start = _enter(person)
    return redirect(own_path(typed.next) or start, 303)


def _count(name: str, most: int) -> None:
    """Count a try for good, whatever becomes of it; raises TooManyAttempts."""
    with transaction():
        throttle.count(name, most=most, window_s=WINDOW_S)


def _enter(person: SignedIn | None) -> str:
    """Begin the browser's session and answer where this person starts."""
    session.clear()  # whatever was there before signing in ends here
    login_user(person)
    return "/console" if person is not None and person.is_staff else "/portal"


@door.post("/logout")
def sign_out() -> ResponseReturnValue:
    """End this browser's session."""
    if current_user.is_authenticated:
        signin.sign_out(current_user.secret)
        logout_user()
    session.clear()
    return redirect("/", 303)


@door.get("/welcome/<token>")
@door.get("/reset/<token>", endpoint="reset_page")
def password_page(token: str) -> str:
    """Choose a password: for a new account, or a new one."""
    return render_template("public/core/password.html", person=invitations.holder(token[:200]))


@door.post("/welcome/<token>")
@door.post("/reset/<token>", endpoint="reset")
@transacts_itself
def choose_password(token: str) -> ResponseReturnValue:
    """Use the link once, and come in."""
    secret = token[:200]
    with transaction(read_only=True):
        invitations.holder(secret)
    chosen = hashed(read_form(NewPassword).password)  # slow on purpose: no transaction is open
    with transaction():
        person = invitations.redeem(secret, chosen)
        signed_in = find_signed_in(signin.begin_session(person, user_agent=request.user_agent.string))
    start = _enter(signed_in)
    flash(_("Welcome, %(name)s. You are signed in.", name=person.name), "good")
    return redirect(start, 303)


@door.get("/forgot")
def forgot_page() -> str:
    """Ask for a new password."""
    return render_template("public/core/forgot.html")


@door.post("/forgot")
@transacts_itself
def forgot() -> ResponseReturnValue:
    """Send a link, if there is such an account; the answer is the same for everybody."""
    typed = read_form(WhoForgot)
    _count(f"forgot:{throttle.masked(request.remote_addr)}", TRIES_PER_ADDRESS)
    _count(f"forgot:{typed.email.lower()}", LINKS_PER_ACCOUNT)
    with transaction():
        person = find_person(typed.email)
        if person is not None and person.disabled_at is None:
            token = invitations.issue(person.id, "reset")
            mail.leave("password_reset", person.id, new_id(), to=person.email, name=person.name, token=token)
    flash(_("If there is an account with this address, a link is on its way to it."), "good")
    return redirect("/login", 303)


def own_path(target: str | None) -> str:
    """`target` when it is a path of ours, else nothing: nobody is sent elsewhere after signing in."""
    plain = target or ""
    own = plain.startswith("/") and not plain.startswith(("//", "/\\")) and plain.isprintable()
    return plain if own else ""
