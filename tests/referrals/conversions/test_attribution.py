from datetime import UTC, datetime, timedelta

import pytest

from hub.programmes import AttributionRule
from referrals.conversions.attribution import Attribution, Happened, Rule, Touch, decide
from referrals.conversions.rights import Right

SALE = datetime(2026, 11, 2, 10, 15, tzinfo=UTC)
DAY = timedelta(days=1)


def click(number: int, before: timedelta, **changes: str) -> Touch:
    known = {
        "code": f"link-{number}",
        "membership_id": f"m{number}",
        "programme_id": "p",
        "link_id": f"l{number}",
    }
    return Touch("click", f"{number:026d}", SALE - before, **{**known, **changes})


def coupon(name: str = "ANA10", **changes: str) -> Touch:
    known = {"code": "ana", "membership_id": "mc", "programme_id": "p", "link_id": "lc"}
    return Touch("coupon", name, SALE, **{**known, **changes})


def decided(
    *touches: Touch, rule: AttributionRule = "last_touch", lapsed: tuple[str, ...] = (), email: str = ""
) -> Attribution:
    def rights(touch: Touch) -> Right:
        return Right(False, ("term",)) if touch.membership_id in lapsed else Right(True)

    return decide(Happened(SALE, email), touches, {"p": Rule(rule, 30), "q": Rule("first_touch", 7)}, rights)


def verdicts(attribution: Attribution) -> list[str]:
    return [each.verdict for each in attribution.candidates]


def test_the_last_click_wins_and_every_candidate_is_told_why() -> None:
    early, late = click(1, 2 * DAY), click(2, DAY)
    attribution = decided(early, late)
    assert attribution.winner is late
    assert attribution.reason == "won: last click on link-2, 1 Nov 2026, 10:15 UTC"
    assert verdicts(attribution) == [
        "lost to last click on link-2, 1 Nov 2026, 10:15 UTC",
        "won: last click on link-2, 1 Nov 2026, 10:15 UTC",
    ]


def test_the_first_click_wins_where_the_programme_says_so() -> None:
    early, late = click(1, 2 * DAY), click(2, DAY)
    assert decided(late, early, rule="first_touch").winner is early


def test_clicks_of_the_same_instant_are_settled_the_same_way_whatever_their_order() -> None:
    one, other = click(1, DAY), click(2, DAY)
    assert decided(one, other).winner == decided(other, one).winner == other
    assert decided(one, other, rule="first_touch").winner == one


@pytest.mark.parametrize(
    ("before", "counts"), [(30 * DAY, True), (30 * DAY + timedelta(milliseconds=1), False)]
)
def test_the_window_ends_with_its_last_instant_included(before: timedelta, counts: bool) -> None:
    attribution = decided(click(1, before))
    assert (attribution.winner is not None) == counts
    if not counts:
        assert attribution.reason == "nobody's: outside the window of 30 days"


def test_a_click_after_the_sale_counts_only_within_what_clocks_differ() -> None:
    assert decided(click(1, timedelta(minutes=-4))).winner is not None
    assert verdicts(decided(click(1, timedelta(minutes=-6)))) == ["clicked after the conversion"]


@pytest.mark.parametrize("rule", ["last_touch", "first_touch", "split"])
def test_a_click_after_the_sale_takes_nothing_from_one_before_it(rule: AttributionRule) -> None:
    early, late = click(1, timedelta(minutes=30)), click(2, timedelta(minutes=-4))
    attribution = decided(late, early, rule=rule)
    assert [each.touch for each in attribution.shares] == [early]
    assert verdicts(attribution)[0] == "clicked after the conversion"
    assert decided(late, early, rule=rule, lapsed=("m1",)).winner is late


def test_a_click_comes_before_a_coupon_unless_the_programme_says_otherwise() -> None:
    clicked, typed = click(1, DAY), coupon()
    assert decided(clicked, typed).winner is clicked
    assert decided(clicked, typed, rule="coupon_over_click").winner is typed
    assert decided(clicked, typed, rule="coupon_over_click").candidates[0].verdict == "lost to coupon ANA10"


def test_a_coupon_wins_when_the_click_is_too_old() -> None:
    assert decided(click(1, 31 * DAY), coupon()).reason == "won: coupon ANA10"


def test_a_known_customer_counts_only_when_nothing_else_does() -> None:
    known = Touch("customer", "c-7", SALE, link_id="lk", code="ana", membership_id="mk", programme_id="p")
    assert decided(known, coupon()).reason == "won: coupon ANA10"
    assert decided(known, click(1, 40 * DAY)).winner is known
    assert decided(known).reason == "won: known customer, last brought by ana"


def test_a_known_customer_of_another_programme_does_not_choose_the_rule() -> None:
    known = Touch("customer", "c-7", SALE, link_id="lk", code="ana", membership_id="mk", programme_id="p")
    early, late = click(1, 2 * DAY, programme_id="q"), click(2, DAY, programme_id="q")
    assert decided(known, late, early, rule="split").winner is early, "the first touch, as q says"
    assert [each.touch for each in decided(known, rule="split").shares] == [known]


def test_without_the_right_to_earn_the_next_one_wins() -> None:
    early, late = click(1, 2 * DAY), click(2, DAY)
    attribution = decided(early, late, lapsed=("m2",))
    assert attribution.winner is early
    assert verdicts(attribution)[1] == "the advocate had no right to earn then: term"


def test_an_own_purchase_is_nobodys() -> None:
    own = click(1, DAY, owner_email_sha256="e" * 64)
    attribution = decided(own, email="e" * 64)
    assert (attribution.winner, verdicts(attribution)) == (None, ["own purchase"])
    assert decided(click(1, DAY), email="").winner is not None


def test_what_is_no_touch_of_ours_is_kept_with_its_reason() -> None:
    forged = Touch("click", "x", SALE, problem="token not ours")
    attribution = decided(forged, coupon())
    assert attribution.reason == "won: coupon ANA10"
    assert verdicts(attribution)[0] == "token not ours"
    assert decided(forged).reason == "nobody's: token not ours"
    assert decided().reason == "nobody's: nothing ties it to an advocate"


def test_of_two_programmes_each_has_its_window_and_the_later_touch_rules() -> None:
    early, late = click(1, 5 * DAY), click(2, DAY, programme_id="q")
    assert decided(early, late).winner is early
    assert decided(early, click(2, 8 * DAY, programme_id="q")).winner is early
