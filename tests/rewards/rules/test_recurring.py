"""Sales to customers who bought before: rules of their own, for so many months."""

from datetime import datetime, timedelta

from core.access import COMMAND
from core.clock import now
from core.db import session, transaction
from core.money import POINTS, Money
from referrals.conversions.conversions import Conversion
from rewards import grants
from rewards.ledger import proof
from rewards.rules import rules
from rewards.rules.conditions import Conditions
from rewards.rules.rules import Terms
from tests.factories import Cast, make_advocate
from tests.rewards.stories import LONG_AGO, percent_rule, points_rule, sale


def recurring_rule(cast: Cast, months: int) -> None:
    terms = Terms("percent", rate_basis_points=500, conditions=Conditions(first_months=months))
    rules.change_rule(cast.programme, "recurring", terms, by=COMMAND, valid_from=LONG_AGO)


def earned(conversion: Conversion) -> list[tuple[int, str]]:
    return [(each.amount_minor, each.currency) for each in grants.grant_for_conversion(conversion.id)]


def bought(cast: Cast, whose: object, when: datetime, customer: str) -> Conversion:
    made = sale(whose, 10_000, when=when)  # type: ignore[arg-type]  # a membership
    made.customer_id = customer
    session().flush()
    return made


def test_a_customers_later_sales_earn_by_the_recurring_rule_and_only_in_the_first_months(cast: Cast) -> None:
    with transaction():
        percent_rule(cast.programme)
        points_rule(cast.programme, "sale", 7)
        recurring_rule(cast, 2)
        ana, start = make_advocate(cast.programme), now() - timedelta(days=100)
        sales = [bought(cast, ana, start + timedelta(days=each), "c-1") for each in (0, 10, 40, 70)]
        money, points = [(1_000, "EUR"), (500, "EUR")], (7, POINTS)
        assert [earned(each) for each in sales] == [
            [money[0], points],
            [money[1], points],
            [money[1], points],
            [points],
        ]
        assert grants.rewards_of_conversion(sales[1].id)[0].arithmetic == (
            "5 % of €100.00 = €5.00 (recurring rule, version 1, the customer's month 1 of 2)"
        )
        assert earned(bought(cast, ana, now(), "")) == [money[0], points]
        assert earned(bought(cast, ana, now(), "c-2")) == [money[0], points]
        assert proof.problems() == []


def test_nobodys_sale_begins_no_months_and_without_a_recurring_rule_a_later_sale_is_a_sale(
    cast: Cast,
) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        first = bought(cast, ana, now() - timedelta(days=50), "c-1")
        assert earned(bought(cast, ana, now() - timedelta(days=5), "c-1")) == [(1_000, "EUR")]
        recurring_rule(cast, 1)
        assert earned(bought(cast, ana, now(), "c-1")) == []
        first.membership_id = None
        session().flush()
        assert earned(bought(cast, ana, now(), "c-1")) == [(500, "EUR")]


def test_a_flat_recurring_rule_says_so(cast: Cast) -> None:
    with transaction():
        rules.change_rule(
            cast.programme,
            "recurring",
            Terms("flat", flat=Money(250, "EUR")),
            by=COMMAND,
            valid_from=LONG_AGO,
        )
        ana = make_advocate(cast.programme)
        assert earned(bought(cast, ana, now() - timedelta(days=1), "c-1")) == []
        (reward,) = grants.grant_for_conversion(bought(cast, ana, now(), "c-1").id)
        assert reward.arithmetic == "€2.50 for each recurring sale (recurring rule, version 1)"
