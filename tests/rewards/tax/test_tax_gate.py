"""Payouts that wait for a tax form: never, always, or from the year's threshold on."""

from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from sqlmodel import col, select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from hub.programmes import Programme
from rewards.payouts import payout_preview, payouts
from rewards.payouts.runs import Payout, PayoutSkip
from rewards.tax.tax_gate import WHY_NOT
from tests.at_once import while_open
from tests.conftest import ON_POSTGRESQL
from tests.factories import Cast, acting, make_advocate, make_programme
from tests.rewards.payouts.test_payouts import next_month
from tests.rewards.stories import approved, percent_rule, ready_account, take_as_sent
from tests.rewards.tax.forms import accept, ask, give


def close() -> tuple[list[int], list[tuple[str, str]]]:
    """What a run pays, and whom it skips and why."""
    with at(next_month()):
        payouts.prepare()
    with transaction():
        paid = session().exec(select(Payout.amount_minor).order_by(col(Payout.id))).all()
        skips = session().exec(select(PayoutSkip).order_by(col(PayoutSkip.id))).all()
        return list(paid), [(each.reason, each.sentence) for each in skips]


def test_a_programme_that_never_asks_pays_without(ana: Membership, cast: Cast) -> None:
    approved(ana, cast.manager)
    assert close() == ([1_290], [])


def test_a_programme_that_always_asks_pays_once_the_form_is_accepted(ana: Membership, cast: Cast) -> None:
    ask(cast.programme, "always")
    approved(ana, cast.manager)
    with transaction(read_only=True):
        (row,) = payout_preview.preview(session().get_one(Programme, cast.programme.id)).rows
    assert row.skip is not None
    assert row.skip.sentence == WHY_NOT["missing"]
    form = give(ana)
    with transaction(read_only=True):
        (row,) = payout_preview.preview(session().get_one(Programme, cast.programme.id)).rows
    assert row.skip is not None
    assert row.skip.sentence == WHY_NOT["waits"]
    assert close() == ([], [("tax_form", WHY_NOT["waits"])])
    accept(form, cast.finance)
    with at(next_month() + timedelta(days=31)):
        payouts.prepare()
    with transaction():
        assert session().exec(select(Payout.amount_minor)).all() == [1_290]


@pytest.mark.parametrize(("second_minor", "paid"), [(1_500_00, True), (1_500_01, False)])
def test_from_the_threshold_of_the_year_on_a_form_is_needed(
    ana: Membership, cast: Cast, second_minor: int, *, paid: bool
) -> None:
    """500.00 EUR were paid this year; DAC7 reports from 2,000.01 EUR on."""
    ask(cast.programme, "threshold")
    approved(ana, cast.manager, 5_000_00)
    with at(datetime(2027, 2, 1, 12, tzinfo=UTC)):
        payouts.prepare()
        with transaction():
            first = session().exec(select(Payout)).one()
            take_as_sent(first)
        approved(ana, cast.manager, second_minor * 10, second=cast.finance)
    with at(datetime(2027, 3, 1, 12, tzinfo=UTC)):
        payouts.prepare()
    with transaction():
        amounts = set(session().exec(select(Payout.amount_minor)))
        skipped = [each.reason for each in session().exec(select(PayoutSkip))]
    assert (amounts, skipped) == (
        ({500_00, second_minor}, []) if paid else ({500_00}, ["tax_form"])
    )  # fmt: skip


@pytest.mark.parametrize(("paid_minor", "waits"), [(2_000_00, False), (2_000_01, True)])
def test_once_a_threshold_is_reached_payouts_in_other_currencies_wait_for_the_form_too(
    ana: Membership, cast: Cast, paid_minor: int, *, waits: bool
) -> None:
    approved(ana, cast.manager, paid_minor * 10, second=cast.finance)
    with at(datetime(2027, 2, 1, 12, tzinfo=UTC)):
        payouts.prepare()
        with transaction():
            take_as_sent(session().exec(select(Payout)).one())
        approved(ana, cast.manager, 90_000, "JPY", cast.finance)
    ask(cast.programme, "threshold")
    with at(datetime(2027, 3, 1, 12, tzinfo=UTC)):
        payouts.prepare()
    with transaction():
        skipped = [(each.currency, each.reason) for each in session().exec(select(PayoutSkip))]
    assert skipped == ([("JPY", "tax_form")] if waits else [])


