"""When a signal speaks and what it weighs: dated data per programme, changed by a new version, with defaults beneath."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from sqlalchemy import CheckConstraint, Text, UniqueConstraint, or_
from sqlmodel import Field, SQLModel, col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session
from core.errors import Conflict, Invalid
from hub.programmes import Programme
from referrals.fraud.fraud import FEWER_IS_WORSE, SIGNALS, YES_OR_NO, Signal, Threshold, Thresholds

About = Signal | Literal["hold"]
"""a signal, or the score from which on a person has to look (in `high`)"""
HOLD: Literal["hold"] = "hold"
MOST = 1_000_000
MOST_POINTS = 1_000
DEFAULTS: Mapping[About, Threshold] = {
    HOLD: Threshold(0, 0, 70, 0),
    "own_email": Threshold(0, 0, 1, 100),
    "own_account": Threshold(0, 0, 1, 80),
    "own_card": Threshold(0, 0, 1, 100),
    "own_payout": Threshold(0, 0, 1, 100),
    "own_staff": Threshold(0, 0, 1, 70),
    "told_twice": Threshold(0, 0, 1, 80),
    "disposable_domain": Threshold(0, 0, 1, 30),
    "seconds_after_click": Threshold(10, 20, 3, 40),
    "burst": Threshold(6, 20, 20, 40),
    "click_ratio": Threshold(50, 20, 80, 40),
    "refund_rate": Threshold(30, 20, 60, 40),
    "device_repeats": Threshold(3, 15, 6, 30),
    "device_advocates": Threshold(2, 15, 4, 40),
}
"""what holds until a programme says otherwise: one certain sign is enough, weak ones only together"""


class FraudThreshold(SQLModel, table=True):
    """What a programme says about a signal, from when until when (half-open)."""

    __tablename__ = "fraud_threshold"
    __table_args__ = (
        UniqueConstraint("programme_id", "about", "version"),
        one_of("about", (*SIGNALS, HOLD)),
        CheckConstraint("low_points BETWEEN 0 AND high_points", name="points"),
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="valid"),
    )

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", sa_type=Text)
    about: About = word()
    version: int
    is_on: bool = True
    low: int = 0
    low_points: int = 0
    high: int = 0
    high_points: int = 0
    valid_from: datetime = moment(now)
    valid_to: datetime | None = moment(optional=True)
    made_by: str = Field(default="", sa_type=Text)

    @property
    def threshold(self) -> Threshold:
        """What it says."""
        return Threshold(self.low, self.low_points, self.high, self.high_points, self.is_on)


class HighWeighsMore(Invalid):
    """The strong grade has to weigh at least as much as the weak one."""


class HighIsFurther(Invalid):
    """The strong grade has to begin beyond the weak one."""


class OutOfBounds(Invalid):
    """Limits are numbers from 0 to 1,000,000, and points from 0 to 1,000."""


class HoldStaysOn(Invalid):
    """The score from which on a person looks cannot be switched off; at least 1 point is needed."""


class ChangedThisMoment(Conflict):
    """Somebody changed this just now. Please look again."""


def change_threshold(programme: Programme, about: About, wanted: Threshold, *, by: Actor) -> FraudThreshold:
    """Begin a new version now and end the one before it; what was assessed before stays as it was.

    Raises HighWeighsMore, HighIsFurther, OutOfBounds, HoldStaysOn, ChangedThisMoment.
    """
    _check(about, wanted)
    before = _newest(programme.id, about)
    if before is not None:
        if now() <= before.valid_from:
            raise ChangedThisMoment
        before.valid_to = now()
        session().add(before)
    made = FraudThreshold(
        programme_id=programme.id,
        about=about,
        version=before.version + 1 if before else 1,
        is_on=wanted.on,
        low=wanted.low,
        low_points=wanted.low_points,
        high=wanted.high,
        high_points=wanted.high_points,
        valid_from=now(),
        made_by=by.id,
    )
    session().add(made)
    session().flush()
    old = before.threshold if before else DEFAULTS[about]
    says = {"about": about, "version": made.version, "before": vars(old), "after": vars(wanted)}
    audit.record(
        by, "fraud_threshold.changed", "programme", programme.id, unit_id=programme.unit_id, details=says
    )
    return made


def _check(about: About, wanted: Threshold) -> None:
    limits, points = (wanted.low, wanted.high), (wanted.low_points, wanted.high_points)
    if not all(0 <= each <= MOST for each in limits) or not all(0 <= each <= MOST_POINTS for each in points):
        raise OutOfBounds
    if about == HOLD:
        if not wanted.on or wanted.high < 1:
            raise HoldStaysOn
        return
    if wanted.low_points > wanted.high_points:
        raise HighWeighsMore
    if about in YES_OR_NO:
        return
    further = wanted.high <= wanted.low if about in FEWER_IS_WORSE else wanted.high >= wanted.low
    if not further:
        raise HighIsFurther


def _newest(programme_id: str, about: About) -> FraudThreshold | None:
    versions = select(FraudThreshold).where(
        FraudThreshold.programme_id == programme_id, FraudThreshold.about == about
    )
    return session().exec(versions.order_by(col(FraudThreshold.version).desc()).limit(1)).first()


def thresholds_at(programme_ids: Iterable[str], at: datetime) -> dict[str, Thresholds]:
    """Programme → its thresholds at a moment, the defaults where it says nothing."""
    ids = sorted(set(programme_ids))
    said: dict[str, dict[About, Threshold]] = {each: dict(DEFAULTS) for each in ids}
    in_force = select(FraudThreshold).where(
        col(FraudThreshold.programme_id).in_(ids),
        FraudThreshold.valid_from <= at,
        or_(col(FraudThreshold.valid_to).is_(None), col(FraudThreshold.valid_to) > at),
    )
    for row in session().exec(in_force):
        said[row.programme_id][row.about] = row.threshold
    return {each: _whole(found) for each, found in said.items()}


def _whole(said: Mapping[About, Threshold]) -> Thresholds:
    return Thresholds(said[HOLD].high, {signal: said[signal] for signal in SIGNALS})


def versions_of(programme_id: str) -> list[FraudThreshold]:
    """Everything that a programme ever said, the newest first."""
    wanted = select(FraudThreshold).where(FraudThreshold.programme_id == programme_id)
    return list(session().exec(wanted.order_by(col(FraudThreshold.id).desc()).limit(200)).all())
