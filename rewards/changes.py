"""How a reward changes: from exactly what was read, with its posting, its place on the list and its audit entry."""

from sqlalchemy import update
from sqlalchemy.sql.dml import Update
from sqlmodel import col

from core import audit, events
from core.access import Actor
from core.clock import now
from core.db import session, update_one
from hub import actions
from rewards.approvals.asking import APPROVE, APPROVE_SECOND
from rewards.approvals.lines import Line
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.reward import Reward, RewardDecided

UNAPPROVED: dict[str, None] = dict.fromkeys(
    ("approved_by", "approved_at", "second_approved_by", "second_approved_at", "payable_at")
)
"""the columns of an approval, empty"""


def change(reward: Reward, **values: object) -> bool:
    """Set these columns of a reward if it still is as it was read; False when somebody was quicker."""
    done = update_one(_exactly(reward).values(**values))
    session().refresh(reward)
    return done


def _exactly(reward: Reward) -> Update:
    """An UPDATE of the reward as it was read: any change in between leaves it without effect."""
    same = update(Reward).where(
        col(Reward.id) == reward.id,
        col(Reward.state) == reward.state,
        col(Reward.content_hash) == reward.content_hash,
        col(Reward.round) == reward.round,
        col(Reward.reversed_minor) == reward.reversed_minor,
        col(Reward.approved_by).is_not_distinct_from(reward.approved_by),
        col(Reward.run_id).is_(None),
    )
    return same.execution_options(synchronize_session=False)


def entry(reward: Reward | Line, kind: str, source: str, goal: str) -> Entry:
    """What is posted for the reward's whole amount, once a round."""
    move = Movement(source, goal, reward.amount_minor, reward.currency)
    return Entry(f"{kind}:{reward.id}:{reward.round}", kind, reward.id, (move,))


def denial(reward: Reward) -> Entry:
    """What is posted when a reward that was not approved is denied."""
    member, programme = reward.membership_id, reward.programme_id
    return entry(reward, "reward.denied", ledger.pending(member), ledger.expense(programme))


def note(reward: Reward | Line, act: str, by: Actor, **more: object) -> None:
    """Audit an act on a reward with what it stood for, and announce it."""
    facts = {
        "amount_minor": reward.amount_minor,
        "currency": reward.currency,
        "content_hash": reward.content_hash,
        **more,
    }
    audit.record(by, act, "reward", reward.id, unit_id=reward.unit_id, details=facts)
    events.publish(RewardDecided(reward.id, act, now()))


def off_the_list(reward: Reward, by: Actor) -> None:
    """Nobody is asked about it any more."""
    actions.done(APPROVE, reward.id, by=by)
    actions.done(APPROVE_SECOND, reward.id, by=by)
