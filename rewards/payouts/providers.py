"""Who carries a programme's payouts: Stripe, the bank's file, or a perk that is given instead of money.

A provider says, as parts of the one SELECT of a run, what of a sum it can pay, to whom, and why not. Everything else, ledger,
approvals, runs and statements, is the same for all. How it then goes is in payout_sender.py, bank_files.py and in_kind.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Text, case, cast, false, literal, true
from sqlmodel import col

from core.money import Money
from core.settings import settings
from hub.programmes import Programme
from rewards.payouts import accounts
from rewards.payouts.accounts import PayoutAccount
from rewards.payouts.bank_accounts import BankAccount
from rewards.payouts.runs import Provider as Name
from rewards.payouts.runs import Reason
from rewards.perks import perks
from rewards.perks.perks import Perk
from rewards.stripe.stripe_units import coarse_currencies

PAID = "paid"
Verdict: TypeAlias = tuple[ColumnElement[bool], Any]
"""a WHEN and its THEN: PAID, or a key of `why_not`"""


@dataclass(frozen=True)
class Provider:
    """What a run asks of whoever carries it."""

    name: Name
    step: ColumnElement[int] | int
    """sums are paid in multiples of it, in minor units; the rest is carried to the next run"""
    leaves_rest: ColumnElement[bool]
    """where there can be a rest"""
    account: Any
    """the table of where people are paid, by person_id; None where it is nowhere"""
    destination: ColumnElement[Any]
    """what a payout writes down as the place it is meant for"""
    verdicts: Sequence[Verdict]
    """whether somebody can be paid, the first that holds; over `account`"""
    why_not: Mapping[str, tuple[Reason, str]]
    """each verdict as a reason and a sentence"""


_NONE = literal("")


def carrier_of(programme: Programme, currency: Any = _NONE) -> Provider:  # noqa: ANN401 - a column
    """The perk that the programme gives instead of money, else what this installation pays by; `currency` of the sums."""
    perk = perks.paying_perk(programme.id)
    if perk is not None:
        return _in_kind(perk, programme.currency, currency)
    return _by_bank() if settings().pays_by_bank else _by_stripe(currency)


def _by_stripe(currency: ColumnElement[str]) -> Provider:
    """Transfers to the advocates' own accounts; some currencies are paid out in steps only."""
    standing, nowhere = accounts.standing_in_sql(), {"none", "unfinished"}
    return Provider(
        "stripe",
        step=case(coarse_currencies(), value=currency, else_=1),
        leaves_rest=currency.in_(coarse_currencies()),
        account=PayoutAccount,
        destination=cast(col(PayoutAccount.stripe_account_id), Text),
        verdicts=[(standing == literal("ready"), literal(PAID)), (true(), standing)],
        why_not={
            each: ("no_account" if each in nowhere else "account_restricted", sentence)
            for each, sentence in accounts.WHY_NOT.items()
        },
    )


def _by_bank() -> Provider:
    """Credit transfers that finance gives the bank as a file."""
    return Provider(
        "bank",
        step=1,
        leaves_rest=false(),
        account=BankAccount,
        destination=col(BankAccount.id) + ":" + cast(col(BankAccount.version), Text),
        verdicts=[(col(BankAccount.id).is_(None), literal("no_bank")), (true(), literal(PAID))],
        why_not={"no_bank": ("no_account", "No bank account has been given.")},
    )


def _in_kind(perk: Perk, paid_in: str, currency: ColumnElement[str]) -> Provider:
    """Whole ones of a perk; its stock is asked when it is given, and what is missing then waits for more."""
    worth = Money(perk.worth_minor, paid_in).format()
    return Provider(
        "perk",
        step=perk.worth_minor,
        leaves_rest=true(),
        account=None,
        destination=literal(perk.id),
        verdicts=[(currency.is_distinct_from(paid_in), literal("currency")), (true(), literal(PAID))],
        why_not={
            "tiny": ("nothing_left", f"{perk.name} stands for {worth}: less is carried over."),
            "currency": ("no_account", f"This programme gives {perk.name} for {paid_in} only."),
        },
    )
