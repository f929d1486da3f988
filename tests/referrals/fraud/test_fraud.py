"""Scoring is pure: what speaks, how strongly, what it adds, and from when on a person looks."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referrals.fraud.fraud import SIGNALS, Evidence, Threshold, Thresholds, assess
from referrals.fraud.fraud_thresholds import DEFAULTS, HOLD

USUAL = Thresholds(DEFAULTS[HOLD].high, {each: DEFAULTS[each] for each in SIGNALS})


def spoken(evidence: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {each.signal: (each.grade, each.points) for each in assess(Evidence(**evidence), USUAL).signals}


def test_without_evidence_nothing_speaks_and_nothing_is_held() -> None:
    found = assess(Evidence(), USUAL)
    assert (found.score, found.signals, found.holds) == (0, (), False)


@pytest.mark.parametrize("certain", ["own_email", "own_account", "own_card", "own_payout", "own_staff"])
def test_one_certain_sign_is_enough_for_a_person_to_look(certain: str) -> None:
    evidence: dict[str, Any] = {certain: True}
    assert assess(Evidence(**evidence), USUAL).holds


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({"after_click": timedelta(seconds=11)}, {}),
        ({"after_click": timedelta(seconds=10)}, {"seconds_after_click": ("low", 20)}),
        ({"after_click": timedelta(seconds=3)}, {"seconds_after_click": ("high", 40)}),
        ({"after_click": timedelta(seconds=-2)}, {"seconds_after_click": ("high", 40)}),  # clocks differ
        ({"in_an_hour": 5, "in_thirty_days": 5}, {}),
        ({"in_an_hour": 6, "in_thirty_days": 6}, {"burst": ("low", 20)}),
        ({"in_an_hour": 20, "in_thirty_days": 20}, {"burst": ("high", 40)}),
        (
            {"in_an_hour": 20, "in_thirty_days": 20 + 720 * 5},
            {},
        ),  # who always sells five an hour has no burst
        ({"by_click": 9, "clicks": 9}, {}),
        ({"by_click": 10, "clicks": 20}, {"click_ratio": ("low", 20)}),
        ({"by_click": 10, "clicks": 0}, {"click_ratio": ("high", 40)}),
        ({"sales": 4, "given_back": 4}, {}),
        ({"sales": 10, "given_back": 3}, {"refund_rate": ("low", 20)}),
        ({"sales": 10, "given_back": 6}, {"refund_rate": ("high", 40)}),
        ({"device_repeats": 3, "device_advocates": 1}, {"device_repeats": ("low", 15)}),
        ({"device_repeats": 1, "device_advocates": 4}, {"device_advocates": ("high", 40)}),
        ({"disposable_domain": True}, {"disposable_domain": ("high", 30)}),
    ],
)
def test_signals_are_graded(evidence: dict[str, Any], expected: dict[str, tuple[str, int]]) -> None:
    assert spoken(evidence) == expected


def test_a_household_or_a_campus_alone_is_never_held() -> None:
    family = assess(Evidence(device_repeats=50, device_advocates=1), USUAL)
    campus = assess(Evidence(device_repeats=2, device_advocates=40), USUAL)
    assert (family.holds, campus.holds) == (False, False)
    assert family.signals[0].sentence == "50 conversions of this advocate came from one device that day."


def test_weak_signs_are_held_together_and_the_strongest_comes_first() -> None:
    found = assess(Evidence(device_repeats=6, in_an_hour=20, in_thirty_days=20), USUAL)
    assert (found.score, found.holds) == (70, True)
    assert [each.signal for each in found.signals] == ["burst", "device_repeats"]


def test_a_signal_that_is_off_or_weighs_nothing_does_not_speak() -> None:
    off = Threshold(0, 0, 1, 100, on=False)
    silent = Threshold(3, 0, 6, 10)
    limits = Thresholds(70, {**USUAL.signals, "own_email": off, "device_repeats": silent})
    assert assess(Evidence(own_email=True, device_repeats=4), limits).signals == ()


@given(
    st.builds(
        Evidence,
        own_email=st.booleans(),
        disposable_domain=st.booleans(),
        in_an_hour=st.integers(0, 50),
        in_thirty_days=st.integers(0, 50),
        sales=st.integers(0, 30),
        given_back=st.integers(0, 30),
        device_repeats=st.integers(0, 9),
    )
)
def test_the_score_is_the_sum_of_what_is_shown(evidence: Evidence) -> None:
    found = assess(evidence, USUAL)
    assert found.score == sum(each.points for each in found.signals)
    assert found.holds == (found.score >= USUAL.hold_at)
    assert all(each.sentence.endswith(".") for each in found.signals)
