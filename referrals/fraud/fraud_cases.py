"""Cases: a conversion with signals, and from a programme's threshold on a review by a person, decided with a reason."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import JSON, Index, Select, Text, UniqueConstraint, update
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import get_membership
from core import audit
from core.access import RULE, Actor, authorize
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.events import publish
from core.people import get_person
from hub import actions
from referrals.conversions.conversion_rows import Conversion, lock
from referrals.conversions.won import Holder, lost_by_all, members_of
from referrals.fraud.fraud import Assessment

State = Literal["noted", "open", "cleared", "confirmed"]
SEE, DECIDE, REVIEW = "fraud.see", "fraud.decide", "fraud.review"
REVIEW_WITHIN_DAYS = 5
MOST_ALIKE = 200


class FraudCase(SQLModel, table=True):
    """What an assessment found about a conversion while it was somebody's; without any signal there is none."""

    __tablename__ = "fraud_case"
    __table_args__ = (UniqueConstraint("conversion_id", "membership_id"), one_of("state", get_args(State)))

    id: str = key()
    conversion_id: str = Field(foreign_key="conversion.id", sa_type=Text)
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    programme_id: str = Field(foreign_key="programme.id", sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    link_id: str | None = Field(default=None, foreign_key="link.id", sa_type=Text)
    """the link that won it"""
    state: State = word("noted")
    """noted: signals, too weak for a review; open: a person has to look"""
    score: int = 0
    hold_at: int = 0
    """the score from which on a person had to look, when it was assessed"""
    signals: list[dict[str, Any]] = Field(sa_type=JSON)
    """signal, grade, points, sentence"""
    assessed_at: datetime = moment(now)
    opened_at: datetime | None = moment(optional=True)
    decided_at: datetime | None = moment(optional=True)
    decided_by: str | None = Field(default=None, sa_type=Text)
    decided_score: int = 0
    """what was known when it was decided: only more than that opens it again"""
    reason: str = Field(default="", sa_type=Text)
    """of the decision"""


Index("ix_fraud_case_unit_state", FraudCase.unit_id, FraudCase.state)


@dataclass(frozen=True)
class ReviewOpened:
    """A conversion has to be looked at by a person: nothing of it may be paid before."""

    conversion_id: str
    membership_id: str


@dataclass(frozen=True)
class ReviewCleared:
    """Somebody looked, and it is in order."""

    conversion_id: str
    membership_id: str


@dataclass(frozen=True)
class ReviewConfirmed:
    """Somebody looked, and it does not count; the advocate reads the reason."""

    case_id: str


@dataclass(frozen=True)
class ReviewOverturned:
    """A confirmed case was a mistake: the conversion goes back to whose it was."""

    case_id: str


class CaseNotFound(NotFound):
    """There is no such review."""


class OwnCase(Forbidden):
    """Nobody decides about their own conversions."""


class NotOpen(Conflict):
    """This review was decided in the meantime. Please look again."""


class NotDecided(Conflict):
    """This review is not in the state that you saw. Please look again."""


class ReasonNeeded(Invalid):
    """Please give a reason."""


def note(holder: Holder, found: Assessment, hold_at: int, known: FraudCase | None) -> bool:
    """Keep what an assessment found about who has a conversion or a part of it; True when it says something new. Doing it again changes nothing.

    From the threshold on a review opens; one that was cleared opens again only when more is known than was then.
    """
    if not found.signals and known is None:
        return False
    case = known or _new(holder)
    signals = [dict(vars(each)) for each in found.signals]
    changed = case.signals != signals or case.score != found.score
    case.signals, case.score, case.hold_at = signals, found.score, hold_at
    case.assessed_at = now()
    session().add(case)
    session().flush()
    if found.holds and (
        case.state == "noted" or (case.state == "cleared" and found.score > case.decided_score)
    ):
        _open(case, RULE, "")
    return changed


def _new(holder: Holder) -> FraudCase:
    conversion = holder.conversion
    return FraudCase(
        conversion_id=conversion.id,
        membership_id=holder.membership_id,
        programme_id=conversion.programme_id or "",
        unit_id=conversion.earning_unit_id or conversion.unit_id,
        link_id=holder.link_id,
        signals=[],
    )


def _open(case: FraudCase, by: Actor, reason: str) -> bool:
    """Open a review; False when somebody else moved the case first, or nothing of it is that advocate's any more."""
    conversion = _hold_conversion(case)
    if case.membership_id not in members_of(conversion):
        return False
    if not _move(case, case.state, "open", opened_at=now(), decided_at=None, decided_by=None, reason=""):
        return False
    facts = {"score": case.score, "hold_at": case.hold_at, "signals": case.signals, "reason": reason}
    audit.record(by, "review.opened", "fraud_case", case.id, unit_id=case.unit_id, details=facts)
    name = get_person(get_membership(case.membership_id).person_id).name
    first = case.signals[0]["sentence"] if case.signals else reason
    summary = f"{conversion.external_id} of {name}, score {case.score}: {first}"
    due = actions.due_in(REVIEW_WITHIN_DAYS)
    actions.ask(REVIEW, case.id, case.unit_id, right=DECIDE, summary=summary, due_at=due)
    publish(ReviewOpened(case.conversion_id, case.membership_id))
    return True


def clear(case: FraudCase, *, by: Actor, reason: str) -> None:
    """It is in order: its rewards go on, unless somebody else who shares it is under review, too.

    Raises NotOpen, OwnCase, ReasonNeeded, NotFound or Forbidden by unit.
    """
    _decide(case, "cleared", by, reason)
    if not under_review(case.conversion_id):
        publish(ReviewCleared(case.conversion_id, case.membership_id))


def confirm(case: FraudCase, *, by: Actor, reason: str) -> None:
    """It does not count: it is nobody's from now on, its rewards are denied or taken back. Raises as `clear` does.

    Other open reviews of it end with that: there is nothing left to decide.
    """
    _decide(case, "confirmed", by, reason)
    for other in cases_of([case.conversion_id]):
        if other.state == "open":
            _put_aside(other, by, case.reason)
    publish(ReviewConfirmed(case.id))


def _decide(case: FraudCase, state: State, by: Actor, reason: str) -> None:
    said = _may(case, by, reason)
    _hold_conversion(case)
    if not _move(case, "open", state, decided_score=case.score, **_decided(by, said)):
        raise NotOpen
    actions.done(REVIEW, case.id, by=by)
    _note(case, f"review.{state}", by, said)


def _put_aside(case: FraudCase, by: Actor, reason: str) -> None:
    """Its signals stay noted; should the conversion be shared again, they open it again."""
    _move(case, "open", "noted")
    actions.done(REVIEW, case.id, by=by)
    _note(case, "review.put_aside", by, reason)


def reopen(case: FraudCase, *, by: Actor, reason: str) -> None:
    """Look again at a cleared case: what is not paid yet is held again. Raises NotDecided, and as `clear` does."""
    said = _may(case, by, reason)
    if case.state != "cleared" or not _open(case, by, said):
        raise NotDecided


def overturn(case: FraudCase, *, by: Actor, reason: str) -> None:
    """A confirmed case was a mistake: it is cleared, and the conversion is the advocate's again. Raises as `reopen`."""
    said = _may(case, by, reason)
    _hold_conversion(case)
    if not _move(case, "confirmed", "cleared", decided_score=case.score, **_decided(by, said)):
        raise NotDecided
    _note(case, "review.overturned", by, said)
    publish(ReviewOverturned(case.id))


def given_back_by_appeal(
    conversion_id: str, membership_ids: Collection[str], *, by: Actor, reason: str
) -> None:
    """An appeal gave a conversion back to these: cases that had confirmed the opposite are cleared."""
    for case in cases_of([conversion_id]):
        if case.state == "confirmed" and case.membership_id in membership_ids:
            _hold_conversion(case)
            _move(case, "confirmed", "cleared", decided_score=case.score, **_decided(by, reason))
            _note(case, "review.overturned", by, reason)


def is_own(case: FraudCase, by: Actor) -> bool:
    """Whether a case is about a conversion that the actor has, had or has a part of."""
    now_theirs = members_of(session().get_one(Conversion, case.conversion_id))
    once_theirs = {str(each.membership_id) for each in lost_by_all(case.conversion_id)}
    concerned = {case.membership_id, *now_theirs, *once_theirs}
    return any(get_membership(each).person_id == by.person_id for each in concerned)


def _may(case: FraudCase, by: Actor, reason: str) -> str:
    authorize(by, DECIDE, case.unit_id)
    if is_own(case, by):
        raise OwnCase
    if not reason.strip():
        raise ReasonNeeded
    return reason.strip()


def _decided(by: Actor, reason: str) -> dict[str, object]:
    return {"decided_at": now(), "decided_by": by.id, "reason": reason}


def _hold_conversion(case: FraudCase) -> Conversion:
    """The conversion, which nobody else assesses, moves or refunds until the end; before its case, as an assessment does."""
    conversion = session().get_one(Conversion, case.conversion_id)
    lock(conversion)
    return conversion


def _move(case: FraudCase, before: State, after: State, **values: object) -> bool:
    """From one state to another, once, whoever is first."""
    still = update(FraudCase).where(col(FraudCase.id) == case.id, col(FraudCase.state) == before)
    moved = still.values(state=after, **values).execution_options(synchronize_session=False)
    done = update_one(moved)
    session().refresh(case)
    return done


def _note(case: FraudCase, act: str, by: Actor, reason: str) -> None:
    facts = {"score": case.score, "signals": case.signals, "reason": reason}
    audit.record(by, act, "fraud_case", case.id, unit_id=case.unit_id, details=facts)


def find_case(conversion_id: str, membership_id: str) -> FraudCase | None:
    """The case of a conversion while it was somebody's."""
    known = select(FraudCase).where(
        FraudCase.conversion_id == conversion_id, FraudCase.membership_id == membership_id
    )
    return session().exec(known).first()


def cases_of(conversion_ids: Sequence[str]) -> list[FraudCase]:
    """Every case of these conversions, the oldest first."""
    known = select(FraudCase).where(col(FraudCase.conversion_id).in_(conversion_ids))
    return list(session().exec(known.order_by(col(FraudCase.id))).all())


def open_cases_like(case: FraudCase) -> list[FraudCase]:
    """The open cases of the same advocate, this one among them if it is open; at most 200 at a time."""
    alike = select(FraudCase).where(
        FraudCase.membership_id == case.membership_id,
        FraudCase.state == "open",
        FraudCase.unit_id == case.unit_id,
    )
    return list(session().exec(alike.order_by(col(FraudCase.id)).limit(MOST_ALIKE)).all())


def get_case(case_id: str) -> FraudCase:
    """The case with this id; raises CaseNotFound."""
    case = session().get(FraudCase, case_id)
    if case is None:
        raise CaseNotFound
    return case


def under_review(conversion_id: str) -> bool:
    """Whether a review of a conversion is open."""
    is_open = select(FraudCase.id).where(FraudCase.conversion_id == conversion_id, FraudCase.state == "open")
    return session().exec(is_open).first() is not None


def open_about(conversion_ids: Select[Any]) -> Select[Any]:
    """Which of these conversions a review is open about."""
    of_them = col(FraudCase.conversion_id).in_(conversion_ids)
    return select(FraudCase.conversion_id).where(of_them, FraudCase.state == "open")
