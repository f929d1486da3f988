"""Giving a conversion to somebody else, or to nobody: a fact of its own, with the scoreboard moved in the same step.

The scoreboard moves on the days of the facts (the conversion's and its refunds'), so that it stays what they sum to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, delete, update
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import Membership, get_membership
from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, moment
from core.db import session, update_one
from core.errors import Conflict
from core.events import publish
from core.immutable import never_changed
from core.people import get_person
from hub import metrics
from hub.metrics import Gain, metric_name
from hub.programmes import get_programme
from referrals.conversions import conversions, refunds, split
from referrals.conversions.attribution import Attribution
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.same_order import one_at_a_time, won_elsewhere
from referrals.conversions.split import WHOLE
from referrals.conversions.won import Share, lost_by_all, members_of, shares_of
from referrals.fraud.fraud_cases import FraudCase, get_case, under_review
from referrals.fraud.fraud_traces import FraudTrace

LOST = "not any more"
"""how the verdict of a candidate begins that won before"""


class Reassignment(SQLModel, table=True):
    """A conversion went from one advocate (or nobody) to another (or nobody)."""

    __tablename__ = "reassignment"

    id: str = key()
    conversion_id: str = Field(foreign_key="conversion.id", index=True, sa_type=Text)
    from_membership_id: str | None = Field(default=None, foreign_key="membership.id", sa_type=Text)
    to_membership_id: str | None = Field(default=None, foreign_key="membership.id", sa_type=Text)
    was_shared: bool = False
    """several had a part of it: it can be taken from all of them, and not be given to one"""
    why: str = Field(sa_type=Text)
    """a sentence that every advocate concerned may read"""
    made_by: str = Field(sa_type=Text)
    made_at: datetime = moment(now)


@dataclass(frozen=True)
class ConversionReassigned:
    """A conversion is somebody else's, or nobody's, from now on."""

    reassignment_id: str
    conversion_id: str
    from_membership_id: str | None
    to_membership_id: str | None


class WinnerChanged(Conflict):
    """This conversion went to somebody else in the meantime. Please look again."""


class UnderReview(Conflict):
    """A review of this conversion is open. Decide that first."""


class WonElsewhere(Conflict):
    """Another shop told the same order, and it was won there: there is one credit for an order."""


class IsShared(Conflict):
    """This conversion is or was shared among several advocates, so it cannot be given to one of them here."""


def reassign(
    conversion: Conversion, to: Membership | None, *, link_id: str | None, why: str, by: Actor
) -> Reassignment:
    """Give a conversion to `to`, or to nobody; whoever had it loses it.

    `why` is a sentence for the advocates concerned. Raises WinnerChanged, UnderReview, IsShared, WonElsewhere.
    """
    _lock(conversion)
    if to is not None and (conversion.shared or _was_shared(conversion.id)):
        raise IsShared
    if to is not None and conversion.earning_unit_id is None and won_elsewhere(conversion, to.id):
        raise WonElsewhere
    return _change(conversion, lambda: _give(conversion, to, link_id, why), why, by)


def give_back_to(
    conversion: Conversion, member: Membership, *, link_id: str | None, why: str, by: Actor
) -> Reassignment:
    """Give a conversion to somebody; what was taken from them and others who shared it is all of theirs again.

    Raises as `reassign` does.
    """
    if not was_lost_with_others(conversion, member.id):
        return reassign(conversion, member, link_id=link_id, why=why, by=by)
    _lock(conversion)
    return _change(conversion, lambda: _share_again(conversion, why), why, by)


def settle(conversion: Conversion, decided: Attribution, *, why: str, by: Actor) -> Reassignment:
    """Give a conversion that was nobody's to whoever wins it now that more is known: to one, or to several by their shares.

    `decided` has its candidates in their order. Raises WinnerChanged, UnderReview.
    """
    _lock(conversion)
    return _change(conversion, lambda: _win(conversion, decided, why), why, by)


def was_lost_with_others(conversion: Conversion, membership_id: str) -> bool:
    """Whether a conversion is nobody's since it was taken from this advocate and others who shared it."""
    lost = {each.membership_id for each in lost_by_all(conversion.id)}
    return conversion.membership_id is None and membership_id in lost


