import threading
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from advocates.membership import Membership
from core import db
from core.access import COMMAND
from core.clock import at, now
from hub import metrics
from hub.actions import Action
from referrals.conversions import refunds, refunds_in
from referrals.conversions.conversions import Conversion, Refund
from referrals.conversions.reassignment import reassign
from referrals.conversions.refunds import (
    RefundDiffers,
    RefundInOtherCurrency,
    apply_parked_refunds,
    refunds_of,
    stuck_refunds,
)
from referrals.conversions.refunds_in import RefundOfSeveral
from referrals.conversions.refused_refunds import LOOK
from referrals.links.links import Link
from tests.at_once import at_once, while_open
from tests.factories import Cast, sign_in
from tests.referrals.stories import bring, give_back, make_earner, make_link


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana")


def missed(cast: Cast, sale: str, amount_minor: int) -> str:
    """A refund as the race leaves it: parked, although its sale is there."""
    with db.transaction():
        parked = give_back(cast.north.id, f"{sale}-not-yet", amount_minor)
        parked.conversion_external_id = sale
        db.session().add(parked)
        return parked.id


def state_of(refund_id: str) -> str:
    with db.transaction(read_only=True):
        return db.session().get_one(Refund, refund_id).state


def test_a_refund_that_missed_its_sale_is_found_and_applied_once_by_two_clocks(
    cast: Cast, link: Link
) -> None:
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
    parked, too_much = missed(cast, "o-1", 2_900), missed(cast, "o-1", 12_000)
    with db.transaction():
        give_back(cast.north.id, "never-told", 100)
    with db.transaction(read_only=True):
        assert stuck_refunds() == []
    with at(now() + timedelta(minutes=2)), db.transaction(read_only=True):
        assert [each.split()[1] for each in stuck_refunds()] == [parked, too_much]
    settled: list[int] = []
    clocks = [threading.Thread(target=lambda: settled.append(apply_parked_refunds())) for _ in range(4)]
    for each in clocks:
        each.start()
    for each in clocks:
        each.join()
    assert (len(settled), sum(settled)) == (4, 2)
    assert (state_of(parked), state_of(too_much)) == ("applied", "refused")
    with at(now() + timedelta(minutes=2)), db.transaction(read_only=True):
        assert stuck_refunds() == []
        assert metrics.value_of("revenue:EUR", "all", link.membership_id) == 10_000
        assert metrics.differences() == []


@pytest.mark.parametrize("sale_first", [True, False])
def test_the_hub_refunds_what_a_unit_sold_and_a_unit_what_the_hub_sold(
    cast: Cast, link: Link, *, sale_first: bool
) -> None:
    for seller, refunder in ((cast.north, cast.hub), (cast.hub, cast.north)):
        order = f"sold-by-{seller.slug}"
        with db.transaction():
            if sale_first:
                bring(seller.id, external_id=order, code="ana")
            given = give_back(refunder.id, order, 2_900)
            if not sale_first:
                bring(seller.id, external_id=order, code="ana")
        assert state_of(given.id) == "applied"
    with db.transaction(read_only=True):
        assert metrics.value_of("revenue:EUR", "all", link.membership_id) == 20_000


def test_a_refund_of_the_hub_is_refused_when_two_units_sold_under_that_id(cast: Cast, link: Link) -> None:
    moment = now().isoformat()
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
        known = give_back(cast.hub.id, "o-1", 700, occurred_at=moment)
        bring(cast.south.id, external_id="o-1", code="ana")
    with pytest.raises(RefundOfSeveral), db.transaction():
        give_back(cast.hub.id, "o-1", 100)
    with db.transaction():
        assert give_back(cast.hub.id, "o-1", 700, occurred_at=moment).id == known.id  # known before
        assert give_back(cast.south.id, "o-1", 100).state == "applied"
        own = bring(cast.hub.id, external_id="o-1", code="ana", amount_minor=500)
        assert give_back(cast.hub.id, "o-1", 200).conversion_id == own.id


