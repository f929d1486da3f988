"""What machines are told of links, clicks, conversions and refunds."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, RootModel
from sqlalchemy import and_, or_
from sqlalchemy import select as select_columns
from sqlmodel import col, func, select

from advocates.membership import Membership, public_names
from core.answers import Answer, Listed, Refusal
from core.clock import now
from core.db import session
from hub.programmes import Programme
from referrals.clicks import Click, clicks_of_links
from referrals.conversion_rows import Conversion, Refund
from referrals.conversions import candidates_of
from referrals.links import Link
from referrals.narrowing import OTHERS, SeenAttribution, SeenCandidate, narrowed


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
    """A recorded click; one that is not counted says by its flags why."""

    id: str
    code: str
    occurred_at: datetime
    counted: bool
    flags: list[str]
    """why it is not counted: head, prefetch, bot, private"""


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
    verdict: str
    """why it won or did not"""


class ShownAttribution(Answer):
    """Whose a conversion is, and why."""

    advocate: str | None
    advocate_id: str | None
    link: str | None
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


class GrantedReward(Answer):
    """What a conversion is rewarded with."""

    id: str
    kind: str
    """earned (money) or points"""
    amount_minor: int
    currency: str
    """PTS for points"""
    state: str
    arithmetic: str
    """how the amount came about, in words"""


class StoredConversion(ShownConversion):
    """A conversion as it was answered the first time: with what it is rewarded with."""

    reward: GrantedReward | None
    """the first of `rewards`"""
    rewards: list[GrantedReward]
    """money before points"""


class StoredLine(StoredConversion):
    """A line of a batch that was taken."""

    status: Literal[200, 201]


class RefusedLine(Refusal):
    """A line of a batch that was refused; the others stand."""

    status: int


class BatchResult(RootModel[StoredLine | RefusedLine]):
    """What became of one line."""


class ShownRefund(Answer):
    """A stored refund; `parked` until its sale is known."""

    id: str
    external_id: str
    conversion_external_id: str
    amount_minor: int
    reason: str
    occurred_at: datetime
    state: str
    """parked, applied or refused"""


class LinkPage(Listed[ShownLink]):
    """Some links."""


class ClickPage(Listed[ShownClick]):
    """Some clicks."""


class ConversionPage(Listed[ShownConversion]):
    """Some conversions."""


class Brought(BaseModel):
    """What a link brought: counted clicks, won leads, won sales that were not given back in full."""

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


def show_click(click: Click) -> ShownClick:
    """What is told of a click."""
    flags = click.flags.split(",") if click.flags else []
    return ShownClick(
        id=click.id, code=click.code, occurred_at=click.occurred_at, counted=click.counted, flags=flags
    )


def show_conversions(conversions: Sequence[Conversion], units: frozenset[str]) -> dict[str, ShownConversion]:
    """Conversion → what a reader of these units is told of it, with every candidate; nothing of other units' advocates."""
    seen = narrowed(conversions, candidates_of([each.id for each in conversions]), units)
    every: list[SeenAttribution | SeenCandidate] = [*seen.values()]
    every += [one for each in seen.values() for one in each.candidates]
    codes = {key: link.code for key, link in _by_id(Link, {each.link_id for each in every}).items()}
    advocates = _advocates({each.membership_id for each in every})
    return {
        each.id: ShownConversion(
            **each.model_dump(include=set(ShownConversion.model_fields) - {"attribution"}),
            attribution=_attribution(seen[each.id], codes, advocates),
        )
        for each in conversions
    }


def show_refund(refund: Refund) -> ShownRefund:
    """What is told of a refund."""
    return ShownRefund(**refund.model_dump(include=set(ShownRefund.model_fields)))


def _attribution(seen: SeenAttribution, codes: dict[str, str], advocates: dict[str, str]) -> ShownAttribution:
    return ShownAttribution(
        **_whose(seen, codes, advocates),
        reason=seen.reason,
        candidates=[
            ShownCandidate(
                source=one.source,
                given=one.given,
                at=one.at,
                won=one.won,
                verdict=one.verdict,
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
    return public_names(list(_by_id(Membership, ids).values()))


def _by_id(table: Any, ids: Iterable[str | None]) -> dict[str, Any]:  # noqa: ANN401 - any table with an id
    wanted = select(table).where(col(table.id).in_([each for each in ids if each]))
    return {row.id: row for row in session().exec(wanted)}
