"""What the pages of one link draw of its figures, a part of the portal's door and of the console's."""

from collections.abc import Sequence
from typing import Any, Literal

from flask_babel import gettext as _

from core.inputs import Input
from core.money import Money
from referrals.links.link_figures import LinkFigures


class SpanQuery(Input):
    """Over how many days to look."""

    days: Literal["28", "90", "365"] = "28"


def charts_of(found: LinkFigures) -> list[dict[str, Any]]:
    """What the page draws: clicks; leads and sales; the revenue of each currency by itself.

    The texts of revenue are exact, its heights are a drawing.
    """
    charts: list[dict[str, Any]] = [
        {
            "id": "clicks",
            "kind": "line",
            "title": _("Clicks"),
            "series": [_series(_("Clicks"), found.clicks)],
        },
        {
            "id": "conversions",
            "kind": "stack",
            "title": _("Leads and sales"),
            "series": [_series(_("Leads"), found.leads), _series(_("Sales"), found.sales)],
        },
    ]
    charts += [
        {
            "id": f"revenue-{currency.lower()}",
            "kind": "bar",
            "title": _("Revenue in %(currency)s", currency=currency),
            "series": [_money_series(currency, by_day)],
        }
        for currency, by_day in found.revenue.items()
    ]
    return charts


def _series(name: str, values: Sequence[int]) -> dict[str, Any]:
    return {"name": name, "values": list(values)}


def _money_series(currency: str, by_day: Sequence[Money]) -> dict[str, Any]:
    heights = [float(each.major) for each in by_day]
    return {"name": currency, "values": heights, "texts": [each.format() for each in by_day]}
