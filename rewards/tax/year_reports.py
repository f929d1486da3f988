"""What a tax authority is told of a year: those whose payments reach a threshold, as their tax forms say who they are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import col

from advocates.membership import Membership
from core.access import Actor
from core.db import session
from core.money import Money
from core.people import Person
from core.spreadsheets import Cell, as_csv
from hub.programmes import Programme, programmes_in
from rewards.payouts.accounts import PayoutAccount
from rewards.payouts.bank_accounts import BankAccount
from rewards.payouts.paid_when import payments_between
from rewards.statements.years import year_span
from rewards.tax import tax_forms
from rewards.tax.tax_countries import country_of
from rewards.tax.tax_forms import TaxForm
from rewards.tax.tax_thresholds import reports

HEADER = (
    "Report", "Form", "Name", "Address", "Country", "Tax number", "VAT number", "Date of birth", "E-mail", "Payments",
    "First quarter", "Second quarter", "Third quarter", "Fourth quarter", "Total", "Currency",
)  # fmt: skip
QUARTERS = 4
MONTHS = 3


@dataclass
class _Paid:
    """What a person was paid in a year in one currency, over all programmes that are looked at."""

    payments: int = 0
    quarters: list[int] = field(default_factory=lambda: [0] * QUARTERS)

    def total(self, currency: str) -> Money:
        """Of the year."""
        return Money(sum(self.quarters), currency)


class _Known(NamedTuple):
    """Who somebody is, as far as we know."""

    person: Person
    form: TaxForm | None
    country: str


def reports_of(actor: Actor, right: str, year: int) -> bytes:
    """CSV: a row for each person, currency and report that the year's payments reach, in the units where the actor has the right.

    Who is in a report is in it with every currency: it asks for all that somebody was paid.

    Whoever might reach one, and lives nobody knows where, has a row that says so.

    Who they are is said as the last form has it, also of a year that is over: both reports are filed in the year after with what the
    payer knows by then, and a form that came late or was mended is for just that. What an earlier version said is on the form's page.

    A payment is of the quarter in which it was booked, in its programme's zone, and so is what came back of one. Raises CannotOpen.
    """
    paid: defaultdict[tuple[str, str], _Paid] = defaultdict(_Paid)
    for programme in programmes_in(actor.units_for(right)):
        for person_id, currency, amount, payments, at in _paid_in(programme, year):
            found = paid[person_id, currency]
            found.payments += payments
            found.quarters[(at.astimezone(programme.zone).month - 1) // MONTHS] += amount
    return as_csv(HEADER, _rows(paid, year))


def _paid_in(programme: Programme, year: int) -> Iterator[tuple[str, str, int, int, datetime]]:
    of = payments_between(programme.id, *year_span(programme, year)).c
    paid = select(col(Membership.person_id), of.currency, of.amount, of.payments, of.at)
    for person_id, currency, amount, payments, at in session().execute(
        paid.join(Membership, col(Membership.id) == of.member_id)
    ):
        yield person_id, currency, int(amount), int(payments), at


def _rows(paid: dict[tuple[str, str], _Paid], year: int) -> Iterator[Sequence[Cell]]:
    people = _known({person for person, _currency in paid})
    reached = {}
    for person_id, known in people.items():
        theirs = {currency: found for (person, currency), found in paid.items() if person == person_id}
        totals = [found.total(currency) for currency, found in theirs.items()]
        payments = sum(each.payments for each in theirs.values())
        reached[person_id] = reports(known.country, totals, payments, year)
    for (person_id, currency), found in sorted(paid.items()):
        for report in reached[person_id]:
            quarters = (Money(each, currency).major for each in found.quarters)
            who, total = _who(people[person_id]), found.total(currency)
            yield (report, *who, found.payments, *quarters, total.major, currency)


def _who(known: _Known) -> Sequence[Cell]:
    """As the form says it; without one, what we know, and empty cells where somebody has to ask."""
    if known.form is None:
        return ("", known.person.name, "", known.country, "", "", "", known.person.email)
    said = tax_forms.details_of(known.form)
    born = said.born_on.isoformat() if said.born_on else ""
    return (
        known.form.kind, said.name, said.address, said.country, said.tax_id, said.vat_id, born, known.person.email,
    )  # fmt: skip


def _known(ids: set[str]) -> dict[str, _Known]:
    known = (
        select(Person, TaxForm, col(PayoutAccount.country), col(BankAccount.iban))
        .outerjoin(TaxForm, col(TaxForm.person_id) == col(Person.id))
        .outerjoin(PayoutAccount, col(PayoutAccount.person_id) == col(Person.id))
        .outerjoin(BankAccount, col(BankAccount.person_id) == col(Person.id))
        .where(col(Person.id).in_(ids))
    )
    return {
        person.id: _Known(person, form, country_of(form and form.country, account, iban))
        for person, form, account, iban in session().execute(known)
    }
