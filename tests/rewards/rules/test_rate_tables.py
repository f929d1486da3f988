"""Tables of exchange rates: read as the bank publishes them, shown, then entered."""

from datetime import date, timedelta

import pytest
from flask.testing import FlaskClient

from core.clock import now
from core.money import UnknownCurrency
from rewards.rules import rate_tables
from rewards.rules.exchange_rates import WrongRate
from rewards.rules.rate_tables import WrongTable
from tests.factories import Cast, sign_in
from tests.rewards.rules.rate_stories import PAGE, enter


def test_a_table_is_shown_then_entered(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.finance)
    rates = {
        "unit_id": cast.north.id,
        "base": "EUR",
        "source": "ECB",
        "table": f"Date, USD, JPY,\n{now():%d %B %Y}, 1.0850, N/A,",
    }
    shown = client.post(PAGE, data=rates).text
    assert "1 EUR = 1.0850 USD" in shown
    assert "JPY" not in shown.split("<table")[1]
    assert "No rates yet" in client.get(PAGE).text
    assert client.post(PAGE, data=rates | {"act": "enter"}, follow_redirects=True).status_code == 200
    page = client.get(PAGE).text
    assert "1 EUR = 1.085 USD" in page
    wrong = client.post(PAGE, data=rates | {"table": f"Date, USD\n{now():%Y-%m-%d}, 1,085"})
    assert (wrong.status_code, "Line 2 has more values" in wrong.text) == (422, True)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "first line"),
        ("Date, USD", "first line"),
        ("Day, USD\n2026-11-02, 1", "first line"),
        ("Date, USD, USD\n2026-11-02, 1, 2", "first line"),
        ("Date, , USD\n2026-11-02, 1.08,", "first line"),
        ("Date, USD\n02.11.2026, 1", "02.11.2026 is no day"),
        ("Date, USD\n2026-11-02, one", "one is no rate"),
        ("Date, USD\n2026-11-02, 1.08\n2026-11-02, 1.09", "A day is there twice"),
        ("Date, USD\n2026-11-02, 1.08\r2", "first line"),
        ("Date, USD\n0001-01-01, 1.08", "of a day from 1999"),
        ("Date, USD\n٢٠٢٦-١١-٠٢, 1.08", "is no day"),
        ("Date, USD\n2026-11-02, ١", "is no rate"),
        ("Date, USD, UDS\n2026-11-02, 1.08, 2", "not known"),
        ("Date, USD\n2026-11-02, -1", "-1 is no rate"),
        ("Date, USD\n2026-11-02, 0", "Line 2: A rate is of two"),
        ("Date, ABC\n2026-11-02, 1", "not known"),
        ("Date, USD\n2026-11-02, N/A", "first line"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(table: str, says: str) -> None:
    with pytest.raises((WrongTable, WrongRate, UnknownCurrency)) as refused:
        rate_tables.read(table, "EUR")
    assert says in refused.value.sentence


def test_the_banks_own_file_of_ninety_days_is_read_with_a_currency_that_is_none_any_more() -> None:
    currencies = [
        "USD",
        "JPY",
        "CZK",
        "DKK",
        "GBP",
        "HUF",
        "PLN",
        "RON",
        "SEK",
        "CHF",
        "ISK",
        "NOK",
        "TRY",
        "AUD",
        "BRL",
        "CAD",
        "CNY",
        "HKD",
        "IDR",
        "ILS",
        "INR",
        "KRW",
        "MXN",
        "MYR",
    ]
    head = ["Date", *currencies, "BGN", "CYP", ""]
    days = [date(2026, 11, 20) - timedelta(days=each) for each in range(90)]
    lines = [[f"{day}", *["1.2345"] * len(currencies), "N/A", "N/A", ""] for day in days]
    found = rate_tables.read("\n".join(",".join(each) for each in (head, *lines)), "EUR")
    assert len(found) == 90 * len(currencies)


def test_the_page_takes_as_much_and_shows_what_is_far_from_the_last_rate(
    cast: Cast, client: FlaskClient
) -> None:
    enter(cast, ("EUR", "USD", "1.08"), day=now().date() - timedelta(days=91))
    sign_in(client, cast.finance)
    days = [now().date() - timedelta(days=each) for each in range(90)]
    table = "Date,USD\n" + "\n".join(
        f"{day},{'0.1085' if day == days[3] else '1.0850'}" + " " * 300 for day in days
    )
    wanted = {"unit_id": cast.north.id, "base": "EUR", "source": "ECB", "table": table}
    shown = client.post(PAGE, data=wanted).text
    assert shown.count("a tenth or more away") == 1
    assert client.post(PAGE, data=wanted | {"act": "enter"}).status_code == 303
    assert (
        "All of them are there already"
        in client.post(PAGE, data=wanted | {"act": "enter"}, follow_redirects=True).text
    )
