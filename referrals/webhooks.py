"""The door for systems that can only call an address: a postback, with a key in the header or a secret in the path."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from core.access import Actor
from core.api_keys import POSTBACK
from core.errors import Forbidden
from hub.roles import key_actor
from referrals.conversions import postback
from referrals.conversions.postback import Postback
from web.forms import read_form, read_query
from web.machines import counted_key, machine, note_use, unit_of_caller
from web.protection import csrf
from web.requests import writes_on_get

door = Blueprint("referrals_webhooks", __name__)
door.after_request(note_use)
csrf.exempt(door)

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


class NotForAddresses(Forbidden):
    """A key that may do more than postbacks has no place in an address. Send it as "Authorization: Bearer KEY"."""


@door.route("/webhooks/postback", methods=["GET", "POST"])
@writes_on_get
def with_key() -> ResponseReturnValue:
    """A conversion, from whoever can send a header."""
    return _take(machine("conversions:write", "writes"))


@door.route("/webhooks/postback/<secret>", methods=["GET", "POST"])
@writes_on_get
def with_secret(secret: str) -> ResponseReturnValue:
    """A conversion, from whoever can only call an address: with a secret that is good for nothing else."""
    key = counted_key(secret, "writes")
    if set(key.scopes) != {POSTBACK}:
        raise NotForAddresses
    return _take(key_actor(key))


def _take(actor: Actor) -> ResponseReturnValue:
    if request.method == "HEAD":  # somebody only looks
        return "", 200, PLAIN
    told = read_form(Postback) if request.form else read_query(Postback)
    _conversion, new = postback.take(told, by=actor, unit_id=unit_of_caller())
    return ("OK recorded\n" if new else "OK known\n"), 200, PLAIN
