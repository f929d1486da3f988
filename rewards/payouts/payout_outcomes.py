"""What became of a payout's step, written down: a fact by anybody, everything else only by whoever still holds it."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import update
from sqlmodel import col

from advocates.membership import get_membership
from core import events, mail
from core.access import CLOCK
from core.clock import now
from core.db import run, session, update_one
from core.money import Money
from core.people import get_person
from hub import actions
from hub.programmes import get_programme
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.payouts.runs import OWED, Payout, PayoutAttempt, PayoutSent, PayoutStopped, State
from rewards.reward import Reward
from rewards.stripe.stripe_gateway import StripeError, Transfer

log = structlog.get_logger()

PAUSES = tuple(timedelta(minutes=each) for each in (1, 5, 15, 60))
TURNED_AWAY_PAUSE = timedelta(seconds=5)
NO_FUNDS_PAUSE = timedelta(hours=1)
NO_FUNDS = "balance_insufficient"
LOOK = "payout.look"
LOOK_WITHIN_DAYS = 2


def sent(payout: Payout, attempt: PayoutAttempt, transfer: Transfer) -> bool:
    """The transfer exists: lines are paid, the reserve is gone, the advocate is told. False when known already."""
    first = update(Payout).where(col(Payout.id) == payout.id, col(Payout.state).in_(OWED))
    gone = first.values(
        state="sent", sent_at=attempt.sent_at, transfer_id=transfer.transfer_id, reason="", tries=0
    )
    if not update_one(gone):
        return False
    _close(attempt, "sent", transfer.transfer_id)
    lines = update(Reward).where(col(Reward.payout_id) == payout.id, col(Reward.state) == "in_payout")
    run(lines.values(state="paid").execution_options(synchronize_session=False))
    move = Movement(
        ledger.reserved(payout.membership_id), ledger.STRIPE, payout.amount_minor, payout.currency
    )
    ledger.post(
        Entry(f"payout.sent:{payout.id}", "payout.sent", payout.id, (move,), occurred_at=attempt.sent_at)
    )
    actions.done(LOOK, payout.id, by=CLOCK)
    if not transfer.reversed:
        tell_sent(payout)
    events.publish(PayoutSent(payout.id))
    return True


def tell_sent(payout: Payout, *, given_as: str = "") -> None:
    """A payout's money has gone out, or what it is given as: its advocate hears of it."""
    person = get_person(get_membership(payout.membership_id).person_id)
    mail.leave(
        "payout_sent",
        payout.id,
        "sent",
        to=person.email,
        name=person.name,
        amount=Money(payout.amount_minor, payout.currency).format(),
        programme=get_programme(payout.programme_id).name,
        lines=payout.lines,
        carried_by=payout.provider,
        given_as=given_as,
    )


def came_to_the_bank(payout: Payout, state: State, bank_payout: str, made_at: datetime, why: str) -> bool:
    """Stripe paid it out to the bank, or the bank gave it back; True when that is news.

    Of one bank payout the last word counts, as it is read anew each time; an older one says nothing against a newer.
    """
    known = col(Payout.bank_payout_at)
    newer = (
        known.is_(None) | (known < made_at) | ((known == made_at) & (col(Payout.bank_payout) == bank_payout))
    )
    here = update(Payout).where(
        col(Payout.id) == payout.id,
        col(Payout.state).in_(("sent", "landed", "bank_failed")),
        newer,
        (col(Payout.state) != state) | (col(Payout.bank_payout) != bank_payout),
    )
    stands = here.values(state=state, bank_payout=bank_payout, bank_payout_at=made_at, reason=why[:500])
    return update_one(stands.execution_options(synchronize_session=False))


def _close(attempt: PayoutAttempt, outcome: str, answer: str) -> None:
    is_open = update(PayoutAttempt).where(
        col(PayoutAttempt.id) == attempt.id, col(PayoutAttempt.outcome) == "open"
    )
    update_one(is_open.values(outcome=outcome, answered_at=now(), answer=answer[:500]))


