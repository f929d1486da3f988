"""A reward and the lines below it, which took from it or gave it again: what they are worth together, and a further line.

Together they are worth what was granted less what was taken back; once the reward is denied, or kept by the programme,
the lines below it sum to nothing. What a person decided about a line below (denied, written off, kept) stays decided.
"""

from datetime import datetime

from sqlmodel import col, select

from core.access import RULE
from core.clock import day_number, now
from core.db import session
from core.money import POINTS
from rewards.reward import UNDECIDED, Reward, State, book

DEAD: tuple[State, ...] = ("denied", "reversed")
"""states of a line that stands for nothing any more"""


def lines_below(reward: Reward) -> list[Reward]:
    """Every line that takes from a reward or gives it again, the oldest first."""
    below = select(Reward).where(Reward.parent_id == reward.id)
    return list(session().exec(below.order_by(col(Reward.id))).all())


def open_below(reward: Reward) -> list[Reward]:
    """The lines that give again and are not decided, the newest first."""
    return [each for each in reversed(lines_below(reward)) if each.state in UNDECIDED]


def cancels_out(line: Reward) -> bool:
    """Whether what a line gives again is still to be taken: the two are nothing together in the next payout."""
    taking = select(Reward.id).where(
        Reward.grant_key == line.grant_key.replace("restored:", "refund:", 1),
        Reward.state == "approved",
        col(Reward.run_id).is_(None),
    )
    return line.kind == "restored" and session().exec(taking).first() is not None


def worth(reward: Reward) -> int:
    """What an advocate has, or is to have, of a reward, minor units: it and the lines below it that stand."""
    lines = (reward, *lines_below(reward))
    return sum(each.amount_minor for each in lines if each.state not in DEAD)


def add_below(
    reward: Reward,
    amount_minor: int,
    *,
    grant_key: str,
    says: str,
    occurred_at: datetime | None = None,
    base_minor: int = 0,
    to_approve: bool = False,
) -> Reward:
    """Book a line below a reward: negative takes back, positive gives again; points at once, money with the next payouts.

    What gives more than a person approved before is `to_approve`.
    """
    made_at = now()
    in_points = reward.currency == POINTS
    by_rule = not in_points and not to_approve
    line = Reward(
        grant_key=grant_key,
        membership_id=reward.membership_id,
        programme_id=reward.programme_id,
        unit_id=reward.unit_id,
        kind="clawback" if amount_minor < 0 else "earned" if to_approve and not in_points else "restored",
        conversion_id=reward.conversion_id,
        activity_id=reward.activity_id,
        parent_id=reward.id,
        rule_id=reward.rule_id,
        rule_version=reward.rule_version,
        base_minor=base_minor,
        rate_basis_points=reward.rate_basis_points,
        currency=reward.currency,
        granted_minor=amount_minor,
        amount_minor=amount_minor,
        arithmetic=says,
        state="credited" if in_points else "approved" if by_rule else "approvable",
        approved_by=RULE.id if by_rule else None,
        approved_at=made_at if by_rule else None,
        payable_at=made_at if by_rule else None,
        occurred_at=occurred_at or made_at,
        day=day_number(occurred_at or made_at),
        made_at=made_at,
    )
    return book(line)
