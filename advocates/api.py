"""Doors for machines: advocates and leaderboards."""

from flask import Blueprint, Response, jsonify
from pydantic import Field
from sqlmodel import col, select

from advocates.leaderboard import CurrencyNeeded, EmptyRange, standings
from advocates.leaderboard_files import as_json
from advocates.leaderboard_query import LeaderboardQuery, wanted_by
from advocates.membership import Membership
from advocates.periods import UnknownPeriod
from advocates.roll import ShownAdvocate, roll
from core.access import Actor
from core.answers import Answer, Listed
from core.money import UnknownCurrency
from core.paging import Listing, page_of
from hub.metrics import UnknownMetric
from hub.units import UnitNotFound
from web.api_doors import by_query
from web.machines import listed, note_use
from web.protection import csrf

door = Blueprint("advocates_api", __name__)
door.after_request(note_use)
csrf.exempt(door)


class AdvocatePage(Listed[ShownAdvocate]):
    """Some advocates."""


class ShownPlace(Answer):
    """An advocate's place."""

    rank: int
    """equal values share a rank, and the next one is skipped"""
    advocate: str
    membership_number: int
    unit: str
    value: int
    """revenue in minor units of the currency"""


class ShownLeaderboard(Answer):
    """A leaderboard; always one page."""

    metric: str
    currency: str | None
    """of revenue"""
    first: str = Field(alias="from")
    """the first day, included"""
    to: str
    """the last day, included"""
    items: list[ShownPlace]
    next: None


@door.get("/api/v1/advocates")
@by_query(Listing, scope="advocates:read", answers={200: AdvocatePage})
def list_advocates(actor: Actor, query: Listing) -> Response:
    """The advocates of the key's units, by number."""
    wanted = select(Membership).where(col(Membership.unit_id).in_(actor.units_for("advocates:read")))
    order = (col(Membership.number), "number")
    page = page_of(wanted, order, after=query.after, limit=query.limit, descending=False)
    known = roll(page.items)
    return listed(page, lambda member: known[member.id])


@door.get("/api/v1/leaderboard")
@by_query(
    LeaderboardQuery,
    scope="leaderboard:read",
    answers={200: ShownLeaderboard},
    refuses=(UnitNotFound, UnknownMetric, UnknownPeriod, UnknownCurrency, CurrencyNeeded, EmptyRange),
)
def leaderboard(actor: Actor, query: LeaderboardQuery) -> Response:
    """A leaderboard over the key's units."""
    return jsonify(as_json(standings(wanted_by(actor, query, "leaderboard:read"))))
