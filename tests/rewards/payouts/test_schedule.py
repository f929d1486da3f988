"""When payouts close, changed: from the next closing on, never a line twice or left out."""

from datetime import UTC, date, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core.audit import AuditEntry
from core.clock import at
from core.db import dialect, session, transaction
from core.errors import Forbidden
from core.people import Person
from hub.programmes import Programme, Schedule, WrongPayoutDay, get_programme
from rewards.ledger import proof
from rewards.payouts import payouts, schedule
from rewards.payouts.runs import Payout, PayoutRun
from rewards.payouts.schedule import ClosingIsDue, NothingChanges, ScheduleMoved
from tests.at_once import while_open
from tests.factories import Cast, acting, make_advocate, sign_in
from tests.rewards.stories import approved, percent_rule, ready_account

A_WEDNESDAY = datetime(2027, 10, 20, 12, tzinfo=UTC)
NEXT_MONDAY = datetime(2027, 10, 25, 0, 0, 1, tzinfo=UTC)
NEXT_MONTH = datetime(2027, 11, 1, 0, 0, 1, tzinfo=UTC)


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        made = make_advocate(cast.programme)
        ready_account(made)
        session().get_one(Programme, cast.programme.id).time_zone = "UTC"
        return made


def settled() -> None:
    """The clock has made every run of now."""
    payouts.prepare()


def close(cast: Cast, how: Schedule, day: int = 1, *, seen: str = "", by: Person | None = None) -> None:
    with transaction():
        programme = get_programme(cast.programme.id)
        another = schedule.wanted(programme, how, day)
        was = seen or schedule.seen_of(programme)
        schedule.change_schedule(programme, another, seen=was, by=acting(by or cast.finance))


def runs(cast: Cast) -> list[str]:
    with transaction(read_only=True):
        wanted = select(PayoutRun.period).where(PayoutRun.programme_id == cast.programme.id)
        return list(session().exec(wanted.order_by(col(PayoutRun.ends_at))).all())


def paid() -> list[int]:
    with transaction(read_only=True):
        assert proof.problems() == []
        return list(session().exec(select(Payout.amount_minor).order_by(col(Payout.id))).all())


def test_a_closing_that_would_have_been_before_the_change_is_none(cast: Cast, ana: Membership) -> None:
    with at(A_WEDNESDAY):
        settled()
        before = runs(cast)
        approved(ana, cast.manager)
        close(cast, "weekly", 1)
        settled()
        assert runs(cast) == before
    with at(NEXT_MONDAY):
        settled()
        settled()
        assert runs(cast) == [*before, "2027-10-25"]
        assert len(paid()) == 1


def test_changed_there_and_back_nothing_is_paid_twice_or_left_out(cast: Cast, ana: Membership) -> None:
    with at(A_WEDNESDAY):
        settled()
        approved(ana, cast.manager)
        close(cast, "weekly", 3)
        settled()
        close(cast, "monthly", 20)
        settled()
        close(cast, "monthly", 1)
        settled()
        assert paid() == []
    with at(NEXT_MONTH):
        settled()
        approved(ana, cast.manager)
        close(cast, "weekly", 1)
        settled()
        assert len(paid()) == 1
    with at(datetime(2027, 11, 8, 0, 0, 1, tzinfo=UTC)):
        settled()
        assert len(paid()) == 2


def test_by_hand_means_that_the_clock_makes_no_run(cast: Cast, ana: Membership) -> None:
    with at(A_WEDNESDAY):
        settled()
        before = runs(cast)
        approved(ana, cast.manager)
        close(cast, "manual")
    with at(NEXT_MONTH):
        settled()
        assert runs(cast) == before
        with transaction():
            assert payouts.run_now(get_programme(cast.programme.id), by=acting(cast.finance))
        assert len(paid()) == 1


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"])
def test_in_another_time_zone_nothing_is_paid_twice_or_left_out(
    cast: Cast, ana: Membership, zone: str
) -> None:
    """No door moves it, since statements are by it; that runs would stand it is shown all the same."""
    with at(A_WEDNESDAY):
        settled()
        approved(ana, cast.manager)
    with at(NEXT_MONTH):
        settled()
        approved(ana, cast.manager)
        with transaction():
            programme = get_programme(cast.programme.id)
            programme.time_zone, programme.payouts_changed_at = zone, NEXT_MONTH
        settled()
    for hours in (1, 12, 24, 24 * 31):
        with at(NEXT_MONTH + timedelta(hours=hours)):
            settled()
    assert len(paid()) == 2


