"""Importing links: each row is judged and nothing written; confirmed, exactly what was shown is opened, all or nothing."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import or_
from sqlmodel import col, select

from advocates.membership import Membership
from core import audit
from core.access import Actor
from core.clock import now
from core.db import session
from core.errors import Conflict, Invalid, SpokesError
from core.people import Person
from core.spreadsheets import as_csv
from hub.programmes import Programme
from referrals.conversions.rights import missing_in
from referrals.links import codes, destinations, link_dates, tier_campaigns
from referrals.links.link_changes import gives_up_its_coupon
from referrals.links.link_rows import COLUMNS, LinkRow, ReadRow, plain, read_rows
from referrals.links.links import MOST_LINKS, Link, TooManyLinks, next_version
from referrals.links.many_links import NewOne, coupons_taken, links_held, links_opened, open_all, shapes_taken
from referrals.links.tier_campaigns import Kept, shape_of

Outcome = Literal["opens", "there", "wrong"]
CHUNK = 500
LACKS = {
    "term": "This advocate’s membership is not active, so no link opens.",
    "certification": "This advocate is not certified, so no link opens.",
    "policy": "This advocate has not accepted the current rules, so no link opens.",
}


@dataclass(frozen=True)
class Judged:
    """What becomes of a row: it `opens` a link, its link is `there` already, or something is `wrong`."""

    line: int
    cells: dict[str, str]
    outcome: Outcome
    sentence: str
    link: NewOne | None = None


@dataclass(frozen=True)
class Report:
    """Every row with what becomes of it.

    `digest` stands for exactly this table, these outcomes and the links that its advocates were given so far: what it
    confirms gives them more, so it confirms once.
    """

    rows: Sequence[Judged]
    digest: str

    def count(self, outcome: Outcome) -> int:
        """How many rows come out so."""
        return sum(each.outcome == outcome for each in self.rows)


class ReportChanged(Conflict):
    """Since you looked, these rows were imported, or something changed for them. Nothing was imported now; please look at the list of links first."""


class RowsAreWrong(Invalid):
    """Some rows are wrong. Nothing is imported until all are right."""


class NothingToImport(Conflict):
    """Every link of this table is there already."""


class LinkIsThere(Conflict):
    """This link is there already."""


def dry_run(programme: Programme, text: str) -> Report:
    """What an import of this table into a programme would do now; writes nothing. Raises what read_rows does."""
    read = read_rows(text)
    known = _known(programme, [each.row for each in read if each.row is not None])
    rows = [_judged(each, known) for each in read]
    opened = links_opened(programme)
    shown = [[each.line, each.outcome, each.sentence, _so_far(each, opened)] for each in rows]
    return Report(rows, _digest(programme, text, shown))


def import_links(programme: Programme, text: str, *, digest: str, by: Actor) -> list[Link]:
    """Open the links that the report with this digest showed, all or none.

    Raises ReportChanged, RowsAreWrong, NothingToImport.
    """
    version = next_version()  # locks: what is judged from here on stays so
    report = dry_run(programme, text)
    if report.digest != digest:
        raise ReportChanged
    if report.count("wrong"):
        raise RowsAreWrong
    if not report.count("opens"):
        raise NothingToImport
    wanted = [each.link for each in report.rows if each.link is not None]
    opened = open_all(programme, wanted, by=by, version=version)
    details = {"links": len(opened), "sha256": hashlib.sha256(plain(text).encode()).hexdigest()}
    audit.record(by, "links.imported", "programme", programme.id, unit_id=programme.unit_id, details=details)
    return opened


def open_row(programme: Programme, row: LinkRow, *, by: Actor) -> Link:
    """Open the one link that a row asks for; raises LinkIsThere, and as a refusal what an import says of the row."""
    version = next_version()  # locks: what is judged from here on stays so
    known = _known(programme, [row])
    there = _there(row, known)
    if there is not None:
        raise LinkIsThere(there)
    return open_all(programme, [_new(row, known)], by=by, version=version)[0]


def report_file(report: Report) -> bytes:
    """The report as CSV, in which nothing is a formula."""
    rows = ([each.line, each.outcome, each.sentence, *map(each.cells.get, COLUMNS)] for each in report.rows)
    return as_csv(["line", "outcome", "what becomes of it", *COLUMNS], rows)


@dataclass
class _Known:
    """What the rows are held against, and what earlier rows of the table took."""

    programme: Programme
    members: dict[str, tuple[Membership, str]]
    """e-mail, or number → the member and the name"""
    missing: dict[str, tuple[str, ...]]
    links: Counter[str]
    """how many each has, with those of rows before"""
    by_shape: dict[str, Link]
    by_coupon: dict[str, Link]
    campaigns: set[tuple[str, str]]
    """(member, shape of the campaign's name) that are there"""
    shapes: Counter[str]
    coupons: Counter[str]
    kept: Mapping[str, Kept]
    """the campaigns that are for a tier"""
    taken: set[tuple[str, str]]
    """the same, of rows before"""


def _known(programme: Programme, rows: Sequence[LinkRow]) -> _Known:
    members = _members(programme, {_who(each) for each in rows})
    own = {member.id for member, _name in members.values()}
    shapes = Counter(codes.shape_of(each.code.lower()) for each in rows if each.code)
    coupons = Counter(each.coupon.upper() for each in rows if each.coupon)
    held = select(Link.membership_id, Link.campaign).where(
        Link.programme_id == programme.id, Link.campaign != ""
    )
    return _Known(
        programme=programme,
        members=members,
        missing=dict(missing_in(programme, now())),
        links=links_held(programme),
        by_shape=shapes_taken(shapes),
        by_coupon=coupons_taken(coupons),
        campaigns={(member, shape_of(name)) for member, name in session().exec(held) if member in own},
        shapes=shapes,
        coupons=coupons,
        kept=tier_campaigns.kept_in(programme.id),
        taken=set(),
    )


def _who(row: LinkRow) -> str:
    return row.advocate.removeprefix("#").lower()


def _members(programme: Programme, wanted: set[str]) -> dict[str, tuple[Membership, str]]:
    """E-mail or number → the member of this programme, and the name."""
    every, found = sorted(wanted), {}
    for start in range(0, len(every), CHUNK):
        some = every[start : start + CHUNK]
        numbers = [int(each) for each in some if each.isascii() and each.isdigit() and len(each) <= 18]  # noqa: PLR2004 - what 64 bits hold
        here = select(Membership, Person).where(
            Membership.person_id == Person.id,
            Membership.programme_id == programme.id,
            or_(col(Person.email).in_(some), col(Membership.number).in_(numbers)),
        )
        for member, person in session().exec(here):
            found[person.email] = found[str(member.number)] = (member, person.name)
    return found


def _judged(read: ReadRow, known: _Known) -> Judged:
    if read.row is None:
        return Judged(read.line, read.cells, "wrong", read.problem)
    try:
        there = _there(read.row, known)
        if there is not None:
            return Judged(read.line, read.cells, "there", there)
        link = _new(read.row, known)
    except SpokesError as refusal:  # a row that is refused is a line of the report
        return Judged(read.line, read.cells, "wrong", refusal.sentence)
    known.taken.add((link.membership_id, shape_of(link.campaign)))
    known.links[link.membership_id] += 1
    return Judged(read.line, read.cells, "opens", _opening(link, known), link)


def _there(row: LinkRow, known: _Known) -> str | None:
    """Why this row's link need not be opened any more; None when it must."""
    member = _member(row, known)[0]
    if row.code:
        link = known.by_shape.get(codes.shape_of(row.code.lower()))
        same = link is not None and link.code == row.code.lower() and link.membership_id == member.id
        return f"The link {row.code.lower()} is there already and stays as it is." if same else None
    if row.campaign and (member.id, shape_of(row.campaign)) in known.campaigns:
        return f"This advocate has a link of the campaign {row.campaign} already."
    return None


def _member(row: LinkRow, known: _Known) -> tuple[Membership, str]:
    found = known.members.get(_who(row))
    if found is None:
        raise Invalid("No advocate of this programme has this e-mail address or membership number.")
    return found


def _new(row: LinkRow, known: _Known) -> NewOne:
    """The link that a row opens; raises what is wrong with it."""
    member, name = _member(row, known)
    if known.missing[member.id]:
        raise Invalid(LACKS[known.missing[member.id][0]])
    if known.links[member.id] >= MOST_LINKS:
        raise TooManyLinks
    if not row.code and row.campaign and (member.id, shape_of(row.campaign)) in known.taken:
        raise Invalid("A row above opens a link of this campaign for this advocate. Give this one a code.")
    tier_campaigns.require(known.kept, member.id, row.campaign)
    zone, starts = known.programme.zone, row.starts
    starts_at, ends_at = link_dates.first_moment(starts, zone), link_dates.end_after(row.ends, zone)
    link_dates.require_dates(starts_at, ends_at)
    destination = row.destination or known.programme.home_url
    return NewOne(
        membership_id=member.id,
        name=name,
        code=_code(row.code, known) if row.code else None,
        destination=destinations.allowed(destination, known.programme.allowed_hosts),
        campaign=row.campaign,
        coupon=_coupon(row.coupon, known) if row.coupon else None,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _code(given: str, known: _Known) -> str:
    code = codes.require_code(given)
    shape = codes.shape_of(code)
    if shape in known.by_shape:
        taken = known.by_shape[shape].code
        raise Invalid(
            "This code is already in use." if taken == code else "This code looks like one that is in use."
        )
    if known.shapes[shape] > 1:
        raise Invalid("Two rows have this code, or codes that look alike.")
    return code


def _coupon(given: str, known: _Known) -> str:
    coupon = codes.require_coupon(given)
    has_it = known.by_coupon.get(coupon)
    if has_it is not None and not gives_up_its_coupon(has_it, known.programme.id):
        raise Invalid("This coupon is already in use.")
    if known.coupons[coupon] > 1:
        raise Invalid("Two rows have this coupon.")
    return coupon


def _opening(link: NewOne, known: _Known) -> str:
    code = link.code or "a code that is chosen"
    ends = link_dates.last_day(link.ends_at, known.programme.zone)
    until = f", until {ends.isoformat()}" if ends else ""
    had = known.by_coupon.get(link.coupon or "")
    moves = f" Its coupon is taken from {had.code}, which has ended." if had else ""
    return f"Opens {code} for {link.name}, to {link.destination}{until}.{moves}"


def _so_far(judged: Judged, opened: Mapping[str, int]) -> int:
    """How many links the advocate of a link that opens was given before it."""
    return opened.get(judged.link.membership_id, 0) if judged.link else 0


def _digest(programme: Programme, text: str, shown: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps([programme.id, plain(text), shown]).encode()).hexdigest()
