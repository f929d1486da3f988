"""Self-billed invoices: what was paid out in a month, numbered without gaps per issuer and year, frozen as it is written.

What came back of what an invoice is over is a credit note that names it (Council Directive 2006/112/EC, article 219).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Text, UniqueConstraint, func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col

from advocates.membership import Membership
from core import sealed
from core.clock import now
from core.columns import key, minor, moment
from core.db import dialect, session
from core.money import Money, proportion
from hub.programmes import Programme
from rewards.statements.statements import span_of
from rewards.tax import invoiced, tax_forms
from rewards.tax.invoiced import Booking
from rewards.tax.self_billing import Agreed, InvoiceSeries, Issuer, agreed_in, issuer_of
from rewards.tax.tax_forms import Details, TaxForm
from rewards.tax.vat import tax_in


class Invoice(SQLModel, table=True):
    """One invoice, or the credit note over what came back of one; never changed."""

    __tablename__ = "self_billed_invoice"
    __table_args__ = (UniqueConstraint("issuer_id", "year", "place"),)

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
    corrects: str | None = Field(
        default=None, foreign_key="self_billed_invoice.number", index=True, sa_type=Text
    )
    """of a credit note: the number of the invoice that it corrects"""
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


@dataclass(frozen=True)
class ToInvoice:
    """An invoice that is missing: over these bookings of an advocate, all in one currency."""

    member: Membership
    form: TaxForm
    bookings: Sequence[Booking]


@dataclass(frozen=True)
class ToCorrect:
    """A credit note that is missing: over what came back of an invoice."""

    invoice: Invoice
    bookings: Sequence[Booking]


def write_invoices(programme: Programme, month: str) -> int:
    """Write the invoices and credit notes of a month that has ended, in the transaction that closes it; answers how many.

    Again, it writes what is missing: over what was committed late, or paid to somebody whose form was accepted late.
    """
    issuer = issuer_of(programme.unit_id)
    missing = to_invoice(programme, month) if issuer is not None else []
    back = to_correct(programme, month)
    if issuer is not None:
        for each in missing:
            _write_invoice(issuer, programme, month, each)
    for note in back:
        _write_credit_note(programme, month, note)
    return len(missing) + len(back)


def to_invoice(programme: Programme, month: str) -> list[ToInvoice]:
    """What was paid in a month to everybody who agreed then and whose form is accepted, less what came back in the same month.

    By number and currency; what is on an invoice already, and what came back whole, is left out.
    """
    span = span_of(programme, month)
    agreed = agreed_in(programme, *span)
    if not agreed:
        return []
    members = {each.member.id: each.member for each in agreed}
    together = _together(agreed, invoiced.payments(programme, *span), invoiced.returns(programme, *span))
    places = sorted(together, key=lambda place: (members[place[0]].number, place[1]))
    wanted = ((members[member], together[member, currency]) for member, currency in places)
    return [
        ToInvoice(member, form, bookings)
        for member, bookings in wanted
        if invoiced.total(bookings) and (form := _accepted(member)) is not None
    ]


def _together(
    agreed: Sequence[Agreed], payments: Iterable[Booking], returns: Iterable[Booking]
) -> dict[tuple[str, str], list[Booking]]:
    """Membership and currency → what was paid while they agreed, and what came back of just that."""
    spans = defaultdict[str, list[Agreed]](list)
    for agreement in agreed:
        spans[agreement.member.id].append(agreement)
    paid = [each for each in payments if _was_agreed(each.posted_at, spans[each.membership_id])]
    known = {each.payout_id for each in paid}
    found = defaultdict[tuple[str, str], list[Booking]](list)
    for each in (*paid, *(each for each in returns if each.payout_id in known)):
        found[each.membership_id, each.amount.currency].append(each)
    return found


def _was_agreed(at: datetime, spans: Iterable[Agreed]) -> bool:
    return any(each.since <= at and (each.until is None or at < each.until) for each in spans)


def _accepted(member: Membership) -> TaxForm | None:
    form = tax_forms.form_of(member.person_id)
    return form if form is not None and tax_forms.standing(form, now()) == "accepted" else None


def to_correct(programme: Programme, month: str) -> list[ToCorrect]:
    """What came back in a month of payments that an invoice is over, by that invoice: whoever agrees to what by then."""
    back = invoiced.returns(programme, *span_of(programme, month))
    over = invoiced.invoices_over(each.payout_id for each in back)
    found = defaultdict[str, list[Booking]](list)
    for each in (each for each in back if each.payout_id in over):
        found[over[each.payout_id]].append(each)
    invoices = select(Invoice).where(col(Invoice.id).in_(sorted(found))).order_by(col(Invoice.number))
    return [ToCorrect(each, found[each.id]) for each in session().execute(invoices).scalars()]


def _write_invoice(issuer: Issuer, programme: Programme, month: str, wanted: ToInvoice) -> None:
    details, member = tax_forms.details_of(wanted.form), wanted.member
    gross = Money(invoiced.total(wanted.bookings), wanted.bookings[0].amount.currency)
    tax = tax_in(
        gross,
        supplier=(_country(details), details.vat_id),
        customer=issuer.country,
        day=_last_day(programme, month),
    )
    seller = {each: getattr(details, each) for each in ("name", "address", "country", "vat_id")}
    made = Invoice(
        **_numbered(issuer, programme),
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
    _keep(made, wanted.bookings)


def _write_credit_note(programme: Programme, month: str, wanted: ToCorrect) -> None:
    """With the parties, the rate and the series of the invoice that it corrects."""
    invoice, back_minor = wanted.invoice, -invoiced.total(wanted.bookings)
    issuer = session().get_one(Issuer, invoice.issuer_id)
    same = {
        "membership_id",
        "unit_id",
        "currency",
        "vat_basis_points",
        "vat_sentence",
        "customer",
        "supplier",
    }
    made = Invoice(
        **_numbered(issuer, programme),
        **invoice.model_dump(include=same),
        month=month,
        gross_minor=-back_minor,
        vat_minor=-_vat_back(invoice, back_minor),
        corrects=invoice.number,
    )
    _keep(made, wanted.bookings)


def _vat_back(invoice: Invoice, back_minor: int) -> int:
    """The tax in what came back: rounded with what came back before, so that all together is the invoice's tax."""
    columns = (
        func.coalesce(func.sum(column), 0) for column in (col(Invoice.gross_minor), col(Invoice.vat_minor))
    )
    before = select(*columns).where(col(Invoice.corrects) == invoice.number)
    gross, vat = (-int(each) for each in session().execute(before).one())
    return proportion(invoice.vat_minor, gross + back_minor, invoice.gross_minor) - vat


def _numbered(issuer: Issuer, programme: Programme) -> dict[str, Any]:
    year = now().astimezone(programme.zone).year
    place = next_place(issuer.id, year)
    number = f"{issuer.prefix}-{year}-{place:06d}"
    return {"issuer_id": issuer.id, "year": year, "place": place, "number": number}


def _keep(made: Invoice, bookings: Iterable[Booking]) -> None:
    session().add(made)
    session().flush()
    invoiced.put_on(made.id, bookings)


def _last_day(programme: Programme, month: str) -> date:
    return (span_of(programme, month)[1].astimezone(programme.zone) - timedelta(days=1)).date()


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


def invoices_of(membership_id: str, month: str) -> Sequence[Invoice]:
    """An advocate's invoices and credit notes of a month, by currency and number."""
    wanted = select(Invoice).where(col(Invoice.membership_id) == membership_id, col(Invoice.month) == month)
    return session().execute(wanted.order_by(col(Invoice.currency), col(Invoice.number))).scalars().all()


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
