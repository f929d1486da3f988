"""What the leaderboard's page offers to choose from, and the figures of its chart."""

from datetime import date
from typing import Any

from flask_babel import format_date
from flask_babel import gettext as _
from sqlmodel import col, select

from advocates.leaderboard import Place, Standings
from core.access import Actor
from core.clock import now
from core.db import session
from core.money import Money
from hub.metrics import FAMILIES
from hub.programmes import Programme
from hub.units import all_units

IN_CHART = 20


def choices(actor: Actor) -> dict[str, Any]:
    """Metrics, periods, currencies and units that the actor can pick."""
    seen = actor.units_for("leaderboard.see")
    used = select(Programme.currency).where(col(Programme.unit_id).in_(seen)).distinct()
    return {
        "metrics": FAMILIES,
        "periods": _periods(now().date()),
        "currencies": [(each, each) for each in sorted(session().exec(used).all())],
        "units": [(unit.slug, unit.name) for unit in all_units() if unit.id in seen],
    }


def _periods(today: date) -> list[tuple[str, str]]:
    month_before = _months_back(today, 1)
    quarter, before = _quarter(today), _quarter(_months_back(today, 3))
    return [
        ("all", _("All time")),
        (f"{today:%Y}", f"{today:%Y}"),
        (f"{today.year - 1:04d}", f"{today.year - 1:04d}"),
        (quarter, quarter.replace("-", " ")),
        (before, before.replace("-", " ")),
        (f"{today:%Y-%m}", format_date(today, "MMMM y")),
        (f"{month_before:%Y-%m}", format_date(month_before, "MMMM y")),
    ]


def _months_back(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)


def _quarter(day: date) -> str:
    return f"{day.year:04d}-Q{(day.month + 2) // 3}"


def chart_of(found: Standings) -> dict[str, Any]:
    """The first twenty as a chart: labels, and one series whose texts are what people read."""
    shown = found.places[:IN_CHART]
    series: dict[str, Any] = {"name": found.wanted.metric, "values": [_height(found, each) for each in shown]}
    if found.wanted.metric == "revenue":
        series["texts"] = [_sum(found, each).format() for each in shown]
    return {"labels": [each.advocate for each in shown], "series": [series]}


def _height(found: Standings, place: Place) -> int | float:
    """How high a bar is drawn: only a drawing, the figures beside it are exact."""
    amount = found.amount(place)
    return place.value if amount is None else float(amount.major)


def _sum(found: Standings, place: Place) -> Money:
    return Money(place.value, found.wanted.currency or "")
