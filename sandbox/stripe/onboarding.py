"""The pages that the local Stripe shows people: onboarding, and the account owner's own view."""

import re

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from sandbox.stripe import account_links, accounts
from sandbox.stripe.account_shape import onboarded
from sandbox.stripe.box import Box
from sandbox.stripe.store import Json, decoded

pages = Blueprint("pages", __name__)
MAX_NAME = 120


def box_of_app() -> Box:
    """The box of the running app."""
    box: Box = current_app.extensions["local_stripe"]
    return box


@pages.get("/onboarding/<token>")
def open_link(token: str) -> AnyResponse:
    """Use the account link up and begin a session; a stale link sends the visitor to the refresh address."""
    box = box_of_app()
    with box.store.transaction():
        link = account_links.find(box.store, "onboarding", token)
        if link is None:
            return gone()
        if request.method == "HEAD":
            return Response()
        if not account_links.use(box.store, token, box.now()):
            return redirect(link["refresh_url"], 303)
        session = account_links.issue(
            box.store, "session", link["account"], box.now() + account_links.SESSION_S,
            refresh_url=link["refresh_url"], return_url=link["return_url"],
        )  # fmt: skip
    return redirect(f"/onboarding/session/{session}", 303)


@pages.get("/onboarding/session/<token>")
def show_form(token: str) -> AnyResponse:
    """The onboarding form."""
    found = _session(token)
    return gone() if found is None else _form(found[1], {})


@pages.post("/onboarding/session/<token>")
def submit_form(token: str) -> AnyResponse:
    """Finish (everything is given and enabled) or leave for later (nothing changes); back to the return address."""
    box, found = box_of_app(), _session(token)
    if found is None:
        return gone()
    link, account = found
    if request.form.get("then") == "later":
        return redirect(link["return_url"], 303)
    if errors := _mistakes():
        return _form(account, errors)
    with box.store.transaction():
        account_links.use(box.store, token, box.now())
        finish(box, account, request.form["holder"].strip(), request.form["last4"])
    return redirect(link["return_url"], 303)


def finish(box: Box, account: Json, holder: str, last4: str) -> Json:
    """Complete the account as if its owner had given everything; announces `account.updated`."""
    return accounts.change(box, account, onboarded(account, holder, last4, box.now()))


@pages.get("/express/<token>")
def show_account(token: str) -> AnyResponse:
    """What the account's owner sees of balance and payouts."""
    box = box_of_app()
    with box.store.transaction():
        link = account_links.find(box.store, "login", token)
        account = (
            box.store.find("account", link["account"]) if link and link["expires_at"] > box.now() else None
        )
        if account is None:
            return gone()
        owner = {"owner": account["id"]}
        funds = box.store.rows(
            "SELECT currency, amount FROM funds WHERE owner = :owner ORDER BY currency", owner
        )
        rows = box.store.rows(
            "SELECT body FROM objects WHERE kind = 'payout' AND owner = :owner ORDER BY seq DESC LIMIT 50",
            owner,
        )
    payouts = [decoded(row["body"]) for row in rows]
    return make_response(
        render_template("sandbox/express.html", account=account, funds=funds, payouts=payouts)
    )


def gone() -> AnyResponse:
    """A page for a link that leads nowhere."""
    return make_response(render_template("sandbox/gone.html"), 404)


def _session(token: str) -> tuple[Json, Json] | None:
    box = box_of_app()
    with box.store.transaction():
        link = account_links.find(box.store, "session", token)
        if link is None or link["used"] or link["expires_at"] <= box.now():
            return None
        account = box.store.find("account", link["account"])
    return None if account is None else (link, account)


def _mistakes() -> dict[str, str]:
    errors = {}
    if not 1 <= len(request.form.get("holder", "").strip()) <= MAX_NAME:
        errors["holder"] = f"Enter the name of the account holder, at most {MAX_NAME} characters."
    if not re.fullmatch(r"[0-9]{4}", request.form.get("last4", "")):
        errors["last4"] = "Enter the last four digits of the bank account."
    return errors


def _form(account: Json, errors: dict[str, str]) -> AnyResponse:
    page = render_template("sandbox/onboarding.html", account=account, errors=errors, sent=request.form)
    return make_response(page, 422 if errors else 200)
