"""What finance decides about a payout that did not go out: try again (now), or take the money back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import update
from sqlmodel import col, select

from advocates.membership import get_membership
from core import audit, events
from core.access import Actor, authorize
from core.clock import now
from core.db import run, session, update_one
from core.errors import Conflict, Invalid, NotFound
from core.money import Money
from hub import actions
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.payouts import accounts
from rewards.payouts.carrying import Inside, Whose, carry_line
from rewards.payouts.payout_outcomes import LOOK
from rewards.payouts.runs import ARRIVED, Payout, PayoutAttempt, PayoutTakenBack
from rewards.reward import GIVES, Reward
from rewards.taking_back import open_questions
from rewards.taking_back.taking_back import settle_below


class PayoutNotFound(NotFound):
    """There is no such payout."""


class NotStopped(Conflict):
    """This payout is neither held nor rejected, nor does it wait for funds."""


class NotSettled(Conflict):
    """It is not certain yet that the last attempt failed. Please wait: this is looked up by itself."""


class TransferExists(Conflict):
    """Stripe has a transfer for this payout. Please reverse it at Stripe, then try again: its money is not freed before."""


class NotReversed(Conflict):
    """This payout's money did not come back, or somebody decided about it before."""


class NoPartBack(Conflict):
    """No part of this payout's transfer was reversed, or somebody decided about it before."""


class ReasonMissing(Invalid):
    """Please say why: the advocate reads it."""


class StillOpen(Conflict):
    """A sale in this payout is disputed at the bank, or under review. Take the money back: what is open is held, the rest waits for the next run."""


class NotByStripe(Conflict):
    """Only payouts through Stripe are sent again. This one is given, or goes into a bank file, by itself; or take it back."""


class AccountNotReady(Conflict):
    """The advocate's payout account cannot receive money yet."""


def get_payout(payout_id: str) -> Payout:
    """The payout with this id; raises PayoutNotFound."""
    payout = session().get(Payout, payout_id)
    if payout is None:
        raise PayoutNotFound
    return payout


def retry(payout: Payout, *, by: Actor) -> None:
    """Send again, to the account the advocate has now; raises NotStopped, NotSettled, NotByStripe, StillOpen, AccountNotReady."""
    _require_stopped(payout, by)
    if payout.provider != "stripe":
        raise NotByStripe
    if open_questions.lock_sales(payout):
        raise StillOpen
    account = accounts.account_of(get_membership(payout.membership_id).person_id)
    if account is None or not accounts.able(account) or not account.stripe_account_id:
        raise AccountNotReady
    _stop(
        payout,
        by,
        "payout.retried",
        state="reserved",
        destination=account.stripe_account_id,
        due_at=now(),
        reason="",
    )


def take_back(payout: Payout, *, by: Actor) -> None:
    """Release the reserve: the lines wait for the next run. Raises NotStopped, NotSettled, TransferExists."""
    _require_stopped(payout, by)
    if payout.transfer_id is not None:
        raise TransferExists
    _stop(payout, by, "payout.taken_back", state="taken_back")
    give_back(payout)


def pay_again(payout: Payout, *, by: Actor) -> None:
    """A reversed payout is owed again: its lines wait for the next run. Raises NotReversed."""
    _take_reversed(payout, "payout.owed_again", by)
    with _held_where_open(payout):
        _free_lines(payout, state="approved")


def pay_part_again(payout: Payout, *, by: Actor) -> None:
    """The part of its transfer that was reversed is owed again: a line over it waits for the next run. Raises NoPartBack."""
    authorize(by, "payout.run", payout.unit_id)
    part = payout.part_back
    here = update(Payout).where(
        col(Payout.id) == payout.id,
        col(Payout.state).in_(ARRIVED),
        col(Payout.back_minor) == payout.back_minor,
        col(Payout.owed_again_minor) == payout.owed_again_minor,
    )
    less = here.values(
        amount_minor=Payout.amount_minor - part.amount_minor,
        owed_again_minor=payout.back_minor,
        lines=Payout.lines + 1,
        reason="",
    )
    if not part.amount_minor or not update_one(less.execution_options(synchronize_session=False)):
        raise NoPartBack
    session().refresh(payout)
    actions.done(LOOK, payout.id, by=by)
    facts = {"amount_minor": part.amount_minor, "currency": part.currency}
    audit.record(by, "payout.part_owed_again", "payout", payout.id, unit_id=payout.unit_id, details=facts)
    _carry(payout, part, by)
    move = Movement(ledger.STRIPE, ledger.payable(payout.membership_id), part.amount_minor, part.currency)
    key = f"payout.reversed:{payout.id}:{payout.back_minor}"
    ledger.post(Entry(key, "payout.reversed", payout.id, (move,)))


