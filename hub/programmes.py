"""Programmes: what a unit runs, with its currency, its clockwork and its conditions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import JSON, Text, func
from sqlmodel import Field, SQLModel, col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, minor, moment, one_of, word
from core.db import session
from core.errors import Conflict, Invalid, NotFound
from core.events import publish
from core.money import POINTS, Money, UnknownCurrency, require_currency
from hub.destinations import HostNotAllowed, allowed, hosts_in
from hub.utm import checked_template, usual_template

Compensation = Literal["recognition", "perks", "cash"]
Schedule = Literal["monthly", "weekly", "manual"]
TaxForms = Literal["never", "threshold", "always"]
AttributionRule = Literal["last_touch", "first_touch", "coupon_over_click", "split"]


class Programme(SQLModel, table=True):
    """One programme; everything an advocate does happens in one."""

    __tablename__ = "programme"
    __table_args__ = (
        one_of("compensation", get_args(Compensation)),
        one_of("payout_schedule", get_args(Schedule)),
        one_of("attribution_rule", get_args(AttributionRule)),
        one_of("tax_forms", get_args(TaxForms)),
    )

    id: str = key()
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    slug: str = Field(unique=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    summary: str = Field(default="", sa_type=Text)
    """what an applicant reads"""
    time_zone: str = Field(default="UTC", sa_type=Text)
    currency: str = Field(default="EUR", sa_type=Text)
    compensation: Compensation = word("recognition")
    term_months: int = 12
    minimum_age: int = 18
    decide_within_days: int = 14
    owner_ids: list[str] = Field(sa_type=JSON)
    """two people: a programme with one champion dies when the champion leaves"""
    certification_slug: str = Field(default="certified-advocate", sa_type=Text)
    allowed_hosts: list[str] = Field(sa_type=JSON)
    """hosts (with port, where it is not the usual one) that links may lead to"""
    home_url: str = Field(sa_type=Text)
    """where a new link leads"""
    utm_template: dict[str, str] = Field(default_factory=usual_template, sa_type=JSON)
    """UTM field → text with placeholders, which the addresses behind its links get"""
    attribution_rule: AttributionRule = word("last_touch")
    attribution_days: int = 30
    hold_days: int = 30
    payout_schedule: Schedule = word("monthly")
    payout_day: int = 1
    """day of the month (29–31: its last), or ISO day of the week"""
    payouts_changed_at: datetime | None = moment(optional=True)
    """when that was changed last"""
    payout_minimum_minor: int = minor(0)
    four_eyes_above_minor: int = minor(100_000)
    """a single reward above this needs a second person, with finance"""
    tax_forms: TaxForms = Field(default="never", sa_column_kwargs={"server_default": "never"}, sa_type=Text)
    """when a payout waits for an accepted tax form: never, from the year's reporting threshold on, or always"""
    open_to_applications: bool = True
    created_at: datetime = moment(now)

    def money(self, minor: int) -> Money:
        """So much in its currency."""
        return Money(minor, self.currency)

    @property
    def zone(self) -> ZoneInfo:
        """The programme's own time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def payouts_close_since(self) -> datetime:
        """Since when its payouts close as they do."""
        return self.payouts_changed_at or self.created_at


class ProgrammeNotFound(NotFound):
    """There is no such programme."""


class ProgrammeExists(Conflict):
    """There is already a programme with this short name."""


class UnknownTimeZone(Invalid):
    """This time zone is not known. Choose one like Europe/Berlin."""


class TwoOwnersNeeded(Invalid):
    """A programme needs two different owners."""


class HostMissing(Invalid):
    """The address where links lead must be on one of the allowed hosts."""


class WrongPayoutDay(Invalid):
    """The payout day is a day of the month (1–31), or of the week (1 for Monday to 7) for weekly payouts."""


LONGEST_MONTH, WEEK = 31, 7


def create_programme(programme: Programme, *, by: Actor) -> Programme:
    """Add a programme, its hosts and its home address made plain.

    Raises ProgrammeExists, UnknownTimeZone, UnknownCurrency, TwoOwnersNeeded, WrongPayoutDay, WrongHost,
    WrongDestination, HostMissing, WrongUtm.
    """
    if find_programme(programme.slug) is not None:
        raise ProgrammeExists
    if len(set(programme.owner_ids)) < 2:  # noqa: PLR2004 - the two of the sentence
        raise TwoOwnersNeeded
    _require_zone(programme.time_zone)
    if require_currency(programme.currency) == POINTS:
        raise UnknownCurrency
    require_payout_day(programme.payout_schedule, programme.payout_day)
    programme.allowed_hosts = hosts_in(programme.allowed_hosts)
    programme.home_url = _home(programme.home_url, programme.allowed_hosts)
    programme.utm_template = checked_template(programme.utm_template)
    session().add(programme)
    session().flush()
    audit.record(by, "programme.created", "programme", programme.id, unit_id=programme.unit_id)
    return programme


@dataclass(frozen=True)
class ProgrammeChanged:
    """A programme's settings are others now."""

    programme_id: str


