"""Tax forms: who an advocate is for the tax authority, kept sealed, accepted or returned by finance, good until a day."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Literal, NamedTuple, get_args

from sqlalchemy import ColumnElement, Text, UniqueConstraint, case, update
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select
from stdnum.eu import vat
from stdnum.exceptions import ValidationError
from stdnum.us import ein, itin, ssn

from advocates.membership import Membership
from core import audit, mail, sealed
from core.access import Actor
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.immutable import never_changed
from core.people import Person, get_person
from hub import actions
from rewards.tax.tax_thresholds import EU

Kind = Literal["w9", "w8ben", "dac7"]
State = Literal["given", "accepted", "returned"]
Standing = Literal["missing", "waits", "returned", "expired", "accepted"]
RIGHT = "payout.run"
DECIDE = "tax_form.decide"
WITHIN_DAYS = 5
SHOWN = 4
W8_YEARS = 3
"""a W-8BEN is good until the end of the third year after the one it was signed in: 26 CFR 1.1441-1(e)(4)(ii)(A)"""
OLDEST = date(1900, 1, 1)
TAX_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z ./-]{3,29}")


class Version(SQLModel):
    """One version of a form: what it says, and what finance said of it."""

    kind: Kind = word()
    country: str = Field(sa_type=Text)
    details: str = Field(sa_type=Text)
    """sealed: what was typed"""
    ends_with: str = Field(default="", sa_type=Text)
    """the last figures of the tax number"""
    state: State = word("given")
    version: int = 1
    signed_at: datetime = moment(now)
    valid_until: datetime | None = moment(optional=True)
    decided_by: str | None = Field(default=None, sa_type=Text)
    decided_at: datetime | None = moment(optional=True)
    reason: str = Field(default="", sa_type=Text)


class TaxForm(Version, table=True):
    """A person's form; a new one is the next version and has to be accepted again."""

    __tablename__ = "tax_form"
    __table_args__ = (one_of("kind", get_args(Kind)), one_of("state", get_args(State)))

    id: str = key()
    person_id: str = Field(unique=True, foreign_key="person.id", sa_type=Text)


class EarlierTaxForm(Version, table=True):
    """A version as it stood when the next one replaced it: payments were made on the strength of it."""

    __tablename__ = "earlier_tax_form"
    __table_args__ = (
        UniqueConstraint("form_id", "version"),
        one_of("kind", get_args(Kind)),
        one_of("state", get_args(State)),
    )

    id: str = key()
    form_id: str = Field(foreign_key="tax_form.id", sa_type=Text)
    replaced_at: datetime = moment(now)


never_changed(EarlierTaxForm, but_sealed="details")


class Details(NamedTuple):
    """What a form says; `tax_id` and `vat_id` may be empty where the kind allows it, `born_on` on a W-9."""

    kind: Kind
    name: str
    address: str
    country: str
    tax_id: str
    vat_id: str = ""
    born_on: date | None = None


class WrongCountry(Invalid):
    """A W-9 is for people of the United States, a W-8BEN for everybody else, a DAC7 form for residents of the European Union."""


class WrongTaxNumber(Invalid):
    """This is not a tax number of that country: please compare it with your papers."""


class WrongVatNumber(Invalid):
    """This is not a VAT number of the European Union: please compare it with your papers."""


class BirthdayNeeded(Invalid):
    """This form needs your date of birth, which is in the past."""


class FormNotFound(NotFound):
    """There is no such tax form."""


class DecidedAlready(Conflict):
    """This form was decided, or given anew, since you looked at it."""


class OwnForm(Forbidden):
    """Nobody decides their own tax form."""


class ReasonNeeded(Invalid):
    """Please say what is wrong with it: the advocate reads it."""


def checked(typed: Details) -> Details:
    """What was typed, its numbers proven as far as their country lets us.

    Raises WrongCountry, WrongTaxNumber, WrongVatNumber, BirthdayNeeded.
    """
    fits = {"w9": typed.country == "US", "w8ben": typed.country != "US", "dac7": typed.country in EU}
    if not fits[typed.kind]:
        raise WrongCountry
    if typed.kind != "w9" and (typed.born_on is None or not OLDEST <= typed.born_on < now().date()):
        raise BirthdayNeeded
    return typed._replace(tax_id=_tax_id(typed), vat_id=_vat_id(typed.vat_id))


def _tax_id(typed: Details) -> str:
    if typed.kind == "w8ben" and not typed.tax_id:
        return ""  # line 6b of the form: not everybody is given one
    if typed.kind == "w9":
        if not any(each.is_valid(typed.tax_id) for each in (ssn, itin, ein)):
            raise WrongTaxNumber
        return ein.compact(typed.tax_id)
    if not TAX_ID.fullmatch(typed.tax_id):
        raise WrongTaxNumber
    return typed.tax_id


def _vat_id(typed: str) -> str:
    try:
        return vat.validate(typed) if typed.strip() else ""
    except ValidationError as error:
        raise WrongVatNumber from error


def form_of(person_id: str) -> TaxForm | None:
    """The person's form."""
    return session().exec(select(TaxForm).where(TaxForm.person_id == person_id)).first()


def get_form(form_id: str) -> TaxForm:
    """The form with this id; raises FormNotFound."""
    form = session().get(TaxForm, form_id)
    if form is None:
        raise FormNotFound
    return form


def earlier_of(form_id: str) -> Sequence[EarlierTaxForm]:
    """The versions that were replaced, the newest first."""
    mine = select(EarlierTaxForm).where(EarlierTaxForm.form_id == form_id)
    return session().exec(mine.order_by(col(EarlierTaxForm.version).desc())).all()


