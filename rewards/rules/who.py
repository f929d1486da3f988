"""Who an advocate was at a moment, as rules look at it: their tier then, and the country that is on record now."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal_column
from sqlalchemy import select as select_columns
from sqlmodel import col

from advocates.membership import Membership
from advocates.tiers import held_at
from core.reading import Reading, among
from rewards.payouts.accounts import PayoutAccount
from rewards.rules.conditions import NOBODY, Conditions, Who
from rewards.tax.tax_forms import TaxForm


def _countries() -> Any:  # noqa: ANN401 - a SELECT of any columns
    accepted = (col(TaxForm.person_id) == col(Membership.person_id)) & (
        col(TaxForm.state) == literal_column("'accepted'")
    )
    known = func.coalesce(col(TaxForm.country), col(PayoutAccount.country))
    return (
        select_columns(col(Membership.id), known)
        .outerjoin(TaxForm, accepted)
        .outerjoin(PayoutAccount, col(PayoutAccount.person_id) == col(Membership.person_id))
        .where(among(Membership.id), known.is_not(None))
    )


_COUNTRIES = Reading(_countries)
"""of the accepted tax form, else of the payout account, where Stripe asks for proof: nobody just says where they are"""


def who_were(
    asked: Iterable[tuple[str, datetime]], conditions: Iterable[Conditions]
) -> dict[tuple[str, datetime], Who]:
    """(membership, moment) → who they were; reads only what these conditions ask for."""
    wanted, kinds = list(asked), {each.of for one in conditions for each in one.for_whom}
    tiers = held_at(wanted) if "tier" in kinds else {}
    members = {member for member, _at in wanted} if "country" in kinds else set()
    countries = dict(_COUNTRIES.rows(members))
    return {
        place: Who(tiers.get(place, ""), countries.get(place[0], ""))
        for place in wanted
        if place in tiers or place[0] in countries
    }


__all__ = ["NOBODY", "Who", "who_were"]
