"""Tiers: what an advocate is called by what the scoreboard holds of them in the last months, dated, so that any moment can be asked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, func, update
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import Membership, get_membership
from core import audit, bulk, mail
from core.access import CLOCK, Actor
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import run, session, transaction
from core.errors import Conflict, NotFound
from core.ids import new_ids
from core.money import Money
from core.people import get_person
from core.reading import Reading, among
from hub.metrics import LadderStep, metric_name
from hub.programmes import Programme, get_programme

Counted = Literal["points", "sales", "leads", "revenue"]
LONGEST_WINDOW = 36
CHUNK = 1_000


class Tier(SQLModel, table=True):
    """One rung of a programme: whoever has so much of a metric in so many months is called by its name."""

    __tablename__ = "tier"
    __table_args__ = (
        one_of("counts", get_args(Counted)),
        CheckConstraint("at_least > 0", name="at_least"),
        CheckConstraint(f"months BETWEEN 1 AND {LONGEST_WINDOW}", name="months"),
    )

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", sa_type=Text)
    name: str = Field(sa_type=Text)
    place: int
    """1 is the lowest; of several that somebody reaches the highest counts"""
    counts: Counted = word("points")
    """points as earned: spending them changes nothing"""
    at_least: int = Field(sa_type=BigInteger)
    """a number, or of revenue minor units of the programme's currency"""
    currency: str = Field(default="", sa_type=Text)
    """of revenue"""
    months: int = 12
    """the calendar months that count (UTC, as on the scoreboard), the running one among them"""
    made_at: datetime = moment(now)
    ended_at: datetime | None = moment(optional=True)

    def money(self, value: int) -> Money:
        """So much of the revenue that it counts."""
        return Money(value, self.currency)


_runs = col(Tier.ended_at).is_(None)
for _what, _column in (("name", col(Tier.name)), ("place", col(Tier.place))):
    Index(
        f"uq_tier_{_what}",
        col(Tier.programme_id),
        _column,
        unique=True,
        sqlite_where=_runs,
        postgresql_where=_runs,
    )


class TierHeld(SQLModel, table=True):
    """Who had which tier from when until when; nobody has two at a time."""

    __tablename__ = "tier_held"

    id: str = key()
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    tier_id: str = Field(foreign_key="tier.id", sa_type=Text)
    began_at: datetime = moment(now)
    ended_at: datetime | None = moment(optional=True)


_open = col(TierHeld.ended_at).is_(None)
Index("uq_tier_held_open", TierHeld.membership_id, unique=True, sqlite_where=_open, postgresql_where=_open)


class TierNotFound(NotFound):
    """There is no such tier here."""


class TierTaken(Conflict):
    """This programme has a tier with this name or in this place already."""


class Next(NamedTuple):
    """The next tier up, and how much of what it counts there is."""

    tier: Tier
    has: int


@dataclass
class _NewHeld:
    id: str
    membership_id: str
    tier_id: str
    began_at: datetime
    ended_at: datetime | None = None


def define(
    programme: Programme, name: str, place: int, at_least: int, *, by: Actor, counts: Counted = "points", months: int = 12
) -> Tier:  # fmt: skip
    """Add a tier; who reaches it is settled by the clock. Raises TierTaken."""
    return add(drafted(programme, name, place, at_least, counts, months), programme, by=by)


def drafted(
    programme: Programme, name: str, place: int, at_least: int, counts: Counted = "points", months: int = 12
) -> Tier:
    """A tier that is not there yet."""
    return Tier(
        programme_id=programme.id, name=name, place=place, at_least=at_least, counts=counts, months=months,
        currency=programme.currency if counts == "revenue" else "",
    )  # fmt: skip


def add(tier: Tier, programme: Programme, *, by: Actor) -> Tier:
    """Add one that was drafted. Raises TierTaken."""
    try:
        with session().begin_nested():
            session().add(tier)
    except IntegrityError as error:
        raise TierTaken from error
    said = tier.model_dump(include={"name", "place", "counts", "at_least", "months"})
    audit.record(by, "tier.defined", "tier", tier.id, unit_id=programme.unit_id, details=said)
    return tier