def test_a_unit_does_not_refund_what_its_neighbour_sold(cast: Cast, link: Link) -> None:
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
        assert give_back(cast.south.id, "o-1", 100).state == "parked"
    assert apply_parked_refunds() == 0


@pytest.mark.parametrize("sale_first", [True, False])
def test_a_unit_does_not_refund_what_the_hub_sold_and_its_neighbour_won(
    cast: Cast, link: Link, *, sale_first: bool
) -> None:
    with db.transaction():
        if sale_first:
            bring(cast.hub.id, external_id="o-1", code="ana")
        assert give_back(cast.south.id, "o-1", 100).state == "parked"
        if not sale_first:
            assert refunds_of(bring(cast.hub.id, external_id="o-1", code="ana").id) == []
        assert give_back(cast.south.id, "o-1", 10**9).state == "parked", (
            "it is not even told that there is such a sale"
        )
    assert apply_parked_refunds() == 0


@pytest.mark.parametrize("sale_first", [True, False])
def test_a_refund_that_says_it_was_before_its_sale_changes_no_earlier_period(
    cast: Cast, link: Link, *, sale_first: bool
) -> None:
    long_ago = "2020-01-01T00:00:00Z"
    with db.transaction():
        if sale_first:
            bring(cast.north.id, external_id="o-1", code="ana")
        give_back(cast.north.id, "o-1", 2_900, occurred_at=long_ago)
        if not sale_first:
            bring(cast.north.id, external_id="o-1", code="ana")
    with db.transaction(read_only=True):
        assert metrics.value_of("revenue:EUR", "2020", link.membership_id) == 0
        assert metrics.value_of("revenue:EUR", f"{now().year}", link.membership_id) == 10_000
        assert metrics.differences() == []


@pytest.mark.parametrize("hub_first", [True, False])
def test_the_same_refund_told_by_a_unit_and_by_the_hub_is_taken_off_once(
    cast: Cast, link: Link, *, hub_first: bool
) -> None:
    at_once = now().isoformat()
    units = [cast.hub.id, cast.north.id] if hub_first else [cast.north.id, cast.hub.id]
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
        one, two = (give_back(each, "o-1", 2_900, occurred_at=at_once) for each in units)
        assert one.id == two.id
        assert metrics.value_of("revenue:EUR", "all", link.membership_id) == 10_000


@pytest.mark.parametrize("refunder", ["hub", "north"])
def test_a_refund_that_waited_is_refused_when_its_sale_is_in_another_currency(
    cast: Cast, link: Link, client: FlaskClient, refunder: str
) -> None:
    with db.transaction():
        unit = cast.hub if refunder == "hub" else cast.north
        dollars = give_back(unit.id, "o-1", 200, currency="USD")
        euros = give_back(unit.id, "o-1", 100, currency="EUR")
        sale = bring(cast.north.id, external_id="o-1", code="ana")
        assert (dollars.conversion_id, sale.refunded_minor) == (sale.id, 100)
    assert (state_of(dollars.id), state_of(euros.id)) == ("refused", "applied")
    with db.transaction(read_only=True):
        assert metrics.value_of("revenue:EUR", "all", link.membership_id) == 12_800
    sign_in(client, cast.manager)
    page = client.get(f"/console/conversions/{sale.id}").text
    assert "refused: in USD, the sale is not" in page
    assert "$2.00" in page


@pytest.mark.parametrize("currency", [None, "EUR"])
def test_a_lead_is_stored_although_a_refund_waited_for_its_number(
    cast: Cast, link: Link, currency: str | None
) -> None:
    with db.transaction():
        waited = give_back(cast.north.id, "o-1", 200, currency=currency)
        lead = bring(
            cast.north.id, external_id="o-1", kind="lead", code="ana", amount_minor=None, currency=None
        )
        assert lead.membership_id == link.membership_id
    assert state_of(waited.id) == "refused"
    with db.transaction(read_only=True) as session:
        said = session.exec(select(Action.summary).where(Action.kind == LOOK)).one()
    named = f"Refund {waited.external_id}{' of €2.00' if currency else ''}"
    assert said == f"{named} names the lead o-1: nothing was taken off"