def _carry(payout: Payout, part: Money, by: Actor) -> None:
    """One line takes the part out of the payout, one brings it back with the next."""
    whose = Whose(payout.membership_id, payout.programme_id, payout.unit_id)
    for out_of in (Inside(str(payout.run_id), payout.id, "paid"), None):
        line = carry_line(
            whose,
            part,
            key=f"came-back:{payout.id}:{payout.back_minor}",
            says=f"{part.format()} of a payout came back: carried to the next payout",
            by=by,
            at=now(),
            out_of=out_of,
        )
        session().add(line)
    session().flush()


def keep(payout: Payout, *, by: Actor, reason: str) -> None:
    """A reversed payout's rewards are not owed any more; what it took for others is to be offset again.

    What was taken from those rewards since is given again: they stand for nothing now. Raises NotReversed, ReasonMissing.
    """
    if not reason.strip():
        raise ReasonMissing
    said = reason.strip()[:500]
    _take_reversed(payout, "payout.kept", by, reason=said)
    inside = select(Reward).where(Reward.payout_id == payout.id, Reward.state == "paid")
    lines = session().exec(inside.order_by(col(Reward.id)).with_for_update()).all()
    kept = [each for each in lines if each.kind in GIVES]
    _free_lines(payout, kept, state="reversed", state_reason=said)
    _free_lines(payout, state="approved")
    source, goal = ledger.payable(payout.membership_id), ledger.expense(payout.programme_id)
    amount_minor = sum(each.amount_minor for each in kept)
    if amount_minor:
        move = Movement(source, goal, amount_minor, payout.currency)
        ledger.post(Entry(f"payout.kept:{payout.id}", "reward.clawed_back", payout.id, (move,)))
    for each in kept:
        if each.parent_id is None:
            settle_below(
                each, f"kept:{payout.id}:{each.id}", f"the reward that it was taken from was kept: {said}"
            )


def _take_reversed(payout: Payout, act: str, by: Actor, **more: object) -> None:
    authorize(by, "payout.run", payout.unit_id)
    here = update(Payout).where(col(Payout.id) == payout.id, col(Payout.state) == "reversed")
    if not update_one(here.values(state="taken_back").execution_options(synchronize_session=False)):
        raise NotReversed
    session().refresh(payout)
    actions.done(LOOK, payout.id, by=by)
    audit.record(by, act, "payout", payout.id, unit_id=payout.unit_id, details=more)
    left, payable = ledger.LEFT[payout.provider], ledger.payable(payout.membership_id)
    move = Movement(left, payable, payout.amount_minor, payout.currency)
    ledger.post(Entry(f"payout.reversed:{payout.id}", "payout.reversed", payout.id, (move,)))


def _free_lines(payout: Payout, some: Sequence[Reward] | None = None, **values: object) -> None:
    """All that is still in it, or some of it."""
    lines = update(Reward).where(col(Reward.payout_id) == payout.id, col(Reward.state) == "paid")
    if some is not None:
        lines = lines.where(col(Reward.id).in_([each.id for each in some]))
    freed = lines.values(payout_id=None, run_id=None, **values)
    run(freed.execution_options(synchronize_session=False))


@contextmanager
def _held_where_open(payout: Payout) -> Iterator[None]:
    """What becomes free inside is held where something is open about its sale by now."""
    asked = open_questions.lock_sales(payout)
    yield
    for conversion_id in asked:
        open_questions.hold_again(conversion_id)


def give_back(payout: Payout) -> None:
    """The money of a payout that was given up is owed again, and its lines wait for the next run."""
    lines = update(Reward).where(col(Reward.payout_id) == payout.id, col(Reward.state) == "in_payout")
    freed = lines.values(state="approved", payout_id=None, run_id=None)
    member = payout.membership_id
    move = Movement(ledger.reserved(member), ledger.payable(member), payout.amount_minor, payout.currency)
    with _held_where_open(payout):
        run(freed.execution_options(synchronize_session=False))
        ledger.post(Entry(f"payout.taken_back:{payout.id}", "payout.taken_back", payout.id, (move,)))
    events.publish(PayoutTakenBack(payout.id))


def _require_stopped(payout: Payout, by: Actor) -> None:
    authorize(by, "payout.run", payout.unit_id)
    if not payout.stopped:
        raise NotStopped
    unsettled = select(PayoutAttempt.id).where(
        PayoutAttempt.payout_id == payout.id, PayoutAttempt.outcome == "open"
    )
    if session().exec(unsettled).first() is not None:
        raise NotSettled


def _stop(payout: Payout, by: Actor, act: str, **values: object) -> None:
    same = update(Payout).where(
        col(Payout.id) == payout.id, col(Payout.state) == payout.state, col(Payout.fence) == payout.fence
    )
    before = payout.state
    if not update_one(
        same.values(fence=Payout.fence + 1, **values).execution_options(synchronize_session=False)
    ):
        raise NotStopped
    session().refresh(payout)
    actions.done(LOOK, payout.id, by=by)
    facts = {"from": before, "reason": payout.reason}
    audit.record(by, act, "payout", payout.id, unit_id=payout.unit_id, details=facts)
