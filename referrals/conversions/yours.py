"""What of conversions was an advocate's, or might have been, with the reason; the newest first, page by page."""

import hashlib
import re
from dataclasses import dataclass

from sqlmodel import col, select

from core.db import session
from core.inputs import Input
from core.money import Money
from core.paging import page_of
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion

SHOWN = 20
_LOST = re.compile(r"lost to ((?:last |first )?click|code|coupon|known customer)\b[^()]*")
AS_BEFORE = "(first: "
"""how a verdict goes on with what was said before somebody gave it to somebody else"""
_OTHERS = {
    "last click": "the last click, on somebody else’s link",
    "first click": "the first click, on somebody else’s link",
    "click": "a click on somebody else’s link",
    "code": "somebody else’s code",
    "coupon": "somebody else’s coupon",
    "known customer": "whoever brought the customer before",
}
"""by what it was lost, without whose link that was and when: who else won is nobody's business"""
Row = tuple[Conversion, AttributionCandidate]


class YoursQuery(Input):
    """Which page of them to show."""

    after: str | None = None


@dataclass(frozen=True)
class Yours:
    """Some of them, with the cursor of the page that this is and of the one after it."""

    rows: list[Row]
    after: str | None
    next: str | None

    @property
    def stamp(self) -> str:
        """Changes whenever what is shown of these rows does."""
        said = [(each.id, each.refunded_minor, one.won, one.verdict) for each, one in self.rows]
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def yours(membership_id: str, after: str | None = None) -> Yours:
    """The newest, or those after a cursor, each once with what won or might have; raises WrongCursor."""
    mine = AttributionCandidate.membership_id == membership_id
    named = select(AttributionCandidate.conversion_id).where(mine)
    wanted = select(Conversion).where(col(Conversion.id).in_(named))
    page = page_of(wanted, (col(Conversion.id), "id"), after=after, limit=SHOWN)
    theirs = select(AttributionCandidate).where(
        mine, col(AttributionCandidate.conversion_id).in_([each.id for each in page.items])
    )
    found: dict[str, AttributionCandidate] = {}
    for each in session().exec(
        theirs.order_by(col(AttributionCandidate.won).desc(), col(AttributionCandidate.position))
    ):
        found.setdefault(each.conversion_id, each)
    return Yours([(each, found[each.id]) for each in page.items], after, page.next)


def verdict_of(conversion: Conversion, mine: AttributionCandidate) -> str:
    """Why it is the advocate's or is not, as they may read it: nothing of it names another advocate's link."""
    if conversion.membership_id == mine.membership_id and AS_BEFORE not in mine.verdict:
        return mine.verdict
    return _LOST.sub(lambda found: f"lost to {_OTHERS[found[1]]}", mine.verdict)


def reason_for(membership_id: str, conversion: Conversion) -> str:
    """Why a conversion was won, for somebody who has or had it; who else shares it, or has it now, is not said."""
    if conversion.shared:
        return "shared with other advocates"
    return conversion.reason if conversion.membership_id == membership_id else "somebody else’s by now"


def amount_of(conversion: Conversion) -> Money | None:
    """What a conversion is about; None for a lead without an amount."""
    return Money(conversion.amount_minor, conversion.currency) if conversion.currency else None


def share_of(conversion: Conversion, mine: AttributionCandidate) -> Money:
    """What of a shared sale counts as the advocate's."""
    return Money(mine.share_minor, conversion.currency)
