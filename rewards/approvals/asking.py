"""Putting rewards on the approvers' list."""

from advocates.membership import get_membership
from core.people import get_person
from hub import actions
from rewards.approvals.lines import Line
from rewards.reward import Reward

APPROVE, APPROVE_SECOND = "reward.approve", "reward.approve_second"
APPROVE_WITHIN_DAYS = 7


def ask_first(reward: Reward) -> None:
    """Ask those who may approve in the reward's unit."""
    _ask(APPROVE, reward)


def ask_second(reward: Reward | Line) -> None:
    """Ask for the second person that a large reward needs."""
    _ask(APPROVE_SECOND, reward)


def _ask(kind: str, reward: Reward | Line) -> None:
    name = get_person(get_membership(reward.membership_id).person_id).name
    actions.ask(
        kind,
        reward.id,
        reward.unit_id,
        right=kind,
        summary=f"{reward.amount.format()} for {name}: {reward.arithmetic}",
        due_at=actions.due_in(APPROVE_WITHIN_DAYS),
    )
