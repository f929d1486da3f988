"""A coupon that moved or was renamed: a sale is of whoever had it when it was made, whenever it is told."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert
from sqlmodel import select

from advocates.membership import Membership
from core import db
from core.access import COMMAND
from core.clock import at, now
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.looking_again import look_again
from referrals.conversions.waiting import WaitingConversion
from referrals.links.former_coupons import Holding, holder, holder_among
from referrals.links.link_changes import change_link, terms_of
from referrals.links.links import Link, end_link, find_link, get_link
from tests.factories import Cast
from tests.referrals.stories import bring, make_link

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1, seconds=1)


def give(code: str, coupon: str | None) -> None:
    with db.transaction():
        link = get_link(code)
        wanted = dataclasses.replace(terms_of(link), coupon=coupon)
        change_link(link, wanted, by=COMMAND, seen_version=link.version)


def sold(cast: Cast, when: datetime, coupon: str = "BOB10") -> Conversion:
    with db.transaction():
        order = f"o-{when.timestamp()}-{coupon}"
        return bring(cast.north.id, external_id=order, coupon=coupon, occurred_at=when.isoformat())


def owner(conversion: Conversion) -> str | None:
    with db.transaction(read_only=True) as session:
        return session.get_one(Conversion, conversion.id).membership_id


@pytest.fixture
def moved(two: tuple[Membership, Membership]) -> datetime:
    """BOB10 went from Bo's link to Ana's two days from now, a day after it was taken from his."""
    with at(now() + DAY):
        give("bob", "BOB11")
    with at(now() + 2 * DAY):
        give("ana", "BOB10")
        return now()


def test_a_sale_that_is_told_late_is_of_whoever_had_its_coupon_then(
    cast: Cast, two: tuple[Membership, Membership], moved: datetime
) -> None:
    ana, bo = two
    with at(moved + DAY):
        assert owner(sold(cast, moved - DAY - timedelta(seconds=1))) == bo.id
        assert owner(sold(cast, moved)) == owner(sold(cast, moved - timedelta(hours=1))) == ana.id
        assert owner(sold(cast, moved, "BOB11")) == bo.id


def test_what_came_while_nobody_had_the_coupon_is_the_next_holders(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, _bo = two
    start = now()
    with at(start + DAY):
        give("bob", None)
    with at(start + DAY + timedelta(minutes=1)):
        late = sold(cast, start + DAY + timedelta(seconds=30))
        assert owner(late) is None
        give("ana", "BOB10")
    with at(start + DAY + timedelta(minutes=5)):
        assert look_again() == 1
    assert owner(late) == ana.id


def end(code: str) -> None:
    with db.transaction():
        end_link(get_link(code), by=COMMAND)


def test_what_came_after_its_link_had_ended_waits_for_the_next_holder(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    start = now()
    with at(start + DAY):
        end("bob")
    with at(start + DAY + MINUTE):
        before, after = sold(cast, start + DAY - MINUTE), sold(cast, start + DAY + MINUTE / 2)
        assert (owner(before), owner(after)) == (bo.id, None)
        assert after.reason == "nobody's: the link did not run then"
    with at(start + DAY + 3 * MINUTE):
        assert look_again() == 0  # it is of the ended link still
        give("ana", "BOB10")
    with at(start + DAY + timedelta(hours=1)):
        assert look_again() == 1
    assert (owner(before), owner(after)) == (bo.id, ana.id)
    with db.transaction(read_only=True) as session:
        [named] = session.exec(
            select(AttributionCandidate).where(AttributionCandidate.conversion_id == after.id)
        )
        assert (named.membership_id, named.won) == (ana.id, True)


def test_what_came_after_its_link_had_ended_is_let_go_after_two_days(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    start = now()
    with at(start + DAY):
        end("bob")
    with at(start + DAY + MINUTE):
        sold(cast, start + DAY + MINUTE / 2)
    for hours in (1, 2, 12, 30, 54, 80):
        with at(start + DAY + timedelta(hours=hours)):
            look_again()
    with db.transaction(read_only=True) as session:
        assert session.exec(select(WaitingConversion)).all() == []


def test_a_coupon_that_was_renamed_is_found_by_what_waited_for_it(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, _bo = two
    start = now()
    waits = sold(cast, start, "SPRING")
    with at(start + MINUTE):
        give("ana", "SPRING")
    with at(start + 2 * MINUTE):
        give("ana", "SUMMER")
        assert owner(sold(cast, start + timedelta(seconds=1), "SPRING")) == ana.id
        assert look_again() == 1
        assert owner(sold(cast, start + 3 * MINUTE, "SPRING")) is None
    assert owner(waits) == ana.id


def test_a_coupon_on_the_wrong_link_for_a_moment_is_of_whoever_has_it_since(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    start = now()
    waits = sold(cast, start, "SPRING")
    with at(start + MINUTE):
        give("bob", "SPRING")
        mistake = now()
    with at(start + MINUTE + timedelta(seconds=2)):
        give("bob", "BOB10")
        give("ana", "SPRING")
    with at(start + 3 * MINUTE):
        assert look_again() == 1
        assert owner(waits) == owner(sold(cast, start + timedelta(seconds=1), "SPRING")) == ana.id
        assert owner(sold(cast, mistake, "SPRING")) == bo.id
        assert owner(sold(cast, mistake, "BOB10")) == bo.id  # between its two times


def test_a_coupon_that_a_link_began_with_is_held_since_then(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    start = now()
    with at(start + MINUTE), db.transaction():
        make_link(bo, "bob-spring", coupon="SPRING")
    with at(start + 2 * MINUTE):
        give("bob-spring", None)
        give("ana", "SPRING")
    with at(start + 3 * MINUTE):
        assert owner(sold(cast, start, "SPRING")) == ana.id
        assert owner(sold(cast, start + MINUTE, "SPRING")) == bo.id


def test_links_that_are_stored_many_at_once_need_not_name_a_coupon(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, _bo = two
    row = Link(
        code="bulk",
        membership_id=ana.id,
        programme_id=ana.programme_id,
        unit_id=ana.unit_id,
        destination="https://x.example/",
        version=1,
    )
    with db.transaction() as session:
        session.execute(insert(Link), [row.model_dump(exclude_none=True)])
    with db.transaction(read_only=True):
        found = find_link("bulk")
        assert found is not None
        assert found.coupon_since is None


def test_who_had_a_coupon_is_asked_alike_for_one_sale_and_for_many(
    two: tuple[Membership, Membership], moved: datetime
) -> None:
    with db.transaction(read_only=True):
        codes = [getattr(holder("bob10", moment), "code", None) for moment in (moved - 2 * DAY, moved)]
        assert codes == ["bob", "ana"]
        assert holder("nobodys", moved) is None


def test_of_several_who_had_a_coupon() -> None:
    first, day = datetime(2026, 3, 1, tzinfo=UTC), DAY
    ever = [
        Holding(first + day, None, "cleo"),
        Holding(first + 4 * day, None, "bob"),
    ]  # from before it was kept
    assert holder_among(ever, "ana", first) == "cleo"
    assert holder_among(ever, "ana", first + day) == "bob"
    assert holder_among(ever, "ana", first + 4 * day) == "ana"
    kept = [
        Holding(first + day, first, "cleo"),
        Holding(first + 3 * day, first + 2 * day, "dora"),
        Holding(first + 4 * day, first + 3 * day, "bob"),
    ]
    assert holder_among(kept, "ana", first - day) == holder_among(kept, "ana", first + day) == "ana"
    assert holder_among(kept, None, first - day) == holder_among(kept, None, first + day) == "bob"
    assert holder_among(kept, "ana", first + 2 * day) == "dora"
    assert holder_among(kept, None, first + 4 * day) is None


def test_what_waits_is_also_of_a_link_that_had_the_coupon_for_a_while(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, _bo = two
    start = now()
    with at(start + DAY):
        end("bob")
    with at(start + DAY + MINUTE):
        waits = sold(cast, start + DAY + MINUTE / 2)
    with at(start + DAY + MINUTE + timedelta(seconds=10)):
        give("ana", "BOB10")
    with at(start + DAY + MINUTE + timedelta(seconds=20)):
        give("ana", "ANA20")
    with at(start + DAY + timedelta(minutes=5)):
        look_again()
    assert owner(waits) == ana.id
