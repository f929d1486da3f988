"""What the pages of a link draw: each currency by itself, since heights of two have nothing in common."""

from collections.abc import Sequence

from flask import Flask

from core.money import Money
from referrals.link_figures_page import charts_of
from referrals.links.link_figures import LinkFigures


def test_every_currency_has_a_chart_of_its_own_that_names_it(app: Flask) -> None:
    brought: dict[str, Sequence[Money]] = {
        "BHD": [Money(1_500, "BHD")],
        "EUR": [Money(12_900, "EUR")],
        "JPY": [Money(19_800, "JPY")],
    }
    found = LinkFigures(days=[20261102], clicks=[3], handheld=1, leads=[0], sales=[3], revenue=brought)
    with app.test_request_context():
        charts = [each for each in charts_of(found) if each["id"].startswith("revenue")]
    assert [(each["id"], each["title"]) for each in charts] == [
        ("revenue-bhd", "Revenue in BHD"),
        ("revenue-eur", "Revenue in EUR"),
        ("revenue-jpy", "Revenue in JPY"),
    ]
    assert [[one["values"] for one in each["series"]] for each in charts] == [[[1.5]], [[129.0]], [[19800.0]]]
    assert [each["series"][0]["texts"] for each in charts] == [
        [each.format() for each in by_day] for by_day in brought.values()
    ]
