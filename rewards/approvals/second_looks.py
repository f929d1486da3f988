"""A denied reward for a certification, an activity or a milestone, or what came back to one with a refund: its advocate may ask once for a second look.

What a conversion earned is appealed with the conversion itself (referrals/conversions/appeals.py): there it is about whose it is.
"""

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Text, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select

from advocates.activities import get_activity
from advocates.membership import Membership, get_membership
from core import audit, mail
from core.access import Actor, authorize
from core.audit import AuditEntry
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.people import get_person
from hub import actions
from hub.programmes import get_programme
from rewards import changes
from rewards.approvals.asking import ask_first
from rewards.ledger import ledger
from rewards.reward import Reward, RewardNotFound, get_reward
from rewards.reward import State as RewardState
from rewards.rules.milestones import is_reached
from rewards.taking_back import open_questions
from rewards.taking_back.reversals import lock, may_stand_again

State = Literal["open", "granted", "rejected"]
RIGHT, DECIDE = "appeal.decide", "reward_appeal.decide"
WITHIN_DAYS = 7
MOST_WORDS = 2_000


class RewardAppeal(SQLModel, table=True):
    """Somebody's request for a second look at a reward; one each."""

    __tablename__ = "reward_appeal"
    __table_args__ = (one_of("state", get_args(State)),)

    id: str = key()
    reward_id: str = Field(unique=True, foreign_key="reward.id", sa_type=Text)
    words: str = Field(sa_type=Text)
    state: State = word("open")
    filed_at: datetime = moment(now)
    decided_at: datetime | None = moment(optional=True)
    decided_by: str | None = Field(default=None, sa_type=Text)
    reason: str = Field(default="", sa_type=Text)


class NotDenied(Conflict):
    """Only what was denied for a certification, an activity, a milestone or a refund that came back, and still counts, is looked at again here."""


class AskedBefore(Conflict):
    """You have asked for a second look at this one already; each gets one."""


class WordsNeeded(Invalid):
    """Please say in a few words why it should be granted."""


class ReasonNeeded(Invalid):
    """Please give a reason: the advocate reads it."""


class NotAsked(NotFound):
    """Nobody asks for a second look at this, or it was answered already."""


class OwnDecision(Forbidden):
    """You denied this one, or it is yours. Somebody else has to answer."""


def may_ask(reward: Reward) -> bool:
    """Whether a second look can be asked for now."""
    return _can_be_looked_at(reward) and asked_of(reward.id) is None


def _can_be_looked_at(reward: Reward) -> bool:
    """Denied, no conversion's, and what it is for still stands: what was taken back, or is not reached any more, earns nothing."""
    if reward.state != "denied":
        return False
    if reward.parent_id is not None:
        return may_stand_again(reward)
    if reward.conversion_id is not None:
        return reward.for_milestone and is_reached(reward.grant_key)
    return reward.activity_id is None or get_activity(reward.activity_id).state == "accepted"


def asked_of(reward_id: str) -> RewardAppeal | None:
    """What was asked of a reward, answered or not."""
    return session().exec(select(RewardAppeal).where(RewardAppeal.reward_id == reward_id)).first()


def ask(member: Membership, reward: Reward, *, words: str, by: Actor) -> RewardAppeal:
    """Ask for a second look. Raises RewardNotFound, NotDenied, AskedBefore, WordsNeeded."""
    if reward.membership_id != member.id:
        raise RewardNotFound
    if not _can_be_looked_at(reward):
        raise NotDenied
    if not words.strip():
        raise WordsNeeded
    made = RewardAppeal(reward_id=reward.id, words=words.strip()[:MOST_WORDS], filed_at=now())
    try:
        with session().begin_nested():
            session().add(made)
    except IntegrityError as error:
        raise AskedBefore from error
    audit.record(by, "reward_appeal.filed", "reward", reward.id, unit_id=reward.unit_id)
    summary = f"{get_person(member.person_id).name} asks for {reward.amount.format()}: {made.words}"[:300]
    due = actions.due_in(WITHIN_DAYS)
    actions.ask(DECIDE, reward.id, reward.unit_id, right=RIGHT, summary=summary, due_at=due)
    return made


def grant(reward: Reward, *, by: Actor, reason: str) -> None:
    """It waits again as it was: for the end of its hold, for what is open about its sale, or for approval.

    Raises NotAsked, OwnDecision, ReasonNeeded.
    """
    if reward.parent_id is not None:
        lock(get_reward(reward.parent_id))  # a refund of its sale comes before or after
        session().refresh(reward)
    if not _can_be_looked_at(reward):
        raise NotDenied
    _answer(reward, "granted", by, reason)
    over = reward.hold_until is None or reward.hold_until <= now()
    state: RewardState = "approvable" if over else "pending"
    if not changes.change(reward, state=state, state_reason="", round=reward.round + 1):
        raise NotDenied
    expense, pending = ledger.expense(reward.programme_id), ledger.pending(reward.membership_id)
    ledger.post(changes.entry(reward, "reward.restored", expense, pending))
    changes.note(reward, "reward.reopened", by, reason=reason.strip())
    if over:
        ask_first(reward)
    if reward.conversion_id is not None:
        open_questions.hold_again(reward.conversion_id)


def reject(reward: Reward, *, by: Actor, reason: str) -> None:
    """It stays denied. Raises NotAsked, OwnDecision, ReasonNeeded."""
    _answer(reward, "rejected", by, reason)


def _answer(reward: Reward, state: State, by: Actor, reason: str) -> None:
    authorize(by, RIGHT, reward.unit_id)
    member = get_membership(reward.membership_id)
    if by.person_id == member.person_id or by.id in _deniers(reward.id):
        raise OwnDecision
    if not reason.strip():
        raise ReasonNeeded
    still = update(RewardAppeal).where(
        col(RewardAppeal.reward_id) == reward.id, col(RewardAppeal.state) == "open"
    )
    said = still.values(state=state, decided_at=now(), decided_by=by.id, reason=reason.strip())
    if not update_one(said.execution_options(synchronize_session=False)):
        raise NotAsked
    actions.done(DECIDE, reward.id, by=by)
    facts = {"reason": reason.strip()}
    audit.record(by, f"reward_appeal.{state}", "reward", reward.id, unit_id=reward.unit_id, details=facts)
    person = get_person(member.person_id)
    mail.leave(
        "reward_appeal_decided", reward.id, state, to=person.email, name=person.name, granted=state == "granted",
        programme=get_programme(member.programme_id).name, reason=reason.strip(), reward_id=reward.id,
    )  # fmt: skip


def _deniers(reward_id: str) -> frozenset[str]:
    acts = select(AuditEntry.actor_id).where(
        AuditEntry.action == "reward.denied", AuditEntry.object_id == reward_id
    )
    return frozenset(session().exec(acts))


def seen_by(member: Membership, reward_id: str) -> Reward:
    """The advocate's own reward; raises RewardNotFound."""
    reward = get_reward(reward_id)
    if reward.membership_id != member.id:
        raise RewardNotFound
    return reward
