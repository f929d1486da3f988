from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access import COMMAND
from core.clock import now
from core.db import transaction
from core.money import POINTS, Money, UnknownCurrency, share
from referrals.conversions.won import Bought
from rewards.rules import rules
from rewards.rules.arithmetic import Fact, reward_for
from rewards.rules.conditions import (
    NONE,
    Conditions,
    ProductRate,
    WrongConditions,
    month_of_customer,
    read,
    written,
)
from rewards.rules.rules import (
    ConditionsDoNotFit,
    NoMoneyHere,
    PercentOfNothing,
    RuleOverlaps,
    Terms,
    Version,
    WrongTerms,
)
from tests.factories import Cast
from tests.rewards.stories import percent_rule


def rule_of(rate_basis_points: int, conditions: Conditions = NONE) -> Version:
    return Version(
        "r", "p", "sale", "money", 4, "percent", rate_basis_points, 0, "", now(), None, conditions, "EUR", 30,
        ZoneInfo("UTC"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("amount_minor", "currency", "rate", "expected", "says"),
    [
        (12_900, "EUR", 1_000, 1_290, "10 % of €129.00 = €12.90 (sale rule, version 4)"),
        (1_234, "JPY", 1_250, 154, "12.5 % of ¥1,234 = ¥154 (sale rule, version 4)"),
        (12_345, "KWD", 1_000, 1_234, "10 % of KWD12.345 = KWD1.234 (sale rule, version 4)"),
        (5, "EUR", 1_000, 0, "10 % of €0.05 = €0.00 (sale rule, version 4)"),
        (15, "EUR", 1_000, 2, "10 % of €0.15 = €0.02 (sale rule, version 4)"),
    ],
)
def test_percentages_are_rounded_half_to_even_in_the_currency_of_the_sale(
    amount_minor: int, currency: str, rate: int, expected: int, says: str
) -> None:
    computed = reward_for(Fact("sale", Money(amount_minor, currency)), rule_of(rate))
    assert computed.amount == Money(expected, currency)
    assert computed.arithmetic == says


@given(st.integers(0, 10**15), st.integers(1, 10_000))
def test_a_percentage_never_exceeds_its_base(amount_minor: int, rate: int) -> None:
    computed = reward_for(Fact("sale", Money(amount_minor, "EUR")), rule_of(rate))
    assert 0 <= computed.amount.amount_minor <= amount_minor


def test_a_percentage_of_a_lead_without_an_amount_is_nothing() -> None:
    assert reward_for(Fact("lead"), rule_of(1_000)).amount.amount_minor == 0


@given(
    st.integers(0, 10**12),
    st.lists(st.tuples(st.sampled_from(["PRO-1", "PRO-2", "BOOK", "X"]), st.integers(0, 10**12)), max_size=6),
)
def test_parts_at_several_rates_sum_to_the_base_and_the_reward_lies_between_the_rates(
    amount_minor: int, lines: list[tuple[str, int]]
) -> None:
    bought = Bought(lines=[{"sku": sku, "amount_minor": minor} for sku, minor in lines])
    rule = rule_of(1_000, Conditions((ProductRate("PRO-*", 2_000), ProductRate("BOOK", 500))))
    computed = reward_for(Fact("sale", Money(amount_minor, "EUR"), bought), rule)
    assert share(amount_minor, 500) <= computed.amount.amount_minor <= share(amount_minor, 2_000)


LINES = ({"sku": "PRO-1", "amount_minor": 5_000}, {"sku": "BOOK", "amount_minor": 4_000})
PRODUCTS = (ProductRate("PRO-*", 2_000), ProductRate("BOOK", 0))


@pytest.mark.parametrize(
    ("conditions", "bought", "expected", "says"),
    [
        (
            Conditions(PRODUCTS), Bought(lines=LINES), 1_390,
            "20 % of €50.00 for PRO-* and 0 % of €40.00 for BOOK and 10 % of €39.00 = €13.90",
        ),
        (
            Conditions(without=("tax", "shipping")), Bought(2_060, 500), 1_034,
            "€129.00 less €20.60 tax, less €5.00 shipping = €103.40; 10 % of €103.40 = €10.34",
        ),
        (
            Conditions(without=("discount",)), Bought(discount_minor=1_100), 1_400,
            "€129.00 plus €11.00 discount = €140.00; 10 % of €140.00 = €14.00",
        ),
        (Conditions(PRODUCTS, ("tax",)), Bought(), 1_290, "10 % of €129.00 = €12.90"),
        (
            Conditions(PRODUCTS, ("tax",)), Bought(8_400, lines=LINES), 500,
            "€129.00 less €84.00 tax = €45.00; 20 % of €25.00 for PRO-* and 0 % of €20.00 for BOOK = €5.00",
        ),
    ],
)  # fmt: skip
def test_products_have_rates_of_their_own_and_the_base_is_without_what_the_rule_says(
    conditions: Conditions, bought: Bought, expected: int, says: str
) -> None:
    computed = reward_for(Fact("sale", Money(12_900, "EUR"), bought), rule_of(1_000, conditions))
    assert computed.amount == Money(expected, "EUR")
    assert computed.arithmetic == f"{says} (sale rule, version 4)"


@pytest.mark.parametrize(
    ("first", "at", "month"),
    [
        ("2026-01-31T10:00:00+00:00", "2026-02-28T23:00:00+00:00", 1),
        ("2026-01-31T10:00:00+00:00", "2026-03-01T00:00:00+00:00", 2),
        ("2026-01-15T10:00:00+00:00", "2026-02-15T09:59:59+00:00", 1),
        ("2026-01-15T10:00:00+00:00", "2026-02-15T10:00:00+00:00", 2),
        ("2026-01-15T10:00:00+00:00", "2027-01-15T10:00:00+00:00", 13),
    ],
)
def test_months_of_a_customer_turn_on_the_day_they_began(first: str, at: str, month: int) -> None:
    begun, moment = datetime.fromisoformat(first), datetime.fromisoformat(at)
    assert month_of_customer(begun, moment, ZoneInfo("UTC")) == month


def test_a_rule_says_what_it_asks_and_what_was_written_is_read_again(cast: Cast) -> None:
    asked = Conditions((ProductRate("PRO-*", 2_050),), ("tax", "discount"), 12, 50_000, "quarter")
    assert read(written(asked)) == asked
    with transaction():
        terms = Terms("percent", rate_basis_points=1_000, conditions=asked)
        rule = rules.change_rule(cast.programme, "recurring", terms, by=COMMAND)
        assert rules.sentence(rule) == (
            "10 % of each recurring sale; 20.5 % for PRO-*; without tax; before discount; "
            "in a customer's first 12 months; at most €500.00 a quarter"
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"products": (ProductRate("A", 10_001),)},
        {"products": (ProductRate("A", 1), ProductRate("A", 2))},
        {"products": (ProductRate("", 1),)},
        {"first_months": 121},
        {"cap_minor": -1},
    ],
)
def test_conditions_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongConditions):
        Conditions(**wrong)


