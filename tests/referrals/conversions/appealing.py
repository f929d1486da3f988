"""Appeals as advocates bring them and staff answers, and what has moved then."""

from sqlmodel import select

from advocates.membership import Membership
from core import db
from core.access import COMMAND, Actor
from core.people import get_person
from hub import metrics
from referrals.conversions import appeals
from rewards.ledger import proof
from rewards.reward import Reward
from tests.factories import Cast, acting
from tests.referrals.stories import bring

METRICS = ("sales", "revenue:EUR", "points")


def lost(cast: Cast, **changes: object) -> str:
    """An order that Ana's code won and Bo's coupon lost."""
    with db.transaction():
        return bring(
            cast.north.id, COMMAND, **{"external_id": "o-1", "code": "ana", "coupon": "BOB10", **changes}
        ).id


def ask(member: Membership, order: str, words: str = "She used my coupon.") -> str:
    with db.transaction():
        return appeals.appeal(member, order, words=words, by=acting_as(member)).id


def acting_as(member: Membership) -> Actor:
    return acting(get_person(member.person_id))


def answer(
    cast: Cast, appeal_id: str, verb: str = "grant", who: str = "manager", reason: str = "It was hers."
) -> None:
    with db.transaction():
        asked = appeals.get_appeal(appeal_id)
        {"grant": appeals.grant, "reject": appeals.reject}[verb](
            asked, by=acting(getattr(cast, who)), reason=reason
        )


def money(member: Membership, order: str) -> list[tuple[str, int]]:
    with db.transaction(read_only=True) as session:
        mine = select(Reward).where(Reward.conversion_id == order, Reward.membership_id == member.id)
        return [
            (e.state, e.amount_minor) for e in session.exec(mine.order_by(Reward.id)) if e.currency == "EUR"
        ]


def scores(member: Membership) -> tuple[int, int, int]:
    with db.transaction(read_only=True):
        sales, revenue, points = (metrics.value_of(each, "all", member.id) for each in METRICS)
        return sales, revenue, points


def nothing_is_wrong() -> bool:
    with db.transaction(read_only=True):
        return proof.problems() == [] and metrics.differences() == []


def shared(cast: Cast, **changes: object) -> str:
    """An order that Ana and Bo share."""
    with db.transaction() as session:
        programme = session.get_one(type(cast.programme), cast.programme.id)
        programme.attribution_rule = "split"
        session.add(programme)
    return lost(cast, **changes)
