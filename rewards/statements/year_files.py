"""A year as files: an advocate's own as CSV and on paper, everybody's as a table for finance."""

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlmodel import col

from advocates.membership import Membership
from core import pdf
from core.access import Actor
from core.db import session
from core.money import POINTS, Money
from core.people import Person
from core.spreadsheets import Cell, as_csv
from hub.programmes import Programme, get_programme, programmes_in
from hub.units import Unit
from rewards.payouts.accounts import PayoutAccount
from rewards.payouts.bank_accounts import BankAccount
from rewards.payouts.paid_when import payments_between
from rewards.statements.statement_files import fonts
from rewards.statements.years import YearPart, year_of, year_span
from rewards.tax.tax_countries import country_of
from rewards.tax.tax_forms import TaxForm
from rewards.tax.tax_thresholds import reports

HEADER = ("Month", "Earned", "Taken back or denied", "Paid out or spent", "Currency")
PAYMENTS = (
    "Programme", "Unit", "Number", "Name", "E-mail", "Country", "Payments", "Paid", "Currency", "Thresholds reached",
)  # fmt: skip


def as_table(membership: Membership, year: int) -> bytes:
    """CSV: of each currency what was owed before, the sums of each month and of the year, what is owed after."""
    return as_csv(HEADER, _rows(year_of(membership, year), year))


def _rows(parts: Sequence[YearPart], year: int) -> Iterator[Sequence[Cell]]:
    for part in parts:
        yield (f"before {year}", part.opening.major, "", "", part.currency)
        for month, sums in part.months:
            yield (month, *(each.major for each in sums), part.currency)
        yield (str(year), *(each.major for each in part.total), part.currency)
        yield (f"after {year}", part.closing.major, "", "", part.currency)


def html_of(membership: Membership, person: Person, year: int) -> str:
    """The year as HTML for print."""
    programme = get_programme(membership.programme_id)
    return pdf.page(
        "year",
        title=f"Summary of {year}",
        programme=programme.name,
        name=person.name,
        number=membership.number,
        zone=programme.zone,
        parts=year_of(membership, year),
        points=POINTS,
        fonts=fonts(),
    )


def payments_of(actor: Actor, right: str, year: int) -> bytes:
    """CSV: what each advocate that the actor sees was paid in a year, per currency, and the thresholds that this reaches.

    A payment is of the year in which it was booked, in its programme's zone, and so is what came back of one. Raises CannotOpen.
    """
    rows = (row for each in programmes_in(actor.units_for(right)) for row in _paid_in(each, year))
    return as_csv(PAYMENTS, rows)


def _paid_in(programme: Programme, year: int) -> Iterator[Sequence[Cell]]:
    of = payments_between(programme.id, *year_span(programme, year)).c
    paid = (
        select(
            col(Unit.name),
            col(Membership.number),
            col(Person.name),
            col(Person.email),
            col(TaxForm.country),
            col(PayoutAccount.country),
            col(BankAccount.iban),
            func.sum(of.payments),
            func.sum(of.amount),
            of.currency,
        )
        .join(Membership, col(Membership.id) == of.member_id)
        .join(Person, col(Person.id) == col(Membership.person_id))
        .join(Unit, col(Unit.id) == col(Membership.unit_id))
        .outerjoin(TaxForm, col(TaxForm.person_id) == col(Person.id))
        .outerjoin(PayoutAccount, col(PayoutAccount.person_id) == col(Person.id))
        .outerjoin(BankAccount, col(BankAccount.person_id) == col(Person.id))
        .group_by(
            col(Unit.name), col(Membership.number), col(Person.name), col(Person.email),
            col(TaxForm.country), col(PayoutAccount.country), col(BankAccount.iban), of.currency,
        )
        .order_by(col(Membership.number), of.currency)
    )  # fmt: skip
    for unit, number, name, email, *places, payments, amount, currency in session().execute(paid):
        country, money = country_of(*places), Money(int(amount), currency)
        names = ", ".join(reports(country, [money], int(payments), year))
        yield (
            programme.name,
            unit,
            number,
            name,
            email,
            country,
            int(payments),
            money.major,
            currency,
            names,
        )
