"""Figures for staff: who is enrolled, who is certified, how each module and each question goes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import StatisticsError, correlation

from sqlalchemy import distinct, func
from sqlmodel import col, select

from core.clock import now
from core.db import session
from curriculum.attempts import Attempt, questions_of
from curriculum.certification import Award, Revocation
from curriculum.contents import canonical_json
from curriculum.enrolment import Enrolment
from curriculum.grading import NOTHING, grade
from curriculum.questions import Question

MIN_RESPONSES = 30
"""fewer say more about chance than about the question"""
MAX_ATTEMPTS = 500


@dataclass(frozen=True)
class ItemFigures:
    """How a question went in first attempts. `facility`: mean share of the mark; `discrimination`: −1 to 1, or None."""

    responses: int
    facility: float
    discrimination: float | None


def enrolled(certification_id: str, units: frozenset[str]) -> int:
    """How many advocates of these units are or were enrolled."""
    mine = select(func.count(distinct(col(Enrolment.membership_id)))).where(
        Enrolment.certification_id == certification_id, col(Enrolment.unit_id).in_(units)
    )
    return session().exec(mine).one()


def certified(certification_id: str, units: frozenset[str]) -> int:
    """How many advocates of these units hold the certification now."""
    at = now()
    held = select(func.count(distinct(col(Award.membership_id)))).where(
        Award.certification_id == certification_id,
        col(Award.unit_id).in_(units),
        col(Award.valid_from) <= at,
        col(Award.valid_until) >= at,
        col(Award.id).not_in(select(Revocation.award_id)),
    )
    return session().exec(held).one()


def passed_per_module(certification_id: str, units: frozenset[str]) -> dict[str, tuple[int, int]]:
    """Module → (enrolments that tried its quiz, those that passed it)."""
    tried = select(
        col(Attempt.module_slug),
        func.count(distinct(col(Attempt.enrolment_id))),
        func.count(distinct(col(Attempt.enrolment_id))).filter(col(Attempt.passed).is_(True)),
    ).where(
        Attempt.enrolment_id == Enrolment.id,
        Enrolment.certification_id == certification_id,
        col(Enrolment.unit_id).in_(units),
    )
    rows = session().exec(tried.group_by(col(Attempt.module_slug))).all()
    return {slug: (int(some), int(passed)) for slug, some, passed in rows}


def item_figures(certification_id: str, module_slug: str, bank: Sequence[Question]) -> dict[str, ItemFigures]:
    """Question id → how it went, for questions asked in just this wording at least 30 times, first attempts only.

    Looks at the 500 latest first attempts, of all units: a question is as hard everywhere.
    """
    first = select(Attempt).where(
        Attempt.enrolment_id == Enrolment.id,
        Enrolment.certification_id == certification_id,
        Attempt.module_slug == module_slug,
        Attempt.number == 1,
        Attempt.state == "finished",
    )
    attempts = session().exec(first.order_by(col(Attempt.finished_at).desc()).limit(MAX_ATTEMPTS)).all()
    wordings = {_wording(each) for each in bank}
    marks: defaultdict[str, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for attempt in attempts:
        for question, mark, rest in _marks(attempt):
            if _wording(question) in wordings:
                marks[question.id or ""].append((mark, rest))
    return {name: _figures(pairs) for name, pairs in marks.items() if len(pairs) >= MIN_RESPONSES}


def _wording(question: Question) -> bytes:
    return canonical_json(question.to_json())


def _marks(attempt: Attempt) -> list[tuple[Question, Decimal, Decimal]]:
    """Each question with its mark and the sum of all other marks in the attempt."""
    asked = questions_of(attempt)
    earned = [grade(each, attempt.answers.get(each.token)) or NOTHING for each in asked]
    total = sum(earned, NOTHING)
    return [(each.question, mark, total - mark) for each, mark in zip(asked, earned, strict=True)]


def _figures(pairs: Sequence[tuple[Decimal, Decimal]]) -> ItemFigures:
    marks, rests = [float(mark) for mark, _rest in pairs], [float(rest) for _mark, rest in pairs]
    try:
        discrimination = correlation(marks, rests)
    except StatisticsError:  # everybody the same: nothing to tell apart
        discrimination = None
    return ItemFigures(len(pairs), sum(marks) / len(marks), discrimination)