def test_a_change_is_a_new_version_and_the_old_one_ends_where_it_begins(cast: Cast) -> None:
    with transaction():
        first = percent_rule(cast.programme, 1_000)
        change = now()
        second = rules.change_rule(
            cast.programme, "sale", Terms("percent", rate_basis_points=1_200), by=COMMAND, valid_from=change
        )
        assert (first.version, second.version, first.valid_to) == (1, 2, change)
        just_before = change - timedelta(microseconds=1)
        assert [each.version for each in rules.rules_at(cast.programme.id, "sale", just_before)] == [1]
        assert [each.version for each in rules.rules_at(cast.programme.id, "sale", change)] == [2]


def test_money_and_points_for_the_same_trigger_run_side_by_side(cast: Cast) -> None:
    with transaction():
        percent_rule(cast.programme)
        rules.change_rule(cast.programme, "sale", Terms("flat", flat=Money(5, POINTS)), by=COMMAND)
        assert [each.pays for each in rules.rules_at(cast.programme.id, "sale", now())] == ["money", "points"]


@pytest.mark.parametrize(
    "terms", [Terms("percent", rate_basis_points=500), Terms("flat", flat=Money(500, "EUR"))]
)
def test_a_recognition_programme_cannot_have_a_rule_that_pays_money(cast: Cast, terms: Terms) -> None:
    with transaction(), pytest.raises(NoMoneyHere):
        rules.change_rule(cast.other_programme, "sale", terms, by=COMMAND)
    with transaction():
        rules.change_rule(cast.other_programme, "sale", Terms("flat", flat=Money(5, POINTS)), by=COMMAND)


@pytest.mark.parametrize(
    ("trigger", "terms", "refusal"),
    [
        ("sale", Terms("percent"), WrongTerms),
        ("sale", Terms("percent", rate_basis_points=10_001), WrongTerms),
        ("sale", Terms("percent", rate_basis_points=10, flat=Money(1, "EUR")), WrongTerms),
        ("sale", Terms("flat"), WrongTerms),
        ("sale", Terms("flat", flat=Money(0, "EUR")), WrongTerms),
        ("sale", Terms("flat", flat=Money(10**18, "EUR")), WrongTerms),
        ("sale", Terms("flat", flat=Money(1, "XYZ")), UnknownCurrency),
        ("certification", Terms("percent", rate_basis_points=10), PercentOfNothing),
        (
            "sale",
            Terms("percent", rate_basis_points=10, conditions=Conditions(first_months=3)),
            ConditionsDoNotFit,
        ),
        (
            "sale",
            Terms("flat", flat=Money(1, "EUR"), conditions=Conditions(without=("tax",))),
            ConditionsDoNotFit,
        ),
        ("sale", Terms("percent", conditions=Conditions((ProductRate("A", 0),))), WrongTerms),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    cast: Cast, trigger: rules.Trigger, terms: Terms, refusal: type[Exception]
) -> None:
    with transaction(), pytest.raises(refusal):
        rules.change_rule(cast.programme, trigger, terms, by=COMMAND)


def test_a_version_cannot_begin_before_the_one_it_follows(cast: Cast) -> None:
    with transaction():
        rules.change_rule(cast.programme, "sale", Terms("percent", rate_basis_points=10), by=COMMAND)
        with pytest.raises(RuleOverlaps):
            percent_rule(cast.programme)
