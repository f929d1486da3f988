"""Tax forms that advocates give and finance accepts, for the tests of everything that needs one."""

from datetime import date

from advocates.membership import Membership
from core.db import session, transaction
from core.people import Person
from hub.programmes import Programme
from rewards.tax import tax_forms
from rewards.tax.tax_forms import Details, TaxForm, checked
from tests.factories import acting

NUMBER = "536-90-4399"
W9 = Details("w9", "Ana Advocate", "1 Main Street\nSpringfield", "US", NUMBER)
W8 = Details("w8ben", "Ana Advocate", "Hauptstraße 1", "DE", "", born_on=date(1990, 2, 3))
DAC7 = Details("dac7", "Ana Advocate", "Hauptstraße 1", "DE", "12345678901", born_on=date(1990, 2, 3))


def give(member: Membership, details: Details = W9) -> TaxForm:
    with transaction():
        person = session().get_one(Person, member.person_id)
        return tax_forms.give(member, checked(details), by=acting(person))


def accept(form: TaxForm, by: Person) -> None:
    with transaction():
        tax_forms.accept(session().get_one(TaxForm, form.id), form.version, by=acting(by))


def ask(programme: Programme, when: str) -> None:
    with transaction():
        session().get_one(Programme, programme.id).tax_forms = when  # type: ignore[assignment]  # a word