def _change(conversion: Conversion, change: Callable[[], None], why: str, by: Actor) -> Reassignment:
    """Change whose a conversion is, which nobody else does meanwhile, and say so."""
    if under_review(conversion.id):  # an assessment holds the row, too: what it opened is seen now
        raise UnderReview
    before, was_shared = conversion.membership_id, conversion.shared
    lost = [Gain(**{**vars(each), "value": -each.value}) for each in _gains(conversion)]
    change()
    metrics.add([*lost, *_gains(conversion)])  # at once: rows of the scoreboard are locked in one order
    made = Reassignment(
        conversion_id=conversion.id,
        from_membership_id=before,
        to_membership_id=conversion.membership_id,
        was_shared=was_shared,
        why=why,
        made_by=by.id,
    )
    session().add(made)
    session().flush()
    _note(conversion, made, by)
    publish(ConversionReassigned(made.id, conversion.id, before, conversion.membership_id))
    if conversion.membership_id is not None:
        refunds.apply_parked(conversion)  # also what was given back of it as another shop told it
    return made


def _lock(conversion: Conversion) -> None:
    """Hold the row and see it as it is; a refund at the same time comes before or after, never in between.

    Of one that nobody ever won other shops may tell the same order just now: they come before or after as well.
    """
    if conversion.earning_unit_id is None:
        one_at_a_time(conversion.external_id)
    same = update(Conversion).where(
        col(Conversion.id) == conversion.id,
        col(Conversion.membership_id).is_not_distinct_from(conversion.membership_id),
    )
    if not update_one(same.values(assessed_at=None).execution_options(synchronize_session=False)):
        raise WinnerChanged
    session().refresh(conversion)


def _was_shared(conversion_id: str) -> bool:
    return _last_shared(conversion_id) is not None


def _last_shared(conversion_id: str) -> Reassignment | None:
    """How a shared conversion was taken from all who shared it, the last time."""
    shared = select(Reassignment).where(
        Reassignment.conversion_id == conversion_id, col(Reassignment.was_shared).is_(True)
    )
    return session().exec(shared.order_by(col(Reassignment.id).desc()).limit(1)).first()


def _gains(conversion: Conversion) -> list[Gain]:
    """What stands on the scoreboard for a conversion and its refunds."""
    if conversion.membership_id is None or conversion.earning_unit_id is None:
        return []
    applied = [each for each in refunds.refunds_of(conversion.id) if each.state == "applied"]
    back = [gain for each in applied for gain in refunds.gains_of(each, conversion)]
    member, where = conversion.membership_id, (conversion.earning_unit_id, conversion.day)
    if conversion.kind == "lead":
        return [Gain("leads", member, *where, 1), *back]
    revenue = metric_name("revenue", conversion.currency)
    whole = [Share(member, WHOLE, conversion.amount_minor)]
    shares = shares_of([conversion.id])[conversion.id] if conversion.shared else whole
    parts = [Gain(revenue, each.membership_id, *where, each.amount_minor) for each in shares]
    return [Gain("sales", member, *where, 1), *parts, *back]


def _give(conversion: Conversion, to: Membership | None, link_id: str | None, why: str) -> None:
    """The programme and unit of a conversion that becomes nobody's stay: whoever decided still sees it."""
    conversion.membership_id, conversion.link_id = (to.id, link_id) if to else (None, None)
    if to is not None:
        conversion.programme_id = to.programme_id
        conversion.earning_unit_id = get_programme(to.programme_id).unit_id
    was_shared, conversion.shared = conversion.shared, False
    conversion.reason = f"won: {why}" if to else f"nobody's: {why}"
    session().add(conversion)
    mine = select(AttributionCandidate).where(AttributionCandidate.conversion_id == conversion.id)
    candidates = session().exec(mine.order_by(col(AttributionCandidate.position))).all()
    winner = _winner(candidates, conversion)
    for candidate in candidates:
        keep_part = was_shared and candidate.won
        _mark(candidate, conversion, why, wins=candidate is winner, keep_part=keep_part)
    _forget_traces(conversion)


