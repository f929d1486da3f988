"""When a month has ended its invoices are written and its statements told by mail; whoever wants one on paper gets it printed once, kept with its hash."""

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Text, UniqueConstraint, select, union
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col

from advocates.membership import Membership, get_membership
from core import mail
from core.clock import now
from core.columns import key, moment
from core.db import dialect, run, session, transaction
from core.errors import Conflict
from core.ids import new_id
from core.one_by_one import one_by_one
from core.people import get_person
from core.printing import Printed, print_wanted
from hub.programmes import Programme, get_programme
from rewards.ledger.ledger import CachedBalance, LedgerTransaction, Posting, member_of
from rewards.statements import statement_files, year_files
from rewards.statements.statements import last_ended, month_before, require_month, span_of, statement
from rewards.statements.years import require_year
from rewards.tax import invoices

Standing = Literal["running", "unasked", "wanted", "printed"]
MOST_MONTHS = 24
"""so many months are made up for after a long sleep"""
SETTLES = timedelta(minutes=10)
"""after its end a month rests so long: what was booked in its last moments is committed by then"""


class ClosedMonth(SQLModel, table=True):
    """A month of a programme whose statements were told: two clocks tell them once."""

    __tablename__ = "closed_month"

    programme_id: str = Field(primary_key=True, foreign_key="programme.id", sa_type=Text)
    month: str = Field(primary_key=True, sa_type=Text)
    closed_at: datetime = moment(now)


class StatementDocument(SQLModel, table=True):
    """The printed statement of an advocate and month: first wanted, then claimed by a job, then there."""

    __tablename__ = "statement_document"
    __table_args__ = (UniqueConstraint("membership_id", "month"),)

    id: str = key()
    membership_id: str = Field(foreign_key="membership.id", sa_type=Text)
    month: str = Field(sa_type=Text)
    """or a year: `2026-11`, `2026`"""
    claimed_until: datetime | None = moment(optional=True)
    file_id: str | None = Field(default=None, foreign_key="stored_file.id", index=True, sa_type=Text)


class NotEnded(Conflict):
    """A statement can be printed some minutes after its month has ended."""


def close_months() -> int:
    """Job: tell of the statements of every month that has ended in a programme's zone; answers how many programmes had one.

    Raises as one_by_one does.
    """
    with transaction(read_only=True):
        ids = session().execute(select(col(Programme.id))).scalars().all()
    return one_by_one(ids, _close)


def _close(programme_id: str) -> bool:
    """Close what has ended since the month that was closed last; the first time nobody is told of a past month."""
    programme = get_programme(programme_id)
    ended, known = _settled(programme), _closed_last(programme)
    if known is None:
        return _close_month(programme, ended)
    missing = [ended]
    while missing[-1] > known and len(missing) < MOST_MONTHS:
        missing.append(month_before(missing[-1]))
    closed = [each for each in reversed(missing) if each > known and _close_month(programme, each)]
    for month in closed:
        for each in written_with(month):
            invoices.write_invoices(programme, each)
        _tell_all(programme, month)
    return bool(closed)


def written_with(month: str) -> tuple[str, str, str]:
    """The months whose invoices are written when one is closed, the oldest first: its own, and what was late of two before."""
    before = month_before(month)
    return month_before(before), before, month


def _settled(programme: Programme) -> str:
    """The newest month that has ended and rested."""
    return last_ended(programme, now() - SETTLES)


def _closed_last(programme: Programme) -> str | None:
    newest = select(col(ClosedMonth.month)).where(col(ClosedMonth.programme_id) == programme.id)
    return session().execute(newest.order_by(col(ClosedMonth.month).desc()).limit(1)).scalar()


def _close_month(programme: Programme, month: str) -> bool:
    """Write down that a month is closed; False when another clock did."""
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    closed = insert(ClosedMonth).values(programme_id=programme.id, month=month, closed_at=now())
    return run(closed.on_conflict_do_nothing().execution_options(preserve_rowcount=True)) == 1


def _tell_all(programme: Programme, month: str) -> None:
    """Tell everybody with something to tell."""
    about = {"programme": programme.name, "month": statement_files.month_in_words(month), "address": month}
    for member in _with_something(programme, *span_of(programme, month)):
        person = get_person(get_membership(member).person_id)
        mail.leave("statement_ready", member, month, to=person.email, name=person.name, **about)


def _with_something(programme: Programme, begins_at: datetime, ends_at: datetime) -> list[str]:
    """The programme's advocates with a posting in a span, or with something owed."""
    moved = select(col(LedgerTransaction.id)).where(
        col(LedgerTransaction.posted_at) >= begins_at, col(LedgerTransaction.posted_at) < ends_at
    )
    sides = (col(Posting.source), col(Posting.destination))
    touched = (select(side).where(col(Posting.transaction_id).in_(moved)) for side in sides)
    owed = select(col(CachedBalance.account)).where(col(CachedBalance.balance_minor) != 0)
    named = {member_of(each) for each in session().execute(union(*touched, owed)).scalars()}
    members = select(col(Membership.id)).where(
        col(Membership.programme_id) == programme.id, col(Membership.joined_at) < ends_at
    )
    return sorted(each for each in session().execute(members).scalars() if each in named)


def document_of(membership_id: str, month: str) -> StatementDocument | None:
    """The document of an advocate's month; None when nobody wanted one."""
    wanted = select(StatementDocument).where(
        col(StatementDocument.membership_id) == membership_id, col(StatementDocument.month) == month
    )
    return session().execute(wanted).scalars().first()


def want(member: Membership, month: str) -> None:
    """Have the statement of a month, or the summary of a year, printed; wanted before, it is that one.

    Raises NoSuchMonth, NoSuchYear, NotEnded.
    """
    _require(member, month)
    if not _has_ended(member, month):
        raise NotEnded
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    wanted = insert(StatementDocument).values(id=new_id(), membership_id=member.id, month=month)
    session().execute(wanted.on_conflict_do_nothing())


def standing_of(member: Membership, month: str) -> Standing:
    """Where the document of a month stands."""
    if not _has_ended(member, month):
        return "running"
    document = document_of(member.id, month)
    if document is None:
        return "unasked"
    return "wanted" if document.file_id is None else "printed"


def print_statements() -> int:
    """Job: print up to 20 statements that are wanted and claimed by nobody; answers how many were made."""
    return print_wanted(PRINTED)


def _page(wanted: StatementDocument) -> str:
    member = get_membership(wanted.membership_id)
    if _is_year(wanted.month):
        return year_files.html_of(member, get_person(member.person_id), int(wanted.month))
    return statement_files.html_of(statement(member, wanted.month), member)


def _require(member: Membership, period: str) -> None:
    if _is_year(period):
        require_year(member, int(period))
    else:
        require_month(member, period)


def _has_ended(member: Membership, period: str) -> bool:
    last = f"{period}-12" if _is_year(period) else period
    return last <= _settled(get_programme(member.programme_id))


def _is_year(period: str) -> bool:
    return len(period) == len("2026")


PRINTED = Printed(StatementDocument, _page, lambda wanted: statement_files.file_name(wanted.month, "pdf"))
