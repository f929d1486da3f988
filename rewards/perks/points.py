"""Points to spend: what is credited, without what came from conversions that somebody still looks at."""

from sqlmodel import col, func, or_, select

from core.db import session
from core.money import POINTS
from referrals.conversions.conversions import Conversion
from referrals.fraud.fraud_cases import FraudCase
from rewards.ledger import ledger
from rewards.reward import Reward


def to_spend(membership_id: str) -> int:
    """How many points an advocate can spend now."""
    return max(0, ledger.balance(ledger.points(membership_id), POINTS) - waiting(membership_id))


def waiting(membership_id: str) -> int:
    """Points of conversions that are under review, or that nobody has assessed yet; they count on the scoreboard."""
    reviewed = select(FraudCase.id).where(  # of whoever shares it
        FraudCase.conversion_id == Reward.conversion_id, FraudCase.state == "open"
    )
    unseen = select(Conversion.id).where(
        Conversion.id == Reward.conversion_id, col(Conversion.assessed_at).is_(None)
    )
    waits = select(func.coalesce(func.sum(Reward.amount_minor), 0)).where(
        Reward.membership_id == membership_id,
        Reward.currency == POINTS,
        Reward.state == "credited",
        or_(reviewed.exists(), unseen.exists()),
    )
    return int(session().exec(waits).one())
