"""What a person said when money was denied, kept or written off: a booking has no room for it, so it is read where it is kept."""

from collections.abc import Mapping, Sequence

from sqlmodel import col, select

from core.audit import AuditEntry
from core.db import session
from rewards.ledger.ledger import LedgerTransaction
from rewards.reward import Reward
from rewards.taking_back.write_offs import WriteOff

DENIED = "reward.denied"
KEPT = "reward.clawed_back"
WRITTEN_OFF = "reward.written_off"


def reasons(
    entries: Sequence[LedgerTransaction], rewards: Mapping[str, Reward]
) -> Mapping[tuple[str, str], str]:
    """(kind, subject) of bookings → the words of whoever decided it, where somebody did.

    Of a payout that came back and is not owed any more (KEPT, as a line's own clawback is, which explains itself) they are on
    the audit log, of a write-off in its row.
    """
    subjects = {
        kind: [each.subject for each in entries if each.kind == kind] for kind in (DENIED, KEPT, WRITTEN_OFF)
    }
    kept = select(AuditEntry).where(
        AuditEntry.action == "payout.kept", col(AuditEntry.object_id).in_(subjects[KEPT])
    )
    done = select(WriteOff).where(
        WriteOff.state == "done", col(WriteOff.reward_id).in_(subjects[WRITTEN_OFF])
    )
    found = {(DENIED, each): rewards[each].state_reason for each in subjects[DENIED] if each in rewards}
    found |= {(KEPT, each.object_id): str(each.details.get("reason", "")) for each in session().exec(kept)}
    return found | {(WRITTEN_OFF, each.reward_id): each.reason for each in session().exec(done)}