def test_each_advocate_of_a_run_is_counted_alone(ana: Membership, cast: Cast) -> None:
    """Five were paid 500.00 EUR each this year: none of them is near 2,000.01 EUR."""
    ask(cast.programme, "threshold")
    with transaction():
        others = [make_advocate(cast.programme, f"Other {n}") for n in range(4)]
        for each in others:
            ready_account(each)
    for each in (ana, *others):
        approved(each, cast.manager, 5_000_00)
    with at(datetime(2027, 2, 1, 12, tzinfo=UTC)):
        payouts.prepare()
        with transaction():
            for first in session().exec(select(Payout)):
                take_as_sent(first)
        for each in (ana, *others):
            approved(each, cast.manager, 120_00)
    with at(datetime(2027, 3, 1, 12, tzinfo=UTC)):
        payouts.prepare()
    with transaction():
        assert session().exec(select(PayoutSkip)).all() == []
        assert sorted(session().exec(select(Payout.amount_minor))) == [12_00] * 5 + [500_00] * 5


def test_last_years_payments_do_not_count_and_those_on_their_way_do(ana: Membership, cast: Cast) -> None:
    ask(cast.programme, "threshold")
    with at(datetime(2026, 12, 1, 12, tzinfo=UTC)):
        approved(ana, cast.manager, 19_000_00, second=cast.finance)
    with at(datetime(2027, 1, 1, 12, tzinfo=UTC)):
        payouts.prepare()
        approved(ana, cast.manager, 2_000_00)
    with at(datetime(2027, 2, 1, 12, tzinfo=UTC)):
        payouts.prepare()  # 1,900.00 are reserved still, 200.00 more are too much
        with transaction():
            assert [each.reason for each in session().exec(select(PayoutSkip))] == ["tax_form"]
            first = session().exec(select(Payout)).one()
            with at(datetime(2026, 12, 31, 22, tzinfo=UTC)):
                take_as_sent(first)
    with at(datetime(2027, 3, 1, 12, tzinfo=UTC)):
        payouts.prepare()  # it was booked an hour before the year began in Berlin
    with transaction():
        assert set(session().exec(select(Payout.amount_minor))) == {1_900_00, 200_00}


@pytest.mark.parametrize("other", ["threshold", "never"])
def test_two_programmes_that_close_at_once_count_what_each_pays_a_person(
    ana: Membership, cast: Cast, other: str
) -> None:
    """She is owed 1,500.00 EUR in each, and DAC7 reports from 2,000.01 EUR on."""
    with transaction():
        programme = make_programme(cast.north, "second", [cast.hub_admin, cast.manager])
        percent_rule(programme)
        again = Membership(
            number=999, person_id=ana.person_id, programme_id=programme.id, unit_id=cast.north.id
        )
        session().add(again)
    ask(cast.programme, "threshold")
    ask(programme, other)
    for member in (again, ana):
        approved(member, cast.manager, 15_000_00, second=cast.finance)

    def run_of(which: Programme) -> None:
        payouts.run_now(session().get_one(Programme, which.id), by=acting(cast.finance))

    def run_of_mine() -> None:
        with transaction():
            run_of(cast.programme)

    with at(now() + timedelta(minutes=1)):
        assert while_open(lambda: run_of(programme), run_of_mine) is None
    with transaction():
        paid = session().exec(select(Payout.membership_id, Payout.amount_minor)).all()
        skipped = session().exec(select(PayoutSkip.membership_id, PayoutSkip.sentence)).all()
    assert (list(paid), list(skipped)) == ([(again.id, 1_500_00)], [(ana.id, WHY_NOT["missing"])])


def test_programmes_that_count_nothing_close_beside_each_other(ana: Membership, cast: Cast) -> None:
    with transaction():
        programme = make_programme(cast.north, "second", [cast.hub_admin, cast.manager])
        percent_rule(programme)
        ben = make_advocate(programme, "Ben Beside")
        ready_account(ben)
    for member in (ben, ana):
        approved(member, cast.manager)
    ended = Event()

    def run_of(which: Programme) -> None:
        payouts.run_now(session().get_one(Programme, which.id), by=acting(cast.finance))

    def run_of_mine() -> None:
        with transaction():
            run_of(cast.programme)
        ended.set()

    beside: list[bool] = []
    with at(now() + timedelta(minutes=1)):
        while_open(lambda: run_of(programme), run_of_mine, lambda: beside.append(ended.is_set()))
    assert (ended.is_set(), beside) == (True, [ON_POSTGRESQL])  # SQLite has one writer at a time
    with transaction():
        assert list(session().exec(select(Payout.amount_minor))) == [1_290] * 2


def test_a_currency_without_a_threshold_is_not_stopped(ana: Membership, cast: Cast) -> None:
    ask(cast.programme, "threshold")
    approved(ana, cast.manager, 90_000_00, "GBP", cast.finance)
    assert close() == ([9_000_00], [])