def end(tier: Tier, programme: Programme, *, by: Actor) -> None:
    """Nobody has it any more from now on; again: nothing."""
    if tier.ended_at is None:
        tier.ended_at = now()
        session().add(tier)
        session().flush()
        settle_programme(programme)
        audit.record(by, "tier.ended", "tier", tier.id, unit_id=programme.unit_id)


def tiers_of(programme_id: str) -> list[Tier]:
    """The tiers there are, the highest first."""
    mine = select(Tier).where(Tier.programme_id == programme_id, _runs)
    return list(session().exec(mine.order_by(col(Tier.place).desc())).all())


def get_tier(tier_id: str, programme_id: str) -> Tier:
    """The tier with this id that a programme has; raises TierNotFound."""
    tier = session().get(Tier, tier_id)
    if tier is None or tier.programme_id != programme_id or tier.ended_at is not None:
        raise TierNotFound
    return tier


def tier_of(membership_id: str) -> Tier | None:
    """The advocate's tier now."""
    held = select(Tier).join(TierHeld, col(TierHeld.tier_id) == col(Tier.id))
    return session().exec(held.where(TierHeld.membership_id == membership_id, _open)).first()


def _held() -> Any:  # noqa: ANN401 - a SELECT of any columns
    columns = (TierHeld.membership_id, TierHeld.tier_id, TierHeld.began_at, TierHeld.ended_at)
    return select_columns(*map(col, columns)).where(among(TierHeld.membership_id))


_HELD = Reading(_held)


def held_at(asked: Iterable[tuple[str, datetime]]) -> dict[tuple[str, datetime], str]:
    """(membership, moment) → the tier it had then; those without one are left out."""
    wanted, spans = set(asked), defaultdict[str, list[tuple[str, datetime, datetime | None]]](list)
    for member, tier, began_at, ended_at in _HELD.rows({member for member, _at in wanted}):
        spans[member].append((tier, began_at, ended_at))
    return {
        (member, at): tier
        for member, at in wanted
        for tier, began_at, ended_at in spans[member]
        if began_at <= at and (ended_at is None or at < ended_at)
    }


def members_at(tier_ids: Iterable[str]) -> frozenset[str]:
    """The memberships that have one of these tiers now."""
    held = select(TierHeld.membership_id).where(col(TierHeld.tier_id).in_(list(tier_ids)), _open)
    return frozenset(session().exec(held))


def counts_in(programme_id: str) -> dict[str, int]:
    """Tier → how many have it now."""
    held = (
        select(TierHeld.tier_id, func.count())
        .join(Tier, col(Tier.id) == col(TierHeld.tier_id))
        .where(Tier.programme_id == programme_id, _open)
        .group_by(col(TierHeld.tier_id))
    )
    return dict(session().exec(held).all())


def next_of(member: Membership) -> Next | None:
    """The tier above the advocate's, None at the top and where there are none."""
    tiers, mine = tiers_of(member.programme_id), tier_of(member.id)
    above = [each for each in reversed(tiers) if mine is None or each.place > mine.place]
    if not above:
        return None
    return Next(above[0], _sums(above[0], get_programme(member.programme_id), member.id).get(member.id, 0))


def settle() -> int:
    """Job: give everybody the tier that the scoreboard says; answers how many changed.

    The scoreboard is summed before the write begins: nobody waits for that.
    """
    with transaction(read_only=True):
        ids = session().exec(select(Tier.programme_id).distinct()).all()
    changed = 0
    for each in sorted(ids):
        with transaction(read_only=True):
            found = changes_in(get_programme(each))
        for start in range(0, len(found), CHUNK):
            with transaction():
                changed += apply(found[start : start + CHUNK], get_programme(each))
    return changed


def settle_programme(programme: Programme) -> int:
    """The same for one programme, in the caller's transaction."""
    return apply(changes_in(programme), programme)


