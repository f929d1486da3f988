"""Conversions that wait for a code or coupon: found later they are decided as if it had been known, once."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from advocates.membership import Membership
from core import db
from core.access import COMMAND
from core.clock import at, now
from hub import metrics
from referrals.conversions import looking_again
from referrals.conversions.conversion_input import NewConversion
from referrals.conversions.conversions import Conversion, candidates_of, get_conversion, record
from referrals.conversions.looking_again import look_again
from referrals.conversions.reassignment import Reassignment, reassign
from referrals.conversions.waiting import LOOKS, WaitingConversion
from referrals.links.link_changes import change_link, terms_of
from referrals.links.links import get_link
from rewards.reward import Reward
from tests.factories import Cast, acting
from tests.referrals.stories import bring, give_back, make_earner, make_link, order
from tests.rewards.stories import percent_rule

MINUTE = timedelta(minutes=1, seconds=1)


@pytest.fixture
def ana(cast: Cast) -> Membership:
    """She has a link, since before today's sales."""
    with db.transaction():
        percent_rule(cast.programme)
        member = make_earner(cast.programme)
        make_link(member, "ana")
        return member


def sold(cast: Cast, **named: Any) -> Conversion:  # noqa: ANN401 - what a shop may say
    """A sale that names something; nobody knows it."""
    with db.transaction():
        made = bring(cast.north.id, **named)
        assert made.membership_id is None
        return made


def give_coupon(cast: Cast, coupon: str = "ANA10") -> None:
    with db.transaction():
        link = get_link("ana")
        wanted = replace(terms_of(link), coupon=coupon)
        change_link(link, wanted, by=acting(cast.manager), seen_version=link.version)


def owner(conversion: Conversion) -> str | None:
    with db.transaction(read_only=True):
        return get_conversion(conversion.id).membership_id


def waiting() -> int:
    with db.transaction(read_only=True):
        assert metrics.differences() == []
        return len(db.session().exec(select(WaitingConversion)).all())


def later(by: timedelta = MINUTE) -> datetime:
    return now() + by


def test_a_coupon_that_becomes_known_earns_for_the_sales_that_named_it_before(
    cast: Cast, ana: Membership
) -> None:
    conversion = sold(cast, coupon="ana10")
    with at(later()):
        assert look_again() == 0
    give_coupon(cast)
    assert look_again() == 0  # not due yet
    with at(later(LOOKS[1] + MINUTE)):
        assert look_again() == 1
        assert look_again() == 0
    assert (owner(conversion), waiting()) == (ana.id, 0)
    with db.transaction(read_only=True):
        stored = get_conversion(conversion.id)
        assert stored.reason.startswith("won: the coupon ana10 became known on ")
        (candidate,) = candidates_of([conversion.id])[conversion.id]
        assert (candidate.won, candidate.membership_id, candidate.share_minor) == (True, ana.id, 12_900)
        assert "first: no link with this coupon" in candidate.verdict
        (reward,) = db.session().exec(select(Reward).where(Reward.conversion_id == conversion.id)).all()
        assert (reward.membership_id, reward.amount_minor) == (ana.id, 1_290)
        assert metrics.value_of("sales", "all", ana.id) == 1


def test_a_link_that_began_after_the_sale_earns_nothing_for_it_and_says_why(
    cast: Cast, ana: Membership
) -> None:
    conversion = sold(cast, code="late")
    with at(later()):
        with db.transaction():
            make_link(ana, "late")
        assert look_again() == 0
    assert (owner(conversion), waiting()) == (None, 0)
    with db.transaction(read_only=True):
        (candidate,) = candidates_of([conversion.id])[conversion.id]
        assert (candidate.verdict, candidate.membership_id) == ("the link did not run then", ana.id)
        assert get_conversion(conversion.id).reason == "nobody's: the link did not run then"


