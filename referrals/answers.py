"""What machines are told of links, clicks, conversions and refunds."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import and_, or_
from sqlalchemy import select as select_columns
from sqlmodel import col, func, select

from advocates.membership import Membership
from core.answers import Answer, Listed
from core.clock import now
from core.db import session
from core.people import Person
from core.reading import Reading, among
from hub.programmes import Programme
from referrals.clicks.clicks import Click, clicks_of_links
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion, Refund
from referrals.conversions.conversions import candidates_of
from referrals.conversions.narrowing import OTHERS, SeenAttribution, SeenCandidate, narrowed
from referrals.conversions.peoples_words import left_out, written_about
from referrals.conversions.recording import NewCandidate, NewRow
from referrals.links.links import Link


class ShownLink(Answer):
    """A link with what it brought; `active` says that it forwards now."""

    code: str
    destination: str
    active: bool
    advocate: str
    """by name only where they agreed to it"""
    advocate_id: str
    programme: str
    currency: str
    coupon: str | None
    campaign: str
    """empty: the programme's short name is the UTM campaign"""
    starts_at: datetime
    ends_at: datetime | None
    """null: for good"""
    clicks: int
    """counted ones"""
    leads: int
    sales: int
    """without those that were given back in full"""


class ShownClick(Answer):
    """A recorded click."""

    id: str
    code: str
    occurred_at: datetime
    counted: bool
    flags: list[str]
    """head, prefetch, embedded (as a picture or frame of a page), bot: why it is not counted; private: counted, and nothing is known of a visitor who asked not to be tracked"""


class ShownCandidate(Answer):
    """Whose a conversion might have been, and what became of it."""

    source: str
    """click, code, coupon or customer"""
    given: str
    """the click's id, the code, the coupon, the customer's id"""
    at: datetime
    advocate: str | None
    advocate_id: str | None
    link: str | None
    won: bool
    weight_basis_points: int
    """its part of the conversion: 10,000 is all of it"""
    share_minor: int
    """its part of the amount"""
    verdict: str
    """why it won or did not"""


class ShownAttribution(Answer):
    """Whose a conversion is, and why."""

    advocate: str | None
    advocate_id: str | None
    link: str | None
    shared: bool
    """several advocates have a part of it; `advocate` is the one of the last touch, for whom the sale counts"""
    reason: str
    """as a sentence"""
    candidates: list[ShownCandidate]


class ShownConversion(Answer):
    """A stored conversion."""

    id: str
    external_id: str
    kind: str
    amount_minor: int
    currency: str
    """empty for leads without an amount"""
    refunded_minor: int
    occurred_at: datetime
    attribution: ShownAttribution


class ShownRefund(Answer):
    """A stored refund; sent again with the same content it says what became of it."""

    id: str
    external_id: str
    conversion_external_id: str
    amount_minor: int
    reason: str
    occurred_at: datetime
    state: str
    """parked until its sale is known; applied; refused: it waited, and was more than was left of the sale;
    came_back: it failed at Stripe, its dispute was won after it was lost, or the shop took it back"""


class LinkPage(Listed[ShownLink]):
    """Some links."""


class ClickPage(Listed[ShownClick]):
    """Some clicks."""


class ConversionPage(Listed[ShownConversion]):
    """Some conversions."""


class RefundPage(Listed[ShownRefund]):
    """Some refunds."""


class Brought(BaseModel):
    """What a link brought: counted clicks, won leads, won sales that were not given back in full.

    A shared sale counts once, for the link of its last touch.
    """

    clicks: int = 0
    leads: int = 0
    sales: int = 0


def show_links(links: Sequence[Link]) -> dict[str, ShownLink]:
    """Link → what is told of it."""
    programmes = _by_id(Programme, {each.programme_id for each in links})
    advocates = _advocates({each.membership_id for each in links})
    brought = brought_by([each.id for each in links])
    at = now()
    return {
        link.id: ShownLink(
            code=link.code,
            destination=link.destination,
            active=link.runs_at(at),
            advocate=advocates[link.membership_id],
            advocate_id=link.membership_id,
            programme=programmes[link.programme_id].slug,
            currency=programmes[link.programme_id].currency,
            coupon=link.coupon,
            campaign=link.campaign,
            starts_at=link.starts_at,
            ends_at=link.ends_at,
            **brought[link.id].model_dump(),
        )
        for link in links
    }