def change(programme: Programme, values: Mapping[str, object], *, by: Actor) -> None:
    """Set these columns of a programme; raises WrongHost, WrongDestination, HostMissing, WrongUtm.

    Before and after go to the audit log.
    """
    before = {name: getattr(programme, name) for name in values}
    for name, value in values.items():
        setattr(programme, name, value)
    if "allowed_hosts" in values:
        programme.allowed_hosts = hosts_in(programme.allowed_hosts)
    if {"home_url", "allowed_hosts"} & set(values):
        programme.home_url = _home(programme.home_url, programme.allowed_hosts)
    programme.utm_template = checked_template(programme.utm_template)
    session().add(programme)
    session().flush()
    after = {name: getattr(programme, name) for name in values}
    differs = {name: [before[name], value] for name, value in after.items() if before[name] != value}
    audit.record(
        by, "programme.changed", "programme", programme.id, unit_id=programme.unit_id, details=differs
    )
    publish(ProgrammeChanged(programme.id))


def require_payout_day(schedule: Schedule, day: int) -> None:
    """Raises WrongPayoutDay."""
    if not 1 <= day <= (WEEK if schedule == "weekly" else LONGEST_MONTH):
        raise WrongPayoutDay


def _home(address: str, hosts: list[str]) -> str:
    """What the first link of every advocate needs: an address that links may lead to."""
    try:
        return allowed(address, hosts)
    except HostNotAllowed as error:
        raise HostMissing from error


def _require_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: "Europe" is a folder
        raise UnknownTimeZone from error


def find_programme(slug: str) -> Programme | None:
    """The programme with this short name."""
    return session().exec(select(Programme).where(Programme.slug == slug)).first()


def get_programme(programme_id: str) -> Programme:
    """The programme with this id; raises ProgrammeNotFound."""
    programme = session().get(Programme, programme_id)
    if programme is None:
        raise ProgrammeNotFound
    return programme


def paying_in(unit_ids: frozenset[str]) -> list[Programme]:
    """The programmes of these units that pay money."""
    return [each for each in programmes_in(unit_ids) if each.compensation == "cash"]


def programmes_in(unit_ids: frozenset[str]) -> list[Programme]:
    """The programmes of these units, by name."""
    wanted = select(Programme).where(col(Programme.unit_id).in_(unit_ids)).order_by(Programme.name)
    return list(session().exec(wanted).all())


def open_programmes() -> list[Programme]:
    """The programmes that take applications, by name."""
    wanted = select(Programme).where(col(Programme.open_to_applications).is_(True)).order_by(Programme.name)
    return list(session().exec(wanted).all())


def longest_attribution() -> int:
    """The longest attribution window of any programme, in days; 0 while there is none."""
    longest = select(func.coalesce(func.max(Programme.attribution_days), 0))
    return int(session().exec(longest).one())
