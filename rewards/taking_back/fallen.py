"""Milestones stand as long as the scoreboard has them: one that an advocate falls below goes back whole, and can be reached again.

A refund or a conversion that went to somebody else takes nothing from a milestone that is still reached.
"""

from sqlmodel import col, select

from core import events
from core.clock import day_number, now
from core.db import session
from core.money import POINTS
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from rewards.approvals.asking import ask_first
from rewards.reward import FALLEN, MILESTONE, Reward, RewardsGranted, book
from rewards.rules.milestones import is_reached
from rewards.taking_back import open_questions
from rewards.taking_back.taking_back import take_back

FALLEN_LINE = "milestone-back:"
"""how the grant key of the line begins that takes it back"""
AGAIN = "; reached again"
_SAME = {
    "membership_id", "programme_id", "unit_id", "kind", "conversion_id", "rule_id", "rule_version", "base_minor",
    "rate_basis_points", "currency", "granted_minor", "hold_until",
}  # fmt: skip


def take_back_fallen(conversion_id: str, *, why: str) -> None:
    """Take back what those concerned by a conversion have not reached any more; a person's denial stays what it is."""
    for reward in _of_those_concerned(conversion_id, MILESTONE):
        if reward.state not in {"denied", "reversed"} and not is_reached(reward.grant_key):
            take_back(reward, f"{FALLEN_LINE}{reward.id}", why)
            reward.grant_key = f"{FALLEN}{reward.id}:{reward.grant_key}"
            session().add(reward)
            session().flush()


def give_again(conversion_id: str) -> None:
    """Give what was taken back, and is reached again, anew, to be approved; again: nothing."""
    for reward in reversed(_of_those_concerned(conversion_id, FALLEN)):
        grant_key = reward.grant_key.removeprefix(f"{FALLEN}{reward.id}:")
        if is_reached(grant_key) and not _is_given(grant_key):
            _again(reward, grant_key)


def _of_those_concerned(conversion_id: str, beginning: str) -> list[Reward]:
    """Rewards whose keys begin so, of whoever has, had, or might have had the conversion; the oldest first."""
    candidates = select(AttributionCandidate.membership_id).where(
        AttributionCandidate.conversion_id == conversion_id
    )
    winner = select(Conversion.membership_id).where(Conversion.id == conversion_id)
    earned = select(Reward.membership_id).where(Reward.conversion_id == conversion_id)
    members = {each for asked in (candidates, winner, earned) for each in session().exec(asked) if each}
    wanted = select(Reward).where(
        col(Reward.membership_id).in_(members),
        col(Reward.grant_key).startswith(beginning),
        col(Reward.parent_id).is_(None),
    )
    return list(session().exec(wanted.order_by(col(Reward.id))).all())


def _is_given(grant_key: str) -> bool:
    return session().exec(select(Reward.id).where(Reward.grant_key == grant_key)).first() is not None


def _again(fallen: Reward, grant_key: str) -> None:
    """As it was granted first; a hold that was not over goes on."""
    made_at = now()
    in_points, over = fallen.currency == POINTS, fallen.hold_until is None or fallen.hold_until <= made_at
    again = Reward(
        **fallen.model_dump(include=_SAME),
        grant_key=grant_key,
        amount_minor=fallen.granted_minor,
        arithmetic=f"{fallen.arithmetic.removesuffix(AGAIN)}{AGAIN}",
        state="credited" if in_points else "approvable" if over else "pending",
        occurred_at=made_at,
        day=day_number(made_at),
        made_at=made_at,
    )
    book(again)
    events.publish(RewardsGranted((again.id,)))
    if again.state == "approvable":
        ask_first(again)
    if again.conversion_id is not None:
        open_questions.hold_again(again.conversion_id)
