"""Looking again at conversions that wait for a code, a coupon or their customer; what is known by now is decided by the ordinary rules."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, case, delete, exists, func, or_, update
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from core.access import CLOCK
from core.clock import now
from core.db import run, session, transaction
from core.one_by_one import one_by_one
from referrals.conversions import same_order, touches
from referrals.conversions.attribution import Attribution, Happened, Touch, decide
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion, lock
from referrals.conversions.known import Known
from referrals.conversions.reassignment import Reassignment, settle
from referrals.conversions.waiting import LEASE, LOOKS, WaitingConversion
from referrals.links.former_coupons import FormerCoupon
from referrals.links.links import Link

AT_ONCE = 500
STUCK_AFTER = timedelta(hours=1)
ELSEWHERE = "nobody's: another shop told the same order, which was won there"


def look_again() -> int:
    """Job: decide what waits and is known by now; answers how many were given to somebody.

    Raises as one_by_one does: what failed is tried again after a lease, so that it keeps nothing else from its turn.
    """
    with transaction():
        due = session().exec(_due()).all()
        known = _known_by_now(due)
        together = {*known, *session().exec(_of_the_customers_of(known))}
        _look_later([each for each in due if each not in together])
        _lease(known)
    return one_by_one(known, _settle)


def stuck() -> list[str]:
    """Check: every conversion whose next, or last, look should have been an hour ago, as a sentence."""
    late = now() - STUCK_AFTER
    waits = WaitingConversion
    unlooked, failing = col(waits.next_at) < late, col(waits.failing_since) < late
    wanted = select(Conversion).join(waits).where(or_(unlooked, failing))
    return [
        f"conversion {each.id} came at {each.received_at:%Y-%m-%d %H:%M} and is not looked at again"
        for each in session().exec(wanted.order_by(col(Conversion.id)).limit(AT_ONCE))
    ]


def _due() -> Any:  # noqa: ANN401 - a SELECT
    wanted = select(WaitingConversion.conversion_id).where(WaitingConversion.next_at <= now())
    return wanted.order_by(col(WaitingConversion.next_at)).limit(AT_ONCE)


def _known_by_now(conversion_ids: Sequence[str]) -> list[str]:
    """Those of them that named a code or coupon that a link has or had, or are to a customer who is somebody's by now."""
    source, given = col(AttributionCandidate.source), AttributionCandidate.given
    its_link = col(AttributionCandidate.link_id)
    has, had = (exists().where(col(each.coupon) == func.upper(given)) for each in (Link, FormerCoupon))
    unknown = or_(
        and_(source == "code", exists().where(col(Link.code) == func.lower(given))),
        and_(source == "coupon", or_(has, had)),
    )
    ended = col(AttributionCandidate.verdict) == touches.NOT_THEN
    anothers = or_(has.where(col(Link.id) != its_link), had.where(col(FormerCoupon.link_id) != its_link))
    given_on = and_(source == "coupon", ended, anothers)
    mine = select(AttributionCandidate.conversion_id).where(
        or_(and_(its_link.is_(None), unknown), given_on),
        col(AttributionCandidate.conversion_id).in_(conversion_ids),
    )
    return sorted({*session().exec(mine), *session().exec(_of_known_customers(conversion_ids))})


def _of_known_customers(conversion_ids: Sequence[str]) -> Any:  # noqa: ANN401 - a SELECT
    """Those of them to a customer whose earlier order is somebody's by now."""
    earlier = aliased(Conversion)
    brought = select(earlier.id).where(
        earlier.unit_id == Conversion.unit_id,
        earlier.customer_id == Conversion.customer_id,
        col(earlier.occurred_at) <= col(Conversion.occurred_at),
        col(earlier.link_id).is_not(None),
    )
    waiting = col(Conversion.id).in_(conversion_ids), col(Conversion.customer_id) != ""
    return select(Conversion.id).where(*waiting, brought.exists())


def _of_the_customers_of(conversion_ids: Sequence[str]) -> Any:  # noqa: ANN401 - a SELECT
    """Those that wait and are the next orders of a customer of one of these: what becomes of those decides about them."""
    found = aliased(Conversion)
    theirs = and_(
        col(found.unit_id) == col(Conversion.unit_id),
        col(found.customer_id) == col(Conversion.customer_id),
        col(found.occurred_at) <= col(Conversion.occurred_at),
        col(Conversion.customer_id) != "",
    )
    waiting = select(Conversion.id).join(WaitingConversion).join(found, theirs)
    return waiting.where(col(found.id).in_(conversion_ids))


def _look_later(conversion_ids: Sequence[str]) -> None:
    """Once more after a while, or never again."""
    mine = col(WaitingConversion.conversion_id).in_(conversion_ids)
    session().execute(delete(WaitingConversion).where(mine, col(WaitingConversion.looks) >= len(LOOKS) - 1))
    pauses = {number: now() + (LOOKS[number + 1] - LOOKS[number]) for number in range(len(LOOKS) - 1)}
    later = case(pauses, value=col(WaitingConversion.looks))
    looked = {"looks": col(WaitingConversion.looks) + 1, "next_at": later, "failing_since": None}
    session().execute(update(WaitingConversion).where(mine).values(looked))


