"""Self-billed invoices: what was paid out in a month, numbered without gaps per issuer and year, frozen as it is written."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Text, UniqueConstraint, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col

from advocates.membership import Membership
from core import sealed
from core.clock import now
from core.columns import key, minor, moment
from core.db import dialect, session
from core.money import Money
from hub.programmes import Programme
from rewards import tax_forms
from rewards.ledger import LedgerTransaction, Posting, member_of
from rewards.self_billing import Agreed, InvoiceSeries, Issuer, agreed_in, issuer_of
from rewards.statements import span_of
from rewards.tax_forms import Details, TaxForm
from rewards.vat import tax_in

PAID = ("payout.sent", "payout.reversed")


class Invoice(SQLModel, table=True):
    """One invoice, or credit note when more came back than was paid; never changed."""

    __tablename__ = "self_billed_invoice"
    __table_args__ = (
        UniqueConstraint("issuer_id", "year", "place"),
        UniqueConstraint("membership_id", "month", "currency"),
    )

    id: str = key()
    issuer_id: str = Field(foreign_key="invoice_issuer.id", sa_type=Text)
    year: int
    """in which it is written, in the programme's zone"""
    place: int
    """1, 2, 3 …"""
    number: str = Field(unique=True, sa_type=Text)
    membership_id: str = Field(foreign_key="membership.id", sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    month: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    gross_minor: int = minor()
    """as paid; negative on a credit note"""
    vat_minor: int = minor()
    vat_basis_points: int = 0
    vat_sentence: str = Field(default="", sa_type=Text)
    """why there is no VAT"""
    customer: dict[str, str] = Field(sa_type=JSON)
    """the issuer as it was: name, address, country, vat_id"""
    supplier: str = Field(sa_type=Text)
    """sealed: the advocate as they were"""
    made_at: datetime = moment(now)

    @property
    def gross(self) -> Money:
        """What was paid, tax included."""
        return Money(self.gross_minor, self.currency)

    @property
    def vat(self) -> Money:
        """The tax in it."""
        return Money(self.vat_minor, self.currency)

    @property
    def net(self) -> Money:
        """Without it."""
        return self.gross - self.vat

    @property
    def title(self) -> str:
        """What it is called; the words are the directive's (2006/112/EC, article 226, 10a)."""
        return "Self-billed credit note" if self.gross_minor < 0 else "Self-billed invoice"

    @property
    def seller(self) -> dict[str, str]:
        """Name, address, country, vat_id of the advocate; raises CannotOpen."""
        found: dict[str, str] = json.loads(sealed.unseal(self.supplier))
        return found


def write_invoices(programme: Programme, month: str) -> int:
    """Write the invoices of a month that has ended, in the transaction that closes it; answers how many.

    For everybody who agreed, whose tax form is accepted, over what was paid to them or came back while they agreed. Again, it
    writes what is missing: a form that was accepted late has its invoice with the next closing.
    """
    issuer, span = issuer_of(programme.unit_id), span_of(programme, month)
    agreed = agreed_in(programme, *span)
    if issuer is None or not agreed:
        return 0
    paid, known = _paid(agreed, *span), _written(programme, month)
    members = {each.member.id: each.member for each in agreed}
    written = 0
    for member in (members[each] for each in paid):
        form = tax_forms.form_of(member.person_id)
        if form is None or tax_forms.standing(form, now()) != "accepted":
            continue
        for gross in (each for each in paid[member.id] if (member.id, each.currency) not in known):
            _write(issuer, programme, member, form, month, gross)
            written += 1
    return written


def _write(issuer: Issuer, programme: Programme, member: Membership, form: TaxForm, month: str, gross: Money) -> None:  # fmt: skip
    details = tax_forms.details_of(form)
    last_day = (span_of(programme, month)[1].astimezone(programme.zone) - timedelta(days=1)).date()
    tax = tax_in(gross, supplier=(_country(details), details.vat_id), customer=issuer.country, day=last_day)
    year = now().astimezone(programme.zone).year
    place = next_place(issuer.id, year)
    seller = {each: getattr(details, each) for each in ("name", "address", "country", "vat_id")}
    session().add(
        Invoice(
            issuer_id=issuer.id,
            year=year,
            place=place,
            number=f"{issuer.prefix}-{year}-{place:06d}",
            membership_id=member.id,
            unit_id=member.unit_id,
            month=month,
            currency=gross.currency,
            gross_minor=gross.amount_minor,
            vat_minor=tax.amount.amount_minor,
            vat_basis_points=tax.basis_points,
            vat_sentence=tax.sentence,
            customer=issuer.model_dump(include={"name", "address", "country", "vat_id"}),
            supplier=sealed.seal(json.dumps(seller)),
        )
    )
    session().flush()


def _country(details: Details) -> str:
    """Where the supplier is registered for VAT, which the number itself says; else where they live."""
    prefix = details.vat_id[:2]
    return {"EL": "GR"}.get(prefix, prefix) or details.country


def next_place(issuer_id: str, year: int) -> int:
    """The next number; whoever else wants one waits until we commit, and gets ours when we do not."""
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    first = insert(InvoiceSeries).values(issuer_id=issuer_id, year=year, last=0)
    session().execute(first.on_conflict_do_nothing())
    series = (col(InvoiceSeries.issuer_id) == issuer_id) & (col(InvoiceSeries.year) == year)
    counted = update(InvoiceSeries).where(series).values(last=col(InvoiceSeries.last) + 1)
    returning: Any = counted.returning(col(InvoiceSeries.last))
    return int(session().execute(returning.execution_options(synchronize_session=False)).scalar_one())


def _written(programme: Programme, month: str) -> set[tuple[str, str]]:
    """Membership and currency of the invoices that there are."""
    there = (
        select(col(Invoice.membership_id), col(Invoice.currency))
        .join(Membership, col(Membership.id) == col(Invoice.membership_id))
        .where(col(Membership.programme_id) == programme.id, col(Invoice.month) == month)
    )
    return {(member, currency) for member, currency in session().execute(there)}


def _paid(agreed: Sequence[Agreed], begins_at: datetime, ends_at: datetime) -> dict[str, list[Money]]:
    """Membership → what was paid less what came back while they agreed, per currency, by number; nothing where that is zero."""
    spans = defaultdict[str, list[Agreed]](list)
    for each in agreed:
        spans[each.member.id].append(each)
    sums = Counter[tuple[str, str]]()
    moved = (
        select(
            col(Posting.source),
            col(Posting.destination),
            col(Posting.amount_minor),
            col(Posting.currency),
            col(LedgerTransaction.posted_at),
        )
        .join(LedgerTransaction, col(LedgerTransaction.id) == col(Posting.transaction_id))
        .where(
            col(LedgerTransaction.kind).in_(PAID),
            col(LedgerTransaction.posted_at) >= begins_at,
            col(LedgerTransaction.posted_at) < ends_at,
        )
    )
    for source, destination, amount, currency, at in session().execute(moved):
        for account, change in ((source, amount), (destination, -amount)):
            member = member_of(account) or ""
            if any(
                each.since <= at and (each.until is None or at < each.until) for each in spans.get(member, ())
            ):
                sums[member, currency] += change
    found: dict[str, list[Money]] = {}
    for (member, currency), amount in sorted(sums.items(), key=lambda each: _by_number(each[0], spans)):
        if amount:
            found.setdefault(member, []).append(Money(amount, currency))
    return found


def _by_number(place: tuple[str, str], spans: Mapping[str, Sequence[Agreed]]) -> tuple[int, str]:
    member_id, currency = place
    return spans[member_id][0].member.number, currency


def invoices_of(membership_id: str, month: str) -> Sequence[Invoice]:
    """An advocate's invoices of a month, one per currency."""
    wanted = select(Invoice).where(col(Invoice.membership_id) == membership_id, col(Invoice.month) == month)
    return session().execute(wanted.order_by(col(Invoice.currency))).scalars().all()


def gaps() -> list[str]:
    """Check: every number of every series that is missing, or too many, as a sentence."""
    return [
        f"invoice {place} of {series.year} of issuer {series.issuer_id} is not as it should be"
        for series in session().execute(select(InvoiceSeries)).scalars()
        for place in sorted(_places(series) ^ set(range(1, series.last + 1)))
    ]


def _places(series: InvoiceSeries) -> set[int]:
    of = (col(Invoice.issuer_id) == series.issuer_id) & (col(Invoice.year) == series.year)
    return set(session().execute(select(col(Invoice.place)).where(of)).scalars())
