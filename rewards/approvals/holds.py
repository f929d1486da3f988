"""Why a reward is held: a person's word, a review, a dispute at the bank. It waits until none of them is left."""

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Text, delete
from sqlmodel import Field, SQLModel, col, select

from core.access import RULE, Actor
from core.clock import now
from core.columns import moment, one_of
from core.db import run, session
from rewards import changes
from rewards.approvals.asking import ask_first
from rewards.ledger import ledger
from rewards.reward import UNDECIDED, Reward

Why = Literal["person", "review", "dispute"]
TRIES = 10
"""as many as others can come first, one after the other, without end"""


class RewardHold(SQLModel, table=True):
    """One of the reasons for which a reward is held."""

    __tablename__ = "reward_hold"
    __table_args__ = (one_of("why", get_args(Why)),)

    reward_id: str = Field(primary_key=True, foreign_key="reward.id", sa_type=Text)
    why: Why = Field(primary_key=True, sa_type=Text)
    words: str = Field(sa_type=Text)
    """what the advocate reads"""
    held_at: datetime = moment(now)


def hold(reward: Reward, why: Why, words: str, *, by: Actor, note: str = "") -> bool:
    """Hold a reward for a further reason; an approval that no payout has taken is void. False when it is decided.

    `note`: what the audit log says, when that is not what the advocate reads.
    """
    was = _held(reward, words)
    if was is None:
        return False
    if was == "approved":
        back = ledger.payable(reward.membership_id), ledger.pending(reward.membership_id)
        ledger.post(changes.entry(reward, "reward.approval_undone", *back))
    session().merge(RewardHold(reward_id=reward.id, why=why, words=words, held_at=now()))
    session().flush()
    changes.off_the_list(reward, by)
    changes.note(reward, "reward.held", by, reason=note or words, was=was)
    return True


def _held(reward: Reward, words: str) -> str | None:
    """The state that it was held from; None when it is decided: a payout has it, or somebody denied it.

    Who approves it, opens it or holds it for another reason at this moment came first: what they made of it is held.
    """
    for _ in range(TRIES):
        was = reward.state
        if was not in (*UNDECIDED, "approved"):
            return None
        if changes.change(reward, state="held", state_reason=words, **changes.UNAPPROVED):
            return was
    return None


def why_held(reward: Reward) -> dict[Why, str]:
    """Reason → its words, the newest last."""
    rows = select(RewardHold).where(RewardHold.reward_id == reward.id)
    return {each.why: each.words for each in session().exec(rows.order_by(col(RewardHold.held_at)))}


def let_go(reward: Reward, *whys: Why, by: Actor = RULE) -> bool:
    """These reasons are gone: without another one it goes on where it waits. False when none of them held it."""
    if not why_held(reward).keys() & set(whys):
        return False
    run(delete(RewardHold).where(col(RewardHold.reward_id) == reward.id, col(RewardHold.why).in_(whys)))
    return go_on(reward, by=by)


def go_on(reward: Reward, *, by: Actor = RULE) -> bool:
    """From held to where it waits: for what else holds it, for the end of its hold, or for approval."""
    rest = list(why_held(reward).values())
    if reward.state != "held":
        return False
    if rest:
        return changes.change(reward, state_reason=rest[-1])
    over = reward.hold_until is None or reward.hold_until <= now()
    if not changes.change(reward, state="approvable" if over else "pending", state_reason=""):
        return False
    if over:
        ask_first(reward)
    changes.note(reward, "reward.released", by)
    return True


def forget(reward: Reward) -> None:
    """It is decided: nothing holds it any more."""
    run(delete(RewardHold).where(col(RewardHold.reward_id) == reward.id))
