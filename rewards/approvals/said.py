"""Why a booking was made, as it was said then: a booking has no room for it, so it is read where it is kept.

What a reward's row says goes on to change, with every refund and second look; what is told of a booking does not.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter

from sqlalchemy import or_
from sqlmodel import col, select

from core.audit import AuditEntry
from core.db import session
from rewards.ledger.ledger import LedgerTransaction
from rewards.reward import Reward
from rewards.taking_back.write_offs import WriteOff

BETWEEN = "; "
"""before what a change of an undecided reward added to its arithmetic"""
DENIED = "reward.denied"
KEPT = "reward.clawed_back"
WRITTEN_OFF = "reward.written_off"


def arithmetic(entries: Sequence[LedgerTransaction], rewards: Mapping[str, Reward]) -> Mapping[str, str]:
    """Booking → how its sum came about: what a reward was granted by, or the change of it that was booked.

    Each change of an undecided reward added its own words to the end of the arithmetic, and is a booking of its own.
    """
    changes = defaultdict[str, list[str]](list)
    own = col(LedgerTransaction.key).startswith("reduce:"), col(LedgerTransaction.key).startswith("restore:")
    changed = select(LedgerTransaction).where(col(LedgerTransaction.subject).in_(rewards), or_(*own))
    order = col(LedgerTransaction.posted_at), col(LedgerTransaction.id)
    for each in session().exec(changed.order_by(*order)):
        changes[each.subject].append(each.id)
    words: dict[str, str] = {}
    for subject, reward in rewards.items():
        first, *added = reward.arithmetic.rsplit(BETWEEN, len(changes[subject]))
        words |= {subject: first, **dict(zip(changes[subject], added, strict=False))}
    return {each.id: words.get(each.id, words.get(each.subject, "")) for each in entries}


def reasons(entries: Sequence[LedgerTransaction]) -> Mapping[str, str]:
    """Booking → the words of whoever decided it, where somebody did.

    Of a denial, and of a payout that came back and is not owed any more (KEPT, as a line's own clawback is, which explains
    itself), they are on the audit log, of a write-off in its row.
    """
    subjects = {
        kind: [each.subject for each in entries if each.kind == kind] for kind in (DENIED, KEPT, WRITTEN_OFF)
    }
    acts = {DENIED: _acts(DENIED, subjects[DENIED]), KEPT: _acts("payout.kept", subjects[KEPT])}
    done = select(WriteOff).where(
        WriteOff.state == "done", col(WriteOff.reward_id).in_(subjects[WRITTEN_OFF])
    )
    written_off = {each.reward_id: each.reason for each in session().exec(done)}
    said = dict[str, str]()
    for each in entries:
        if each.kind == WRITTEN_OFF:
            said[each.id] = written_off.get(each.subject, "")
        elif told := acts.get(each.kind, {}).get(each.subject):
            said[each.id] = _last_before(told, each.posted_at)
    return said


def _acts(action: str, subjects: Sequence[str]) -> dict[str, list[tuple[datetime, str]]]:
    """Subject → when somebody did this, and why, in order."""
    found = defaultdict[str, list[tuple[datetime, str]]](list)
    wanted = select(AuditEntry).where(AuditEntry.action == action, col(AuditEntry.object_id).in_(subjects))
    for each in session().exec(wanted.order_by(col(AuditEntry.seq))):
        found[each.object_id].append((each.at, str(each.details.get("reason", ""))))
    return found


def _last_before(told: Sequence[tuple[datetime, str]], at: datetime) -> str:
    """An act is on the log just before it is booked; a second look lets a reward be denied twice."""
    return told[max(0, bisect_right(told, at, key=itemgetter(0)) - 1)][1]
