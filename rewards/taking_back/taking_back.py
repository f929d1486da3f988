"""One reward goes back whole because what it was for does not count any more, or because somebody denied it.

Undecided it is denied, decided it is taken back by an opposite line; whatever is below it goes with it.
"""

from core.access import RULE, Actor
from core.money import Money
from rewards import changes
from rewards.approvals import holds
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry
from rewards.reward import UNDECIDED, Reward
from rewards.taking_back.below import DEAD, add_below, lines_below, open_below, worth
from rewards.taking_back.reversals import lock


def take_back(reward: Reward, key: str, why: str) -> int:
    """Deny what was not decided, and claw back what was; answers how much was clawed back, minor units. Again: nothing."""
    lock(reward)
    if reward.state in DEAD:
        return 0
    said = f"Not granted: {why.rstrip('.')}."
    if reward.state in UNDECIDED:
        entry = denied(reward, said, RULE)
        if entry is not None:
            ledger.post(entry)
        return 0
    _deny_below(reward, said, RULE)
    rest = Money(worth(reward), reward.currency)
    if rest.amount_minor <= 0:
        return 0
    reward.reversed_minor += rest.amount_minor
    says = f"{rest.format()} taken back: {why}"
    add_below(reward, -rest.amount_minor, grant_key=key, says=says, base_minor=-reward.base_minor)
    return rest.amount_minor


def denied(reward: Reward, said: str, by: Actor) -> Entry | None:
    """Deny an undecided reward or line, and what is below it; the posting is left to the caller, None when it was decided."""
    taken = changes.change(
        reward, state="denied", state_reason=said, round=reward.round + 1, approved_by=None, approved_at=None
    )
    if not taken:
        return None
    holds.forget(reward)
    changes.off_the_list(reward, by)
    changes.note(reward, "reward.denied", by, reason=said)
    _deny_below(reward, said, by)
    settle_below(reward, f"denied:{reward.round}:{reward.id}", "the reward that it was taken from was denied")
    return changes.denial(reward)


def settle_below(reward: Reward, key: str, says: str) -> None:
    """Once a reward stands for nothing, neither do the lines below it: an opposite line for what they still sum to."""
    rest = sum(each.amount_minor for each in lines_below(reward) if each.state not in DEAD)
    if rest:
        add_below(reward, -rest, grant_key=key, says=says)


def _deny_below(reward: Reward, said: str, by: Actor) -> None:
    for line in open_below(reward):
        entry = denied(line, said, by)
        if entry is not None:
            ledger.post(entry)
