"""Addresses that reach the same box are found by their hashes; a neighbour's never is."""

import pytest

from referrals.fraud.fraud_addresses import digest, forms_of, is_disposable, normalised


@pytest.mark.parametrize(
    ("own", "bought_with"),
    [
        ("ana.moreno@gmail.com", "anamoreno@gmail.com"),
        ("anamoreno@gmail.com", "a.n.a.m.oreno@googlemail.com"),
        ("anamoreno@gmail.com", "anamoreno+shop@gmail.com"),
        ("ana.moreno+spokes@outlook.com", "ana.moreno@outlook.com"),
        ("ana@example.org", "ana@example.org"),
    ],
)
def test_a_form_of_ones_own_address_is_known_by_its_hash(own: str, bought_with: str) -> None:
    assert digest(bought_with) in forms_of(own)
    assert normalised(bought_with) == normalised(own)


@pytest.mark.parametrize(
    ("own", "bought_with"),
    [
        ("ana.moreno@outlook.com", "anamoreno@outlook.com"),  # dots mean something there
        ("ana@example.org", "ana+shop@example.org"),  # and a plus may, anywhere we do not know
        ("ana@gmail.com", "ana@gmail.org"),
        ("ana@gmail.com", "anna@gmail.com"),
    ],
)
def test_another_box_stays_another(own: str, bought_with: str) -> None:
    assert digest(bought_with) not in forms_of(own)
    assert normalised(bought_with) != normalised(own)


def test_a_long_address_has_few_forms() -> None:
    assert len(forms_of(f"{'a' * 64}@gmail.com")) < 100
    assert len(forms_of("abcdefghij@gmail.com")) < 2_000


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("mailinator.com", True),
        ("MAILINATOR.com.", True),
        ("x.mailinator.com", True),
        ("gmail.com", False),
        ("", False),
    ],
)
def test_throw_away_domains_are_known_with_what_is_below_them(domain: str, expected: bool) -> None:
    assert is_disposable(domain) is expected
