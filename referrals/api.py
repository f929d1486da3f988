"""Doors for machines: conversions and refunds in, links, clicks and conversions out."""

from flask import Blueprint, Response, jsonify, request
from sqlmodel import col, select

from core.access import Actor, authorize
from core.api_keys import ApiKey
from core.db import session, transaction
from core.errors import SpokesError, UnsupportedMedia
from core.paging import page_of
from referrals import answers, conversions
from referrals.batch import BATCH_BYTES, answered_lines
from referrals.clicks import Click
from referrals.conversions import Conversion, NewConversion, NewRefund
from referrals.links import Link, get_link
from referrals.seen import conversions_in
from rewards.told import take_all
from web.forms import read_query
from web.json_in import read_json
from web.machines import Listing, listed, machine, note_use
from web.protection import csrf
from web.requests import transacts_itself

door = Blueprint("referrals_api", __name__)
door.after_request(note_use)
csrf.exempt(door)

NDJSON = "application/x-ndjson"
BATCH_TYPES = frozenset({NDJSON, "application/ndjson", "application/jsonl"})


class NotNdjson(UnsupportedMedia):
    """Please send one JSON object a line, with the content type application/x-ndjson."""


@door.post("/api/v1/conversions")
def take_conversion() -> tuple[Response, int]:
    """Store a conversion: 201, or 200 and the first answer for a repetition."""
    actor = machine("conversions:write")
    (told,) = take_all([read_json(NewConversion)], actor, _unit_of(actor))
    if isinstance(told, SpokesError):
        raise told
    said, status = told
    return Response(said, mimetype="application/json"), status


@door.post("/api/v1/conversions/batch")
@transacts_itself
def take_batch() -> Response:
    """Store up to 10,000 conversions, one JSON object a line; one result a line, in order."""
    with transaction(read_only=True):
        actor = machine("conversions:write")
        unit_id = _unit_of(actor)
    if request.mimetype not in BATCH_TYPES:
        raise NotNdjson
    request.max_content_length = BATCH_BYTES
    lines = answered_lines(request.get_data(), lambda news: take_all(news, actor, unit_id))
    return Response("".join(f"{line}\n" for line in lines), mimetype=NDJSON)


@door.post("/api/v1/refunds")
def take_refund() -> tuple[Response, int]:
    """Store a refund: 201, or 200 and the first answer for a repetition."""
    actor = machine("conversions:write")
    refund, new = conversions.refund(read_json(NewRefund), by=actor, unit_id=_unit_of(actor))
    if refund.answer is None:  # what was answered the first time is kept and answered again
        refund.answer = answers.show_refund(refund).model_dump(mode="json")
        session().add(refund)
    return jsonify(refund.answer), 201 if new else 200


@door.get("/api/v1/conversions")
def list_conversions() -> Response:
    """The conversions that the key's units may see, the newest first."""
    actor, query = machine("conversions:read"), read_query(Listing)
    units = actor.units_for("conversions:read")
    wanted = select(Conversion).where(conversions_in(units))
    page = page_of(wanted, (col(Conversion.id), "id"), after=query.after, limit=query.limit)
    shown = answers.show_conversions(page.items, units)
    return listed(page, lambda conversion: shown[conversion.id])


@door.get("/api/v1/links")
def list_links() -> Response:
    """The links of the key's units, the newest first."""
    actor, query = machine("links:read"), read_query(Listing)
    wanted = select(Link).where(col(Link.unit_id).in_(actor.units_for("links:read")))
    page = page_of(wanted, (col(Link.id), "id"), after=query.after, limit=query.limit)
    shown = answers.show_links(page.items)
    return listed(page, lambda link: shown[link.id])


@door.get("/api/v1/links/<code>")
def show_link(code: str) -> Response:
    """One link by its code."""
    actor = machine("links:read")
    link = get_link(code)
    authorize(actor, "links:read", link.unit_id)
    return jsonify(answers.show_links([link])[link.id].model_dump(mode="json"))


@door.get("/api/v1/clicks")
def list_clicks() -> Response:
    """Every recorded click of the key's units, flagged ones too, the newest first."""
    actor, query = machine("clicks:read"), read_query(Listing)
    wanted = select(Click).where(col(Click.unit_id).in_(actor.units_for("clicks:read")))
    page = page_of(wanted, (col(Click.id), "id"), after=query.after, limit=query.limit)
    return listed(page, answers.show_click)


def _unit_of(actor: Actor) -> str:
    """The unit of the key that calls."""
    return session().get_one(ApiKey, actor.id).unit_id