def test_what_stays_unknown_is_let_go_after_two_days(cast: Cast, ana: Membership) -> None:
    conversion = sold(cast, coupon="SUMMER20")
    begun, looks = now(), 0
    while waiting() and looks < 20:
        looks += 1
        with at(begun + LOOKS[min(looks, len(LOOKS)) - 1] + looks * MINUTE):
            assert look_again() == 0
    assert looks == len(LOOKS)
    give_coupon(cast, "SUMMER20")
    with at(begun + timedelta(days=9)):
        assert look_again() == 0
    assert owner(conversion) is None


def test_what_somebody_won_or_names_nothing_unknown_does_not_wait(cast: Cast, ana: Membership) -> None:
    with db.transaction():
        bring(cast.north.id, code="ana", coupon="UNKNOWN")
        bring(cast.north.id, customer={"external_id": "somebody"})
        bring(cast.north.id, click="not-a-token")
        bring(cast.south.id, code="ana")  # another unit's
    assert waiting() == 0


def test_what_a_person_decided_meanwhile_stands(cast: Cast, ana: Membership) -> None:
    given, taken = sold(cast, coupon="ANA10"), sold(cast, coupon="ANA10")
    with db.transaction():
        bob = make_earner(cast.programme, "Bob")
        reassign(get_conversion(given.id), bob, link_id=None, why="it was his", by=acting(cast.manager))
        reassign(get_conversion(taken.id), bob, link_id=None, why="it was his", by=acting(cast.manager))
        reassign(get_conversion(taken.id), None, link_id=None, why="it was not", by=acting(cast.manager))
    give_coupon(cast)
    with at(later()):
        assert look_again() == 0
    assert (owner(given), owner(taken), waiting()) == (bob.id, None, 0)


def test_refunds_before_it_is_found_are_taken_off(cast: Cast, ana: Membership) -> None:
    sold(cast, external_id="order-x", coupon="ANA10")
    with db.transaction():
        give_back(cast.north.id, "order-x", 2_900)
    give_coupon(cast)
    with at(later()):
        assert look_again() == 1
    assert waiting() == 0
    with db.transaction(read_only=True):
        rewards = db.session().exec(select(Reward).where(Reward.membership_id == ana.id)).all()
        assert sum(each.amount_minor for each in rewards if each.state != "denied") == 1_000
        assert metrics.value_of("revenue:EUR", "all", ana.id) == 10_000


def test_the_same_order_told_again_is_answered_as_at_first_and_found_once(
    cast: Cast, ana: Membership
) -> None:
    body = order(coupon="ANA10")
    with db.transaction():
        first, _new = record(NewConversion(**body), by=COMMAND, unit_id=cast.north.id)
        _again, new = record(NewConversion(**body), by=COMMAND, unit_id=cast.north.id)
    assert (new, waiting()) == (False, 1)
    give_coupon(cast)
    with at(later()):
        assert look_again() == 1
    assert owner(first) == ana.id


def test_two_clocks_at_once_find_it_once(cast: Cast, ana: Membership) -> None:
    for _ in range(5):
        sold(cast, coupon="ANA10")
    give_coupon(cast)
    found: list[int] = []

    def tick() -> None:
        with at(later()):
            found.append(look_again())

    clocks = [threading.Thread(target=tick) for _ in range(2)]
    for each in clocks:
        each.start()
    for each in clocks:
        each.join()
    assert (sum(found), waiting()) == (5, 0)
    with db.transaction(read_only=True):
        assert len(db.session().exec(select(Reassignment)).all()) == 5
        assert metrics.value_of("sales", "all", ana.id) == 5


def test_broken_off_before_it_is_decided_it_is_found_by_the_next(
    cast: Cast, ana: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversion = sold(cast, coupon="ANA10")
    give_coupon(cast)
    with at(later()):
        monkeypatch.setattr(looking_again, "reassign", _breaks)
        with pytest.raises(ZeroDivisionError):
            look_again()
        assert (owner(conversion), waiting()) == (None, 1)
        monkeypatch.undo()
        assert look_again() == 1
    assert owner(conversion) == ana.id


def _breaks(*_given: object, **_named: object) -> None:
    raise ZeroDivisionError