class Change(NamedTuple):
    """Whose tier becomes which, from which."""

    membership_id: str
    due: Tier | None
    held: Tier | None


def changes_in(programme: Programme, *drafts: Tier) -> list[Change]:
    """Whose tier is not the one that the scoreboard says; what it would say if there were these drafts, too."""
    due, sums = dict[str, Tier](), dict[tuple[str, int], Mapping[str, int]]()
    for tier in sorted((*tiers_of(programme.id), *drafts), key=lambda each: each.place):
        counted = (tier.counts, tier.months)
        if counted not in sums:
            sums[counted] = _sums(tier, programme)
        due |= {member: tier for member, value in sums[counted].items() if value >= tier.at_least}
    held = _held_in(programme.id)
    everybody = sorted(due.keys() | held.keys())
    changes = (Change(each, due.get(each), held.get(each)) for each in everybody)
    return [each for each in changes if _differs(each.due, each.held)]


def apply(changes: Sequence[Change], programme: Programme) -> int:
    """End what is held and begin what is due; what another clock has done already stays as it is."""
    at, leaving = now(), defaultdict[str, list[str]](list)
    for each in changes:
        if each.held is not None:
            leaving[each.held.id].append(each.membership_id)
    for tier_id, members in leaving.items():
        for start in range(0, len(members), CHUNK):
            those = col(TierHeld.membership_id).in_(members[start : start + CHUNK])
            ended = update(TierHeld).where(those, col(TierHeld.tier_id) == tier_id, _open)
            run(ended.values(ended_at=at).execution_options(synchronize_session=False))
    begun = [(each.membership_id, each.due.id) for each in changes if each.due is not None]
    keys = new_ids(len(begun))
    bulk.store_new(TierHeld, [_NewHeld(key, *each, at) for key, each in zip(keys, begun, strict=True)])
    _tell(changes, programme)
    return len(changes)


def _differs(due: Tier | None, held: Tier | None) -> bool:
    return (due and due.id) != (held and held.id)


def _is_up(due: Tier, held: Tier | None) -> bool:
    return held is None or due.place > held.place


def _held_in(programme_id: str) -> dict[str, Tier]:
    held = (
        select(TierHeld.membership_id, Tier)
        .join(Tier, col(Tier.id) == col(TierHeld.tier_id))
        .where(Tier.programme_id == programme_id, _open)
    )
    return dict(session().exec(held).all())


def _sums(tier: Tier, programme: Programme, membership_id: str = "") -> Mapping[str, int]:
    """Membership → what it has of a tier's metric in its months; of one advocate, or of all."""
    metric = metric_name(tier.counts, tier.currency or None)
    total = (
        select(LadderStep.member_id, func.sum(LadderStep.value))
        .join(Membership, col(Membership.id) == col(LadderStep.member_id))
        .where(
            LadderStep.metric == metric,
            col(LadderStep.period).in_(_months(tier.months)),
            Membership.programme_id == programme.id,
        )
        .group_by(col(LadderStep.member_id))
    )
    if membership_id:
        total = total.where(LadderStep.member_id == membership_id)
    return {member: int(value) for member, value in session().exec(total)}


def _months(count: int) -> Sequence[str]:
    """The names of the last months on the scoreboard, the running one first."""
    today = now().date()
    months = [today.year * 12 + today.month - 1 - back for back in range(count)]
    return [f"{date(each // 12, each % 12 + 1, 1):%Y-%m}" for each in months]


def _tell(changes: Sequence[Change], programme: Programme) -> None:
    """Write to whoever came up, and put it on the audit log."""
    for each in changes:
        if each.due is not None and _is_up(each.due, each.held):
            member = get_membership(each.membership_id)
            person = get_person(member.person_id)
            about = {"tier": each.due.name, "programme": programme.name}
            step = f"{each.due.id}:{now():%Y-%m}"
            mail.leave("tier_reached", member.id, step, to=person.email, name=person.name, **about)
            audit.record(
                CLOCK, "tier.reached", "membership", member.id, unit_id=member.unit_id, details=about
            )