def _win(conversion: Conversion, decided: Attribution, why: str) -> None:
    """As on arrival; what was given back meanwhile is taken from each who shares."""
    won = decided.winner
    if won is None:
        raise WinnerChanged
    conversion.membership_id, conversion.link_id = won.membership_id, won.link_id
    conversion.programme_id = won.programme_id
    conversion.earning_unit_id = get_programme(won.programme_id).unit_id
    conversion.shared = len(decided.shares) > 1
    conversion.reason = f"{decided.reason}; {why}" if conversion.shared else f"won: {why}"
    session().add(conversion)
    mine = select(AttributionCandidate).where(AttributionCandidate.conversion_id == conversion.id)
    stored = session().exec(mine.order_by(col(AttributionCandidate.position))).all()
    weights = [each.weight_basis_points for each in decided.candidates]
    minors = split.parts(conversion.amount_minor, weights)
    for candidate, judged, minor in zip(stored, decided.candidates, minors, strict=True):
        if judged.won:
            said = judged.verdict if conversion.shared else f"won: {why}"
            candidate.verdict = f"{said} (first: {candidate.verdict})"
        candidate.won, candidate.weight_basis_points = judged.won, judged.weight_basis_points
        candidate.share_minor = minor
        session().add(candidate)
    _forget_traces(conversion)
    if conversion.shared:
        refunds.share_out(conversion)


def _share_again(conversion: Conversion, why: str) -> None:
    """To all from whom it was taken, each their part; what was given back meanwhile is taken from each by it."""
    shares, taken = lost_by_all(conversion.id), _last_shared(conversion.id)
    whose = taken.from_membership_id if taken else None
    conversion.membership_id, conversion.shared, conversion.reason = whose, True, f"shared: {why}"
    conversion.link_id = next(each.link_id for each in shares if each.membership_id == whose)
    for candidate in shares:
        candidate.won, candidate.verdict = True, f"shares again: {why} (first: {candidate.verdict})"
        session().add(candidate)
    session().add(conversion)
    _forget_traces(conversion)
    refunds.share_out(conversion)


def _forget_traces(conversion: Conversion) -> None:
    """They are of whoever had it; whoever has it now is assessed anew."""
    own = delete(FraudTrace).where(
        col(FraudTrace.conversion_id) == conversion.id, col(FraudTrace.is_own).is_(False)
    )
    session().execute(own)
    session().flush()


def _winner(
    candidates: Sequence[AttributionCandidate], conversion: Conversion
) -> AttributionCandidate | None:
    """The candidate that was named by the winning link: of several the one that won before, else the latest."""
    whose = conversion.membership_id, conversion.link_id
    named = [
        each for each in candidates if each.membership_id and (each.membership_id, each.link_id) == whose
    ]
    return max(named, key=lambda each: (each.verdict.startswith(("won", LOST)), each.at), default=None)


def _mark(
    candidate: AttributionCandidate, conversion: Conversion, why: str, *, wins: bool, keep_part: bool
) -> None:
    """The candidate that wins says why; one that won before says why no more.

    One that shared keeps what its part was: it may turn out that it was taken by mistake.
    """
    if wins:
        candidate.verdict = f"won: {why} (first: {candidate.verdict})"
    elif candidate.won:
        candidate.verdict = f"{LOST}: {why} (first: {candidate.verdict})"
    candidate.won = wins
    if not keep_part:
        candidate.weight_basis_points = WHOLE if wins else 0
        candidate.share_minor = conversion.amount_minor if wins else 0
    session().add(candidate)


def _decider(case: FraudCase) -> Actor:
    person = get_person(case.decided_by or "")
    return Actor("person", person.id, person.name)


def _note(conversion: Conversion, made: Reassignment, by: Actor) -> None:
    facts = {"from": made.from_membership_id, "to": made.to_membership_id, "why": made.why}
    unit = conversion.earning_unit_id or conversion.unit_id
    audit.record(by, "conversion.reassigned", "conversion", conversion.id, unit_id=unit, details=facts)


def take_away(case_id: str) -> None:
    """Reaction: a confirmed case makes its conversion nobody's, with the reason that was given, whoever shared it."""
    case = get_case(case_id)
    by = _decider(case)
    conversion = conversions.get_conversion(case.conversion_id)
    if case.membership_id not in members_of(conversion):
        raise WinnerChanged
    reassign(conversion, None, link_id=None, why=case.reason, by=by)


def give_back(case_id: str) -> None:
    """Reaction: an overturned case gives its conversion back to all who had it, unless somebody else has it since."""
    case = get_case(case_id)
    conversion = conversions.get_conversion(case.conversion_id)
    if conversion.membership_id is not None:
        raise WinnerChanged
    by, member = _decider(case), get_membership(case.membership_id)
    give_back_to(conversion, member, link_id=case.link_id, why=case.reason, by=by)


def get_reassignment(reassignment_id: str) -> Reassignment:
    """The reassignment with this id."""
    return session().get_one(Reassignment, reassignment_id)


never_changed(Reassignment)
