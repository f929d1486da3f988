"""A line that takes back and will never be offset is written off by two people of finance; the cost stays with the programme."""

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import ColumnElement, Index, Text, update
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import get_membership
from core import audit
from core.access import RULE, Actor, authorize
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, Forbidden, Invalid
from hub import actions
from rewards import changes
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.reward import Reward, get_reward
from rewards.taking_back.below import DEAD, worth
from rewards.taking_back.reversals import lock

State = Literal["asked", "done", "refused"]
RIGHT = "payout.run"
CONFIRM = "write_off.confirm"
WITHIN_DAYS = 14


class WriteOff(SQLModel, table=True):
    """Somebody asked that a line be written off, and what a second person said."""

    __tablename__ = "write_off"
    __table_args__ = (one_of("state", get_args(State)),)

    id: str = key()
    reward_id: str = Field(foreign_key="reward.id", sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    state: State = word("asked")
    reason: str = Field(sa_type=Text)
    asked_by: str = Field(sa_type=Text)
    asked_at: datetime = moment(now)
    answered_by: str | None = Field(default=None, sa_type=Text)
    answered_at: datetime | None = moment(optional=True)


_open = col(WriteOff.state) == "asked"
Index("uq_write_off_open", WriteOff.reward_id, unique=True, sqlite_where=_open, postgresql_where=_open)


class NotOwed(Conflict):
    """Only a line that takes back, waits for the next payout and was not given again can be written off."""


class AskedAlready(Conflict):
    """Somebody asked for this already; a second person has to answer."""


class NotAsked(Conflict):
    """Nobody asks for this any more."""


class SameHand(Forbidden):
    """The second person has to be another one, and nobody writes off what they owe themselves."""


class WhyNeeded(Invalid):
    """Please say why: the advocate reads it on the statement."""


def ask(reward: Reward, *, by: Actor, reason: str) -> WriteOff:
    """Ask that a line be written off; raises NotOwed, AskedAlready, SameHand, WhyNeeded."""
    _may(reward, by)
    if not reason.strip():
        raise WhyNeeded
    _require_owed(reward)
    if open_of(reward.id) is not None:
        raise AskedAlready
    made = WriteOff(
        reward_id=reward.id, unit_id=reward.unit_id, reason=reason.strip(), asked_by=by.id, asked_at=now()
    )
    session().add(made)
    session().flush()
    actions.ask(
        CONFIRM,
        reward.id,
        reward.unit_id,
        right=RIGHT,
        summary=f"Write off {(-reward.amount).format()}: {made.reason}",
        due_at=actions.due_in(WITHIN_DAYS),
    )
    _note(reward, made, "write_off.asked", by)
    return made


def open_of(reward_id: str) -> WriteOff | None:
    """What is asked for a line and not answered."""
    asked = select(WriteOff).where(WriteOff.reward_id == reward_id, WriteOff.state == "asked")
    return session().exec(asked).first()


def confirm(reward: Reward, *, by: Actor) -> None:
    """The second person agrees: nothing is offset by this line any more. Raises NotAsked, NotOwed, SameHand."""
    asked = _answer(reward, "done", by)
    _require_owed(reward)
    said = f"written off: {asked.reason}"
    if not changes.change(reward, state="reversed", state_reason=said):
        raise NotOwed
    source, goal = ledger.expense(reward.programme_id), ledger.payable(reward.membership_id)
    move = Movement(source, goal, -reward.amount_minor, reward.currency)
    ledger.post(Entry(f"reward.written_off:{reward.id}", "reward.written_off", reward.id, (move,)))


def refuse(reward: Reward, *, by: Actor) -> None:
    """The second person does not agree: the line stays. Raises NotAsked, SameHand."""
    _answer(reward, "refused", by)


def end(reward: Reward, *, by: Actor) -> None:
    """Nobody is asked any more: the line was given again, or is offset. Nothing where nothing was asked."""
    asked = open_of(reward.id)
    if asked is not None:
        asked.state, asked.answered_by, asked.answered_at = "refused", by.id, now()
        session().add(asked)
        session().flush()
        actions.done(CONFIRM, reward.id, by=by)
        _note(reward, asked, "write_off.refused", by)


def end_within(lines: ColumnElement[bool]) -> None:
    """Nobody is asked any more about lines that a payout takes: they are offset by it."""
    asked = session().exec(select(WriteOff.reward_id).where(_open)).all()  # few, if any: the lines are many
    if asked:
        for line in session().exec(select(Reward).where(col(Reward.id).in_(asked), lines)).all():
            end(line, by=RULE)


def _answer(reward: Reward, state: State, by: Actor) -> WriteOff:
    _may(reward, by)
    asked = open_of(reward.id)
    if asked is None:
        raise NotAsked
    if asked.asked_by == by.id:
        raise SameHand
    here = update(WriteOff).where(col(WriteOff.id) == asked.id, col(WriteOff.state) == "asked")
    answered = here.values(state=state, answered_by=by.id, answered_at=now())
    if not update_one(answered.execution_options(synchronize_session=False)):
        raise NotAsked
    session().refresh(asked)
    actions.done(CONFIRM, reward.id, by=by)
    _note(reward, asked, f"write_off.{state}", by)
    return asked


def _may(reward: Reward, by: Actor) -> None:
    authorize(by, RIGHT, reward.unit_id)
    if by.person_id == get_membership(reward.membership_id).person_id:
        raise SameHand


def _require_owed(reward: Reward) -> None:
    """It takes, waits for a payout, and no line beside it gave it again."""
    if reward.kind != "clawback" or reward.state != "approved" or reward.run_id is not None:
        raise NotOwed
    parent = get_reward(reward.parent_id or "")
    lock(parent)  # a refund that comes back at the same time comes before or after
    session().refresh(reward)
    most = 0 if parent.state in DEAD else parent.granted_minor
    given_again = select(Reward.id).where(
        Reward.grant_key == reward.grant_key.replace("refund:", "restored:", 1), Reward.id != reward.id
    )
    if session().exec(given_again).first() is not None or worth(parent) - reward.amount_minor > most:
        raise NotOwed


def _note(reward: Reward, asked: WriteOff, act: str, by: Actor) -> None:
    facts = {"amount_minor": reward.amount_minor, "currency": reward.currency, "reason": asked.reason}
    audit.record(by, act, "reward", reward.id, unit_id=reward.unit_id, details=facts)
