"""The work of assessing: the clock claims what was not looked at, soon after it arrived; late signals ask again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Text, delete, or_, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select

from core.clock import now
from core.columns import moment
from core.db import dialect, session, transaction, update_one
from referrals.clicks.clicks import Click
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.won import members_of
from referrals.fraud.fraud import OF_THE_ADVOCATE, Assessment, assess
from referrals.fraud.fraud_cases import FraudCase, cases_of, note
from referrals.fraud.fraud_evidence import evidence_of
from referrals.fraud.fraud_thresholds import thresholds_at
from referrals.fraud.fraud_traces import LATE, FraudTrace

BATCH = 500
MOST_BATCHES = 20
MOST_MEMBERS = 100
CLICKS_WITHIN = timedelta(minutes=1)


class FraudDue(SQLModel, table=True):
    """Something new is known about an advocate: what of theirs is not paid has to be looked at again."""

    __tablename__ = "fraud_due"

    membership_id: str = Field(primary_key=True, foreign_key="membership.id", sa_type=Text)
    since: datetime = moment(now)


def assess_due() -> int:
    """Job: assess what was not looked at yet, the oldest first; answers how many. Safe to run twice at once."""
    did = 0
    for _ in range(MOST_BATCHES):
        with transaction():
            done = _assess_some()
        did += done
        if done < BATCH:
            break
    return did


def _assess_some() -> int:
    waiting = select(Conversion.id).where(*_due()).order_by(col(Conversion.id))
    return assess_now(session().exec(waiting.limit(BATCH)).all())


def _due() -> tuple[ColumnElement[bool], ...]:
    """Not looked at yet, and what there is to see is there: its clicks are taken in within seconds after it.

    A click that is not known after a minute was lost.
    """
    unknown = select(AttributionCandidate.id).where(
        AttributionCandidate.conversion_id == Conversion.id,
        col(AttributionCandidate.won).is_(True),
        AttributionCandidate.source == "click",
        ~select(Click.id).where(Click.id == AttributionCandidate.given).exists(),
    )
    settled = or_(col(Conversion.received_at) < now() - CLICKS_WITHIN, ~unknown.exists())
    return col(Conversion.assessed_at).is_(None), settled


def assess_now(conversion_ids: Sequence[str]) -> int:
    """Assess those of these that are due; answers how many. Each is claimed before, so once."""
    _hold(conversion_ids)
    claim = update(Conversion).where(col(Conversion.id).in_(conversion_ids), *_due())
    claimed = claim.values(assessed_at=now()).returning(col(Conversion.id))
    ids = list(session().execute(claimed.execution_options(synchronize_session=False)).scalars())
    if ids:
        _assess(ids)
    return len(ids)


def _assess(ids: Sequence[str]) -> None:
    wanted = select(Conversion).where(col(Conversion.id).in_(ids)).order_by(col(Conversion.id))
    conversions = session().exec(wanted.execution_options(populate_existing=True)).all()
    thresholds = thresholds_at({each.programme_id for each in conversions if each.programme_id}, now())
    known = {(each.conversion_id, each.membership_id): each for each in cases_of(ids)}
    told: set[str] = set()
    for holder, evidence in evidence_of(conversions):
        limits = thresholds[holder.conversion.programme_id or ""]
        found, before = assess(evidence, limits), known.get(holder.place)
        if _worse(found, before):
            told.add(holder.membership_id)
        note(holder, found, limits.hold_at, before)
    look_again(sorted(told))


def _worse(found: Assessment, before: FraudCase | None) -> bool:
    """Whether something new speaks about the advocate, so that their other conversions are touched by it, too."""
    said = {(each["signal"], each["grade"]) for each in before.signals} if before else set()
    return any(
        each.signal in OF_THE_ADVOCATE and (each.signal, each.grade) not in said for each in found.signals
    )


def look_again(membership_ids: Sequence[str]) -> None:
    """Something new is known about these advocates; asking twice changes nothing."""
    if not membership_ids:
        return
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    rows = [{"membership_id": each, "since": now()} for each in membership_ids]
    asked = insert(FraudDue).values(rows)
    # Written although it is there: a clock that takes the row waits for our commit, and so sees what we know.
    again = asked.on_conflict_do_update(index_elements=["membership_id"], set_={"since": FraudDue.since})
    session().execute(again)


def look_again_at_refunded(conversion_id: str) -> None:
    """Reaction: a refund says something about whoever brought the sale, each who shares it."""
    look_again(sorted(members_of(session().get_one(Conversion, conversion_id))))


def take_late_clicks() -> int:
    """Job: clicks that were taken in after their orders were assessed have their advocates looked at again; answers how many."""
    there = (
        select(FraudTrace.conversion_id)
        .join(AttributionCandidate, col(AttributionCandidate.conversion_id) == col(FraudTrace.conversion_id))
        .join(Click, col(Click.id) == col(AttributionCandidate.given))
        .where(
            *_LATE,
            col(AttributionCandidate.membership_id) == col(FraudTrace.membership_id),
            col(AttributionCandidate.won).is_(True),
            col(AttributionCandidate.source) == "click",
        )
    )
    with transaction():
        some = session().exec(there.limit(BATCH)).all()
        # The trace goes, so that the next look leaves that of the click.
        gone = delete(FraudTrace).where(*_LATE, col(FraudTrace.conversion_id).in_(some))
        members = session().execute(gone.returning(col(FraudTrace.membership_id))).scalars().all()
        look_again(sorted(set(members)))
    return len(members)


_LATE = col(FraudTrace.kind) == "device", col(FraudTrace.value) == LATE


def waiting_members() -> list[str]:
    """The advocates about whom something new is known, the longest waiting first."""
    with transaction(read_only=True):
        due = select(FraudDue.membership_id).order_by(col(FraudDue.since)).limit(MOST_MEMBERS)
        return list(session().exec(due).all())


def take_member(membership_id: str) -> bool:
    """Claim an advocate to look at again; False when another clock did."""
    return update_one(delete(FraudDue).where(col(FraudDue.membership_id) == membership_id))


def ask_again(conversion_ids: Sequence[str]) -> int:
    """Have these assessed anew by the clock, before anything of them is opened; answers how many."""
    ids = sorted(conversion_ids)
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        _hold(some)
        again = update(Conversion).where(col(Conversion.id).in_(some))
        session().execute(again.values(assessed_at=None).execution_options(synchronize_session=False))
    return len(conversion_ids)


def _hold(ids: Sequence[str]) -> None:
    """In the order of their ids: two who want the same, as for those who share orders, wait for each other in turn.

    As an UPDATE holds them; who only refers to one goes on.
    """
    wanted = select(Conversion.id).where(col(Conversion.id).in_(ids)).order_by(col(Conversion.id))
    session().exec(wanted.with_for_update(key_share=True)).all()