def test_a_closing_that_is_due_is_made_first(cast: Cast, ana: Membership) -> None:
    with at(A_WEDNESDAY):
        settled()
        approved(ana, cast.manager)
    with at(NEXT_MONTH):
        with pytest.raises(ClosingIsDue):
            close(cast, "weekly", 1)
        settled()
        assert len(paid()) == 1
        close(cast, "weekly", 1)


def test_what_was_not_seen_is_not_changed(cast: Cast, ana: Membership) -> None:
    with at(A_WEDNESDAY):
        settled()
        with pytest.raises(ScheduleMoved):
            close(cast, "weekly", 1, seen="weekly 2, 2027-11-01")
        with pytest.raises(ScheduleMoved):  # shown before that closing was over
            close(cast, "weekly", 1, seen="monthly 1, 2027-10-01")
        with pytest.raises(NothingChanges):
            close(cast, "monthly", 1)
        with pytest.raises(WrongPayoutDay):
            close(cast, "weekly", 8)


def test_a_clock_that_begins_a_run_waits_for_the_change_and_goes_by_it(cast: Cast, ana: Membership) -> None:
    def begins_after_midnight() -> list[str]:
        with at(NEXT_MONTH):
            settled()
        return runs(cast)

    def changes_before_midnight() -> None:
        with at(NEXT_MONTH - timedelta(minutes=1)):
            programme = get_programme(cast.programme.id)
            another = schedule.wanted(programme, "weekly", 3)
            was = schedule.seen_of(programme)
            schedule.change_schedule(programme, another, seen=was, by=acting(cast.finance))

    with at(A_WEDNESDAY):
        settled()
        before = runs(cast)
    assert while_open(changes_before_midnight, begins_after_midnight) == before


def test_rewards_are_granted_while_payouts_are_changed(cast: Cast, ana: Membership) -> None:
    """Rows that only name the programme do not wait for whoever changes it (on SQLite everybody waits for a writer)."""
    committed: list[str] = []

    def changes() -> None:
        with at(A_WEDNESDAY):
            schedule.hold(get_programme(cast.programme.id))

    def earns() -> None:
        approved(ana, cast.manager)
        committed.append("reward")

    while_open(changes, earns, then=lambda: committed.append("change"))
    assert sorted(committed) == ["change", "reward"]
    if dialect() == "postgresql":
        assert committed == ["reward", "change"]


def test_only_finance_changes_it_and_the_page_shows_the_effect_before(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    page = f"/console/payouts/schedule/{cast.programme.id}"
    with at(A_WEDNESDAY):
        settled()
        sign_in(client, cast.manager)
        shown = client.get(f"{page}?payout_schedule=weekly&payout_day=5").text
        assert "Close payouts like this" not in shown
        wanted = {"payout_schedule": "weekly", "payout_day": "5", "seen": "monthly 1, 2027-11-01"}
        assert client.post(page, data=wanted).status_code == 403
        with pytest.raises(Forbidden):
            close(cast, "weekly", 5, by=cast.manager)
        sign_in(client, cast.finance)
        shown = client.get(f"{page}?payout_schedule=weekly&payout_day=5").text
        assert "weekly, on Friday" in shown
        assert "22 Oct 2027" in shown
        odd = client.get(f"{page}?payout_schedule=weekly&payout_day=31")
        assert (odd.status_code, 'name="payout_day"' in odd.text) == (200, True)
        assert "Close payouts like this" not in odd.text
        assert client.post(page, data=wanted | {"payout_day": "9"}).status_code == 422
        assert client.post(page, data=wanted).status_code == 303
        shown = client.get(page).text
        assert "weekly, on Friday" in shown
        assert client.post(page, data=wanted).status_code == 409
    with transaction(read_only=True):
        programme = get_programme(cast.programme.id)
        assert (programme.payout_schedule, programme.payout_day) == ("weekly", 5)
        assert programme.payouts_changed_at is not None
        assert programme.payouts_changed_at.date() == date(2027, 10, 20)
        entries = select(AuditEntry).where(AuditEntry.action == "programme.changed")
        assert [each.details["payout_schedule"] for each in session().exec(entries)] == [
            ["monthly", "weekly"]
        ]
