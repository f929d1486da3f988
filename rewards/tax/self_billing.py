"""Self-billing: who issues invoices in an advocate's name, and the advocate's agreement to it.

An invoice by the customer in the supplier's name needs both beforehand (Council Directive 2006/112/EC, article 224).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel, col, select
from stdnum.eu import vat
from stdnum.exceptions import ValidationError

from advocates.membership import Membership
from core import audit
from core.access import Actor, authorize
from core.clock import now
from core.columns import key, moment
from core.db import session
from core.errors import Conflict
from hub.programmes import Programme
from hub.units import find_hub
from rewards.tax import tax_forms
from rewards.tax.tax_forms import WrongVatNumber

RIGHT = "payout.run"


class Issuer(SQLModel, table=True):
    """The organisation that invoices are made out to and by: a unit's own, or the hub's for all without one."""

    __tablename__ = "invoice_issuer"

    id: str = key()
    unit_id: str = Field(unique=True, foreign_key="unit.id", sa_type=Text)
    name: str = Field(sa_type=Text)
    address: str = Field(sa_type=Text)
    country: str = Field(sa_type=Text)
    vat_id: str = Field(default="", sa_type=Text)
    prefix: str = Field(unique=True, sa_type=Text)
    """begins its invoice numbers"""
    changed_at: datetime = moment(now)


class InvoiceSeries(SQLModel, table=True):
    """The last number of an issuer's year; its row is the lock that leaves no gap."""

    __tablename__ = "invoice_series"

    issuer_id: str = Field(primary_key=True, foreign_key="invoice_issuer.id", sa_type=Text)
    year: int = Field(primary_key=True)
    last: int = 0


class Agreement(SQLModel, table=True):
    """An advocate lets the programme write their invoices, from when until when."""

    __tablename__ = "self_billing_agreement"

    id: str = key()
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    agreed_at: datetime = moment(now)
    ended_at: datetime | None = moment(optional=True)


_open = col(Agreement.ended_at).is_(None)
Index(
    "uq_self_billing_agreement_open",
    Agreement.membership_id,
    unique=True,
    sqlite_where=_open,
    postgresql_where=_open,
)


class FormFirst(Conflict):
    """Invoices in your name need your tax form: please give it, and agree once finance has accepted it."""


class PrefixStays(Conflict):
    """Invoices with numbers that begin so are written already: their beginning stays."""


class PrefixTaken(Conflict):
    """Another unit's invoice numbers begin with this. Choose another beginning."""


def issuer_of(unit_id: str) -> Issuer | None:
    """The unit's own issuer, or the hub's."""
    hub = find_hub()
    wanted = select(Issuer).where(col(Issuer.unit_id).in_([unit_id, hub.id if hub else unit_id]))
    found = {each.unit_id: each for each in session().exec(wanted)}
    return found.get(unit_id) or next(iter(found.values()), None)


def issuers_in(unit_ids: frozenset[str]) -> Sequence[Issuer]:
    """The issuers of these units."""
    return session().exec(select(Issuer).where(col(Issuer.unit_id).in_(unit_ids))).all()


def set_issuer(unit_id: str, name: str, address: str, country: str, *, by: Actor, prefix: str, vat_id: str = "") -> Issuer:  # fmt: skip
    """Say who issues a unit's invoices from now on; those that are written stay as they are. Raises WrongVatNumber, PrefixTaken, PrefixStays."""
    authorize(by, RIGHT, unit_id)
    taken = select(Issuer.id).where(Issuer.prefix == prefix, Issuer.unit_id != unit_id)
    if session().exec(taken).first() is not None:
        raise PrefixTaken
    try:
        number = vat.validate(vat_id) if vat_id.strip() else ""
    except ValidationError as error:
        raise WrongVatNumber from error
    known = session().exec(select(Issuer).where(Issuer.unit_id == unit_id)).first()
    if known is not None and known.prefix != prefix and _has_numbers(known.id):
        raise PrefixStays
    kept = known or Issuer(unit_id=unit_id, name="", address="", country="", prefix="")
    kept.name, kept.address, kept.country, kept.prefix = name, address, country, prefix
    kept.vat_id, kept.changed_at = number, now()
    session().add(kept)
    session().flush()
    facts = kept.model_dump(exclude={"id", "unit_id", "changed_at"})
    audit.record(by, "invoice_issuer.changed", "invoice_issuer", kept.id, unit_id=unit_id, details=facts)
    return kept


def _has_numbers(issuer_id: str) -> bool:
    used = select(InvoiceSeries.year).where(InvoiceSeries.issuer_id == issuer_id, InvoiceSeries.last > 0)
    return session().exec(used).first() is not None


def agreement_of(membership_id: str) -> Agreement | None:
    """The agreement that is in force."""
    wanted = select(Agreement).where(
        Agreement.membership_id == membership_id, col(Agreement.ended_at).is_(None)
    )
    return session().exec(wanted).first()


def agree(member: Membership, *, by: Actor) -> None:
    """From now on the programme writes the advocate's invoices; agreed before, nothing changes. Raises FormFirst."""
    form = tax_forms.form_of(member.person_id)
    if tax_forms.standing(form, now()) != "accepted":
        raise FormFirst
    if agreement_of(member.id) is None:
        session().add(Agreement(membership_id=member.id))
        session().flush()
        _note(member, "self_billing.agreed", by)


def end(member: Membership, *, by: Actor) -> None:
    """No invoices from now on; not agreed, nothing changes."""
    found = agreement_of(member.id)
    if found is not None:
        found.ended_at = now()
        session().add(found)
        _note(member, "self_billing.ended", by)


def _note(member: Membership, act: str, by: Actor) -> None:
    audit.record(by, act, "membership", member.id, unit_id=member.unit_id)


class Agreed(NamedTuple):
    """Who let the programme write their invoices, from when until when."""

    member: Membership
    since: datetime
    until: datetime | None


def agreed_in(programme: Programme, begins_at: datetime, ends_at: datetime) -> Sequence[Agreed]:
    """The agreements of a programme's advocates that were in force at any moment of a span, by number."""
    wanted = (
        select(Membership, col(Agreement.agreed_at), col(Agreement.ended_at))
        .join(Agreement, col(Agreement.membership_id) == col(Membership.id))
        .where(
            Membership.programme_id == programme.id,
            Agreement.agreed_at < ends_at,
            col(Agreement.ended_at).is_(None) | (col(Agreement.ended_at) > begins_at),
        )
        .order_by(col(Membership.number), col(Agreement.agreed_at))
    )
    return [Agreed(*row) for row in session().execute(wanted)]
