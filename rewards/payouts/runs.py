"""What a payout run is made of: the run, its payouts, their attempts, and who got nothing and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel, col

from core.clock import now
from core.columns import key, minor, moment, one_of, word
from core.money import Money

State = Literal[
    "reserved", "sending", "sent", "landed", "rejected", "ambiguous", "bank_failed", "reversed", "held", "taken_back"
]  # fmt: skip
Provider = Literal["stripe", "bank", "perk"]
Outcome = Literal["open", "sent", "refused", "absent"]
Reason = Literal["below_minimum", "negative", "nothing_left", "no_account", "account_restricted", "tax_form"]
OWED: tuple[State, ...] = ("reserved", "sending", "ambiguous", "rejected", "held")
"""states in which the money is still reserved"""
GONE: tuple[State, ...] = ("sent", "landed", "bank_failed", "reversed")
"""states in which the transfer has happened"""
ARRIVED: tuple[State, ...] = ("sent", "landed", "bank_failed")
"""states in which it has, and was not reversed in whole"""


@dataclass(frozen=True)
class PayoutSent:
    """A payout's money has gone out."""

    payout_id: str


@dataclass(frozen=True)
class PayoutStopped:
    """A payout did not go out, and somebody has to look; `fence` is the number of the try."""

    payout_id: str
    fence: int


@dataclass(frozen=True)
class PayoutTakenBack:
    """A payout was given up; its lines wait for the next run."""

    payout_id: str


@dataclass(frozen=True)
class PayoutReversed:
    """A payout's money came back, in whole or so much of it by now."""

    payout_id: str
    state: State
    back_minor: int


class PayoutRun(SQLModel, table=True):
    """A closed period of a programme; (programme, period) makes two clocks make one run."""

    __tablename__ = "payout_run"
    __table_args__ = (UniqueConstraint("programme_id", "period"),)

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    period: str = Field(sa_type=Text)
    """the local date on which it closed; manual ones add the minute and who"""
    ends_at: datetime = moment()
    """lines approved before this moment belong to it"""
    made_at: datetime = moment(now)
    made_by: str = Field(default="clock", sa_type=Text)
    upto: str = Field(default="", sa_column_kwargs={"server_default": ""}, sa_type=Text)
    """the last membership whose lines were taken: a run is closed step by step"""
    closed_at: datetime | None = moment(optional=True)
    """when every line of its period was taken"""


class Payout(SQLModel, table=True):
    """What one advocate gets from a run in one currency; its money is reserved until it is sent or taken back."""

    __tablename__ = "payout"
    __table_args__ = (
        UniqueConstraint("run_id", "membership_id", "currency"),
        one_of("state", get_args(State)),
        CheckConstraint("amount_minor > 0", name="amount"),
    )

    id: str = key()
    run_id: str = Field(foreign_key="payout_run.id", sa_type=Text)
    programme_id: str = Field(foreign_key="programme.id", sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    currency: str = Field(sa_type=Text)
    amount_minor: int = minor()
    lines: int = 0
    state: State = word("reserved")
    destination: str = Field(sa_type=Text)
    """the account it was meant for when the run was made; another one now means: held"""
    provider: Provider = Field(default="stripe", sa_column_kwargs={"server_default": "stripe"}, sa_type=Text)
    """who carries it"""
    reference: str = Field(default="", sa_column_kwargs={"server_default": ""}, sa_type=Text)
    """of a bank file: which file it is in, then what the bank calls it"""
    attempts: int = 0
    tries: int = 0
    """how often in a row nobody could tell, for the growing pause"""
    fence: int = Field(default=0, sa_type=BigInteger)
    """counts claims: a sender that was overtaken may not write"""
    due_at: datetime = moment(now)
    """look at it again then; while sending, the end of the lease"""
    sent_at: datetime | None = moment(optional=True)
    transfer_id: str | None = Field(default=None, sa_type=Text)
    back_minor: int = Field(default=0, sa_column_kwargs={"server_default": "0"}, sa_type=BigInteger)
    """how much of its transfer was reversed, while a part of it stands"""
    owed_again_minor: int = Field(default=0, sa_column_kwargs={"server_default": "0"}, sa_type=BigInteger)
    """of that, what finance has said is owed again: no part of the payout any more"""
    bank_payout: str = Field(default="", sa_column_kwargs={"server_default": ""}, sa_type=Text)
    """Stripe's payout to the bank that it landed or failed with, and when that was made"""
    bank_payout_at: datetime | None = moment(optional=True)
    reason: str = Field(default="", sa_type=Text)
    """why it is held, rejected, unclear or failed at the bank, as a sentence"""
    made_at: datetime = moment(now)

    @property
    def amount(self) -> Money:
        """What is sent."""
        return Money(self.amount_minor, self.currency)

    @property
    def part_back(self) -> Money:
        """The part of its transfer that was reversed, and that finance has not decided about."""
        return Money(self.back_minor - self.owed_again_minor, self.currency)

    @property
    def stopped(self) -> bool:
        """Whether a person may decide: held, rejected, or wanting funds or stock and not tried again since."""
        waits_for_funds = self.state == "reserved" and self.attempts > 0
        waits_for_stock = self.state == "reserved" and self.provider == "perk" and bool(self.reason)
        return self.state in {"held", "rejected"} or waits_for_funds or waits_for_stock

    @property
    def group(self) -> str:
        """Stripe's transfer_group: one per payout, so that looking one up is short."""
        return f"payout_{self.id}"


Index("ix_payout_state", col(Payout.state), col(Payout.due_at))  # what is due next of each state
_sent = col(Payout.transfer_id).is_not(None)  # only those that have one: a run stores many without
Index(
    "uq_payout_transfer_id", col(Payout.transfer_id), unique=True, sqlite_where=_sent, postgresql_where=_sent
)


class PayoutAttempt(SQLModel, table=True):
    """One try at Stripe with everything frozen: sent again only with exactly this key, destination and amount."""

    __tablename__ = "payout_attempt"
    __table_args__ = (UniqueConstraint("payout_id", "number"), one_of("outcome", get_args(Outcome)))

    id: str = key()
    payout_id: str = Field(foreign_key="payout.id", sa_type=Text)
    number: int
    key: str = Field(unique=True, sa_type=Text)
    destination: str = Field(sa_type=Text)
    amount_minor: int = minor()
    currency: str = Field(sa_type=Text)
    sent_at: datetime = moment(now)
    """committed before the call"""
    unheard_since: datetime | None = moment(optional=True)
    """committed before each call: since when somebody is in one whose end nobody has heard of; None: nobody is"""
    outcome: Outcome = word("open")
    answered_at: datetime | None = moment(optional=True)
    answer: str = Field(default="", sa_type=Text)


class PayoutSkip(SQLModel, table=True):
    """Who got nothing from a run in a currency, and why; the lines wait for the next one."""

    __tablename__ = "payout_skip"
    __table_args__ = (
        UniqueConstraint("run_id", "membership_id", "currency"),
        one_of("reason", get_args(Reason)),
    )

    id: str = key()
    run_id: str = Field(foreign_key="payout_run.id", sa_type=Text)
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    currency: str = Field(sa_type=Text)
    amount_minor: int = minor()
    reason: Reason = word()
    sentence: str = Field(sa_type=Text)

    @property
    def amount(self) -> Money:
        """What waits."""
        return Money(self.amount_minor, self.currency)
