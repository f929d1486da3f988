"""Rewards in another currency than the sale's: by the rate of its day, frozen, never invented, never lost."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.exc import DBAPIError

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from core.errors import Forbidden, NotFound, SpokesError
from core.money import Money, UnknownCurrency
from hub.programmes import get_programme
from rewards import answers
from rewards.rules import exchange_rates, rules
from rewards.rules.conditions import Conditions
from rewards.rules.exchange_rates import Exchange, ExchangeRate, NoRate, Rates, WrongRate
from rewards.rules.rules import ConditionsDoNotFit, Terms
from tests.factories import Cast, acting, make_advocate, make_staff, sign_in
from tests.rewards.rules.rate_stories import (
    PAGE,
    asked_for,
    enter,
    paid_in_euros,
    rewards_of,
    rule_in_euros,
    sold,
)
from tests.rewards.stories import sale

DAY = date(2026, 11, 26)


UNIT = "unit"


@pytest.fixture
def ana(cast: Cast) -> Membership:
    return paid_in_euros(cast)


def row(base: str, quote: str, rate: str, day: int = 20261126, key: str = "a") -> ExchangeRate:
    return ExchangeRate(
        id=key, unit_id=UNIT, base=base, quote=quote, rate=rate, day=day, source="ECB", entered_by=""
    )


@pytest.mark.parametrize(
    ("sum_", "rows", "paid"),
    [
        (Money(1_085, "USD"), [row("EUR", "USD", "1.085")], Money(1_000, "EUR")),
        (Money(1_000, "EUR"), [row("EUR", "USD", "1.085")], Money(1_085, "USD")),
        (Money(1_000, "EUR"), [row("EUR", "JPY", "163.2")], Money(1_632, "JPY")),
        (Money(1_632, "JPY"), [row("EUR", "JPY", "163.2")], Money(1_000, "EUR")),
        (Money(1_000, "EUR"), [row("EUR", "KWD", "0.333")], Money(3_330, "KWD")),
        (Money(5, "EUR"), [row("EUR", "JPY", "10")], Money(0, "JPY")),  # half to even: 0.5
        (Money(15, "EUR"), [row("EUR", "JPY", "10")], Money(2, "JPY")),  # 1.5
        (Money(25, "EUR"), [row("EUR", "JPY", "10")], Money(2, "JPY")),  # 2.5
        (Money(1_085, "USD"), [row("EUR", "USD", "1.085"), row("EUR", "JPY", "163.2")], Money(1_632, "JPY")),
        (Money(10**15, "USD"), [row("USD", "EUR", "0.999999999999")], Money(999_999_999_999_000, "EUR")),
    ],
)
def test_sums_are_exchanged_exactly_and_rounded_once(
    sum_: Money, rows: Sequence[ExchangeRate], paid: Money
) -> None:
    assert Rates(rows).between(sum_.currency, paid.currency, DAY, UNIT).of(sum_, paid.currency) == paid


def test_a_day_without_a_rate_has_that_of_the_last_day_before_once_a_later_one_is_there() -> None:
    friday, monday = row("EUR", "USD", "1.1", 20261120), row("EUR", "USD", "1.2", 20261123)
    saturday = date(2026, 11, 21)
    with pytest.raises(NoRate):  # its own may still come
        Rates([friday]).between("EUR", "USD", saturday, UNIT)
    rates = Rates([friday, monday])
    assert "1.1 USD on 20 Nov 2026 (ECB)" in rates.between("EUR", "USD", saturday, UNIT).says
    assert rates.between("EUR", "USD", date(2026, 11, 23), UNIT).factor == Decimal("1.2")
    for day in (date(2026, 11, 24), date(2026, 11, 19)):
        with pytest.raises(NoRate):
            rates.between("EUR", "USD", day, UNIT)


def test_a_day_more_than_a_week_after_the_last_rate_has_none() -> None:
    rates = Rates([row("EUR", "USD", "1.1", 20261101), row("EUR", "USD", "1.2", 20261130)])
    assert rates.between("EUR", "USD", date(2026, 11, 8), UNIT).factor == Decimal("1.1")
    with pytest.raises(NoRate):
        rates.between("EUR", "USD", date(2026, 11, 9), UNIT)


def test_what_was_entered_last_counts_whichever_way_round() -> None:
    typed, right = row("USD", "EUR", "9", key="a"), row("EUR", "USD", "1.25", key="b")
    assert Rates([typed, right]).between("USD", "EUR", DAY, UNIT).factor == Decimal("0.8")
    assert Rates([right, row("USD", "EUR", "0.5", key="c")]).between("EUR", "USD", DAY, UNIT).factor == 2


def test_the_two_rates_of_a_third_currency_may_be_of_two_units_and_either_way_round() -> None:
    pounds = row("GBP", "USD", "1.25", key="a")
    euros = row("EUR", "GBP", "0.8", key="b")
    euros.unit_id = "above"
    rates = Rates([pounds, euros], {UNIT: "above", "above": None})
    assert rates.between("USD", "EUR", DAY, UNIT).factor == 1
    with pytest.raises(NoRate):
        rates.between("USD", "EUR", DAY, "above")


@given(
    parts=st.lists(st.integers(1, 10**6), min_size=1, max_size=6),
    factor=st.fractions(min_value="0.001", max_value=1_000),
)
def test_what_is_exchanged_is_never_more_than_half_a_unit_off(parts: list[int], factor: Exchange) -> None:
    exchange = Exchange(factor, "")  # type: ignore[arg-type]  # a Fraction
    for each in parts:
        paid = exchange.of(Money(each, "USD"), "EUR").amount_minor
        assert abs(paid - each * factor) * 2 <= 1  # type: ignore[operator]  # as above


def test_a_reward_freezes_the_rate_of_its_sales_day(cast: Cast, ana: Membership) -> None:
    enter(cast, ("EUR", "USD", "1.0850"))
    conversion, (reward,) = sold(ana)
    today = f"{now():%-d %b %Y}"
    assert (reward.amount_minor, reward.currency, reward.base_minor) == (1_000, "EUR", 10_850)
    assert reward.exchange == f"1 EUR = 1.085 USD on {today} (ECB)"
    assert reward.arithmetic == (
        f"10 % of $108.50 = $10.85 (sale rule, version 1); by 1 EUR = 1.085 USD on {today} (ECB) = €10.00"
    )
    with transaction(read_only=True):
        told = answers.show_rewards([reward])[reward.id]
    assert (told.amount_minor, told.currency, told.exchange) == (1_000, "EUR", reward.exchange)
    assert (told.base_minor, told.base_currency, told.rate_basis_points) == (10_850, "USD", 1_000)
    enter(cast, ("EUR", "USD", "2"))
    assert [each.amount_minor for each in rewards_of(conversion)] == [1_000]
    assert sold(ana)[1][0].amount_minor == 542  # 5.425: half to even


def test_a_sale_in_the_programmes_currency_and_another_rule_ask_for_no_rate(
    cast: Cast, ana: Membership
) -> None:
    assert sold(ana, 10_000, "EUR")[1][0].exchange == ""
    with transaction():
        terms = Terms("percent", rate_basis_points=1_000)
        rules.change_rule(cast.programme, "sale", terms, by=COMMAND)
    assert sold(ana)[1][0].currency == "USD"
    assert asked_for(cast) == []


def test_a_cap_holds_for_what_was_exchanged(cast: Cast) -> None:
    with transaction():
        rule_in_euros(cast, cap_minor=1_500, cap_period="year")
        get_programme(cast.programme.id).time_zone = "UTC"
        member = make_advocate(cast.programme)
    enter(cast, ("EUR", "USD", "1.085"))
    assert [sold(member)[1][0].amount_minor for _ in range(2)] == [1_000, 500]
    assert sold(member)[1] == []


def test_another_currency_needs_a_percentage(cast: Cast) -> None:
    terms = Terms("flat", flat=Money(500, "EUR"), conditions=Conditions(pays_in="EUR"))
    with transaction(), pytest.raises(ConditionsDoNotFit):
        rules.change_rule(cast.programme, "sale", terms, by=COMMAND)


def test_the_day_is_that_of_the_programmes_time_zone(cast: Cast, ana: Membership) -> None:
    with transaction():
        get_programme(cast.programme.id).time_zone = "Pacific/Auckland"
    evening = datetime(2027, 11, 25, 20, tzinfo=UTC)
    with at(evening + timedelta(days=1)):
        enter(cast, ("EUR", "USD", "1"), day=date(2027, 11, 25))
        enter(cast, ("EUR", "USD", "2"), day=date(2027, 11, 26))
    with at(evening):
        assert sold(ana, 10_000)[1][0].amount_minor == 500


@pytest.mark.parametrize(
    ("base", "quote", "rate", "days", "error"),
    [
        ("EUR", "EUR", "1", 0, WrongRate),
        ("EUR", "USD", "0", 0, WrongRate),
        ("EUR", "USD", "0.0000009", 0, WrongRate),
        ("EUR", "USD", "1000000001", 0, WrongRate),
        ("EUR", "USD", "1.2345678901234", 0, WrongRate),
        ("EUR", "USD", "1", 2, WrongRate),
        ("EUR", "USD", "1", -365 * 40, WrongRate),
        ("EUR", "XXX", "1", 0, UnknownCurrency),
        ("PTS", "EUR", "1", 0, UnknownCurrency),
    ],
)
def test_a_rate_that_cannot_be_is_refused(
    cast: Cast, base: str, quote: str, rate: str, days: int, error: type[SpokesError]
) -> None:
    with pytest.raises(error):
        enter(cast, ("EUR", "USD", "1.1"), (base, quote, rate), day=now().date() + timedelta(days=days))
    with transaction(read_only=True):
        assert exchange_rates.newest({cast.north.id}, 9) == []


def test_rates_are_never_changed_and_the_same_again_is_none(cast: Cast) -> None:
    assert enter(cast, ("EUR", "USD", "1.10")) == 1
    assert enter(cast, ("EUR", "USD", "1.1")) == 0
    assert enter(cast, ("EUR", "USD", "1.2")) == 1
    with pytest.raises(DBAPIError), transaction():
        session().execute(delete(ExchangeRate))


def test_a_rate_is_of_a_unit_and_all_below_and_the_nearest_counts(cast: Cast, ana: Membership) -> None:
    with transaction():
        admin = make_staff("Hub Finance", "finance", cast.hub)
    enter(cast, ("EUR", "USD", "2"), unit=cast.hub, by=admin)
    assert sold(ana)[1][0].amount_minor == 542
    enter(cast, ("EUR", "USD", "1.085"))
    assert sold(ana)[1][0].amount_minor == 1_000
    with pytest.raises(NotFound):
        enter(cast, ("EUR", "USD", "3"), unit=cast.south)
    enter(cast, ("EUR", "USD", "3"), unit=cast.south, by=admin)
    assert sold(ana)[1][0].amount_minor == 1_000
    with transaction(read_only=True):
        seen = {each.rate for each in exchange_rates.newest({cast.north.id}, 9)}
    assert seen == {"2", "1.085"}


def test_only_finance_enters_rates(cast: Cast, client: FlaskClient) -> None:
    rates = {
        "unit_id": cast.north.id,
        "base": "EUR",
        "source": "ECB",
        "table": f"Date, USD\n{now():%Y-%m-%d}, 1.085",
    }
    with transaction(), pytest.raises(Forbidden):
        exchange_rates.enter(cast.north.id, [], "ECB", by=acting(cast.manager))
    sign_in(client, cast.manager)
    assert "Enter rates" not in client.get(PAGE).text
    assert client.post(PAGE, data=rates | {"act": "enter"}).status_code == 403


def test_a_rule_that_exchanges_is_written_on_its_page_and_its_effect_counts_what_has_no_rate(
    cast: Cast, client: FlaskClient
) -> None:
    with transaction():
        last_month = now().replace(day=1) - timedelta(days=3)
        sale(make_advocate(cast.programme), 10_000, "USD", when=last_month)
    sign_in(client, cast.manager)
    asked = {
        "programme_id": cast.programme.id,
        "trigger": "sale",
        "pays": "percent",
        "value": "10",
        "exchanged": "True",
    }
    shown = client.post("/console/rewards/rules", data=asked).text
    assert "10 % of each sale; paid in EUR" in shown
    assert "nobody has entered an exchange rate" in shown
    enter(cast, ("EUR", "USD", "1.25"), day=last_month.date())
    assert "€8.00" in client.post("/console/rewards/rules", data=asked).text