def get_earlier(form_id: str, version: int) -> EarlierTaxForm:
    """A version that was replaced; raises FormNotFound."""
    mine = select(EarlierTaxForm).where(EarlierTaxForm.form_id == form_id, EarlierTaxForm.version == version)
    found = session().exec(mine).first()
    if found is None:
        raise FormNotFound
    return found


def details_of(form: Version) -> Details:
    """The form, readable; raises CannotOpen."""
    kept = json.loads(sealed.unseal(form.details))
    born = kept.pop("born_on")
    return Details(**kept, born_on=date.fromisoformat(born) if born else None)


def give(member: Membership, details: Details, *, by: Actor) -> TaxForm:
    """Keep what `checked` has proven, signed now, and what it replaces; finance is asked to look at it."""
    known = _kept(member.person_id)
    form = known or TaxForm(person_id=member.person_id, kind="w9", country="", details="", version=0)
    born = details.born_on.isoformat() if details.born_on else ""
    form.details = sealed.seal(json.dumps(details._asdict() | {"born_on": born}))
    form.kind, form.country, form.ends_with = details.kind, details.country, _last(details.tax_id)
    form.state, form.version, form.reason = "given", form.version + 1, ""
    form.signed_at, form.valid_until = now(), _valid_until(details.kind, now())
    form.decided_by = form.decided_at = None
    session().add(form)
    session().flush()
    _note(form, member.unit_id, "tax_form.given", by)
    summary = f"Tax form of {get_person(member.person_id).name}"
    due = actions.due_in(WITHIN_DAYS)
    actions.ask(DECIDE, form.id, member.unit_id, right=RIGHT, summary=summary, due_at=due)
    return form


def _kept(person_id: str) -> TaxForm | None:
    """The person's form, locked, once it is kept among the earlier ones too: a decision that is being made counts."""
    mine = select(TaxForm).where(TaxForm.person_id == person_id).with_for_update()
    form = session().exec(mine.execution_options(populate_existing=True)).first()
    if form is not None:
        session().add(EarlierTaxForm(form_id=form.id, **form.model_dump(include=set(Version.model_fields))))
        session().flush()
    return form


def _last(tax_id: str) -> str:
    """The last figures of a number, never half of it."""
    return tax_id[-SHOWN:] if len(tax_id) > 2 * SHOWN else tax_id[-1:]


def _valid_until(kind: Kind, signed_at: datetime) -> datetime | None:
    return datetime(signed_at.year + W8_YEARS + 1, 1, 1, tzinfo=UTC) if kind == "w8ben" else None


def accept(form: TaxForm, version: int, *, by: Actor) -> None:
    """It is as it should be: payouts go on. Raises DecidedAlready, OwnForm."""
    _decide(form, version, "accepted", "", by)


def give_back(form: TaxForm, version: int, *, by: Actor, reason: str) -> None:
    """Something is wrong with it: payouts wait for the next. Raises DecidedAlready, OwnForm, ReasonNeeded."""
    if not reason.strip():
        raise ReasonNeeded
    _decide(form, version, "returned", reason.strip(), by)


def _decide(form: TaxForm, version: int, state: State, reason: str, by: Actor) -> None:
    if by.person_id == form.person_id:
        raise OwnForm
    same = (col(TaxForm.id) == form.id) & (col(TaxForm.version) == version)
    here = update(TaxForm).where(same, col(TaxForm.state) == "given")
    answered = here.values(state=state, reason=reason, decided_by=by.id, decided_at=now())
    if not update_one(answered.execution_options(synchronize_session=False)):
        raise DecidedAlready
    session().refresh(form)
    actions.done(DECIDE, form.id, by=by)
    _note(form, None, f"tax_form.{state}", by)
    person = get_person(form.person_id)
    mail.leave(
        "tax_form_decided", form.id, str(version),
        to=person.email, name=person.name, accepted=state == "accepted", reason=reason,
    )  # fmt: skip


def _note(form: TaxForm, unit_id: str | None, act: str, by: Actor) -> None:
    """Never the number itself: the log is kept for long and read by others."""
    facts = {"kind": form.kind, "country": form.country, "ends_with": form.ends_with, "version": form.version}
    audit.record(by, act, "tax_form", form.id, unit_id=unit_id, details=facts | {"reason": form.reason})


def standing(form: TaxForm | None, at: datetime) -> Standing:
    """Where somebody's form stands at a moment; `standing_in_sql` says the same of many."""
    if form is None:
        return "missing"
    if form.state == "returned":
        return "returned"
    if form.valid_until is not None and form.valid_until <= at:
        return "expired"
    return "waits" if form.state == "given" else "accepted"


def standing_in_sql(at: datetime) -> ColumnElement[str]:
    """The same as an expression over TaxForm, which may be an outer join's missing row."""
    return case(
        (col(TaxForm.id).is_(None), "missing"),
        (col(TaxForm.state) == "returned", "returned"),
        (col(TaxForm.valid_until) <= at, "expired"),
        (col(TaxForm.state) == "given", "waits"),
        else_="accepted",
    )


def forms_in(unit_ids: frozenset[str], state: State, *, limit: int) -> Sequence[tuple[TaxForm, Person]]:
    """Forms of people who are advocates in these units, the oldest first."""
    mine = select_columns(col(Membership.person_id)).where(col(Membership.unit_id).in_(unit_ids))
    wanted = (
        select_columns(TaxForm, Person)
        .join(Person, col(Person.id) == col(TaxForm.person_id))
        .where(col(TaxForm.person_id).in_(mine), col(TaxForm.state) == state)
        .order_by(col(TaxForm.signed_at), col(TaxForm.id))
    )
    return [(form, person) for form, person in session().execute(wanted.limit(limit))]
