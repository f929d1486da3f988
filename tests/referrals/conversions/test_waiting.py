"""Conversions that wait for a code or coupon: found later they are decided as if it had been known, once."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core import db
from core.access import COMMAND
from core.clock import at, now
from core.people import get_person
from hub import metrics
from hub.programmes import Programme
from referrals.conversions import looking_again, reassignment
from referrals.conversions.conversion_input import NewConversion
from referrals.conversions.conversions import Conversion, candidates_of, get_conversion, record, record_all
from referrals.conversions.looking_again import look_again
from referrals.conversions.reassignment import Reassignment, WinnerChanged, reassign
from referrals.conversions.recording import Arrival, NewRow
from referrals.conversions.waiting import LEASE, LOOKS, WaitingConversion
from referrals.links.link_changes import change_link, terms_of
from referrals.links.links import get_link
from rewards.ledger import proof
from rewards.reward import Reward
from tests.factories import Cast, acting, sign_in
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


def test_staff_see_that_it_waits_and_until_when(cast: Cast, ana: Membership, client: FlaskClient) -> None:
    conversion = sold(cast, coupon="ana10")
    sign_in(client, cast.manager)
    page = f"/console/conversions/{conversion.id}"
    assert "It is looked for again until" in client.get(page).text
    give_coupon(cast)
    with at(later()):
        assert look_again() == 1
    assert "It is looked for again until" not in client.get(page).text


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
        monkeypatch.setattr(looking_again, "settle", _breaks)
        with pytest.raises(ZeroDivisionError):
            look_again()
        assert (owner(conversion), waiting()) == (None, 1)
        monkeypatch.undo()
        assert look_again() == 0  # somebody may still be at it
    with at(later(LEASE + MINUTE)):
        assert look_again() == 1
    assert owner(conversion) == ana.id


def test_what_it_named_besides_is_waited_for(cast: Cast, ana: Membership) -> None:
    """The code's link began too late, the coupon's ran: the sale is hers when the coupon is entered."""
    conversion = sold(cast, code="late", coupon="ANA10")
    with at(later()):
        with db.transaction():
            make_link(ana, "late")
        assert look_again() == 0
    assert (owner(conversion), waiting()) == (None, 1)
    give_coupon(cast)
    with at(later(LOOKS[2])):
        assert look_again() == 1
    assert (owner(conversion), waiting()) == (ana.id, 0)


@pytest.mark.parametrize("together", [False, True])
def test_the_next_orders_of_its_customer_wait_with_it(cast: Cast, ana: Membership, together: bool) -> None:
    customer = {"external_id": "c-1"}
    if together:
        said = [order(coupon="ANA10", customer=customer), order(customer=customer)]
        with db.transaction():
            arrivals = [Arrival(NewConversion(**each), "a-key", cast.north.id) for each in said]
            first, second = (
                get_conversion(each.id) for each in record_all(arrivals) if isinstance(each, NewRow)
            )
    else:
        first, second = sold(cast, coupon="ANA10", customer=customer), sold(cast, customer=customer)
    other = sold(cast, customer={"external_id": "c-2"})
    give_coupon(cast)
    with at(now() + MINUTE):
        look_again()
    with at(now() + LOOKS[1] + MINUTE):
        look_again()
    assert [owner(each) for each in (first, second, other)] == [ana.id, ana.id, None]
    with db.transaction(read_only=True):
        (told,) = candidates_of([second.id])[second.id]
        assert (told.source, told.won) == ("customer", True)
        assert told.verdict.endswith("(first: nobody had brought the customer then)")
        assert get_conversion(second.id).reason.startswith(
            "won: who brought an earlier order of the same customer became known on "
        )
        assert metrics.differences() == proof.problems() == []


def test_an_order_before_the_one_that_was_found_is_not_its_customers_next(
    cast: Cast, ana: Membership
) -> None:
    customer, earlier = {"external_id": "c-1"}, (now() - timedelta(hours=1)).isoformat()
    sold(cast, coupon="ANA10", customer=customer)
    before = sold(cast, customer=customer, occurred_at=earlier)
    give_coupon(cast)
    for pause in LOOKS:
        with at(now() + pause + MINUTE):
            look_again()
    assert owner(before) is None
    with db.transaction(read_only=True):
        assert db.session().exec(select(WaitingConversion)).all() == []


def test_under_split_both_share_as_if_both_had_been_known(cast: Cast, ana: Membership) -> None:
    with db.transaction():
        db.session().get_one(Programme, cast.programme.id).attribution_rule = "split"
        bob = make_earner(cast.programme, "Bob")
    conversion = sold(cast, external_id="order-s", code="bob", coupon="ANA10")
    with db.transaction():
        give_back(cast.north.id, "order-s", 2_900)
    give_coupon(cast)
    with db.transaction():
        link = make_link(bob, "bob")
        link.starts_at = now() - timedelta(days=3)
        db.session().add(link)
    with at(later()):
        assert look_again() == 1
        with db.transaction():
            known = bring(cast.north.id, code="bob", coupon="ANA10")
    assert waiting() == 0
    with db.transaction(read_only=True):
        found, known_one = (candidates_of([each.id])[each.id] for each in (conversion, known))
        assert [(each.membership_id, each.won, each.share_minor) for each in found] == [
            (each.membership_id, each.won, each.share_minor) for each in known_one
        ]
        assert get_conversion(conversion.id).shared
        assert "no link with this" not in found[0].verdict.partition(" (first")[0]
        earned = db.session().exec(select(Reward).where(Reward.conversion_id == conversion.id)).all()
        assert sorted(each.granted_minor for each in earned if each.parent_id is None) == [645, 645]
        assert proof.problems() == []


@pytest.mark.usefixtures("ana")
class TestTheSameOrderByTwoShops:
    """The hub's shop and the unit's tell one order; there is one credit, whichever knew the coupon first."""

    def credits(self) -> tuple[int, int]:
        """Conversions that are somebody's, and their rewards."""
        with db.transaction(read_only=True):
            assert (metrics.differences(), proof.problems()) == ([], [])
            won = select(Conversion).where(col(Conversion.membership_id).is_not(None))
            return len(db.session().exec(won).all()), len(db.session().exec(select(Reward)).all())

    def looked_again(self, cast: Cast) -> int:
        give_coupon(cast)
        with at(later()):
            return look_again()

    @pytest.mark.parametrize("hub_first", [True, False])
    def test_one_that_waits_is_nobodys_when_the_other_was_won(
        self, cast: Cast, ana: Membership, *, hub_first: bool
    ) -> None:
        first, second = (cast.hub, cast.north) if hub_first else (cast.north, cast.hub)
        with db.transaction():
            waits = bring(first.id, external_id="order-9", coupon="ANA10")
        with db.transaction():
            assert bring(second.id, external_id="order-9", code="ana").membership_id == ana.id
        assert self.looked_again(cast) == 0
        assert (self.credits(), waiting()) == ((1, 1), 0)
        with db.transaction(read_only=True):
            assert get_conversion(waits.id).reason.startswith("nobody's: another shop told the same order")

    def test_of_two_that_wait_one_is_won(self, cast: Cast) -> None:
        with db.transaction():
            bring(cast.hub.id, external_id="order-9", coupon="ANA10", metadata={"from": "the hub"})
            bring(cast.north.id, external_id="order-9", coupon="ANA10")
        assert self.looked_again(cast) == 1
        assert (self.credits(), waiting()) == ((1, 1), 0)

    def test_a_neighbours_order_of_this_number_is_another(self, cast: Cast) -> None:
        with db.transaction():
            bring(cast.south.id, external_id="order-9", code="nobody-knows")
            bring(cast.north.id, external_id="order-9", coupon="ANA10")
            bring(cast.hub.id, external_id="order-9", code="ana", amount_minor=50_000)  # another sum
        assert self.looked_again(cast) == 1
        assert self.credits() == (2, 2)

    @pytest.mark.parametrize("told_by", ["hub", "north"])
    @pytest.mark.parametrize("when", ["before", "between", "after"])
    def test_what_was_given_back_is_taken_off_the_one_that_was_won(
        self, cast: Cast, ana: Membership, told_by: str, when: str
    ) -> None:
        unit_id = cast.hub.id if told_by == "hub" else cast.north.id
        refund = {"external_id": "r-1", "occurred_at": now().isoformat()}
        with db.transaction():
            bring(cast.hub.id, external_id="order-9", coupon="ANA10")
            if when == "before":
                give_back(unit_id, "order-9", 2_900, **refund)
        with db.transaction():
            won = bring(cast.north.id, external_id="order-9", code="ana")
        if when == "between":
            with db.transaction():
                give_back(unit_id, "order-9", 2_900, **refund)
        self.looked_again(cast)
        if when == "after":
            with db.transaction():
                give_back(unit_id, "order-9", 2_900, **refund)
        with db.transaction():  # the other shop says so, too
            give_back(cast.north.id, "order-9", 2_900, **refund)
        with db.transaction(read_only=True):
            assert get_conversion(won.id).refunded_minor == 2_900
            rewards = db.session().exec(select(Reward)).all()
            assert sum(each.amount_minor for each in rewards) == 1_000
            assert metrics.value_of("revenue:EUR", "all", ana.id) == 10_000
        assert self.credits()[0] == 1


