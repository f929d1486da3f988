"""Opening many links at once: codes that are free, one version for all, an entry in the audit log for each."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped
from sqlmodel import col, func, or_, select

from core import audit
from core.access import Actor
from core.clock import now
from core.db import session
from hub.programmes import Programme
from referrals.links import codes
from referrals.links.link_changes import take_from_ended
from referrals.links.links import Link

CHUNK = 500


@dataclass(frozen=True)
class NewOne:
    """A link to open; `code` None: one is made up from the name."""

    membership_id: str
    name: str
    code: str | None
    destination: str
    campaign: str
    coupon: str | None
    starts_at: datetime
    ends_at: datetime | None


def open_all(programme: Programme, wanted: Sequence[NewOne], *, by: Actor, version: int) -> list[Link]:
    """Open these links, which were checked since `version` was taken: nobody else opens one until the commit."""
    given = {codes.shape_of(each.code) for each in wanted if each.code}
    made_up = _codes([each.name for each in wanted if not each.code], given)
    opened = [
        Link(
            code=each.code or made_up.pop(0),
            membership_id=each.membership_id,
            programme_id=programme.id,
            unit_id=programme.unit_id,
            destination=each.destination,
            coupon=each.coupon,
            campaign=each.campaign,
            starts_at=each.starts_at,
            ends_at=each.ends_at,
            version=version,
        )
        for each in wanted
    ]
    for coupon in coupons_taken(each.coupon for each in wanted if each.coupon):
        take_from_ended(coupon, programme.id, by=by)
    session().add_all(opened)
    session().flush()
    for link in opened:
        audit.record(by, "link.opened", "link", link.id, unit_id=link.unit_id, details={"code": link.code})
    return opened


def shapes_taken(shapes: Iterable[str]) -> dict[str, Link]:
    """Of these shapes of codes those that are in use, with the link of each."""
    return {link.code_shape: link for link in _in_chunks(col(Link.code_shape), shapes)}


def coupons_taken(coupons: Iterable[str]) -> dict[str, Link]:
    """Of these coupons those that are in use, with the link of each."""
    return {link.coupon or "": link for link in _in_chunks(col(Link.coupon), coupons)}


def links_held(programme: Programme) -> Counter[str]:
    """How many links that have not ended each member has."""
    live = or_(col(Link.ends_at).is_(None), col(Link.ends_at) > now())
    held = select(Link.membership_id, func.count()).where(Link.programme_id == programme.id, live)
    return Counter(dict(session().exec(held.group_by(col(Link.membership_id))).all()))


def links_opened(programme: Programme) -> Mapping[str, int]:
    """How many links each member was given so far, those that have ended too: the number only grows."""
    given = select(Link.membership_id, func.count()).where(Link.programme_id == programme.id)
    return dict(session().exec(given.group_by(col(Link.membership_id))).all())


def _codes(names: Sequence[str], taken: set[str]) -> list[str]:
    """A free code for each name, none of them like another or like those taken."""
    found: dict[int, str] = {}
    while len(found) < len(names):
        tries = {place: codes.generate(names[place]) for place in range(len(names)) if place not in found}
        known = taken | shapes_taken(codes.shape_of(each) for each in tries.values()).keys()
        for place, code in tries.items():
            if codes.shape_of(code) not in known:
                found[place] = code
                known.add(codes.shape_of(code))
                taken.add(codes.shape_of(code))
    return [found[place] for place in range(len(names))]


def _in_chunks(column: Mapped[Any], values: Iterable[str]) -> list[Link]:
    every = sorted(set(values))
    found: list[Link] = []
    for start in range(0, len(every), CHUNK):
        some = select(Link).where(column.in_(every[start : start + CHUNK]))
        found += session().exec(some).all()
    return found
