"""Doors for machines: advocates and leaderboards."""

from datetime import datetime

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel
from sqlmodel import col, select

from advocates.leaderboard import standings
from advocates.leaderboard_files import as_json
from advocates.leaderboard_query import LeaderboardQuery, wanted_by
from advocates.membership import Membership, current_standing, current_term, public_name
from core.paging import page_of
from hub.programmes import get_programme
from hub.units import get_unit
from web.forms import read_query
from web.machines import Listing, listed, machine, note_use
from web.protection import csrf

door = Blueprint("advocates_api", __name__)
door.after_request(note_use)
csrf.exempt(door)


class AdvocateOut(BaseModel):
    """An advocate, named only where they agreed to be."""

    id: str
    membership_number: int
    advocate: str
    programme: str
    unit: str
    standing: str
    joined_at: datetime
    term_ends_at: datetime


@door.get("/api/v1/advocates")
def list_advocates() -> Response:
    """The advocates of the key's units, by number."""
    actor, query = machine("advocates:read"), read_query(Listing)
    wanted = select(Membership).where(col(Membership.unit_id).in_(actor.units_for("advocates:read")))
    order = (col(Membership.number), "number")
    return listed(page_of(wanted, order, after=query.after, limit=query.limit, descending=False), _shown)


def _shown(member: Membership) -> AdvocateOut:
    return AdvocateOut(
        id=member.id,
        membership_number=member.number,
        advocate=public_name(member),
        programme=get_programme(member.programme_id).slug,
        unit=get_unit(member.unit_id).slug,
        standing=current_standing(member.id).state,
        joined_at=member.joined_at,
        term_ends_at=current_term(member.id).ends_at,
    )


@door.get("/api/v1/leaderboard")
def leaderboard() -> Response:
    """A leaderboard over the key's units."""
    actor = machine("leaderboard:read")
    return jsonify(as_json(standings(wanted_by(actor, read_query(LeaderboardQuery), "leaderboard:read"))))
