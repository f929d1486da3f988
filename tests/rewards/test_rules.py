from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access import COMMAND
from core.clock import now
from core.db import transaction
from core.money import POINTS, Money, UnknownCurrency
from rewards import rules
from rewards.rules import Fact, NoMoneyHere, PercentOfNothing, RewardRule, RuleOverlaps, Terms, WrongTerms
from tests.factories import Cast
from tests.rewards.stories import percent_rule


def rule_of(rate_basis_points: int) -> RewardRule:
    return RewardRule(
        programme_id="p", trigger="sale", pays="money", version=4, kind="percent",
        rate_basis_points=rate_basis_points, valid_from=now(),
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
    computed = rules.reward_for(Fact("sale", Money(amount_minor, currency)), rule_of(rate))
    assert computed.amount == Money(expected, currency)
    assert computed.arithmetic == says


@given(st.integers(0, 10**15), st.integers(1, 10_000))
def test_a_percentage_never_exceeds_its_base(amount_minor: int, rate: int) -> None:
    computed = rules.reward_for(Fact("sale", Money(amount_minor, "EUR")), rule_of(rate))
    assert 0 <= computed.amount.amount_minor <= amount_minor


def test_a_percentage_of_a_lead_without_an_amount_is_nothing() -> None:
    assert rules.reward_for(Fact("lead"), rule_of(1_000)).amount.amount_minor == 0


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
