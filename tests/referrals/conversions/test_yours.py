"""What an advocate reads of a conversion tells nothing of others who won it or share it."""

from typing import Any

import pytest

from advocates.membership import Membership
from core import db
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.yours import reason_for, verdict_of, yours
from tests.factories import Cast
from tests.referrals.stories import bring


def conversion(**columns: Any) -> Conversion:  # noqa: ANN401 - columns by name
    return Conversion(**columns)


def candidate(**columns: Any) -> AttributionCandidate:  # noqa: ANN401 - as above
    return AttributionCandidate(**columns)


OTHERS = "won: last click on bob, 2 Nov 2026, 10:15 UTC"


@pytest.mark.parametrize(
    ("verdict", "read"),
    [
        ("lost to last click on bob, 2 Nov 2026, 10:15 UTC", "lost to a later click of somebody else’s"),
        ("lost to first click on bob, 2 Nov 2026, 10:15 UTC", "lost to an earlier click of somebody else’s"),
        ("lost to click on bob, 2 Nov 2026, 10:15 UTC, whose programme rules", "lost to a click of somebody else’s"),
        ("lost to code bob", "lost to somebody else’s code"),
        ("lost to coupon BOB10", "lost to somebody else’s coupon"),
        ("lost to known customer, last brought by bob", "lost to whoever brought the customer before"),
        ("given to another: a mistake (first: lost to code bob)", "given to another: a mistake (first: lost to somebody else’s code)"),
        ("outside the window of 30 days", "outside the window of 30 days"),
    ],
)  # fmt: skip
def test_who_it_was_lost_to_is_not_named(verdict: str, read: str) -> None:
    lost = candidate(membership_id="ana", verdict=verdict)
    assert verdict_of(conversion(membership_id="bo"), lost) == read


def test_what_is_ones_own_is_said_whole() -> None:
    lost = candidate(membership_id="ana", verdict="lost to last click on ana-2, 2 Nov 2026, 10:15 UTC")
    assert verdict_of(conversion(membership_id="ana"), lost) == lost.verdict


def test_a_reason_is_said_to_whoever_has_it_alone() -> None:
    alone = conversion(membership_id="bo", reason=OTHERS, shared=False)
    shared = conversion(membership_id="bo", reason="shared: bob 50 %, ana 50 %", shared=True)
    assert reason_for("bo", alone) == OTHERS
    assert reason_for("ana", alone) == "somebody else’s by now"
    assert {reason_for(each, shared) for each in ("ana", "bo")} == {"shared with other advocates"}


def test_the_two_of_one_order_read_of_their_own(cast: Cast, two: tuple[Membership, Membership]) -> None:
    ana, bo = two
    with db.transaction():
        bring(cast.north.id, code="ana", coupon="BOB10")
    with db.transaction(read_only=True):
        (anas,), (bos,) = yours(ana.id).rows, yours(bo.id).rows
        assert (verdict_of(*anas), verdict_of(*bos)) == ("won: code ana", "lost to somebody else’s code")
