"""Looking again at conversions that wait for a code or coupon; what is known by now is decided by the ordinary rules."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, case, delete, func, or_, update
from sqlmodel import col, select

from advocates.membership import get_membership
from core.access import CLOCK
from core.clock import now
from core.db import run, session, transaction
from core.one_by_one import one_by_one
from referrals.conversions import touches
from referrals.conversions.attribution import Attribution, Happened, decide
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion, lock
from referrals.conversions.known import Known
from referrals.conversions.reassignment import Reassignment, reassign
from referrals.conversions.waiting import LOOKS, WaitingConversion
from referrals.links.links import Link

AT_ONCE = 500


def look_again() -> int:
    """Job: decide what waits and is known by now; answers how many were given to somebody.

    Raises as one_by_one does.
    """
    with transaction():
        due = session().exec(_due()).all()
        known = _known_by_now(due)
        _look_later([each for each in due if each not in known])
    return one_by_one(known, _settle)


def _due() -> Any:  # noqa: ANN401 - a SELECT
    wanted = select(WaitingConversion.conversion_id).where(WaitingConversion.next_at <= now())
    return wanted.order_by(col(WaitingConversion.next_at)).limit(AT_ONCE)


def _known_by_now(conversion_ids: Sequence[str]) -> list[str]:
    """Those of them that named a code or coupon of a link that is there now."""
    named = or_(
        and_(
            col(AttributionCandidate.source) == "code",
            col(Link.code) == func.lower(AttributionCandidate.given),
        ),
        and_(
            col(AttributionCandidate.source) == "coupon",
            col(Link.coupon) == func.upper(AttributionCandidate.given),
        ),
    )
    wanted = select(AttributionCandidate.conversion_id).join(Link, named)
    mine = wanted.where(
        col(AttributionCandidate.conversion_id).in_(conversion_ids),
        col(AttributionCandidate.link_id).is_(None),
    )
    return sorted(set(session().exec(mine)))


def _look_later(conversion_ids: Sequence[str]) -> None:
    """Once more after a while, or never again."""
    mine = col(WaitingConversion.conversion_id).in_(conversion_ids)
    session().execute(delete(WaitingConversion).where(mine, col(WaitingConversion.looks) >= len(LOOKS) - 1))
    pauses = {number: now() + (LOOKS[number + 1] - LOOKS[number]) for number in range(len(LOOKS) - 1)}
    later = case(pauses, value=col(WaitingConversion.looks))
    looked = {"looks": col(WaitingConversion.looks) + 1, "next_at": later}
    session().execute(update(WaitingConversion).where(mine).values(looked))


def _settle(conversion_id: str) -> int:
    """Decide one that is known by now; whether it was given to somebody. Nothing when another clock did it."""
    mine = delete(WaitingConversion).where(col(WaitingConversion.conversion_id) == conversion_id)
    if run(mine) != 1:
        return 0
    conversion = session().get_one(Conversion, conversion_id)
    lock(conversion)
    if conversion.membership_id is not None or _was_decided_since(conversion_id):
        return 0
    wanted = select(AttributionCandidate).where(
        AttributionCandidate.conversion_id == conversion_id, col(AttributionCandidate.link_id).is_(None)
    )
    candidates = session().exec(wanted.order_by(col(AttributionCandidate.position))).all()
    decided = _decided(conversion, candidates)
    for candidate, judged in zip(candidates, decided.candidates, strict=True):
        candidate.link_id = judged.touch.link_id
        candidate.membership_id = judged.touch.membership_id or None
        if not judged.won:
            candidate.verdict = judged.verdict
        session().add(candidate)
    session().flush()
    winner = decided.winner
    if winner is None:
        conversion.reason = decided.reason
        session().add(conversion)
        return 0
    why = f"the {winner.source} {winner.given} became known on {now():%-d %b %Y, %H:%M} UTC"
    reassign(conversion, get_membership(winner.membership_id), link_id=winner.link_id, why=why, by=CLOCK)
    return 1


def _was_decided_since(conversion_id: str) -> bool:
    """Whether somebody gave it to somebody, or took it away: that stands."""
    made = select(Reassignment.id).where(Reassignment.conversion_id == conversion_id).limit(1)
    return session().exec(made).first() is not None


def _decided(conversion: Conversion, candidates: Sequence[AttributionCandidate]) -> Attribution:
    """Whose it is by the candidates that named what was unknown; the others could not win it before, and cannot now."""
    known = Known(
        codes={each.given.lower() for each in candidates if each.source == "code"},
        coupons={each.given.upper() for each in candidates if each.source == "coupon"},
        unit_ids={conversion.unit_id},
        external_ids=(),
        customers=(),
        moments=(conversion.occurred_at, conversion.occurred_at),
    )
    named = [
        touches.again(each.source, each.given, each.at, conversion.unit_id, known) for each in candidates
    ]
    happened = Happened(conversion.occurred_at, conversion.email_sha256)
    return decide(happened, named, known.rules, known.right)
