"""What is still open about a sale, a dispute at the bank or a review, holds what it has earned, however that came to wait again."""

from sqlalchemy import union
from sqlmodel import col, select

from core.db import session
from referrals.conversions.conversion_rows import Conversion
from referrals.fraud import fraud_cases
from rewards.approvals import reviews
from rewards.payouts.runs import Payout
from rewards.reward import Reward
from rewards.taking_back import disputed
from rewards.taking_back.disputed import DisputedPayment


def hold_again(conversion_id: str) -> None:
    """Hold what a sale has earned by now, if something is open about it; call it where something is granted or given again."""
    if fraud_cases.under_review(conversion_id):
        reviews.hold(conversion_id)
    disputed.hold_again(conversion_id)


def lock_sales(payout: Payout) -> list[str]:
    """Hold the sales behind a payout until the end of the transaction; the answer is those about which something is open.

    A dispute or a review that is opened at this moment comes before or after whatever becomes of the payout.
    """
    inside = select(Reward.conversion_id).where(Reward.payout_id == payout.id)
    behind = select(Conversion.id).where(col(Conversion.id).in_(inside)).order_by(col(Conversion.id))
    session().exec(behind.with_for_update()).all()
    asked = union(
        select(DisputedPayment.conversion_id).where(col(DisputedPayment.conversion_id).in_(inside)),
        fraud_cases.open_about(inside),
    )
    return sorted(session().execute(asked).scalars())
