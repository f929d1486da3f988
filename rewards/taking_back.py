"""One reward goes back whole because what it was for does not count any more: denied if undecided, else by an opposite line."""

from core.access import RULE
from core.clock import now
from core.db import session
from core.money import Money
from rewards import changes, ledger
from rewards.reversals import lock, negative_line
from rewards.reward import UNDECIDED, Reward, book


def take_back(reward: Reward, key: str, why: str) -> int:
    """Deny what was not decided, and claw back what was; answers how much was clawed back."""
    lock(reward)
    if reward.state in {"denied", "reversed"}:
        return 0
    if reward.state in UNDECIDED:
        said = f"Not granted: {why.rstrip('.')}."
        changes.change(
            reward,
            state="denied",
            state_reason=said,
            round=reward.round + 1,
            approved_by=None,
            approved_at=None,
        )
        changes.off_the_list(reward, RULE)
        changes.note(reward, "reward.denied", RULE, reason=said)
        ledger.post(changes.denial(reward))
        return 0
    return _claw_back(reward, key, why)


def _claw_back(reward: Reward, key: str, why: str) -> int:
    """A negative line over what is left of it: points at once, money by the next payouts."""
    rest = Money(reward.granted_minor - reward.reversed_minor, reward.currency)
    if not rest.amount_minor:
        return 0
    reward.reversed_minor += rest.amount_minor
    session().add(reward)
    session().flush()
    book(
        negative_line(
            reward,
            rest,
            grant_key=key,
            says=f"{rest.format()} taken back: {why}",
            occurred_at=now(),
            base_minor=-reward.base_minor,
        )
    )
    return rest.amount_minor
