"""How figures, money and moments are written: by locale, and in the reader's own time zone."""

import json
import re
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

import flask_babel
from flask import Flask, request
from flask_login import current_user

from core.clock import in_zone
from core.money import Money

LOCALES = ("en",)
_WRITTEN = re.compile(r"\b[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}, [0-9]{2}:[0-9]{2} UTC\b")
"""as referrals/conversions/attribution.py writes a moment"""


def register_formats(app: Flask) -> None:
    """The filters of every template: money, number, date, datetime, local, day and more."""
    flask_babel.Babel(app, locale_selector=_locale, timezone_selector=_time_zone)
    app.jinja_env.filters |= {
        "money": money,
        "number": number,
        "date": on,
        "short": short,
        "datetime": moment,
        "local": local,
        "day": day,
        "month": month,
        "pretty_json": pretty_json,
    }
    app.jinja_env.globals["get_locale"] = flask_babel.get_locale


def _locale() -> str:
    return request.accept_languages.best_match(LOCALES) or LOCALES[0]


def _time_zone() -> str:
    return current_user.time_zone if current_user.is_authenticated else "UTC"


def money(amount: Money) -> str:
    """`€12.90`; points as `350 points`."""
    return amount.format(flask_babel.get_locale() or "en")


def number(value: int) -> str:
    """`12,900`."""
    return str(flask_babel.format_decimal(value))


def on(when: datetime | date, zone: ZoneInfo | None = None) -> str:
    """`2 November 2026`, the day in the reader's time zone (or in `zone`)."""
    return str(flask_babel.format_date(_day(when, zone), "d MMMM y"))


def short(when: datetime | date) -> str:
    """`2 Nov 2026`, for tables."""
    return str(flask_babel.format_date(_day(when), "d MMM y"))


def moment(when: datetime, zone: ZoneInfo | None = None) -> str:
    """`2 Nov 2026, 10:15`, in the reader's time zone (or in `zone`)."""
    there = in_zone(when, zone or _readers_zone())
    return str(flask_babel.format_datetime(there, "d MMM y, HH:mm", rebase=False))


def _day(when: datetime | date, zone: ZoneInfo | None = None) -> date:
    return in_zone(when, zone or _readers_zone()).date() if isinstance(when, datetime) else when


def _readers_zone() -> tzinfo:
    return flask_babel.get_timezone() or UTC


def local(sentence: str) -> str:
    """A sentence that was written with moments of UTC, like the reason of an attribution, in the reader's time zone."""
    return _WRITTEN.sub(_in_zone, sentence)


def _in_zone(found: re.Match[str]) -> str:
    try:
        when = datetime.strptime(found[0], "%d %b %Y, %H:%M UTC").replace(tzinfo=UTC)
    except ValueError:  # somebody's own words
        return found[0]
    return moment(when)


def day(number: int) -> str:
    """A scoreboard day YYYYMMDD as `2 Nov`."""
    return str(flask_babel.format_date(date(number // 10_000, number // 100 % 100, number % 100), "d MMM"))


def pretty_json(written: str) -> str:
    """JSON with a field a line, for people."""
    return json.dumps(json.loads(written), indent=2, ensure_ascii=False)


def month(first: date) -> str:
    """`November 2026`, of any day in it."""
    return str(flask_babel.format_date(first, "LLLL y"))
