"""Payouts in kind: the clock takes the perks out of stock and orders them, a manager sends them, or cannot, or they come back."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, select, update
from sqlmodel import col

from advocates.membership import get_membership
from core import events
from core.access import CLOCK
from core.clock import now
from core.db import run, session, transaction, update_one
from core.one_by_one import one_by_one
from core.people import get_person
from hub import actions
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.payouts import came_back
from rewards.payouts.payout_decisions import give_back
from rewards.payouts.payout_outcomes import LOOK, LOOK_WITHIN_DAYS, tell_sent
from rewards.payouts.runs import OWED, Payout, PayoutSent
from rewards.perks import perks
from rewards.perks.perk_orders import PerkOrder, ask_to_send
from rewards.perks.perks import Perk, SoldOut
from rewards.reward import Reward

BATCH = 500
NOT_ENOUGH = "There are not enough of it in stock: it is given as soon as there are."


def give_due() -> int:
    """Job: order the perks of payouts that wait for them, as far as the stock goes; answers how many; raises as one_by_one does."""
    with transaction(read_only=True):
        enough = col(Perk.stock) * col(Perk.worth_minor) >= col(Payout.amount_minor)
        waiting = (
            select(col(Payout.id))
            .join(Perk, col(Perk.id) == col(Payout.destination))
            .where(col(Payout.provider) == "perk", col(Payout.state) == "reserved")
            # What waits for stock stands in nobody's way: it is looked at once, and then when there is enough.
            .where(enough | (col(Payout.reason) == ""))
        )
        ids = session().execute(waiting.order_by(col(Payout.id)).limit(BATCH)).scalars().all()
    return one_by_one(ids, _order)


def _order(payout_id: str) -> bool:
    payout = session().get_one(Payout, payout_id)
    perk = perks.get_perk(payout.destination)
    count = payout.amount_minor // perk.worth_minor
    claimed = update(Payout).where(col(Payout.id) == payout.id, col(Payout.state) == "reserved")
    if not update_one(
        claimed.values(state="sending", reason="").execution_options(synchronize_session=False)
    ):
        return False
    try:
        perks.take(perk, count, even_if_withdrawn=True)
    except SoldOut:
        _wait(payout)
        return False
    member = get_membership(payout.membership_id)
    made = PerkOrder(
        once=f"payout:{payout.id}", perk_id=perk.id, membership_id=member.id, unit_id=member.unit_id,
        name=perk.name, points=0, quantity=count, payout_id=payout.id,
    )  # fmt: skip
    session().add(made)
    session().flush()
    actions.done(LOOK, payout.id, by=CLOCK)
    ask_to_send(made, get_person(member.person_id).name)
    return True


def given_as(payout_ids: Iterable[str | None]) -> dict[str, str]:
    """Payout → what it is given as, like `2 × A gift card`; those in money are left out."""
    return {
        each.id: what for each, what in _in_kind(col(Payout.id).in_([each for each in payout_ids if each]))
    }


def under_way(membership_id: str) -> dict[str, Sequence[str]]:
    """Currency → what is given to an advocate instead of money that is on its way."""
    theirs = (col(Payout.membership_id) == membership_id) & col(Payout.state).in_(OWED)
    found = defaultdict[str, list[str]](list)
    for payout, what in _in_kind(theirs):
        found[payout.currency].append(what)
    return dict(found)


def _in_kind(which: ColumnElement[bool]) -> Iterator[tuple[Payout, str]]:
    wanted = select(Payout, Perk).join(Perk, col(Perk.id) == col(Payout.destination))
    kept = wanted.where(which, col(Payout.provider) == "perk").order_by(col(Payout.id))
    for payout, perk in session().execute(kept):
        yield payout, f"{payout.amount_minor // perk.worth_minor} × {perk.name}"


def _wait(payout: Payout) -> None:
    back = update(Payout).where(col(Payout.id) == payout.id).values(state="reserved", reason=NOT_ENOUGH)
    run(back.execution_options(synchronize_session=False))
    due = actions.due_in(LOOK_WITHIN_DAYS)
    actions.ask(LOOK, payout.id, payout.unit_id, right="payout.run", summary=NOT_ENOUGH, due_at=due)


def sent(payout_id: str) -> None:
    """Its perks are on their way: the lines are paid, and what was reserved is gone."""
    here = update(Payout).where(col(Payout.id) == payout_id, col(Payout.state) == "sending")
    if not update_one(here.values(state="sent", sent_at=now()).execution_options(synchronize_session=False)):
        return
    payout = session().get_one(Payout, payout_id, populate_existing=True)
    lines = update(Reward).where(col(Reward.payout_id) == payout.id, col(Reward.state) == "in_payout")
    run(lines.values(state="paid").execution_options(synchronize_session=False))
    move = Movement(ledger.reserved(payout.membership_id), ledger.KIND, payout.amount_minor, payout.currency)
    ledger.post(Entry(f"payout.sent:{payout.id}", "payout.sent", payout.id, (move,)))
    tell_sent(payout, given_as=given_as([payout.id])[payout.id])
    events.publish(PayoutSent(payout.id))


def returned(payout_id: str, reason: str) -> None:
    """They were sent and came back: finance decides whether they are given again."""
    came_back.returned(payout_id, f"What was sent came back: {reason}")


def declined(payout_id: str, reason: str) -> None:
    """They cannot be sent: the money is owed again and waits for the next run."""
    here = update(Payout).where(col(Payout.id) == payout_id, col(Payout.state) == "sending")
    back = here.values(state="taken_back", reason=reason[:500])
    if update_one(back.execution_options(synchronize_session=False)):
        give_back(session().get_one(Payout, payout_id, populate_existing=True))
