"""What the API's lists can be narrowed to."""

from pydantic import Field
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from core.db import session
from core.inputs import Key
from core.paging import Listing
from hub.programmes import Programme, ProgrammeNotFound
from referrals.clicks.click_ids import first_click_id
from referrals.clicks.clicks import Click
from referrals.conversions.conversion_rows import Refund, RefundState
from referrals.conversions.conversions import Conversion, Kind
from referrals.links.link_input import When
from referrals.links.links import Link


class ConversionListing(Listing):
    """The query of conversions."""

    since: When | None = Field(default=None, description="occurred at this moment or later")
    until: When | None = Field(default=None, description="occurred before this moment")
    external_id: Key | None = Field(default=None, description="the shop's own id of the order")
    kind: Kind | None = Field(default=None, description="leads only, or sales only")


class RefundListing(Listing):
    """The query of refunds."""

    since: When | None = Field(default=None, description="occurred at this moment or later")
    until: When | None = Field(default=None, description="occurred before this moment")
    external_id: Key | None = Field(default=None, description="the shop's own id of the refund")
    conversion_external_id: Key | None = Field(default=None, description="the shop's own id of the order")
    state: RefundState | None = Field(default=None, description="what became of it")


class ClickListing(Listing):
    """The query of clicks."""

    since: When | None = Field(default=None, description="occurred at this moment or later")


class LinkListing(Listing):
    """The query of links."""

    programme: str | None = Field(default=None, max_length=40, description="the programme's short name")


def narrow_conversions(
    wanted: SelectOfScalar[Conversion], query: ConversionListing
) -> SelectOfScalar[Conversion]:
    """The conversions that the query asks for."""
    if query.since is not None:
        wanted = wanted.where(Conversion.occurred_at >= query.since)
    if query.until is not None:
        wanted = wanted.where(Conversion.occurred_at < query.until)
    if query.external_id is not None:
        wanted = wanted.where(Conversion.external_id == query.external_id)
    return wanted if query.kind is None else wanted.where(Conversion.kind == query.kind)


def narrow_refunds(wanted: SelectOfScalar[Refund], query: RefundListing) -> SelectOfScalar[Refund]:
    """The refunds that the query asks for."""
    if query.since is not None:
        wanted = wanted.where(Refund.occurred_at >= query.since)
    if query.until is not None:
        wanted = wanted.where(Refund.occurred_at < query.until)
    for name in ("external_id", "conversion_external_id", "state"):
        if (value := getattr(query, name)) is not None:
            wanted = wanted.where(getattr(Refund, name) == value)
    return wanted


def narrow_clicks(wanted: SelectOfScalar[Click], query: ClickListing) -> SelectOfScalar[Click]:
    """The clicks that the query asks for; their ids are in the order of time, so no second index is needed."""
    if query.since is None:
        return wanted
    return wanted.where(col(Click.id) >= first_click_id(query.since))


def units_with_links(unit_ids: frozenset[str]) -> list[str]:
    """Those of these units that have links: for any other, every click there is would be looked at in vain."""
    linked = select(Link.id).where(Link.programme_id == Programme.id).exists()
    return list(
        session().exec(
            select(Programme.unit_id).where(col(Programme.unit_id).in_(unit_ids), linked).distinct()
        )
    )


def programme_in(unit_ids: frozenset[str], slug: str) -> Programme:
    """The programme of these units with this short name; raises ProgrammeNotFound, also for other units'."""
    named = select(Programme).where(Programme.slug == slug, col(Programme.unit_id).in_(unit_ids))
    found = session().exec(named).first()
    if found is None:
        raise ProgrammeNotFound
    return found
