"""Warnings before a certification ends: each once, none to those who renewed or were revoked."""

from datetime import timedelta
from decimal import Decimal

from sqlmodel import col, select

from core.clock import at
from core.db import session, transaction
from core.outbox import OutboxMessage
from curriculum.certification import award, revoke
from curriculum.enrolment import Enrolment, renew
from curriculum.expiry_warnings import warn_of_expiry
from tests.curriculum.stories import certify, make_release
from tests.factories import Cast, acting, make_advocate


def steps() -> list[str]:
    with transaction(read_only=True):
        left = select(OutboxMessage.step).where(col(OutboxMessage.step).startswith("certification_ends"))
        return sorted(session().exec(left))


def test_warned_60_30_and_7_days_before_each_once(cast: Cast) -> None:
    with transaction():
        make_release(cast)
        ends = certify(make_advocate(cast.programme)).valid_until
    for days, warned in ((70, 0), (59, 1), (58, 0), (29, 1), (6, 1), (5, 0), (-1, 0)):
        with at(ends - timedelta(days=days)):
            assert warn_of_expiry() == warned
    assert steps() == ["certification_ends:30", "certification_ends:60", "certification_ends:7"]


def test_first_seen_late_is_one_warning(cast: Cast) -> None:
    with transaction():
        make_release(cast)
        ends = certify(make_advocate(cast.programme)).valid_until
    with at(ends - timedelta(days=3)):
        assert warn_of_expiry() == 1
        assert warn_of_expiry() == 0
    assert steps() == ["certification_ends:7"]


def test_renewed_and_revoked_are_left_in_peace(cast: Cast) -> None:
    with transaction():
        make_release(cast)
        first = certify(make_advocate(cast.programme))
        second = certify(make_advocate(cast.programme, "Rita Revoked"))
        revoke(second, "asked_for", by=acting(cast.hub_admin))
    with at(first.valid_until - timedelta(days=50)), transaction():
        enrolment = session().get_one(Enrolment, first.enrolment_id)
        award(renew(enrolment, first.valid_until), Decimal(90))
    with at(first.valid_until - timedelta(days=20)):
        assert warn_of_expiry() == 0
