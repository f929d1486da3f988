"""What an advocate reads of a conversion tells nothing of others who won it or share it."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from advocates.membership import Membership
from core import db
from core.access import COMMAND
from core.people import get_person
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.reassignment import reassign
from referrals.conversions.yours import reason_for, verdict_of, yours
from referrals.links.links import get_link
from tests.factories import Cast, sign_in
from tests.referrals.stories import bring


def conversion(**columns: Any) -> Conversion:  # noqa: ANN401 - columns by name
    return Conversion(**columns)


def candidate(**columns: Any) -> AttributionCandidate:  # noqa: ANN401 - as above
    return AttributionCandidate(**columns)


OTHERS = "won: last click on bob, 2 Nov 2026, 10:15 UTC"


@pytest.mark.parametrize(
    ("verdict", "read"),
    [
        ("lost to last click on bob, 2 Nov 2026, 10:15 UTC", "lost to the last click, on somebody else’s link"),
        ("lost to first click on bob, 2 Nov 2026, 10:15 UTC", "lost to the first click, on somebody else’s link"),
        ("lost to click on bob, 2 Nov 2026, 10:15 UTC, whose programme rules", "lost to a click on somebody else’s link"),
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


def test_who_is_given_it_later_does_not_read_whose_it_was(
    cast: Cast, client: FlaskClient, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    with db.transaction():
        sale = bring(cast.north.id, code="bob", coupon="NOBODYS")
        assert sale.membership_id == bo.id
        link = get_link("ana")
        session = db.session()
        session.add(
            candidate(
                conversion_id=sale.id, position=2, source="code", given="ana", at=sale.occurred_at, link_id=link.id,
                membership_id=ana.id, verdict="lost to code bob",
            )
        )  # fmt: skip
        session.flush()
        reassign(sale, ana, link_id=link.id, why="an appeal", by=COMMAND)
        who = get_person(ana.person_id)
    sign_in(client, who)
    for page in (f"/portal/conversions/{sale.id}", "/portal/links"):
        text = client.get(page).text
        assert "lost to somebody else’s code" in text
        assert "code bob" not in text
