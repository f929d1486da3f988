"""A leaderboard as a file: CSV, XLSX, JSON, PDF; the console, the API and the command write the same."""

import json
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Literal, get_args

from advocates.leaderboard import RULE, Place, Standings, Wanted, standings
from advocates.periods import FIRST_DAY, LAST_DAY
from core import pdf
from core.clock import now
from core.errors import NotFound
from core.spreadsheets import CSV, XLSX, Cell, as_csv, as_xlsx

Format = Literal["csv", "xlsx", "json", "pdf"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "csv": CSV,
    "xlsx": XLSX,
    "json": "application/json",
    "pdf": "application/pdf",
}
FONTS = pdf.ROOT / "static" / "vendor"


class UnknownFormat(NotFound):
    """Leaderboards come as csv, xlsx, json or pdf."""


def export(wanted: Wanted, fmt: str) -> bytes:
    """The leaderboard as a file of the format (`csv`, `xlsx`, `json`, `pdf`); raises UnknownFormat, NotRendered."""
    return file_of(standings(wanted), fmt)


def file_of(found: Standings, fmt: str) -> bytes:
    """The same of standings that were read before: this part asks no database, and a PDF takes a second."""
    wanted = found.wanted
    if fmt == "csv":
        return as_csv(_header(wanted), _rows(found))
    if fmt == "xlsx":
        return as_xlsx("Leaderboard", _header(wanted), _rows(found))
    if fmt == "json":
        return (json.dumps(as_json(found), ensure_ascii=False, indent=1) + "\n").encode()
    if fmt == "pdf":
        return pdf.render(_page(found))[0]
    raise UnknownFormat


def file_name(wanted: Wanted, fmt: str) -> str:
    """What the file is called: `leaderboard-sales-2026-01-01-2026-03-31.csv`."""
    metric = wanted.metric if wanted.metric != "revenue" else f"revenue-{wanted.currency}"
    days = "all" if _ever(wanted) else f"{wanted.first}-{wanted.last}"
    return f"leaderboard-{metric.lower()}-{days}.{fmt}"


def as_json(found: Standings) -> dict[str, object]:
    """The leaderboard as the API answers it; values are integers, revenue in minor units."""
    wanted = found.wanted
    return {
        "metric": wanted.metric,
        "currency": wanted.currency,
        "from": wanted.first.isoformat(),
        "to": wanted.last.isoformat(),
        "items": [_item(place, emails=wanted.emails) for place in found.places],
        "next": None,
    }


def _item(place: Place, *, emails: bool) -> dict[str, object]:
    item: dict[str, object] = {
        "rank": place.rank,
        "advocate": place.advocate,
        "membership_number": place.membership_number,
        "unit": place.unit,
        "value": place.value,
    }
    return {**item, "email": place.email} if emails else item


def _header(wanted: Wanted) -> list[str]:
    value = f"Revenue ({wanted.currency})" if wanted.metric == "revenue" else wanted.metric.capitalize()
    return ["Rank", "Advocate", "Membership number", "Unit", value, *(["E-mail"] if wanted.emails else [])]


def _rows(found: Standings) -> Iterator[list[Cell]]:
    """The cells: revenue as an exact decimal in the currency's main unit."""
    for place in found.places:
        amount = found.amount(place)
        value: Cell = amount.major if amount else place.value
        row: list[Cell] = [place.rank, place.advocate, place.membership_number, place.unit_name, value]
        yield [*row, place.email] if found.wanted.emails else row


def _page(found: Standings) -> str:
    wanted = found.wanted
    amounts = [found.amount(place) for place in found.places]
    shown = [
        amount.format() if amount else f"{place.value:,}"
        for place, amount in zip(found.places, amounts, strict=True)
    ]
    return pdf.page(
        "leaderboard",
        header=_header(wanted),
        rows=list(zip(found.places, shown, strict=True)),
        days="All time" if _ever(wanted) else f"{_day(wanted.first)} to {_day(wanted.last)}",
        units=found.where,
        made=_day(now().date()),
        rule=RULE,
        emails=wanted.emails,
        fonts=_fonts(),
    )


def _ever(wanted: Wanted) -> bool:
    return (wanted.first, wanted.last) == (FIRST_DAY, LAST_DAY)


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


@cache
def _fonts() -> list[str]:
    """Inter, where set-up has put it, as data: addresses; else the machine's own sans-serif serves."""
    files = sorted(FONTS.glob("inter-*.woff2"))
    return [pdf.data_uri("font/woff2", path.read_bytes()) for path in files]
