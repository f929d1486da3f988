"""A payment that its buyer disputes: what the sale earned waits, as far as it is undecided, until the bank has decided."""

from collections.abc import Sequence

from core.access import Actor
from core.db import session
from rewards.approvals import holds
from rewards.reward import UNDECIDED, rewards_of_conversion

WHY = "The payment is disputed at the bank"
STRIPE = Actor("system", "stripe", "Stripe")


def review(conversion_id: str, open_disputes: Sequence[str]) -> None:
    """Hold the sale's undecided rewards while a dispute is open; release those that only a dispute held; again: nothing."""
    words = f"{WHY} ({', '.join(open_disputes)})."
    for reward in rewards_of_conversion(conversion_id):
        session().refresh(reward)
        if not open_disputes:
            holds.let_go(reward, "dispute", by=STRIPE)
        elif reward.state in UNDECIDED and holds.why_held(reward).get("dispute") != words:
            holds.hold(reward, "dispute", words, by=STRIPE)
