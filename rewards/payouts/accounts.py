"""Where an advocate is paid: their Stripe account, and what Stripe said about it when we last asked."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import JSON, ColumnElement, Text, and_, case, cast, delete, or_, update
from sqlmodel import Field, SQLModel, col, select

from core import audit
from core.access import RULE
from core.clock import now
from core.columns import key, moment
from core.db import session, update_one
from core.errors import Invalid
from rewards.stripe.stripe_accounts import AccountFacts

FRESH = timedelta(hours=1)
COUNTRIES = (
    "AE", "AT", "AU", "BE", "BG", "CA", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GI", "GR", "HK",
    "HR", "HU", "IE", "IS", "IT", "JP", "KW", "LI", "LT", "LU", "LV", "MT", "MX", "NL", "NO", "NZ", "PL", "PT", "RO",
    "SE", "SG", "SI", "SK", "TH", "TW", "UG", "US",
)  # fmt: skip
"""where an advocate's account can be"""

Standing = Literal["none", "unfinished", "checking", "restricted", "ready", "gone"]


class PayoutAccount(SQLModel, table=True):
    """A person's account at Stripe, with the facts as of `read_at`; one for all their programmes."""

    __tablename__ = "payout_account"

    id: str = key()
    person_id: str = Field(unique=True, foreign_key="person.id", sa_type=Text)
    country: str = Field(sa_type=Text)
    stripe_account_id: str | None = Field(default=None, unique=True, sa_type=Text)
    """None until Stripe has answered"""
    transfers: str = Field(default="", sa_type=Text)
    payouts_enabled: bool = False
    details_submitted: bool = False
    disabled_reason: str = Field(default="", sa_type=Text)
    due: list[str] = Field(default_factory=list, sa_type=JSON)
    """what Stripe still asks for"""
    fingerprints: list[str] = Field(default_factory=list, sa_type=JSON)
    """of the bank accounts and cards it is paid to, as Stripe says them: never a number"""
    made_at: datetime = moment(now)
    read_at: datetime | None = moment(optional=True)
    gone_at: datetime | None = moment(optional=True)
    """Stripe says that we have no access any more"""


class UnknownCountry(Invalid):
    """We cannot pay out to this country yet."""


def account_of(person_id: str) -> PayoutAccount | None:
    """The person's payout account."""
    return session().exec(select(PayoutAccount).where(PayoutAccount.person_id == person_id)).first()


def find_account(stripe_account_id: str) -> PayoutAccount | None:
    """The account with this id at Stripe."""
    wanted = select(PayoutAccount).where(PayoutAccount.stripe_account_id == stripe_account_id)
    return session().exec(wanted).first()


def begin(person_id: str, country: str) -> PayoutAccount:
    """The row that comes before the account: its id makes asking Stripe twice harmless.

    A disconnected account is replaced, and until Stripe has answered another country replaces the one before, as Stripe
    may have refused it: the new id asks anew. Raises UnknownCountry.
    """
    known = account_of(person_id)
    if known is not None and not _replaceable(known, country):
        return known
    if country not in COUNTRIES:
        raise UnknownCountry
    if known is not None and not _remove(known):  # connected meanwhile
        session().refresh(known)
        return known
    account = PayoutAccount(person_id=person_id, country=country, made_at=now())
    session().add(account)
    session().flush()
    return account


def _replaceable(known: PayoutAccount, country: str) -> bool:
    return known.gone_at is not None or (known.stripe_account_id is None and known.country != country)


def _remove(known: PayoutAccount) -> bool:
    unused = col(PayoutAccount.stripe_account_id).is_(None) | col(PayoutAccount.gone_at).is_not(None)
    row = delete(PayoutAccount).where(col(PayoutAccount.id) == known.id, unused)
    if not update_one(row.execution_options(synchronize_session=False)):
        return False
    session().expunge(known)
    return True


def connect(account_id: str, stripe_account_id: str) -> None:
    """Keep the id that Stripe gave; doing it again changes nothing."""
    unset = update(PayoutAccount).where(
        col(PayoutAccount.id) == account_id, col(PayoutAccount.stripe_account_id).is_(None)
    )
    if update_one(unset.values(stripe_account_id=stripe_account_id)):
        audit.record(RULE, "payout_account.connected", "payout_account", account_id)


def note_facts(facts: AccountFacts) -> PayoutAccount | None:
    """Keep what Stripe says about an account now; None when it is not ours."""
    account = find_account(facts.account_id)
    if account is None:
        return None
    before = able(account)
    account.transfers, account.payouts_enabled = facts.transfers, facts.payouts_enabled
    account.details_submitted, account.disabled_reason = facts.details_submitted, facts.disabled_reason
    account.due, account.country = list(facts.due), facts.country or account.country
    account.fingerprints = list(facts.fingerprints)
    account.read_at, account.gone_at = now(), None
    session().add(account)
    session().flush()
    if able(account) != before:
        seen = {"able": able(account), "disabled_reason": account.disabled_reason}
        audit.record(RULE, "payout_account.changed", "payout_account", account.id, details=seen)
    return account


def note_gone(stripe_account_id: str) -> None:
    """Stripe says that this account is not connected to us any more."""
    account = find_account(stripe_account_id)
    if account is not None and account.gone_at is None:
        account.gone_at = account.read_at = now()
        session().add(account)
        session().flush()
        audit.record(RULE, "payout_account.gone", "payout_account", account.id)


def able(account: PayoutAccount) -> bool:
    """Whether a transfer may be sent: gate on capability, payouts and disabled_reason (money.md, Stripe facts)."""
    return standing(account) == "ready"


def standing(account: PayoutAccount | None) -> Standing:
    """Where an account stands, from the facts last read."""
    if account is None or account.stripe_account_id is None:
        return "none"
    if account.gone_at is not None:
        return "gone"
    if not account.details_submitted:
        return "unfinished"
    if account.transfers == "active" and account.payouts_enabled and not account.disabled_reason:
        return "ready"
    return "restricted" if account.disabled_reason or account.due else "checking"


def standing_in_sql() -> ColumnElement[str]:
    """The same of a row of PayoutAccount, or of the empty one of an outer join, inside a SELECT."""
    account = PayoutAccount
    may_be_paid = and_(
        col(account.transfers) == "active",
        col(account.payouts_enabled).is_(True),
        col(account.disabled_reason) == "",
    )
    is_asked = or_(col(account.disabled_reason) != "", cast(col(account.due), Text) != "[]")
    return case(
        (col(account.stripe_account_id).is_(None), "none"),
        (col(account.gone_at).is_not(None), "gone"),
        (col(account.details_submitted).is_(False), "unfinished"),
        (may_be_paid, "ready"),
        (is_asked, "restricted"),
        else_="checking",
    )


WHY_NOT: dict[Standing, str] = {
    "none": "No payout account has been set up.",
    "gone": "The payout account was disconnected from us at Stripe.",
    "unfinished": "The payout account's set-up at Stripe was not finished.",
    "checking": "Stripe is still checking the payout account.",
    "restricted": "Stripe has restricted the payout account and asks for more information.",
    "ready": "",
}


def is_fresh(account: PayoutAccount) -> bool:
    """Whether the facts were read within the hour."""
    return account.read_at is not None and account.read_at > now() - FRESH


def fingerprints_of(person_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Person → the fingerprints of what they are paid to, where known."""
    known = select(PayoutAccount).where(col(PayoutAccount.person_id).in_(person_ids))
    return {each.person_id: frozenset(each.fingerprints) for each in session().exec(known)}
