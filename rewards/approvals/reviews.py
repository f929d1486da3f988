"""What a review of a conversion means for its rewards: held with a fair sentence, let go, or taken away with the reason."""

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from core.access import RULE, Actor
from core.audit import AuditEntry
from core.db import session
from core.errors import Conflict
from core.one_by_one import one_by_one
from referrals.conversions.conversions import Conversion
from referrals.fraud import fraud_work
from rewards.approvals import holds
from rewards.reward import GIVES, Reward, rewards_of_conversion
from rewards.taking_back.below import cancels_out

FAIR_WORDS = (
    "Under review: a person takes a second look at this order before anything is decided. That is not a verdict, "
    "and there is nothing you have to do."
)
"""what the advocate reads; never what was noticed"""
UNPAID = ("pending", "approvable", "held", "approved")


class InReview(Conflict):
    """The conversion behind this reward is under review. Decide that first: its rewards follow."""


def require_none(reward: Reward) -> None:
    """Refuse to decide about a reward that waits for a review; raises InReview."""
    if "review" in holds.why_held(reward):
        raise InReview


def look_first(*rewards: Reward) -> None:
    """Have the conversions behind rewards assessed now, where the clock has not done it yet."""
    ids = sorted({each.conversion_id for each in rewards if each.conversion_id})
    if ids and fraud_work.assess_now(ids):
        for reward in rewards:
            session().refresh(reward)


def looked_at() -> ColumnElement[bool]:
    """The condition under which a reward may be opened: what it is for was assessed."""
    assessed = select(Conversion.id).where(
        Conversion.id == Reward.conversion_id, col(Conversion.assessed_at).is_not(None)
    )
    return or_(col(Reward.conversion_id).is_(None), assessed.exists())


def hold(conversion_id: str) -> None:
    """Reaction: hold what is not paid yet, whosever share; an approval that no payout has taken is void. Again: nothing."""
    for reward in _unpaid(conversion_id):
        if "review" not in holds.why_held(reward):
            holds.hold(reward, "review", FAIR_WORDS, by=RULE, note="under review")


def _unpaid(conversion_id: str) -> list[Reward]:
    return [
        each
        for each in rewards_of_conversion(conversion_id)
        if each.kind in GIVES and each.state in UNPAID and each.run_id is None and not cancels_out(each)
    ]


def let_go_on(conversion_id: str, by: Actor = RULE) -> None:
    """Reaction: the review found nothing; what it held goes on where it was. Again: nothing."""
    for reward in rewards_of_conversion(conversion_id):
        holds.let_go(reward, "review", by=by)


def was_denied(conversion_id: str, membership_id: str) -> bool:
    """Whether a reward for a conversion was denied to an advocate, and nothing was granted in its place since."""
    earned = _earned(conversion_id, membership_id)
    return bool(earned) and earned[-1].state == "denied"


def deniers(conversion_id: str, membership_id: str) -> frozenset[str]:
    """The ids of the actors who denied an advocate's rewards for a conversion, from the audit log."""
    denied = [each.id for each in _earned(conversion_id, membership_id) if each.state == "denied"]
    acts = select(AuditEntry.actor_id).where(
        AuditEntry.action == "reward.denied", col(AuditEntry.object_id).in_(denied)
    )
    return frozenset(session().exec(acts))


def _earned(conversion_id: str, membership_id: str) -> list[Reward]:
    mine = [each for each in rewards_of_conversion(conversion_id) if each.membership_id == membership_id]
    whole = [each for each in mine if each.kind == "earned" and each.parent_id is None]
    return [each for each in whole if not each.for_milestone]  # those have second looks of their own


def reassess() -> int:
    """Job: look again at what is unpaid of advocates about whom something new is known; answers how many conversions.

    Late signals (a refund, a burst) reach earlier conversions this way. Raises as one_by_one does.
    """
    return one_by_one(fraud_work.waiting_members(), _reassess)


def _reassess(membership_id: str) -> int:
    """The conversions before the row that asks for them, as a refund has them: the two never wait for each other."""
    unpaid = select(Reward.conversion_id).where(
        Reward.membership_id == membership_id,
        col(Reward.state).in_(UNPAID),
        col(Reward.run_id).is_(None),
        col(Reward.conversion_id).is_not(None),
    )
    asked = fraud_work.ask_again(sorted({each for each in session().exec(unpaid) if each}))
    return asked if fraud_work.take_member(membership_id) else 0
