"""A payment that its buyer disputes: what the sale earned waits, as far as it is undecided, until the bank has decided."""

from collections.abc import Sequence

from core.access import Actor
from core.db import session
from rewards import approvals
from rewards.approvals import APPROVE, APPROVE_SECOND
from rewards.reward import UNDECIDED, Reward, rewards_of_conversion

WHY = "The payment is disputed at the bank"


def review(conversion_id: str, open_disputes: Sequence[str]) -> None:
    """Hold the sale's undecided rewards while a dispute is open; release those that only a dispute held; again: nothing."""
    for reward in rewards_of_conversion(conversion_id):
        session().refresh(reward)
        held_for_it = reward.state == "held" and reward.state_reason.startswith(WHY)
        if open_disputes and reward.state in UNDECIDED and reward.state != "held":
            approvals.hold(reward, by=_stripe(reward), reason=f"{WHY} ({', '.join(open_disputes)}).")
        elif held_for_it and not open_disputes:
            approvals.release(reward, by=_stripe(reward))


def _stripe(reward: Reward) -> Actor:
    here = frozenset({reward.unit_id})
    return Actor("system", "stripe", "Stripe", {APPROVE: here, APPROVE_SECOND: here})
