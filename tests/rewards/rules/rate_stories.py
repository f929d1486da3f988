"""Rules that pay in euros, and the rates that finance enters for them."""

from datetime import date
from decimal import Decimal

from sqlmodel import col, select

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import now
from core.db import session, transaction
from core.people import Person
from hub import actions
from hub.programmes import get_programme
from hub.units import Unit
from rewards import grants
from rewards.grants import Reward
from rewards.ledger import proof
from rewards.rules import exchange_rates, rules
from rewards.rules.conditions import Conditions
from rewards.rules.exchange_rates import NewRate
from rewards.rules.rate_waits import ENTER
from rewards.rules.rules import Terms
from tests.factories import Cast, acting, make_advocate
from tests.rewards.stories import LONG_AGO, sale

PAGE = "/console/rewards/rates"


def rule_in_euros(cast: Cast, rate_basis_points: int = 1_000, **more: object) -> None:
    """A percentage, paid in the programme's euros."""
    conditions = Conditions(pays_in="EUR", **more)  # type: ignore[arg-type]  # its fields
    terms = Terms("percent", rate_basis_points=rate_basis_points, conditions=conditions)
    rules.change_rule(cast.programme, "sale", terms, by=COMMAND, valid_from=LONG_AGO)


def enter(
    cast: Cast,
    *rates: tuple[str, str, str],
    day: date | None = None,
    source: str = "ECB",
    unit: Unit | None = None,
    by: Person | None = None,
) -> int:
    on = day or now().date()
    with transaction():
        new = [NewRate(base, quote, Decimal(rate), on) for base, quote, rate in rates]
        return exchange_rates.enter((unit or cast.north).id, new, source, by=acting(by or cast.finance))


def paid_in_euros(cast: Cast) -> Membership:
    """An advocate of a programme in UTC that pays a tenth of every sale in euros; opens its own transaction."""
    with transaction():
        rule_in_euros(cast)
        get_programme(cast.programme.id).time_zone = "UTC"
        return make_advocate(cast.programme)


def sold(member: Membership, amount_minor: int = 10_850, currency: str = "USD") -> tuple[str, list[Reward]]:
    with transaction():
        conversion = sale(member, amount_minor, currency)
        return conversion.id, grants.grant_for_conversion(conversion.id)


def rewards_of(conversion_id: str) -> list[Reward]:
    with transaction(read_only=True):
        assert proof.problems() == []
        wanted = select(Reward).where(Reward.conversion_id == conversion_id)
        return list(session().exec(wanted.order_by(col(Reward.id))).all())


def asked_for(cast: Cast) -> list[str]:
    with transaction(read_only=True):
        return sorted(each.summary for each in actions.waiting_for(acting(cast.finance), kind=ENTER).items)
