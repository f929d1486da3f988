"""What somebody's units may see: conversions that their shops brought or their programmes won, clicks on their links."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, false, or_
from sqlmodel import col, select

from core.access import Actor, authorize
from core.errors import NotFound
from hub.programmes import Programme
from referrals.clicks.clicks import Click
from referrals.conversions.conversions import Conversion, Refund, get_conversion
from referrals.links.links import Link, LinkNotFound, get_link


def conversions_in(unit_ids: frozenset[str]) -> ColumnElement[bool]:
    """The condition under which a conversion is one of these units'."""
    programmes = select(Programme.id).where(col(Programme.unit_id).in_(unit_ids))
    return or_(col(Conversion.unit_id).in_(unit_ids), col(Conversion.programme_id).in_(programmes))


def clicks_seen(unit_ids: Collection[str]) -> ColumnElement[bool]:
    """The condition under which a click is one of these units': it was on a link of theirs."""
    theirs = col(Link.id) == col(Click.link_id), col(Link.unit_id).in_(unit_ids)
    # A link is looked for only of a click that is looked at: a list of all their links would come first each time.
    return select(Link.id).where(*theirs).correlate(Click).exists() if unit_ids else false()


def refunds_seen(unit_ids: frozenset[str]) -> ColumnElement[bool]:
    """The condition under which a refund is one of these units': their shops told it, or it is of a sale of theirs."""
    sales = select(Conversion.id).where(conversions_in(unit_ids))
    return or_(col(Refund.unit_id).in_(unit_ids), col(Refund.conversion_id).in_(sales))


def seen_conversion(conversion_id: str, actor: Actor, action: str) -> Conversion:
    """The conversion, for somebody who may do `action` where it came from or where it was won.

    Raises NotFound outside what they see, Forbidden within.
    """
    conversion = get_conversion(conversion_id)
    units = [each for each in (conversion.earning_unit_id, conversion.unit_id) if each]
    may = [each for each in units if actor.may(action, each)]
    seen = [each for each in units if each in actor.sees]
    authorize(actor, action, (may or seen or units)[0])
    return conversion


def seen_link(code: str, actor: Actor, scope: str) -> Link:
    """The link with this code, for a key with the scope in its unit; raises LinkNotFound also for another unit's."""
    link = get_link(code)
    try:
        authorize(actor, scope, link.unit_id)
    except NotFound:
        raise LinkNotFound from None
    return link