def _write(payout: Payout, **values: object) -> bool:
    """Change the payout if nobody overtook us."""
    mine = update(Payout).where(
        col(Payout.id) == payout.id,
        col(Payout.fence) == payout.fence,
        col(Payout.state).in_(("sending", "held")),
    )
    done = update_one(mine.values(**values))
    if not done:
        log.warning("overtaken", payout=payout.id, fence=payout.fence)
    return done


def unclear(payout: Payout, why: str) -> bool:
    """Nobody can tell, or a question got no answer: look again after a growing pause."""
    again = now() + PAUSES[min(payout.tries, len(PAUSES) - 1)]
    state = "held" if payout.state == "held" else "ambiguous"
    return _write(payout, state=state, reason=why[:500], tries=payout.tries + 1, due_at=again)


def postpone(payout: Payout, why: str) -> bool:
    """Stripe turned us away without doing anything: the same request again, soon."""
    return _write(payout, state="reserved", reason=why[:500], due_at=now() + TURNED_AWAY_PAUSE)


def hold(payout: Payout, why: str) -> bool:
    """The money may not go where it was meant to go: somebody has to look."""
    if not _write(payout, state="held", reason=why[:500], due_at=now() + PAUSES[-1]):
        return False
    ask_to_look(payout, why)
    return True


def foreign(payout: Payout, attempt: PayoutAttempt, transfer: Transfer, why: str) -> None:
    """Another amount went out than was meant, and not by this attempt: it is over, and somebody has to look."""
    if _write(payout, state="held", reason=why[:500], transfer_id=transfer.transfer_id):
        _close(attempt, "refused", why)
        ask_to_look(payout, why)


def calls_again(payout: Payout, attempt: PayoutAttempt) -> datetime | None:
    """The same request goes out once more, since the moment that is answered; None when another sender overtook us."""
    if not _write(payout, fence=payout.fence):
        return None
    began = now()
    run(update(PayoutAttempt).where(col(PayoutAttempt.id) == attempt.id).values(unheard_since=began))
    return began


def heard(attempt: PayoutAttempt, began: datetime | None, before: datetime | None) -> None:
    """The call that began then is over, however it ended: what is left is the one `before` it, unless a later one began."""
    ours = update(PayoutAttempt).where(
        col(PayoutAttempt.id) == attempt.id, col(PayoutAttempt.unheard_since) == began
    )
    run(ours.values(unheard_since=before))


def absent(payout: Payout, attempt: PayoutAttempt) -> bool:
    """Proven: this attempt never became a transfer, and its key is used no more. True when a new one may begin."""
    if not _write(payout, tries=0):
        return False
    _close(attempt, "absent", "No such transfer at Stripe.")
    return payout.state != "held"


def refused(payout: Payout, attempt: PayoutAttempt, error: StripeError, *, able: bool) -> None:
    """A definitive no, and no transfer there: wait for funds, hold for the account, or reject for a person to see."""
    if error.code == NO_FUNDS:
        changed = _write(payout, state="reserved", reason=error.message[:500], due_at=now() + NO_FUNDS_PAUSE)
    elif able:
        changed = _write(payout, state="rejected", reason=error.message[:500])
    else:
        changed = _write(payout, state="held", reason=error.message[:500])
    if changed:
        _close(attempt, "refused", f"{error.code}: {error.message}")
        ask_to_look(payout, error.message)


def ask_to_look(payout: Payout, why: str) -> None:
    amount = Money(payout.amount_minor, payout.currency).format()
    due = actions.due_in(LOOK_WITHIN_DAYS)
    summary = f"Payout of {amount}: {why}"
    actions.ask(LOOK, payout.id, payout.unit_id, right="payout.run", summary=summary, due_at=due)
    events.publish(PayoutStopped(payout.id, payout.fence))
    session().flush()
