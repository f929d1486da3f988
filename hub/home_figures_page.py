"""The figures of an advocate's home, a part of the portal's door: six months, this month's rank, the latest rewards."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlmodel import col, func, select

from advocates.leaderboard import Place, Wanted, standings
from advocates.membership import Membership
from advocates.periods import days_of
from core.db import session
from core.money import POINTS, Money
from hub.metrics import LadderStep
from rewards.reward import Reward

MONTHS = 6
LATEST = 4
COUNTED = ("clicks", "leads", "sales", "points")
RANKED = ("sales", "clicks")
TOP = 100


@dataclass(frozen=True)
class Month:
    """What a member brought and earned in a month (UTC)."""

    first: date
    clicks: int
    conversions: int
    points: int
    earned: Money


@dataclass(frozen=True)
class Rank:
    """A place on the unit's leaderboard of this month."""

    metric: str
    place: Place


def last_months(member: Membership, currency: str, at: datetime) -> list[Month]:
    """The last six months, this one last; money in the programme's currency."""
    firsts = month_firsts(at.astimezone(UTC).date())
    counted, earned = _counted(member.id, firsts), _earned(member.id, currency, firsts[0])
    return [
        Month(
            first=first,
            clicks=counted["clicks", _period(first)],
            conversions=counted["leads", _period(first)] + counted["sales", _period(first)],
            points=counted["points", _period(first)],
            earned=Money(earned[first.year * 100 + first.month], currency),
        )
        for first in firsts
    ]


def month_firsts(day: date) -> list[date]:
    """The first days of the last six months, the oldest first."""
    months = day.year * 12 + day.month - 1
    return [date(each // 12, each % 12 + 1, 1) for each in range(months - MONTHS + 1, months + 1)]


def _period(first: date) -> str:
    return f"{first:%Y-%m}"


def _counted(member_id: str, firsts: list[date]) -> Counter[tuple[str, str]]:
    steps = select(LadderStep).where(
        col(LadderStep.metric).in_(COUNTED),
        col(LadderStep.period).in_([_period(first) for first in firsts]),
        LadderStep.member_id == member_id,
    )
    return Counter({(step.metric, step.period): step.value for step in session().exec(steps)})


def _earned(member_id: str, currency: str, since: date) -> defaultdict[int, int]:
    """Year and month (YYYYMM) → what was granted for it, less what was taken back."""
    sums = select(Reward.day, func.sum(Reward.amount_minor)).where(
        Reward.membership_id == member_id,
        Reward.currency == currency,
        col(Reward.kind).in_(("earned", "clawback")),
        col(Reward.state).not_in(("denied", "reversed")),
        Reward.day >= int(f"{since:%Y%m%d}"),
    )
    months: defaultdict[int, int] = defaultdict(int)
    for day, amount in session().exec(sums.group_by(col(Reward.day))).all():
        months[day // 100] += int(amount)
    return months


def rank_of(member: Membership, at: datetime) -> Rank | None:
    """Where the member is among the top 100 of the unit this month, by sales or else by clicks; None when not shown."""
    if not member.shown_by_name:
        return None
    first, last = days_of(f"{at.astimezone(UTC):%Y-%m}")  # the whole month: one look at the ladder
    for metric in RANKED:
        wanted = Wanted(metric, None, first, last, frozenset({member.unit_id}), limit=TOP)
        for place in standings(wanted).places:
            if place.membership_id == member.id and place.value > 0:
                return Rank(metric, place)
    return None


def latest_rewards(member_id: str) -> list[Reward]:
    """The newest lines of what the member is owed, with their reasons."""
    lines = select(Reward).where(Reward.membership_id == member_id, Reward.kind != "carry")
    newest = lines.order_by(col(Reward.made_at).desc(), col(Reward.id).desc())
    return list(session().exec(newest.limit(LATEST)).all())


def has_earned_money(member_id: str) -> bool:
    """Whether anything in money was granted and stands."""
    lines = select(Reward.id).where(
        Reward.membership_id == member_id,
        Reward.currency != POINTS,
        Reward.kind == "earned",
        col(Reward.state).not_in(("denied", "reversed")),
    )
    return session().exec(lines.limit(1)).first() is not None
