"""Appeals: an advocate who might have won a conversion asks once for a second look, and a person answers with a reason."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Text, UniqueConstraint, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import Membership, get_membership
from core import audit
from core.access import Actor, authorize
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.people import get_person
from hub import actions
from hub.units import all_units, reach
from referrals.conversions import appeal_mails, reassignment
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.won import lost_by_all, members_of
from referrals.fraud import fraud_cases

State = Literal["open", "granted", "rejected"]
DECIDE = "appeal.decide"
DECIDE_WITHIN_DAYS = 7
MOST_WORDS = 2_000
AFTER_APPEAL = "given after an appeal"


class Appeal(SQLModel, table=True):
    """Somebody's request for a second look at a conversion; one each."""

    __tablename__ = "appeal"
    __table_args__ = (UniqueConstraint("conversion_id", "membership_id"), one_of("state", get_args(State)))

    id: str = key()
    conversion_id: str = Field(foreign_key="conversion.id", sa_type=Text)
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    """where it is decided: the lowest unit above the advocate and whoever has the conversion"""
    words: str = Field(sa_type=Text)
    state: State = word("open")
    filed_at: datetime = moment(now)
    decided_at: datetime | None = moment(optional=True)
    decided_by: str | None = Field(default=None, sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    """the answer"""


Denied = Callable[[str, str], bool]
Deniers = Callable[[str, str], frozenset[str]]
_denials: list[tuple[Denied, Deniers]] = []


def denials_from(known: Denied, deniers: Deniers) -> None:
    """Say who knows whether a reward of an advocate's conversion was denied, and by which actors; the last one counts."""
    _denials[:] = [(known, deniers)]


class AppealNotFound(NotFound):
    """There is no such appeal."""


class AlreadyAppealed(Conflict):
    """You have asked for a second look at this one already; each gets one."""


class IsYours(Conflict):
    """This one is yours already, so there is nothing to appeal."""


class InReview(Conflict):
    """This one is being reviewed. You can ask for a second look when that is decided."""


class AlreadyDecided(Conflict):
    """This appeal was decided in the meantime. Please look again."""


class OwnAppeal(Forbidden):
    """Nobody decides about their own conversions."""


class OwnDecision(Forbidden):
    """You decided this one before. Somebody else has to answer the appeal."""


class ReasonNeeded(Invalid):
    """Please give a reason: the advocate reads it."""


class WordsNeeded(Invalid):
    """Please say in a few words why it should be yours."""


def seen_by(membership: Membership, conversion_id: str) -> tuple[Conversion, list[AttributionCandidate]]:
    """A conversion that was, is or might have been the advocate's, with their own candidates; else NotFound."""
    mine = select(AttributionCandidate).where(
        AttributionCandidate.conversion_id == conversion_id,
        AttributionCandidate.membership_id == membership.id,
    )
    candidates = list(session().exec(mine.order_by(col(AttributionCandidate.position))).all())
    if not candidates:
        raise NotFound
    return session().get_one(Conversion, conversion_id), candidates


def why_not(membership: Membership, conversion: Conversion) -> Conflict | None:
    """Why the advocate cannot appeal now; None when they can."""
    if find_appeal(conversion.id, membership.id) is not None:
        return AlreadyAppealed()
    if conversion.membership_id == membership.id and not _was_denied(conversion):
        return IsYours()
    return InReview() if fraud_cases.under_review(conversion.id) else None


def _was_denied(conversion: Conversion) -> bool:
    """Whether what whoever has it earned by it was denied: theirs, and yet they may ask."""
    return any(known(conversion.id, conversion.membership_id or "") for known, _deniers in _denials)


def decided_before(asked: Appeal, actor_id: str) -> bool:
    """Whether an actor denied what is appealed against, or confirmed the review that took it away."""
    cases, concerned = fraud_cases.cases_of([asked.conversion_id]), _given_back_to(asked)
    decided = [each for each in cases if each.state == "confirmed" and each.decided_by == actor_id]
    confirmed = any(each.membership_id in concerned for each in decided)
    denied = (deniers(asked.conversion_id, asked.membership_id) for _known, deniers in _denials)
    return confirmed or any(actor_id in each for each in denied)


def _given_back_to(asked: Appeal) -> frozenset[str]:
    """Who get it, or their part, when an appeal is granted: who asks, with all who shared it when it was taken from them."""
    conversion = session().get_one(Conversion, asked.conversion_id)
    if not reassignment.was_lost_with_others(conversion, asked.membership_id):
        return frozenset({asked.membership_id})
    return frozenset(str(each.membership_id) for each in lost_by_all(conversion.id))


def appeal(membership: Membership, conversion_id: str, *, words: str, by: Actor) -> Appeal:
    """Ask for a second look. Raises NotFound, AlreadyAppealed, IsYours, InReview, WordsNeeded."""
    conversion, _candidates = seen_by(membership, conversion_id)
    if (refused := why_not(membership, conversion)) is not None:
        raise refused
    if not words.strip():
        raise WordsNeeded
    made = Appeal(
        conversion_id=conversion.id,
        membership_id=membership.id,
        unit_id=_where(membership, conversion),
        words=words.strip()[:MOST_WORDS],
        filed_at=now(),
    )
    try:
        with session().begin_nested():
            session().add(made)
    except IntegrityError as error:  # twice at once
        raise AlreadyAppealed from error
    audit.record(by, "appeal.filed", "appeal", made.id, unit_id=made.unit_id, details={"words": made.words})
    name = get_person(membership.person_id).name
    summary = f"{name} asks for {conversion.external_id}: {made.words}"[:300]
    due = actions.due_in(DECIDE_WITHIN_DAYS)
    actions.ask(DECIDE, made.id, made.unit_id, right=DECIDE, summary=summary, due_at=due)
    return made


def _where(membership: Membership, conversion: Conversion) -> str:
    """The lowest unit from which both advocates are reached: nobody takes from another unit what is not theirs to give."""
    concerned = {membership.unit_id}
    if conversion.membership_id is not None:
        concerned.add(get_membership(conversion.membership_id).unit_id)
    units = all_units()
    reached = {each.id: reach(each.id, units) for each in units}
    above = [each for each, below in reached.items() if concerned <= below]
    return min(above, key=lambda each: len(reached[each]))


def grant(asked: Appeal, *, by: Actor, reason: str) -> None:
    """The conversion becomes the advocate's, from nobody or from whoever has it; one that is theirs earns anew.

    One that was taken from all who shared it is theirs together again.
    Raises AlreadyDecided, OwnAppeal, OwnDecision, ReasonNeeded, NotFound or Forbidden by unit, and what `reassign` raises.
    """
    said = _may(asked, by, reason)
    _settle(asked, "granted", by, said)
    member = get_membership(asked.membership_id)
    conversion, candidates = seen_by(member, asked.conversion_id)
    if conversion.membership_id == member.id and not _was_denied(conversion):
        raise IsYours("This conversion is the advocate’s already.")
    link = next((each.link_id for each in candidates if each.link_id), None)
    why = f"{AFTER_APPEAL}, {now():%-d %b %Y}"
    fraud_cases.given_back_by_appeal(conversion.id, _given_back_to(asked), by=by, reason=said)
    reassignment.give_back_to(conversion, member, link_id=link, why=why, by=by)


def reject(asked: Appeal, *, by: Actor, reason: str) -> None:
    """It stays as it is, with the reason; raises as `grant` does, without what `reassign` raises."""
    _settle(asked, "rejected", by, _may(asked, by, reason))


def _may(asked: Appeal, by: Actor, reason: str) -> str:
    authorize(by, DECIDE, asked.unit_id)
    conversion = session().get_one(Conversion, asked.conversion_id)
    concerned = {*_given_back_to(asked), *members_of(conversion)}
    for member in map(get_membership, sorted(concerned)):
        authorize(by, DECIDE, member.unit_id)  # it may have gone to another unit since it was filed
        if member.person_id == by.person_id:
            raise OwnAppeal
    if decided_before(asked, by.id):
        raise OwnDecision
    if not reason.strip():
        raise ReasonNeeded
    return reason.strip()


def _settle(asked: Appeal, state: State, by: Actor, reason: str) -> None:
    still = update(Appeal).where(col(Appeal.id) == asked.id, col(Appeal.state) == "open")
    decided = still.values(state=state, decided_at=now(), decided_by=by.id, reason=reason)
    if not update_one(decided.execution_options(synchronize_session=False)):
        raise AlreadyDecided
    session().refresh(asked)
    actions.done(DECIDE, asked.id, by=by)
    audit.record(by, f"appeal.{state}", "appeal", asked.id, unit_id=asked.unit_id, details={"reason": reason})
    appeal_mails.send_decided(
        asked.id, asked.membership_id, asked.conversion_id, granted=state == "granted", reason=reason
    )


def find_appeal(conversion_id: str, membership_id: str) -> Appeal | None:
    """The advocate's appeal about a conversion."""
    known = select(Appeal).where(Appeal.conversion_id == conversion_id, Appeal.membership_id == membership_id)
    return session().exec(known).first()


def get_appeal(appeal_id: str) -> Appeal:
    """The appeal with this id; raises AppealNotFound."""
    found = session().get(Appeal, appeal_id)
    if found is None:
        raise AppealNotFound
    return found


def appeals_about(membership_id: str, conversion_ids: Sequence[str]) -> dict[str, Appeal]:
    """Conversion → the advocate's appeal about it."""
    known = select(Appeal).where(
        Appeal.membership_id == membership_id, col(Appeal.conversion_id).in_(conversion_ids)
    )
    return {each.conversion_id: each for each in session().exec(known)}
