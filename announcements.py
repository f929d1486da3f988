"""Which facts become which messages to others: everything that goes out as a webhook, on a page.

Each says by `step` whether it can happen to the same thing again. ONCE cannot: an award, a revocation, a reassignment, a
reversal of a reward and a grant are rows of their own; a refund does not come back twice, nor is a payout sent or taken back
twice. All others can: an application moves on, a reward is decided about again or paid again by another
payout, a payout stops again or comes back in parts, a refund moves to another order.
"""

from datetime import timedelta

from sqlmodel import col, select

from advocates.application_states import ApplicationMoved
from core.clock import now
from core.db import session
from core.events import when
from curriculum.certification import Award, CertificationAwarded, CertificationRevoked, Revocation
from hub.announcing import ONCE, announce, names, shown_by
from referrals.conversions.reassignment import ConversionReassigned
from referrals.conversions.recording import ConversionsWon
from referrals.conversions.refunds import RefundCameBack, RefundRecorded
from rewards.payouts.runs import PayoutReversed, PayoutSent, PayoutStopped, PayoutTakenBack
from rewards.reward import Reward, RewardDecided, RewardReversed, RewardsGranted
from webhook_types import TYPES

LOOK_BACK = timedelta(days=2)


def tell_application(event: ApplicationMoved) -> None:
    """application.submitted and every state after it."""
    _tell(f"application.{event.state}", event.application_id, step=event.change_id)


def tell_award(event: CertificationAwarded) -> None:
    """certification.awarded."""
    _tell("certification.awarded", event.award_id, step=ONCE)


def tell_revocation(event: CertificationRevoked) -> None:
    """certification.revoked."""
    _tell("certification.revoked", event.award_id, step=ONCE)


def tell_conversions(event: ConversionsWon) -> None:
    """conversion.recorded, for all that were stored together."""
    announce("conversion.recorded", [each.conversion_id for each in event.won], step=ONCE)


def tell_refund(event: RefundRecorded) -> None:
    """conversion.refunded."""
    _tell("conversion.refunded", event.refund_id, step=event.conversion_id)


def tell_refund_undone(event: RefundCameBack) -> None:
    """conversion.refund_undone."""
    _tell("conversion.refund_undone", event.refund_id, step=ONCE)


def tell_reassignment(event: ConversionReassigned) -> None:
    """conversion.reassigned."""
    _tell("conversion.reassigned", event.reassignment_id, step=ONCE)


def tell_grants(event: RewardsGranted) -> None:
    """reward.granted, for all that were granted together."""
    announce("reward.granted", event.reward_ids, step=ONCE)


def tell_decision(event: RewardDecided) -> None:
    """reward.approved, approval_undone, denied, held, released."""
    _tell(event.act, event.reward_id, step=event.occurred_at.isoformat())


def tell_reversal(event: RewardReversed) -> None:
    """reward.reversed."""
    _tell("reward.reversed", event.reversal_id, step=ONCE)


def tell_sent(event: PayoutSent) -> None:
    """payout.sent, and reward.paid for each of its lines."""
    _tell("payout.sent", event.payout_id, step=ONCE)
    lines = session().exec(select(Reward.id).where(Reward.payout_id == event.payout_id))
    announce("reward.paid", lines, step=event.payout_id)


def tell_stopped(event: PayoutStopped) -> None:
    """payout.failed."""
    _tell("payout.failed", event.payout_id, step=str(event.fence))


def tell_taken_back(event: PayoutTakenBack) -> None:
    """payout.taken_back."""
    _tell("payout.taken_back", event.payout_id, step=ONCE)


def tell_reversed(event: PayoutReversed) -> None:
    """payout.reversed."""
    _tell("payout.reversed", event.payout_id, step=f"{event.state}:{event.back_minor}")


def tell_expired() -> int:
    """Job: certification.expired for what came to its end lately; told before, it is not told again."""
    ended = select(Award.id).where(
        col(Award.valid_until) < now(),
        col(Award.valid_until) >= now() - LOOK_BACK,
        col(Award.id).not_in(select(Revocation.award_id)),
    )
    found = session().exec(ended).all()
    announce("certification.expired", found, step=ONCE)
    return len(found)


def _tell(name: str, about: str, *, step: str) -> None:
    if name in names():  # an act that nobody outside is told of, as a first of two approvals
        announce(name, [about], step=step)


def wire() -> None:
    """Register what is told, and how it is shown; doing it twice changes nothing."""
    for each in TYPES:
        if each.show is not None:
            shown_by(each.name, each.show)
    when(ApplicationMoved, tell_application)
    when(CertificationAwarded, tell_award)
    when(CertificationRevoked, tell_revocation)
    when(ConversionsWon, tell_conversions)
    when(RefundRecorded, tell_refund)
    when(RefundCameBack, tell_refund_undone)
    when(ConversionReassigned, tell_reassignment)
    when(RewardsGranted, tell_grants)
    when(RewardDecided, tell_decision)
    when(RewardReversed, tell_reversal)
    when(PayoutSent, tell_sent)
    when(PayoutStopped, tell_stopped)
    when(PayoutTakenBack, tell_taken_back)
    when(PayoutReversed, tell_reversed)