def brought_by(link_ids: Sequence[str]) -> dict[str, Brought]:
    """Link → what it brought."""
    clicks = clicks_of_links(link_ids)
    kept = or_(
        col(Conversion.refunded_minor) < col(Conversion.amount_minor), col(Conversion.refunded_minor) == 0
    )
    counted = (
        select_columns(col(Conversion.link_id), col(Conversion.kind), func.count())
        .where(and_(col(Conversion.link_id).in_(link_ids), kept))
        .group_by(col(Conversion.link_id), col(Conversion.kind))
    )
    found = {(link, kind): int(number) for link, kind, number in session().execute(counted)}
    return {
        each: Brought(
            clicks=clicks.get(each, 0),
            leads=found.get((each, "lead"), 0),
            sales=found.get((each, "sale"), 0),
        )
        for each in link_ids
    }


def show_clicks(clicks: Sequence[Click]) -> dict[str, ShownClick]:
    """Click → what is told of it."""
    codes = dict(_CODES.rows(each.link_id for each in clicks))
    return {each.id: _shown_click(each, codes[each.link_id]) for each in clicks}


def _shown_click(click: Click, code: str) -> ShownClick:
    flags = click.flags.split(",") if click.flags else []
    return ShownClick(
        id=click.id, code=code, occurred_at=click.occurred_at, counted=click.counted, flags=flags
    )


def show_conversions(
    conversions: Sequence[Conversion | NewRow], units: frozenset[str]
) -> dict[str, ShownConversion]:
    """Conversion → what a reader of these units is told of it, with every candidate; nothing of other units' advocates."""
    candidates: dict[str, Sequence[AttributionCandidate | NewCandidate]] = {
        **candidates_of([each.id for each in conversions if isinstance(each, Conversion)]),
        **{each.id: each.candidates for each in conversions if isinstance(each, NewRow)},
    }
    seen = narrowed(conversions, candidates, units)
    every: list[SeenAttribution | SeenCandidate] = [*seen.values()]
    every += [one for each in seen.values() for one in each.candidates]
    codes = dict(_CODES.rows(each.link_id for each in every))
    advocates = _advocates(each.membership_id for each in every)
    words = written_about(each.id for each in conversions if isinstance(each, Conversion))
    return {
        each.id: ShownConversion(
            id=each.id,
            external_id=each.external_id,
            kind=each.kind,
            amount_minor=each.amount_minor,
            currency=each.currency,
            refunded_minor=each.refunded_minor,
            occurred_at=each.occurred_at,
            attribution=_attribution(seen[each.id], codes, advocates, words.get(each.id, ())),
        )
        for each in conversions
    }


def show_refund(refund: Refund) -> ShownRefund:
    """What is told of a refund."""
    return ShownRefund(**refund.model_dump(include=set(ShownRefund.model_fields)))


def _attribution(
    seen: SeenAttribution, codes: dict[str, str], advocates: dict[str, str], words: Sequence[str]
) -> ShownAttribution:
    return ShownAttribution(
        **_whose(seen, codes, advocates),
        shared=seen.shared,
        reason=left_out(words, seen.reason),
        candidates=[
            ShownCandidate(
                source=one.source,
                given=one.given,
                at=one.at,
                won=one.won,
                weight_basis_points=one.weight_basis_points,
                share_minor=one.share_minor,
                verdict=left_out(words, one.verdict),
                **_whose(one, codes, advocates),
            )
            for one in seen.candidates
        ],
    )


def _whose(
    seen: SeenAttribution | SeenCandidate, codes: dict[str, str], advocates: dict[str, str]
) -> dict[str, str | None]:
    return {
        "advocate": OTHERS if seen.hidden else advocates.get(seen.membership_id or ""),
        "advocate_id": seen.membership_id,
        "link": codes.get(seen.link_id or ""),
    }


def _advocates(ids: Iterable[str | None]) -> dict[str, str]:
    """Membership → the advocate as a machine is told of them: by name only where they agreed to it."""
    return {
        key: name if by_name else f"Advocate #{number}" for key, number, by_name, name in _ADVOCATES.rows(ids)
    }


_ADVOCATES = Reading(
    lambda: (
        select_columns(
            col(Membership.id), col(Membership.number), col(Membership.shown_by_name), col(Person.name)
        )
        .join(Person, col(Person.id) == col(Membership.person_id))
        .where(among(Membership.id))
    )
)
_CODES = Reading(lambda: select_columns(col(Link.id), col(Link.code)).where(among(Link.id)))


def _by_id(table: Any, ids: Iterable[str | None]) -> dict[str, Any]:  # noqa: ANN401 - any table with an id
    wanted = select(table).where(col(table.id).in_([each for each in ids if each]))
    return {row.id: row for row in session().exec(wanted)}