def test_a_refund_keeps_to_its_currency_and_is_the_same_without(cast: Cast, link: Link) -> None:
    moment = now().isoformat()
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
        plain = give_back(cast.north.id, "o-1", 100, occurred_at=moment)
        said = give_back(cast.north.id, "o-1", 100, occurred_at=moment, currency="EUR")
        assert said.id == plain.id
        parked = give_back(cast.north.id, "later", 100, occurred_at=moment, currency="USD")
        assert give_back(cast.north.id, "later", 100, occurred_at=moment).id == parked.id
        with pytest.raises(RefundDiffers):
            give_back(cast.north.id, "later", 100, occurred_at=moment, currency="EUR")
        with pytest.raises(RefundInOtherCurrency):
            give_back(cast.north.id, "o-1", 200, currency="USD")
        with pytest.raises(RefundInOtherCurrency):  # the first again, which had said none
            give_back(cast.north.id, "o-1", 100, occurred_at=moment, currency="USD")


def test_a_refund_and_its_sale_told_at_once_find_each_other(cast: Cast, link: Link) -> None:
    def refund_all() -> None:
        for number in range(20):
            with db.transaction():
                give_back(cast.hub.id, f"o-{number}", 2_900)

    def sell_all() -> None:
        for number in range(20):
            with db.transaction():
                bring(cast.north.id, external_id=f"o-{number}", code="ana")

    threads = [threading.Thread(target=each) for each in (refund_all, sell_all)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with db.transaction(read_only=True):
        assert metrics.value_of("revenue:EUR", "all", link.membership_id) == 20 * 10_000
        assert metrics.differences() == []


@pytest.mark.parametrize("undo_first", [True, False])
def test_a_refund_that_comes_back_while_its_sale_goes_to_somebody_else_leaves_the_scoreboard_right(
    cast: Cast, link: Link, *, undo_first: bool
) -> None:
    with db.transaction():
        ben = make_earner(cast.programme, "Ben")
        his, sale = make_link(ben, "ben"), bring(cast.north.id, external_id="o-1", code="ana")
        back = give_back(cast.north.id, "o-1", 2_900)

    def undo() -> None:
        assert refunds.undo(db.session().get_one(Refund, back.id))

    def move() -> None:
        there = db.session().get_one(Conversion, sale.id)
        reassign(there, db.session().get_one(Membership, ben.id), link_id=his.id, why="his", by=COMMAND)

    first, second = (undo, move) if undo_first else (move, undo)

    def alone() -> None:
        with db.transaction():
            second()

    assert while_open(first, alone) is None
    with db.transaction(read_only=True):
        assert metrics.differences() == []
        assert metrics.value_of("revenue:EUR", "all", ben.id) == 12_900
        assert metrics.value_of("revenue:EUR", "all", link.membership_id) == 0


def test_a_refund_is_taken_back_before_or_after_the_clock_applies_it_but_not_between(
    cast: Cast, link: Link
) -> None:
    with db.transaction():
        sale_id = bring(cast.north.id, external_id="o-1", code="ana").id
    refund_id = missed(cast, "o-1", 900)
    with db.transaction(read_only=True):
        name = db.session().get_one(Refund, refund_id).external_id

    def takes() -> None:
        with db.transaction():
            refunds_in.take_back(name, by=COMMAND, unit_id=cast.north.id)

    at_once(takes, apply_parked_refunds)
    with db.transaction(read_only=True):
        sale = db.session().get_one(Conversion, sale_id)
        assert (sale.refunded_minor, metrics.differences()) == (0, [])
    assert state_of(refund_id) == "came_back"
