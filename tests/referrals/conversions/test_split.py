from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referrals.conversions import split
from referrals.conversions.attribution import Attribution, Happened, Rule, Source, Touch, decide
from referrals.conversions.rights import Right

SALE = datetime(2026, 11, 2, 10, 15, tzinfo=UTC)
RULES = {
    "p": Rule("split", 30),
    "q": Rule("last_touch", 7),
    "r": Rule("first_touch", 30),
    "s": Rule("coupon_over_click", 30),
}


@pytest.mark.parametrize(
    ("sharers", "weights"),
    [
        (1, [10_000]),
        (2, [5_000, 5_000]),
        (3, [4_000, 2_000, 4_000]),
        (4, [4_000, 1_000, 1_000, 4_000]),
        (5, [4_000, 667, 667, 666, 4_000]),
    ],
)
def test_first_and_last_have_forty_percent_and_those_between_share_twenty(
    sharers: int, weights: list[int]
) -> None:
    assert split.by_position(sharers) == weights


@given(st.integers(1, 23))
def test_weights_sum_to_the_whole(sharers: int) -> None:
    weights = split.by_position(sharers)
    assert (sum(weights), len(weights), min(weights) > 0) == (split.WHOLE, sharers, True)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**12), min_size=1, max_size=23).filter(any))
def test_parts_sum_to_the_whole_and_are_less_than_a_unit_from_exact(total: int, weights: list[int]) -> None:
    given_out = split.parts(total, weights)
    assert sum(given_out) == total
    for part, weight in zip(given_out, weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=5).filter(any), st.lists(st.floats(0, 1), max_size=5)
)
def test_what_is_left_can_be_split_until_nothing_is(left: list[int], refunds: list[float]) -> None:
    for fraction in [*refunds, 1]:
        taken = split.parts(int(sum(left) * fraction), left) if sum(left) else [0] * len(left)
        left = [each - minor for each, minor in zip(left, taken, strict=True)]
        assert min(left) >= 0
    assert sum(left) == 0


@pytest.mark.parametrize(
    ("weight", "said"), [(4_000, "40 %"), (667, "6.67 %"), (10_000, "100 %"), (95, "0.95 %")]
)
def test_percentages_are_written_plainly(weight: int, said: str) -> None:
    assert split.percent(weight) == said


def touch(source: Source, given_as: str, member: str, minutes_before: int = 0, programme: str = "p") -> Touch:
    before = timedelta(minutes=minutes_before if source == "click" else 0)
    return Touch(
        source,
        given_as,
        SALE - before,
        link_id=f"l-{member}",
        code=f"code-{member}",
        membership_id=member,
        programme_id=programme,
    )


def decided(*touches: Touch, lapsed: frozenset[str] = frozenset()) -> Attribution:
    def rights(each: Touch) -> Right:
        return Right(False, ("term",)) if each.membership_id in lapsed else Right(True)

    return decide(Happened(SALE), touches, RULES, rights)


def weights(attribution: Attribution) -> dict[str, int]:
    return {each.touch.membership_id: each.weight_basis_points for each in attribution.shares}


def test_everybody_on_the_way_shares_and_is_told_why() -> None:
    ana, ben, cleo = (
        touch("click", "1", "ana", 300),
        touch("click", "2", "ben", 200),
        touch("coupon", "C", "cleo"),
    )
    attribution = decided(cleo, ben, ana)
    assert weights(attribution) == {"ana": 4_000, "ben": 2_000, "cleo": 4_000}
    assert attribution.winner is cleo
    assert attribution.reason == "shared: code-ana 40 %, code-ben 20 %, code-cleo 40 %"
    assert [each.verdict for each in attribution.candidates] == [
        "shares 40 %: coupon C",
        "shares 20 %: click on code-ben, 2 Nov 2026, 06:55 UTC",
        "shares 40 %: click on code-ana, 2 Nov 2026, 05:15 UTC",
    ]


def test_the_known_customer_comes_first_and_the_coupon_last() -> None:
    way = [
        touch("customer", "c", "dan"),
        touch("click", "1", "ana", 9),
        touch("code", "x", "ben"),
        touch("coupon", "y", "cleo"),
    ]
    assert weights(decided(*way)) == {"dan": 4_000, "ana": 1_000, "ben": 1_000, "cleo": 4_000}


def test_an_advocate_who_appears_twice_has_one_share() -> None:
    attribution = decided(
        touch("click", "1", "ana", 3), touch("click", "2", "ben", 2), touch("click", "3", "ana", 1)
    )
    assert weights(attribution) == {"ana": 5_000, "ben": 5_000}
    assert attribution.winner is not None
    assert attribution.winner.given == "3"
    assert attribution.candidates[0].verdict == "counted once, with the last touch of the same advocate"


def test_one_alone_has_all_and_reads_like_any_other_winner() -> None:
    attribution = decided(
        touch("click", "1", "ana", 3), touch("click", "2", "ben", 2), lapsed=frozenset({"ben"})
    )
    assert weights(attribution) == {"ana": 10_000}
    assert attribution.reason.startswith("won: click on code-ana")
    assert attribution.candidates[1].verdict == "the advocate had no right to earn then: term"


def test_only_the_programme_that_rules_shares() -> None:
    attribution = decided(
        touch("click", "1", "ana", 3, "q"), touch("click", "2", "ben", 2), touch("click", "3", "cleo", 1)
    )
    assert weights(attribution) == {"ben": 5_000, "cleo": 5_000}
    assert attribution.candidates[0].verdict.startswith("lost to click on code-cleo")
    assert weights(decided(touch("click", "1", "ana", 3), touch("click", "2", "ben", 2, "q"))) == {
        "ben": 10_000
    }


SOURCES: tuple[Source, ...] = ("click", "code", "coupon", "customer")
any_touch = st.builds(
    touch,
    st.sampled_from(SOURCES),
    st.text("abc", min_size=1, max_size=3),
    st.sampled_from(["ana", "ben", "cleo", "dan", "eve"]),
    st.integers(-10, 45_000),
    st.sampled_from(["p", "p", "q", "r", "s"]),
)
ways = st.lists(any_touch, max_size=8, unique_by=lambda each: (each.source, each.given))


@given(ways, st.frozensets(st.sampled_from(["ana", "ben"])), st.data())
def test_the_order_in_which_touches_were_sent_decides_nothing(
    way: list[Touch], lapsed: frozenset[str], data: st.DataObject
) -> None:
    one, other = decided(*way, lapsed=lapsed), decided(*data.draw(st.permutations(way)), lapsed=lapsed)
    assert one.winner == other.winner
    assert sorted(map(repr, one.candidates)) == sorted(map(repr, other.candidates))


@given(ways, st.frozensets(st.sampled_from(["ana", "ben"])))
def test_either_nobody_wins_or_all_of_it_is_won_and_each_candidate_is_told_why(
    way: list[Touch], lapsed: frozenset[str]
) -> None:
    attribution = decided(*way, lapsed=lapsed)
    assert sum(each.weight_basis_points for each in attribution.candidates) == (
        split.WHOLE if attribution.winner else 0
    )
    assert [each.touch for each in attribution.candidates] == way
    assert all(each.verdict for each in attribution.candidates)
    assert attribution.reason
    winners = [each.touch.membership_id for each in attribution.shares]
    assert len(set(winners)) == len(winners)
    assert not lapsed & set(winners)
    assert len({each.touch.programme_id for each in attribution.shares}) <= 1
    if attribution.winner is not None:
        assert attribution.winner.membership_id in winners