def _lease(conversion_ids: Sequence[str]) -> None:
    """Leave them to whoever decides them now; one that fails is leased again and again, and keeps since when."""
    mine = col(WaitingConversion.conversion_id).in_(conversion_ids)
    since = func.coalesce(col(WaitingConversion.failing_since), now())
    session().execute(
        update(WaitingConversion).where(mine).values(next_at=now() + LEASE, failing_since=since)
    )


def _settle(conversion_id: str) -> int:
    """Decide one that is known by now; whether it was given to somebody. Nothing when another clock did it."""
    conversion = session().get_one(Conversion, conversion_id)
    same_order.one_at_a_time(conversion.external_id)
    if session().get(WaitingConversion, conversion_id, with_for_update=True) is None:
        return 0
    lock(conversion)
    if conversion.membership_id is not None or _was_decided_since(conversion_id):
        return _let_go(conversion_id)
    wanted = select(AttributionCandidate).where(AttributionCandidate.conversion_id == conversion_id)
    candidates = list(session().exec(wanted.order_by(col(AttributionCandidate.position))))
    known = _known_of(conversion, candidates)
    candidates += _known_customer(conversion, candidates, known)
    decided = _decided(conversion, candidates, known)
    whose = decided.winner.membership_id if decided.winner else None
    if same_order.won_elsewhere(conversion, whose) is not None:
        _say(conversion, ELSEWHERE)
        return _let_go(conversion_id)
    _note(candidates, decided)
    if (winner := decided.winner) is not None:
        why = f"{_called(winner)} became known on {now():%-d %b %Y, %H:%M} UTC"
        settle(conversion, decided, why=why, by=CLOCK)
        _let_go(conversion_id)
        soon = col(WaitingConversion.conversion_id).in_(
            select(Conversion.id).where(
                Conversion.unit_id == conversion.unit_id,
                Conversion.customer_id == conversion.customer_id,
                Conversion.occurred_at >= conversion.occurred_at,
                Conversion.customer_id != "",
            )
        )
        session().execute(update(WaitingConversion).where(soon).values(next_at=now()))
        return 1
    _say(conversion, decided.reason)
    if any(touches.may_mean_another(each.touch.source, each.touch.problem) for each in decided.candidates):
        _look_later([conversion_id])  # for what it named besides
        return 0
    return _let_go(conversion_id)


def _called(winner: Touch) -> str:
    """What became known, for advocates: a shop's own id of a customer may be an address."""
    if winner.source == "customer":
        return "who brought an earlier order of the same customer"
    return f"the {winner.source} {winner.given}"


def _note(candidates: Sequence[AttributionCandidate], decided: Attribution) -> None:
    """Whose link each names that names one now, or another, and why those that do not win do not."""
    for candidate, judged in zip(candidates, decided.candidates, strict=True):
        if judged.touch.link_id not in {None, candidate.link_id}:
            candidate.link_id, candidate.membership_id = judged.touch.link_id, judged.touch.membership_id
            if not judged.won:
                candidate.verdict = judged.verdict
            session().add(candidate)
    session().flush()


def _say(conversion: Conversion, reason: str) -> None:
    conversion.reason = reason
    session().add(conversion)


def _let_go(conversion_id: str) -> int:
    """It waits no more; nobody got it."""
    run(delete(WaitingConversion).where(col(WaitingConversion.conversion_id) == conversion_id))
    return 0


def _was_decided_since(conversion_id: str) -> bool:
    """Whether somebody gave it to somebody, or took it away: that stands."""
    made = select(Reassignment.id).where(Reassignment.conversion_id == conversion_id).limit(1)
    return session().exec(made).first() is not None


def _known_of(conversion: Conversion, candidates: Sequence[AttributionCandidate]) -> Known:
    return Known(
        codes={each.given.lower() for each in candidates if each.source == "code"},
        coupons={each.given.upper() for each in candidates if each.source == "coupon"},
        unit_ids={conversion.unit_id},
        external_ids={conversion.external_id},
        customers={conversion.customer_id} - {""},
        moments=(conversion.occurred_at, conversion.occurred_at),
    )


def _known_customer(
    conversion: Conversion, candidates: Sequence[AttributionCandidate], known: Known
) -> list[AttributionCandidate]:
    """The candidate that the customer is by now, where an earlier order was given to somebody since."""
    customer_id, at = conversion.customer_id, conversion.occurred_at
    earlier = known.latest_brought(conversion.unit_id, customer_id, at) if customer_id else None
    if earlier is None or any(each.source == "customer" for each in candidates):
        return []
    made = AttributionCandidate(
        conversion_id=conversion.id,
        position=len(candidates),
        source="customer",
        given=customer_id,
        at=at,
        verdict="nobody had brought the customer then",
    )
    session().add(made)
    return [made]


def _decided(conversion: Conversion, candidates: Sequence[AttributionCandidate], known: Known) -> Attribution:
    """Whose it is by what is known now; what could not win it before for another reason cannot now."""
    named = [
        touches.again(each.source, each.given, each.at, conversion.unit_id, known)
        if each.source != "click"
        and (each.link_id is None or touches.may_mean_another(each.source, each.verdict))
        else Touch(each.source, each.given, each.at, each.link_id, problem=each.verdict)
        for each in candidates
    ]
    happened = Happened(conversion.occurred_at, conversion.email_sha256)
    return decide(happened, named, known.rules, known.right)
