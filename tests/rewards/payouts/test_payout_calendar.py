"""The payout calendar: every closing of three months, and what the next one would do, as it then does."""

from datetime import UTC, date, datetime

from flask.testing import FlaskClient
from sqlmodel import col, select

from core.clock import at
from core.db import session, transaction
from core.money import Money
from hub.programmes import Programme
from rewards.payouts import payout_calendar, payouts
from rewards.payouts.payout_calendar import Closing, Outlook, Waiting
from rewards.payouts.runs import Payout, PayoutSkip
from tests.factories import Cast, acting, make_advocate, make_programme, sign_in
from tests.rewards.stories import approvable, approved, percent_rule, ready_account

AUTUMN = datetime(2027, 10, 20, 12, tzinfo=UTC)


def closings(cast: Cast) -> list[Closing]:
    with transaction(read_only=True):
        return payout_calendar.calendar(acting(cast.manager), "payout.see", AUTUMN)


def test_every_closing_of_three_months_is_there_by_its_local_day(cast: Cast) -> None:
    with transaction():
        owners = [cast.hub_admin, cast.manager]
        weekly = {"payout_schedule": "weekly", "payout_day": 5, "time_zone": "Pacific/Auckland"}
        make_programme(cast.north, "weekly", owners, **weekly)
        make_programme(cast.north, "by-hand", owners, payout_schedule="manual")
        session().get_one(Programme, cast.programme.id).payout_day = 31
    found = [(each.programme.slug, each.day) for each in closings(cast)]
    assert [day for slug, day in found if slug == "makers"] == [
        date(2027, 10, 31), date(2027, 11, 30), date(2027, 12, 31),
    ]  # fmt: skip
    weeks = [day for slug, day in found if slug == "weekly"]
    assert (weeks[0], weeks[-1], len(weeks)) == (date(2027, 10, 22), date(2028, 1, 21), 14)
    assert found[-1] == ("by-hand", None)
    days = [day for _slug, day in found[:-1]]
    assert days == sorted(days, key=str)


def test_only_the_next_closing_of_a_programme_says_what_it_would_do(cast: Cast) -> None:
    assert [each.outlook is not None for each in closings(cast)] == [True, False, False]


def test_what_it_would_do_is_what_it_does(cast: Cast) -> None:
    with at(AUTUMN):
        with transaction():
            percent_rule(cast.programme)
            session().get_one(Programme, cast.programme.id).payout_minimum_minor = 2_000
            ready, small, without = (
                make_advocate(cast.programme, each) for each in ("Ready One", "Small Two", "Without Three")
            )
            ready_account(ready)
            ready_account(small)
        approved(ready, cast.manager, 50_000)
        approved(ready, cast.manager, 1_230, "JPY", cast.finance)
        approved(small, cast.manager, 9_000)
        approved(without, cast.manager, 70_000)
        approvable(ready, 4_000)
        with transaction(read_only=True):
            would = payout_calendar.outlook(session().get_one(Programme, cast.programme.id))
    assert would == Outlook(
        paid=[Money(5_000, "EUR"), Money(123, "JPY")],
        payouts=2,
        waiting=[
            Waiting("Below the minimum of €20.00: carried over.", 1, [Money(900, "EUR")]),
            Waiting("No payout account has been set up.", 1, [Money(7_000, "EUR")]),
        ],
        to_approve=[Money(400, "EUR")],
    )
    with at(datetime(2027, 11, 1, 12, tzinfo=UTC)):
        payouts.prepare()
    with transaction(read_only=True):
        paid = session().exec(select(Payout).order_by(col(Payout.currency))).all()
        skips = session().exec(select(PayoutSkip).order_by(col(PayoutSkip.sentence))).all()
        assert [each.amount for each in paid] == would.paid
        assert [each.sentence for each in skips] == [each.sentence for each in would.waiting]


def test_an_advocate_with_several_currencies_is_one_and_what_cannot_be_paid_is_carried(
    client: FlaskClient, cast: Cast
) -> None:
    """Stripe pays forints in whole ones, and dinars in tens of fils."""
    with at(AUTUMN):
        with transaction():
            percent_rule(cast.programme)
            ready, without = (
                make_advocate(cast.programme, "Ready One"),
                make_advocate(cast.programme, "No Account"),
            )
            ready_account(ready)
        approved(ready, cast.manager, 1_234_570, "HUF", cast.finance)
        approved(ready, cast.manager, 123_460, "KWD", cast.finance)
        approved(without, cast.manager, 50_000)
        approved(without, cast.manager, 50_000, "JPY", cast.finance)
        with transaction(read_only=True):
            would = payout_calendar.outlook(session().get_one(Programme, cast.programme.id))
        assert would.paid == [Money(123_400, "HUF"), Money(12_340, "KWD")]
        assert [(each.advocates, len(each.sums)) for each in would.waiting] == [(1, 2)]
        sign_in(client, cast.finance)
        page = client.get(f"/console/payouts/preview/{cast.programme.id}").text
    for said in ("HUF1,234.57", "HUF1,234.00; HUF0.57 is carried", "KWD12.340; KWD0.006 is carried"):
        assert said in page, said


def test_only_programmes_that_pay_money_have_closings(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.other_manager)
    for path in ("/console/payouts", "/console/payouts/calendar"):
        assert "Gardeners" not in client.get(path).text


def test_a_unit_sees_its_own_calendar(client: FlaskClient, cast: Cast) -> None:
    with transaction():
        session().get_one(Programme, cast.other_programme.id).compensation = "cash"
    sign_in(client, cast.manager)
    page = client.get("/console/payouts/calendar")
    assert (page.status_code, "Makers" in page.text, "Gardeners" in page.text) == (200, True, False)
    sign_in(client, cast.other_manager)
    page = client.get("/console/payouts/calendar")
    assert ("Makers" in page.text, "Gardeners" in page.text) == (False, True)
    sign_in(client, cast.stranger)
    assert client.get("/console/payouts/calendar").status_code == 403
