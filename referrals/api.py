"""Doors for machines: conversions and refunds in, links, clicks and conversions out."""

from flask import Blueprint, Response, jsonify
from sqlmodel import col, select

from core.access import Actor
from core.db import session
from core.errors import SpokesError
from core.paging import page_of
from hub.programmes import ProgrammeNotFound
from referrals import answers
from referrals.answers import (
    ClickPage,
    ConversionPage,
    LinkPage,
    RefundPage,
    ShownLink,
    ShownRefund,
)
from referrals.clicks.clicks import Click
from referrals.conversions import conversions, refunds_in
from referrals.conversions.batch import BATCH_BYTES, TooManyLines, answered_lines
from referrals.conversions.conversion_input import TakenBackRefund
from referrals.conversions.conversion_rows import Refund
from referrals.conversions.conversions import Conversion, ConversionDiffers, NewConversion, NewRefund
from referrals.conversions.examples import A_REFUND, A_REFUND_TAKEN_BACK, A_SALE
from referrals.conversions.listings import (
    ClickListing,
    ConversionListing,
    LinkListing,
    RefundListing,
    narrow_clicks,
    narrow_conversions,
    narrow_refunds,
    programme_in,
    units_with_links,
)
from referrals.conversions.refunds import (
    RefundDiffers,
    RefundInOtherCurrency,
    RefundOfLead,
    RefundToldByStripe,
    RefundTooLarge,
)
from referrals.conversions.refunds_in import RefundNotFound, RefundOfSeveral
from referrals.conversions.seen import clicks_seen, conversions_in, refunds_seen, seen_link
from referrals.links.links import Link, LinkNotFound
from rewards.together import take_with_others
from rewards.told import BatchResult, ToldConversion, take_all
from web.api_doors import NDJSON, NoQuery, by_json, by_lines, by_query
from web.machines import listed, note_use, unit_of_caller
from web.protection import csrf
from web.requests import transacts_itself

door = Blueprint("referrals_api", __name__)
door.after_request(note_use)
csrf.exempt(door)


@door.post("/api/v1/conversions")
@by_json(
    NewConversion,
    scope="conversions:write",
    answers={201: ToldConversion, 200: ToldConversion},
    refuses=(ConversionDiffers,),
    example=A_SALE,
)
@transacts_itself
def take_conversion(actor: Actor, new: NewConversion) -> tuple[Response, int]:
    """Store a conversion: 201, or 200 and the first answer for a repetition."""
    told = take_with_others(new, actor, unit_of_caller())
    if isinstance(told, SpokesError):
        raise told
    said, status = told
    return Response(said, mimetype="application/json"), status


@door.post("/api/v1/conversions/batch")
@by_lines(
    NewConversion,
    scope="conversions:write",
    answers={200: BatchResult},
    refuses=(TooManyLines,),
    most_bytes=BATCH_BYTES,
)
def take_batch(actor: Actor, raw: bytes) -> Response:
    """Store up to 10,000 conversions, one JSON object a line; one result a line, in order."""
    unit_id = unit_of_caller()
    lines = answered_lines(raw, lambda news: take_all(news, actor, unit_id))
    return Response("".join(f"{line}\n" for line in lines), mimetype=NDJSON)


@door.post("/api/v1/refunds")
@by_json(
    NewRefund,
    scope="conversions:write",
    answers={201: ShownRefund, 200: ShownRefund},
    refuses=(
        RefundDiffers,
        RefundToldByStripe,
        RefundTooLarge,
        RefundOfSeveral,
        RefundOfLead,
        RefundInOtherCurrency,
    ),
    example=A_REFUND,
)
def take_refund(actor: Actor, wanted: NewRefund) -> tuple[Response, int]:
    """Store a refund: 201, or 200 and the first answer, with what became of it since, for a repetition."""
    refund, new = conversions.refund(wanted, by=actor, unit_id=unit_of_caller())
    if refund.answer is None:  # what was answered the first time is kept and answered again
        refund.answer = answers.show_refund(refund).model_dump(mode="json")
        session().add(refund)
    return jsonify({**refund.answer, "state": refund.state}), 201 if new else 200


@door.post("/api/v1/refunds/undo")
@by_json(
    TakenBackRefund,
    scope="conversions:write",
    answers={200: ShownRefund},
    refuses=(RefundNotFound,),
    example=A_REFUND_TAKEN_BACK,
)
def undo_refund(actor: Actor, wanted: TakenBackRefund) -> Response:
    """Undo a refund that your shop told and that failed, or was a mistake: 200, as often as it is sent; the sale stands as before."""
    refund = refunds_in.take_back(wanted.external_id, by=actor, unit_id=unit_of_caller())
    return jsonify(answers.show_refund(refund).model_dump(mode="json"))


@door.get("/api/v1/conversions")
@by_query(ConversionListing, scope="conversions:read", answers={200: ConversionPage})
def list_conversions(actor: Actor, query: ConversionListing) -> Response:
    """The conversions that the key's units may see, the newest first."""
    units = actor.units_for("conversions:read")
    wanted = narrow_conversions(select(Conversion).where(conversions_in(units)), query)
    page = page_of(wanted, (col(Conversion.id), "id"), after=query.after, limit=query.limit)
    shown = answers.show_conversions(page.items, units)
    return listed(page, lambda conversion: shown[conversion.id])


@door.get("/api/v1/refunds")
@by_query(RefundListing, scope="conversions:read", answers={200: RefundPage})
def list_refunds(actor: Actor, query: RefundListing) -> Response:
    """The refunds that the key's units told or whose sale they see, whoever told it, the newest first."""
    units = actor.units_for("conversions:read")
    wanted = narrow_refunds(select(Refund).where(refunds_seen(units)), query)
    page = page_of(wanted, (col(Refund.id), "id"), after=query.after, limit=query.limit)
    return listed(page, answers.show_refund)


@door.get("/api/v1/links")
@by_query(LinkListing, scope="links:read", answers={200: LinkPage}, refuses=(ProgrammeNotFound,))
def list_links(actor: Actor, query: LinkListing) -> Response:
    """The links of the key's units, the newest first."""
    units = actor.units_for("links:read")
    wanted = select(Link).where(col(Link.unit_id).in_(units))
    if query.programme is not None:
        wanted = wanted.where(Link.programme_id == programme_in(units, query.programme).id)
    page = page_of(wanted, (col(Link.id), "id"), after=query.after, limit=query.limit)
    shown = answers.show_links(page.items)
    return listed(page, lambda link: shown[link.id])


@door.get("/api/v1/links/<code>")
@by_query(NoQuery, scope="links:read", answers={200: ShownLink}, refuses=(LinkNotFound,))
def show_link(actor: Actor, _query: NoQuery, code: str) -> Response:
    """One link by its code."""
    link = seen_link(code, actor, "links:read")
    return jsonify(answers.show_links([link])[link.id].model_dump(mode="json"))


@door.get("/api/v1/clicks")
@by_query(ClickListing, scope="clicks:read", answers={200: ClickPage})
def list_clicks(actor: Actor, query: ClickListing) -> Response:
    """Every recorded click of the key's units, flagged ones too, the newest first.

    Clicks are kept for as long as the longest attribution window of any programme.
    """
    units = units_with_links(actor.units_for("clicks:read"))
    wanted = narrow_clicks(select(Click).where(clicks_seen(units)), query)
    page = page_of(wanted, (col(Click.id), "id"), after=query.after, limit=query.limit)
    shown = answers.show_clicks(page.items)
    return listed(page, lambda click: shown[click.id])
