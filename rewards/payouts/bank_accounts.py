"""Where an advocate is paid without Stripe: holder and IBAN, kept encrypted, shown by their last figures only."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Text
from sqlmodel import Field, SQLModel, select
from stdnum import bic as bics
from stdnum import iban as ibans
from stdnum.exceptions import ValidationError

from core import audit, mail, sealed
from core.access import Actor
from core.clock import now
from core.columns import key, moment
from core.db import session
from core.errors import Invalid
from core.people import Person

SHOWN = 4


class BankAccount(SQLModel, table=True):
    """A person's bank account; every change is another version, so that a payout knows which one it was meant for."""

    __tablename__ = "bank_account"

    id: str = key()
    person_id: str = Field(unique=True, foreign_key="person.id", sa_type=Text)
    holder: str = Field(sa_type=Text)
    iban: str = Field(sa_type=Text)
    """sealed"""
    ends_with: str = Field(sa_type=Text)
    bic: str = Field(default="", sa_type=Text)
    version: int = 1
    changed_at: datetime = moment(now)

    @property
    def destination(self) -> str:
        """What a payout writes down: this account, as it is now."""
        return f"{self.id}:{self.version}"


class Details(NamedTuple):
    """What goes into a bank's file."""

    holder: str
    iban: str
    bic: str


class WrongIban(Invalid):
    """This is not an IBAN: please compare it with your bank's papers."""


class WrongBic(Invalid):
    """This is not a BIC (8 or 11 letters and figures); most banks need none."""


def checked(holder: str, iban: str, bic: str) -> Details:
    """What was typed, without blanks and proven by its check digits (ISO 13616, ISO 9362); raises WrongIban, WrongBic."""
    try:
        proven = ibans.validate(iban)
    except ValidationError as error:
        raise WrongIban from error
    try:
        code = bics.validate(bic) if bic.strip() else ""
    except ValidationError as error:
        raise WrongBic from error
    return Details(holder.strip(), proven, code)


def account_of(person_id: str) -> BankAccount | None:
    """The person's bank account."""
    return session().exec(select(BankAccount).where(BankAccount.person_id == person_id)).first()


def set_account(person: Person, details: Details, *, by: Actor) -> BankAccount:
    """Keep where a person is paid; they are told by mail, in case it was not them."""
    known = account_of(person.id)
    kept = known or BankAccount(person_id=person.id, holder="", iban="", ends_with="", version=0)
    kept.holder, kept.bic = details.holder, details.bic
    kept.iban, kept.ends_with = sealed.seal(details.iban), details.iban[-SHOWN:]
    kept.version, kept.changed_at = kept.version + 1, now()
    session().add(kept)
    session().flush()
    facts = {"ends_with": kept.ends_with, "version": kept.version}
    audit.record(by, "bank_account.changed", "bank_account", kept.id, details=facts)
    mail.leave(
        "bank_account_changed",
        kept.id,
        str(kept.version),
        to=person.email,
        name=person.name,
        ends_with=kept.ends_with,
    )
    return kept


def details_of(account: BankAccount) -> Details:
    """The account, readable; raises CannotOpen."""
    return Details(account.holder, sealed.unseal(account.iban), account.bic)
