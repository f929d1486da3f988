"""The reward: one line of what an advocate is owed, its content's hash, and its booking."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel, col, select

from core import bulk
from core.clock import now
from core.columns import key, minor, moment, one_of, word
from core.db import session
from core.errors import NotFound
from core.money import POINTS, Money
from hub import metrics
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.payouts import runs

Kind = Literal["earned", "points", "clawback", "restored", "carry"]
State = Literal[
    "pending", "approvable", "approved", "in_payout", "paid", "held", "denied", "reversed", "credited"
]
DISPUTED = "The payment is disputed at the bank"
"""how the reason begins of what is held for a dispute"""
MILESTONE, FALLEN = "milestone:", "fallen:"
"""how the grant key of a milestone's reward begins: while it stands, and after it was taken back"""
GIVES: tuple[Kind, ...] = ("earned", "restored")
"""kinds of lines of money that give; what takes, and what is carried, is owed or offset whatever is open about its sale"""
UNDECIDED: tuple[State, ...] = ("pending", "approvable", "held")
DECIDED: tuple[State, ...] = ("approved", "in_payout", "paid")


class Reward(SQLModel, table=True):
    """One line: what an advocate is owed for a fact, or has to give back (negative)."""

    __tablename__ = "reward"
    __table_args__ = (
        one_of("kind", get_args(Kind)),
        one_of("state", get_args(State)),
        CheckConstraint("reversed_minor BETWEEN 0 AND abs(granted_minor)", name="reversed"),
        CheckConstraint("kind IN ('clawback', 'carry') OR amount_minor >= 0", name="amount"),
    )

    id: str = key()
    grant_key: str = Field(unique=True, sa_type=Text)
    """what it is for: the same fact is rewarded once"""
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    programme_id: str = Field(foreign_key="programme.id", sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    kind: Kind = word("earned")
    conversion_id: str | None = Field(default=None, foreign_key="conversion.id", index=True, sa_type=Text)
    award_id: str | None = Field(default=None, sa_type=Text)
    activity_id: str | None = Field(default=None, sa_type=Text)
    parent_id: str | None = Field(default=None, foreign_key="reward.id", sa_type=Text)
    """the reward that a clawback takes from, or that gets back what one took"""
    rule_id: str | None = Field(default=None, foreign_key="reward_rule.id", sa_type=Text)
    rule_version: int = 0
    base_minor: int = minor(0)
    rate_basis_points: int = 0
    exchange: str = Field(default="", sa_column_kwargs={"server_default": ""}, sa_type=Text)
    """the rates by which it was exchanged, with their days and sources; empty: base and reward are of one currency"""
    currency: str = Field(sa_type=Text)
    granted_minor: int = minor()
    """as computed at first; never changes"""
    reversed_minor: int = minor(0)
    """how much of it refunds took back, before or after approval"""
    amount_minor: int = minor()
    """what the line stands for now; negative for clawbacks"""
    arithmetic: str = Field(sa_type=Text)
    state: State = word("pending")
    state_reason: str = Field(default="", sa_type=Text)
    """why it is held or denied"""
    hold_until: datetime | None = moment(optional=True)
    content_hash: str = Field(default="", sa_type=Text)
    """what an approval binds; any change of the content voids it"""
    round: int = 0
    """counts approvals, so that one after an undo is a posting of its own"""
    approved_by: str | None = Field(default=None, sa_type=Text)
    approved_at: datetime | None = moment(optional=True)
    second_approved_by: str | None = Field(default=None, sa_type=Text)
    second_approved_at: datetime | None = moment(optional=True)
    payable_at: datetime | None = moment(optional=True)
    """when every approval it needs was there: the moment that puts it into a payout period"""
    run_id: str | None = Field(default=None, foreign_key="payout_run.id", sa_type=Text)
    payout_id: str | None = Field(default=None, foreign_key="payout.id", sa_type=Text)
    occurred_at: datetime = moment()
    day: int
    """YYYYMMDD, UTC, for the scoreboard"""
    made_at: datetime = moment(now, index=True)

    @property
    def amount(self) -> Money:
        """What the line stands for now."""
        return Money(self.amount_minor, self.currency)

    @property
    def is_disputed(self) -> bool:
        """Whether it is held because the buyer's bank has been asked to take the payment back."""
        return self.state == "held" and self.state_reason.startswith(DISPUTED)

    @property
    def for_milestone(self) -> bool:
        """Whether it is for what an advocate reached altogether; its conversion only came last."""
        return self.grant_key.startswith((MILESTONE, FALLEN))


# Only rows that have one: an index full of nothing is what a planner without statistics would read from end to end.
for _name, *_columns in (
    ("parent_id", col(Reward.parent_id)),
    ("payout_id", col(Reward.payout_id), col(Reward.state)),
):
    _there = _columns[0].is_not(None)
    Index(f"ix_reward_{_name}", *_columns, sqlite_where=_there, postgresql_where=_there)


Index("ix_reward_state", col(Reward.state), col(Reward.hold_until))  # whose hold is over, in that order
# What waits for a payout, by advocate: a run takes it in pieces.
_waits = (col(Reward.state) == "approved") & col(Reward.run_id).is_(None)
Index(
    "ix_reward_payable",
    col(Reward.programme_id),
    col(Reward.membership_id),
    sqlite_where=_waits,
    postgresql_where=_waits,
)


class RewardReversal(SQLModel, table=True):
    """A refund was held against a reward, once."""

    __tablename__ = "reward_reversal"
    __table_args__ = (UniqueConstraint("reward_id", "refund_id"),)

    id: str = key()
    reward_id: str = Field(foreign_key="reward.id", sa_type=Text)
    refund_id: str = Field(foreign_key="refund.id", index=True, sa_type=Text)
    amount_minor: int = minor()
    restored_minor: int = Field(default=0, sa_column_kwargs={"server_default": "0"}, sa_type=BigInteger)
    """how much of it was given again, because the refund came back"""
    arithmetic: str = Field(sa_type=Text)
    at: datetime = moment(now)


@dataclass(frozen=True)
class RewardsGranted:
    """New lines are owed for facts."""

    reward_ids: tuple[str, ...]


@dataclass(frozen=True)
class RewardDecided:
    """Somebody decided about a reward: `act` is what is on the audit log, as reward.approved."""

    reward_id: str
    act: str
    occurred_at: datetime


@dataclass(frozen=True)
class RewardReversed:
    """A refund took a reward back, or part of it."""

    reversal_id: str


class RewardNotFound(NotFound):
    """There is no such reward."""


def get_reward(reward_id: str) -> Reward:
    """The reward with this id; raises RewardNotFound."""
    reward = session().get(Reward, reward_id)
    if reward is None:
        raise RewardNotFound
    return reward


def rewards_of_conversion(conversion_id: str) -> list[Reward]:
    """Every line that a conversion led to, clawbacks included, the oldest first."""
    wanted = select(Reward).where(Reward.conversion_id == conversion_id)
    return list(session().exec(wanted.order_by(col(Reward.id))).all())


def rewards_of_activity(activity_id: str) -> list[Reward]:
    """What an accepted activity led to, without what was taken back."""
    keys = [f"activity:{activity_id}:{pays}" for pays in ("money", "points")]
    wanted = select(Reward).where(col(Reward.grant_key).in_(keys))
    return list(session().exec(wanted.order_by(col(Reward.grant_key))).all())


@dataclass
class NewReward:
    """A line that is about to be booked, with every column that a new one has."""

    grant_key: str
    membership_id: str
    programme_id: str
    unit_id: str
    kind: Kind
    conversion_id: str | None
    award_id: str | None
    activity_id: str | None
    rule_id: str
    rule_version: int
    base_minor: int
    rate_basis_points: int
    currency: str
    granted_minor: int
    amount_minor: int
    arithmetic: str
    state: State
    hold_until: datetime | None
    occurred_at: datetime
    day: int
    made_at: datetime
    id: str = ""
    reversed_minor: int = 0
    state_reason: str = ""
    content_hash: str = ""
    round: int = 0
    exchange: str = ""


def book(reward: Reward) -> Reward:
    """Store a new line with the posting and the scoreboard's share of it."""
    reward.content_hash = content_hash(reward)
    session().add(reward)
    session().flush()
    _post([reward])
    return reward


def book_all(rewards: Sequence[NewReward]) -> None:
    """Store many new lines with their postings and the scoreboard's share of them."""
    for each in rewards:
        each.content_hash = content_hash(each)
    bulk.store(Reward, rewards)
    _post(rewards)


def _post(rewards: Sequence[Reward | NewReward]) -> None:
    points = [each for each in rewards if each.currency == POINTS]
    metrics.add(
        metrics.Gain("points", each.membership_id, each.unit_id, each.day, each.amount_minor)
        for each in points
    )
    ledger.post_all([_entry(each) for each in rewards])


def _entry(reward: Reward | NewReward) -> Entry:
    source, amount = ledger.expense(reward.programme_id), abs(reward.amount_minor)
    if reward.currency == POINTS:
        goal, kind = ledger.points(reward.membership_id), "points.credited"
    elif reward.kind == "clawback":
        goal, kind = ledger.payable(reward.membership_id), "reward.clawed_back"
    elif reward.kind == "restored":
        goal, kind = ledger.payable(reward.membership_id), "reward.restored"
    else:
        goal, kind = ledger.pending(reward.membership_id), "reward.granted"
    if reward.amount_minor < 0:
        source, goal = goal, source
    move = Movement(source, goal, amount, reward.currency)
    return Entry(f"book:{reward.id}", kind, reward.id, (move,), occurred_at=reward.occurred_at)


_SEEN = json.JSONEncoder(sort_keys=True)


def content_hash(reward: Reward | NewReward) -> str:
    """SHA-256 over everything an approver sees of a line: whose, for what, how much, and why so much."""
    seen = {
        "id": reward.id,
        "membership": reward.membership_id,
        "conversion": reward.conversion_id,
        "rule": [reward.rule_id, reward.rule_version, reward.base_minor, reward.rate_basis_points],
        "amount": [reward.granted_minor, reward.reversed_minor, reward.amount_minor, reward.currency],
        "arithmetic": reward.arithmetic,
    }
    if reward.activity_id is not None:
        seen["activity"] = reward.activity_id
    return hashlib.sha256(_SEEN.encode(seen).encode()).hexdigest()


_tables = runs  # the tables that a reward's foreign keys name
