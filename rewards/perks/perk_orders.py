"""Orders of perks, for points or by a payout: points and perk go in one step, and come back when it cannot be sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import BigInteger, Text, UniqueConstraint, func, update
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import Membership, get_membership
from core import audit, events, mail
from core.access import Actor, authorize
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.ids import new_id
from core.money import POINTS
from core.people import get_person
from hub import actions
from hub.programmes import get_programme
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement, Overdraft
from rewards.perks import perks, points
from rewards.perks.perks import MANAGE, Perk

State = Literal["ordered", "sent", "declined", "returned"]
GIVEN_BACK: tuple[State, ...] = ("declined", "returned")
"""states in which points and perk have come back"""
SEND = "perk.send"
SEND_WITHIN_DAYS = 14


class PerkOrder(SQLModel, table=True):
    """Perks for an advocate, for points or by a payout; name and price are as they were then."""

    __tablename__ = "perk_order"
    __table_args__ = (UniqueConstraint("membership_id", "once"), one_of("state", get_args(State)))

    id: str = key()
    once: str = Field(sa_type=Text)
    """of the form it was ordered with: the same form orders once"""
    perk_id: str = Field(foreign_key="perk.id", index=True, sa_type=Text)
    membership_id: str = Field(foreign_key="membership.id", sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    points: int = Field(sa_type=BigInteger)
    quantity: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    payout_id: str | None = Field(default=None, unique=True, foreign_key="payout.id", sa_type=Text)
    """of a payout that is given in it"""
    wish: str = Field(default="", sa_type=Text)
    """where it should go, which size: in the advocate's words"""
    state: State = word("ordered")
    reason: str = Field(default="", sa_type=Text)
    """what was said when it was sent or declined, or came back"""
    ordered_at: datetime = moment(now)
    answered_at: datetime | None = moment(optional=True)
    answered_by: str | None = Field(default=None, sa_type=Text)


@dataclass(frozen=True)
class PerksOfPayoutAnswered:
    """What a payout is given in was sent, or cannot be, or came back."""

    payout_id: str
    state: State
    reason: str


class OrderNotFound(NotFound):
    """There is no such order."""


class TooFewPoints(Conflict):
    """You do not have enough points for this: those of orders that somebody still looks at cannot be spent yet."""


class AlreadyAnswered(Conflict):
    """This order was answered before."""


class NotSent(Conflict):
    """This was not sent, or came back before."""


class OwnOrder(Forbidden):
    """Nobody answers their own orders."""


class NoReason(Invalid):
    """Please say why it cannot be sent, or came back: the advocate reads it."""


def order(perk: Perk, member: Membership, *, once: str, wish: str = "") -> PerkOrder:
    """Spend points on a perk; the same form again is the order there is.

    Raises PerkNotFound for another programme's, SoldOut, TooFewPoints.
    """
    known = select(PerkOrder).where(PerkOrder.membership_id == member.id, PerkOrder.once == once)
    before = session().exec(known).first()
    if before is not None:
        return before
    if perk.programme_id != member.programme_id:
        raise perks.PerkNotFound
    if points.to_spend(member.id) < perk.points:
        raise TooFewPoints
    perks.take(perk)
    made = PerkOrder(
        id=new_id(), once=once, perk_id=perk.id, membership_id=member.id, unit_id=member.unit_id,
        name=perk.name, points=perk.points, wish=wish, ordered_at=now(),
    )  # fmt: skip
    try:
        ledger.post(_spent(made, perk))
    except Overdraft as error:
        raise TooFewPoints from error
    session().add(made)
    session().flush()
    ask_to_send(made, get_person(member.person_id).name)
    return made


def ask_to_send(made: PerkOrder, name: str) -> None:
    """Put it on the managers' list."""
    what = made.name if made.quantity == 1 else f"{made.quantity} × {made.name}"
    due = actions.due_in(SEND_WITHIN_DAYS)
    actions.ask(SEND, made.id, made.unit_id, right=MANAGE, summary=f"{what} for {name}", due_at=due)


def spent_by() -> dict[str, int]:
    """Membership → the points that it has spent, without what came back."""
    total = select(col(PerkOrder.membership_id), func.sum(col(PerkOrder.points)))
    kept = total.where(col(PerkOrder.state).not_in(GIVEN_BACK)).group_by(col(PerkOrder.membership_id))
    return {member: int(points) for member, points in session().exec(kept)}


def get_order(order_id: str) -> PerkOrder:
    """The order with this id; raises OrderNotFound."""
    found = session().get(PerkOrder, order_id)
    if found is None:
        raise OrderNotFound
    return found


def send(which: PerkOrder, *, by: Actor, said: str = "") -> None:
    """It is on its way; raises AlreadyAnswered, OwnOrder."""
    _answer(which, "sent", said.strip(), by)
    if which.payout_id is not None:
        events.publish(PerksOfPayoutAnswered(which.payout_id, "sent", ""))


def decline(which: PerkOrder, *, by: Actor, reason: str) -> None:
    """It cannot be sent: points and perk come back. Raises NoReason, AlreadyAnswered, OwnOrder."""
    _give_back(which, "declined", reason, by)


def come_back(which: PerkOrder, *, by: Actor, reason: str) -> None:
    """It was sent, and came back: points and perk do, too. Raises NoReason, NotSent, OwnOrder."""
    _give_back(which, "returned", reason, by)


def _give_back(which: PerkOrder, state: State, reason: str, by: Actor) -> None:
    if not reason.strip():
        raise NoReason
    _answer(which, state, reason.strip(), by)
    perk = perks.get_perk(which.perk_id)
    perks.put_back(perk, which.quantity)
    if which.payout_id is not None:
        events.publish(PerksOfPayoutAnswered(which.payout_id, state, which.reason))
        return
    spent = _spent(which, perk)
    (move,) = spent.movements
    back = Movement(move.destination, move.source, move.amount_minor, move.currency)
    ledger.post(Entry(f"perk.{state}:{which.id}", "points.returned", which.id, (back,)))


def _spent(which: PerkOrder, perk: Perk) -> Entry:
    move = Movement(ledger.points(which.membership_id), ledger.spent(perk.programme_id), which.points, POINTS)
    return Entry(f"perk.ordered:{which.id}", "points.spent", which.id, (move,), covered=True)


def _answer(which: PerkOrder, state: State, said: str, by: Actor) -> None:
    authorize(by, MANAGE, which.unit_id)
    member = get_membership(which.membership_id)
    if by.person_id == member.person_id:
        raise OwnOrder
    before, refusal = ("sent", NotSent) if state == "returned" else ("ordered", AlreadyAnswered)
    here = update(PerkOrder).where(col(PerkOrder.id) == which.id, col(PerkOrder.state) == before)
    answered = here.values(state=state, reason=said, answered_at=now(), answered_by=by.id)
    if not update_one(answered.execution_options(synchronize_session=False)):
        raise refusal
    session().refresh(which)
    actions.done(SEND, which.id, by=by)
    facts = {"perk": which.name, "points": which.points, "said": said}
    audit.record(by, f"perk.{state}", "perk_order", which.id, unit_id=which.unit_id, details=facts)
    person = get_person(member.person_id)
    mail.leave(
        "perk_answered", which.id, state, to=person.email, name=person.name, state=state,
        programme=get_programme(member.programme_id).name, perk=which.name, said=said,
        for_points=which.payout_id is None,
    )  # fmt: skip
