"""Warnings before a certification ends: 60, 30 and 7 days, each once, none to those who renewed."""

from datetime import timedelta

from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from core import mail
from core.clock import now
from core.db import session, transaction
from core.outbox import OutboxMessage
from core.people import get_person
from curriculum.certification import Award, Revocation, get_award, spoken_day

DAYS_BEFORE = (7, 30, 60)
"""the nearest first: who is first seen 5 days before the end gets one warning and not three"""
TEMPLATE = "certification_ends"
BATCH = 200


def warn_of_expiry() -> int:
    """Leave the warnings that are due, at most 200 a run; answers how many. A job, each in its own transaction."""
    warned, beyond = 0, 0
    for days in DAYS_BEFORE:
        with transaction(read_only=True):
            due = session().exec(_ending(beyond, days).limit(BATCH)).all()
        for award_id in due:
            with transaction():
                warned += _warn(get_award(award_id), days)
        beyond = days
    return warned


def _ending(beyond_days: int, within_days: int) -> SelectOfScalar[str]:
    """Ids of awards in force that end in so many days, without a later one and not warned at this step."""
    later = Award.__table__.alias("later")  # type: ignore[attr-defined]  # every table has one
    renewed = select(later.c.id).where(
        later.c.membership_id == col(Award.membership_id),
        later.c.certification_slug == col(Award.certification_slug),
        later.c.valid_until > col(Award.valid_until),
    )
    warned = select(OutboxMessage.id).where(
        OutboxMessage.kind == "mail",
        OutboxMessage.subject == col(Award.id),
        OutboxMessage.step == _outbox_step(within_days),
    )
    return select(Award.id).where(
        col(Award.valid_until) > now() + timedelta(days=beyond_days),
        col(Award.valid_until) <= now() + timedelta(days=within_days),
        col(Award.id).not_in(select(Revocation.award_id)),
        ~renewed.exists(),
        ~warned.exists(),
    )


def _outbox_step(days: int) -> str:
    return f"{TEMPLATE}:{days}"


def _warn(award: Award, days: int) -> bool:
    person = get_person(award.person_id)
    return mail.leave(
        TEMPLATE,
        award.id,
        str(days),
        to=person.email,
        name=person.name,
        title=award.title_as_printed,
        until=spoken_day(award.valid_until.date()),
    )