def test_one_that_always_fails_keeps_no_other_from_its_turn(
    cast: Cast, ana: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, fine = sold(cast, coupon="ANA10"), sold(cast, coupon="ANA10")
    give_coupon(cast)
    really = reassignment.settle

    def breaks(conversion: Conversion, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - as settle has it
        if conversion.id == stuck.id:
            raise WinnerChanged
        return really(conversion, *given, **named)

    monkeypatch.setattr(looking_again, "settle", breaks)
    monkeypatch.setattr(looking_again, "AT_ONCE", 1)
    with at(later()):
        with pytest.raises(WinnerChanged):
            look_again()
        assert look_again() == 1
    assert owner(fine) == ana.id
    with db.transaction(read_only=True):
        assert looking_again.stuck() == []
    with at(later(timedelta(hours=2))), db.transaction(read_only=True):
        assert stuck.id in looking_again.stuck()[0]


def test_one_that_is_looked_at_late_since_the_clock_was_away_is_not_stuck(
    cast: Cast, ana: Membership
) -> None:
    sold(cast, coupon="ANA10")
    with at(later(timedelta(days=3))):
        look_again()
        with db.transaction(read_only=True):
            assert looking_again.stuck() == []
    with at(later(timedelta(days=7))), db.transaction(read_only=True):
        assert len(looking_again.stuck()) == 1


def test_looks_that_are_late_since_the_clock_was_away_for_long_are_waited_for(
    cast: Cast, ana: Membership
) -> None:
    sold(cast, coupon="ANA10")
    for minutes in (0, 5, 45, 120, 600, 1_200):
        with at(later(timedelta(days=30, minutes=minutes))):
            look_again()
            with db.transaction(read_only=True):
                assert looking_again.stuck() == []


def _breaks(*_given: object, **_named: object) -> None:
    raise ZeroDivisionError


def test_orders_of_one_customer_in_one_batch_are_found_together_at_the_last_look(
    cast: Cast, ana: Membership
) -> None:
    customer = {"external_id": "c-1"}
    said = [order(coupon="ANA10", customer=customer), order(customer=customer)]
    with db.transaction():
        made = record_all([Arrival(NewConversion(**each), "shop", cast.north.id) for each in said])
        ids = [each.id for each in made if isinstance(each, NewRow)]
    for pause in LOOKS[:-1]:
        with at(now() + pause + timedelta(seconds=5)):
            look_again()
    give_coupon(cast)
    for seconds in (10, 20):
        with at(now() + LOOKS[-1] + timedelta(seconds=seconds)):
            look_again()
    with db.transaction(read_only=True):
        assert [get_conversion(each).membership_id for each in ids] == [ana.id, ana.id]
        assert db.session().exec(select(WaitingConversion)).all() == []


def test_the_next_order_of_a_customer_who_was_found_waits_no_hours_more(cast: Cast, ana: Membership) -> None:
    customer = {"external_id": "c-1"}
    first, second = sold(cast, coupon="ANA10", customer=customer), sold(cast, customer=customer)
    for pause in LOOKS[:3]:
        with at(now() + pause + MINUTE):
            look_again()
    give_coupon(cast)
    for minutes in (1, 2):
        with at(now() + LOOKS[3] + minutes * MINUTE):
            look_again()
    assert [owner(each) for each in (first, second)] == [ana.id, ana.id]


def test_advocates_do_not_read_a_shops_own_id_of_a_customer(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    customer = {"external_id": "mia@example.org"}
    sold(cast, coupon="ANA10", customer=customer)
    second = sold(cast, customer=customer)
    give_coupon(cast)
    for pause in LOOKS[:2]:
        with at(now() + pause + MINUTE):
            look_again()
    assert owner(second) == ana.id
    with db.transaction(read_only=True):
        person = get_person(ana.person_id)
    sign_in(client, person)
    for path in ("/portal/rewards", "/portal/conversions"):
        assert "mia@example.org" not in client.get(path).text
