"""What approved lines owe each advocate in each currency, and why somebody would not be paid: one SELECT for a run and its preview."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, literal, select
from sqlmodel import col

from advocates.membership import Membership
from core.db import session
from core.money import Money
from hub.programmes import Programme
from rewards.payouts.providers import PAID, carrier_of
from rewards.payouts.runs import Reason
from rewards.reward import Reward
from rewards.tax import tax_gate
from rewards.tax.tax_forms import TaxForm


class Skip(NamedTuple):
    """Why somebody gets nothing this time."""

    reason: Reason
    sentence: str


@dataclass(frozen=True)
class Owed:
    """What an advocate is owed in a currency, and why it is not paid out, if so."""

    membership_id: str
    currency: str
    amount_minor: int
    payable_minor: int
    """the part of it that can be paid at once"""
    lines: int
    skip: Skip | None

    @property
    def money(self) -> Money:
        """The sum."""
        return Money(self.amount_minor, self.currency)

    @property
    def payable(self) -> Money:
        """What would be paid, were nothing in the way."""
        return Money(self.payable_minor, self.currency)

    @property
    def rest(self) -> Money:
        """What is carried to the next payout."""
        return self.money - self.payable


def verdicts(programme: Programme) -> Mapping[str, Skip]:
    """Each verdict that keeps somebody from being paid, as a reason and a sentence."""
    least = Money(programme.payout_minimum_minor, programme.currency).format()
    more = "More was taken back than is owed; the next rewards offset it."
    said: dict[str, Skip] = {
        "negative": Skip("negative", more),
        "nothing": Skip("nothing_left", "There is nothing left to pay out."),
        "tiny": Skip("below_minimum", "Less than can be paid out in this currency: carried over."),
        "small": Skip("below_minimum", f"Below the minimum of {least}: carried over."),
    }
    said |= {each: Skip(*why) for each, why in carrier_of(programme).why_not.items()}
    said |= {f"tax_{each}": Skip("tax_form", why) for each, why in tax_gate.WHY_NOT.items()}
    return said


def owed_in(lines: ColumnElement[bool], programme: Programme) -> Select[Any]:
    """Of the lines that fulfil a condition: member_id, unit_id, currency, amount, payable, lines, destination, verdict, provider.

    `payable` is the largest part that the provider can pay; the minimum speaks of the programme's currency only.
    """
    summed = (
        select(
            col(Reward.membership_id).label("member_id"),
            col(Reward.currency).label("currency"),
            cast(func.sum(col(Reward.amount_minor)), BigInteger).label("amount"),
            func.count().label("lines"),
        )
        .where(lines)
        .group_by(col(Reward.membership_id), col(Reward.currency))
        .subquery()
    )
    of = summed.c
    small = (of.currency == programme.currency) & (of.amount < programme.payout_minimum_minor)
    carrier = carrier_of(programme, of.currency)
    payable = of.amount - of.amount % carrier.step
    asks_for_forms = programme.tax_forms != "never"
    verdict = case(
        (of.amount < 0, "negative"),
        (of.amount == 0, "nothing"),
        (payable <= 0, "tiny"),
        (small, "small"),
        *([tax_gate.closed(programme, of.currency, payable)] if asks_for_forms else []),
        *carrier.verdicts,
    )
    found = select(
        of.member_id,
        col(Membership.unit_id).label("unit_id"),
        of.currency,
        of.amount,
        payable.label("payable"),
        of.lines,
        func.coalesce(carrier.destination, "").label("destination"),
        verdict.label("verdict"),
        literal(carrier.name).label("provider"),
    ).join(Membership, col(Membership.id) == of.member_id)
    if asks_for_forms:
        found = found.outerjoin(TaxForm, col(TaxForm.person_id) == col(Membership.person_id))
    if (account := carrier.account) is not None:
        found = found.outerjoin(account, col(account.person_id) == col(Membership.person_id))
    return found


def first_owed(lines: ColumnElement[bool], programme: Programme, *, limit: int) -> Sequence[Owed]:
    """The first so many, by advocate."""
    of, said = owed_in(lines, programme).subquery().c, verdicts(programme)
    wanted = select(of.member_id, of.currency, of.amount, of.payable, of.lines, of.verdict)
    rows = session().execute(wanted.order_by(of.member_id, of.currency).limit(limit))
    return [
        Owed(member, currency, int(amount), int(payable), count, None if verdict == PAID else said[verdict])
        for member, currency, amount, payable, count, verdict in rows
    ]
