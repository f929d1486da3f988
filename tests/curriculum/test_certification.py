"""Awards: one per enrolment, dated, immutable, revoked by another fact."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from core import events
from core.clock import at, now
from core.db import session, transaction
from core.outbox import OutboxMessage
from curriculum.certification import (
    AlreadyRevoked,
    Award,
    CertificationAwarded,
    award,
    certified_at,
    end_of_validity,
    facts,
    revoke,
    status_of,
)
from curriculum.enrolment import Enrolment, TooEarlyToRenew, renew
from hub import metrics
from tests.curriculum.stories import SLUG, certify, make_release
from tests.factories import Cast, acting, make_advocate

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


def make_award(cast: Cast) -> Award:
    make_release(cast)
    return certify(make_advocate(cast.programme))


def test_award_counts_from_its_moment_to_the_end_of_its_last_day(cast: Cast) -> None:
    with transaction(), at(MORNING):
        made = make_award(cast)
        whose = made.person_id
        assert made.valid_until == datetime(2027, 3, 2, 23, 59, 59, 999999, UTC)
        assert not certified_at(whose, SLUG, MORNING - timedelta(seconds=1))
        assert certified_at(whose, SLUG, MORNING)
        assert certified_at(whose, SLUG, datetime(2027, 3, 2, 23, 30, tzinfo=UTC))
        assert not certified_at(whose, SLUG, datetime(2027, 3, 3, tzinfo=UTC))
        assert not certified_at(whose, "another", MORNING)
        assert not certified_at(cast.stranger.id, SLUG, MORNING)
        assert status_of(made, datetime(2027, 3, 3, tzinfo=UTC)) == "expired"


def test_leap_day_and_a_year_is_28_february() -> None:
    begins = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert end_of_validity(begins, 12) == datetime(2029, 2, 28, 23, 59, 59, 999999, UTC)
    assert end_of_validity(begins, 48).date().isoformat() == "2032-02-29"


def test_awarding_twice_is_one_award_one_mail_one_event_and_one_point_on_the_scoreboard(cast: Cast) -> None:
    told: list[CertificationAwarded] = []
    events.when(CertificationAwarded, told.append)
    with transaction():
        made = make_award(cast)
        enrolment = make_enrolment_of(made)
        assert award(enrolment, Decimal(100)).id == made.id
    mine = [each for each in told if each.award_id == made.id]
    assert [each.certification_slug for each in mine] == [SLUG]
    with transaction(read_only=True):
        mails = session().exec(select(OutboxMessage).where(OutboxMessage.subject == made.id)).all()
        assert len(mails) == 1
        assert f"/verify/{made.verify_id}" in mails[0].content["text"]
        assert metrics.value_of("certifications", "all", made.membership_id) == 1
        assert [tuple(each) for each in session().execute(facts())] == [
            ("certifications", made.membership_id, made.unit_id, made.day, 1)
        ]


def make_enrolment_of(made: Award) -> Enrolment:
    return session().get_one(Enrolment, made.enrolment_id)


def test_award_cannot_be_changed_or_deleted_by_anybody(cast: Cast) -> None:
    with transaction():
        made = make_award(cast)
    for statement in ("UPDATE award SET score = '100'", "DELETE FROM award"):
        with pytest.raises(DBAPIError, match="never change"), transaction():
            session().execute(text(statement))
    with transaction(read_only=True):
        assert session().get_one(Award, made.id).score == "90"


def test_revoked_award_counts_until_then_and_stays_on_record(cast: Cast) -> None:
    with at(MORNING), transaction():
        made = make_award(cast)
    with at(MORNING + timedelta(days=30)), transaction():
        revoke(made, "mistake", by=acting(cast.hub_admin), note="wrong person")
        assert status_of(made, now()) == "revoked"
        assert not certified_at(made.person_id, SLUG, now())
        assert certified_at(made.person_id, SLUG, now() - timedelta(days=1))
        with pytest.raises(AlreadyRevoked):
            revoke(made, "other", by=acting(cast.hub_admin))
        assert metrics.value_of("certifications", "all", made.membership_id) == 0
        metrics.metric_from("certifications", facts)
        assert metrics.differences() == []


def test_renewal_before_the_end_adds_to_the_validity(cast: Cast) -> None:
    with at(MORNING), transaction():
        first = make_award(cast)
        with pytest.raises(TooEarlyToRenew):
            renew(make_enrolment_of(first), first.valid_until)
    with at(datetime(2027, 2, 1, tzinfo=UTC)), transaction():
        enrolment = renew(make_enrolment_of(first), first.valid_until)
        assert renew(enrolment, first.valid_until).id == enrolment.id
        second = award(enrolment, Decimal(80))
        assert second.valid_from == now()
        assert second.valid_until == datetime(2028, 3, 2, 23, 59, 59, 999999, UTC)
        assert certified_at(first.person_id, SLUG, datetime(2028, 3, 2, tzinfo=UTC))


def test_renewal_after_the_end_begins_anew(cast: Cast) -> None:
    with at(MORNING), transaction():
        first = make_award(cast)
    with at(datetime(2027, 5, 1, tzinfo=UTC)), transaction():
        second = award(renew(make_enrolment_of(first), None), Decimal(80))
        assert second.valid_until.date().isoformat() == "2028-05-01"
        assert not certified_at(first.person_id, SLUG, datetime(2027, 4, 1, tzinfo=UTC))


def test_public_address_is_long_and_random(cast: Cast) -> None:
    with transaction():
        made = make_award(cast)
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", made.verify_id)
