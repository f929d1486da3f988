"""The clock looks at what arrived: each signal from real conversions, once, also with two clocks and after late news."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlmodel import col, func, select

from advocates.membership import get_membership
from core import db
from core.clock import at, now
from core.people import get_person
from hub import actions
from hub.programmes import get_programme
from referrals.clicks import clicks
from referrals.clicks.forgetting import forget_clicks
from referrals.conversions.conversions import Conversion
from referrals.fraud import fraud_work
from referrals.fraud.fraud_addresses import digest
from referrals.fraud.fraud_cases import FraudCase, find_case
from referrals.fraud.fraud_traces import FraudTrace, forget_traces
from referrals.links.links import Link
from rewards.approvals import reviews
from rewards.payouts import accounts
from tests.at_once import at_once, while_open
from tests.factories import Cast
from tests.referrals.fraud_stories import case_of, odd, signals_of, told
from tests.referrals.stories import Visitors, bring, give_back, make_earner, make_link
from tests.rewards.stories import percent_rule


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        member = make_earner(cast.programme)
        get_person(member.person_id).email = "ana.moreno@gmail.com"
        return make_link(member, "ana", coupon="ANA10")


def fraud_stored() -> tuple[int, int, int]:
    """How many cases, traces and waiting reviews there are."""
    with db.transaction(read_only=True) as session:
        counted = [
            session.exec(select(func.count()).select_from(each)).one() for each in (FraudCase, FraudTrace)
        ]
        waiting = select(func.count()).where(actions.Action.kind == "fraud.review")
        return counted[0], counted[1], session.exec(waiting).one()


def test_an_ordinary_order_leaves_nothing_but_that_it_was_looked_at(cast: Cast, link: Link) -> None:
    order = told(cast.north, customer={"email_sha256": digest("somebody@example.net")})
    with db.transaction(read_only=True) as session:
        assert session.get_one(Conversion, order).assessed_at is not None
    assert fraud_stored() == (0, 0, 0)
    assert fraud_work.assess_due() == 0


def test_another_form_of_the_advocates_address_is_seen(cast: Cast, link: Link) -> None:
    order = told(cast.north, customer={"email_sha256": digest("anamoreno+shop@googlemail.com")})
    assert signals_of(order) == {"own_email"}
    case = case_of(order)
    assert (case.state, case.score) == ("open", 100)


def test_a_shop_that_normalises_addresses_itself_may_say_so(cast: Cast, link: Link) -> None:
    order = told(cast.north, metadata={"email_normalized_sha256": digest("anamoreno@gmail.com").upper()})
    assert signals_of(order) == {"own_email"}


def test_an_order_that_two_units_tell_gross_and_net_is_looked_at(cast: Cast, link: Link) -> None:
    first = told(cast.north, external_id="A-9", amount_minor=11_900)
    second = told(cast.hub, external_id="A-9", amount_minor=10_000)
    assert (signals_of(first), signals_of(second)) == (set(), {"told_twice"}), (
        "the first was looked at before"
    )
    assert case_of(second).state == "open"


@pytest.mark.parametrize("other", [{"unit": "south"}, {"days": 3}, {"external_id": "A-10"}, {"code": "bea"}])
def test_orders_of_neighbours_of_other_days_numbers_and_advocates_are_not_one(
    cast: Cast, link: Link, other: dict[str, Any]
) -> None:
    with db.transaction():
        make_link(make_earner(cast.programme, "Bea Advocate"), "bea")
    told(cast.north, external_id="A-9", amount_minor=11_900)
    at_ = (now() - timedelta(days=other.get("days", 0))).isoformat()
    changes = {name: value for name, value in other.items() if name in {"external_id", "code"}}
    known = {"external_id": "A-9", "amount_minor": 10_000, "occurred_at": at_}
    second = told(getattr(cast, other.get("unit", "hub")), **{**known, **changes})
    assert "told_twice" not in signals_of(second)


def test_a_customer_who_once_ordered_as_the_advocate_is_known(cast: Cast, link: Link) -> None:
    own = {"external_id": "c-7", "email_sha256": digest("ana.moreno@gmail.com")}
    told(cast.north, customer=own)  # nobody's: own purchase
    order = told(cast.north, customer={"external_id": "c-7", "email_sha256": digest("other@example.net")})
    assert signals_of(order) == {"own_account"}


def test_a_card_that_paid_for_an_own_purchase_is_known(cast: Cast, link: Link) -> None:
    own = {"email_sha256": digest("ana.moreno@gmail.com")}
    told(cast.north, customer=own, metadata={"card_fingerprint": "Xt5EWLLDS7FJjR1c"})
    order = told(cast.north, metadata={"card_fingerprint": "Xt5EWLLDS7FJjR1c"})
    other = told(cast.north, metadata={"card_fingerprint": "anotherCard"})
    assert (signals_of(order), signals_of(other)) == ({"own_card"}, set())


def test_the_account_that_the_advocate_is_paid_to_is_known(cast: Cast, link: Link) -> None:
    with db.transaction():
        person = cast_person(link)
        account = accounts.begin(person, "DE")
        account.fingerprints = ["bankOfAna"]
        db.session().add(account)
    order = told(cast.north, metadata={"card_fingerprint": "bankOfAna"})
    assert signals_of(order) == {"own_payout"}


def cast_person(link: Link) -> str:
    return get_membership(link.membership_id).person_id


def test_a_colleague_is_known_by_the_hash_of_the_address(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    assert signals_of(order) == {"own_staff"}
    far = odd(cast.north, cast.other_manager)  # of a unit beside
    assert signals_of(far) == set()


@pytest.mark.parametrize(
    "said",
    [
        {"metadata": {"email_normalized_sha256": digest("janedoe@gmail.com")}},
        {"customer": {"email_sha256": digest("janedoe+1@googlemail.com")}},
    ],
)
def test_a_colleague_is_known_by_another_form_of_the_address(
    cast: Cast, link: Link, said: dict[str, Any]
) -> None:
    with db.transaction():
        get_person(cast.marketing.id).email = "jane.doe@gmail.com"
    assert signals_of(told(cast.north, **said)) == {"own_staff"}


def test_a_throw_away_address_alone_is_noted_and_holds_nothing(cast: Cast, link: Link) -> None:
    order = told(cast.north, metadata={"email_domain": "mailinator.com"})
    case = case_of(order)
    assert (case.state, case.score, fraud_stored()[2]) == ("noted", 30, 0)


def test_seconds_after_the_click_and_the_device_come_from_the_click(
    cast: Cast, link: Link, visitors: Visitors
) -> None:
    tokens = [visitors.click("ana").token for _ in range(3)]
    visitors.leave()
    clicks.ingest()
    orders = [told(cast.north, code=None, click=token) for token in tokens]
    assert signals_of(orders[0]) == {"seconds_after_click"}
    assert signals_of(orders[2]) == {"seconds_after_click", "device_repeats"}
    assert "3 conversions of this advocate came from one device" in str(case_of(orders[2]).signals)


def test_the_device_stays_known_when_its_clicks_are_forgotten(
    cast: Cast, link: Link, visitors: Visitors
) -> None:
    with db.transaction():
        percent_rule(cast.programme)
    tokens = [visitors.click("ana").token for _ in range(3)]
    visitors.leave()
    clicks.ingest()
    orders = [told(cast.north, code=None, click=token) for token in tokens]
    with at(now() + timedelta(days=32)):
        assert forget_clicks() == 3
        with db.transaction():
            fraud_work.look_again([link.membership_id])
        reviews.reassess()
        assert fraud_work.assess_due() == 3
    assert "device_repeats" in signals_of(orders[2])


def test_a_conversion_that_is_quicker_than_the_journal_waits_for_its_click(
    cast: Cast, link: Link, visitors: Visitors
) -> None:
    tokens = [visitors.click("ana").token for _ in range(3)]
    orders = [told(cast.north, code=None, click=token) for token in tokens]
    with db.transaction(read_only=True) as session:
        assert [session.get_one(Conversion, each).assessed_at for each in orders] == [None] * 3
    other = told(cast.north)  # nothing waits behind them
    visitors.leave()
    clicks.ingest()
    assert fraud_work.assess_due() == 3
    assert [("device_repeats" in signals_of(each)) for each in (*orders, other)] == [True] * 3 + [False]


def test_a_click_that_was_lost_is_waited_for_a_minute(cast: Cast, link: Link, visitors: Visitors) -> None:
    order = told(cast.north, code=None, click=visitors.click("ana").token)
    with at(now() + timedelta(minutes=1, seconds=1)):
        assert fraud_work.assess_due() == 1
    assert signals_of(order) == {"seconds_after_click"}


def test_a_click_that_comes_in_late_has_what_is_not_paid_looked_at_again(
    cast: Cast, link: Link, visitors: Visitors
) -> None:
    with db.transaction():
        percent_rule(cast.programme)
    orders = [told(cast.north, code=None, click=visitors.click("ana").token) for _ in range(3)]
    private = told(cast.north, code=None, click=visitors.click("ana", HTTP_SEC_GPC="1").token)
    with at(now() + timedelta(minutes=2)):
        assert fraud_work.assess_due() == 4
        assert fraud_work.take_late_clicks() == 0, "they are not there"
    assert signals_of(orders[0]) == {"seconds_after_click"}, (
        "that their clicks are not there yet is no device"
    )
    visitors.leave()
    clicks.ingest()
    with at(now() + timedelta(minutes=3)):
        assert fraud_work.take_late_clicks() == 4
        reviews.reassess()
        assert fraud_work.assess_due() == 4
        assert fraud_work.take_late_clicks() == 0
    assert ["device_repeats" in signals_of(each) for each in (*orders, private)] == [True] * 3 + [False]


def test_sales_by_clicks_that_were_not_counted_stand_and_show_in_the_share_of_clicks(
    cast: Cast, link: Link, visitors: Visitors
) -> None:
    tokens = [visitors.click("ana", HTTP_SEC_PURPOSE="prefetch").token for _ in range(5)]
    tokens += [visitors.click("ana", agent="Googlebot/2.1").token for _ in range(5)]
    visitors.leave()
    clicks.ingest()
    with db.transaction():
        sales = [bring(cast.north.id, click=each) for each in tokens]
    assert {each.membership_id for each in sales} == {link.membership_id}
    fraud_work.assess_due()
    assert "click_ratio" in signals_of(sales[0].id)
    assert "10 conversions by click in 30 days, out of 0 clicks" in str(case_of(sales[0].id).signals)


def test_a_device_that_serves_several_advocates_is_graded_evidence(cast: Cast, link: Link) -> None:
    with db.transaction():
        make_link(make_earner(cast.programme, "Bo Advocate"), "bob")
    told(cast.north, metadata={"device_hash": "d-1"})
    order = told(cast.north, code="bob", metadata={"device_hash": "d-1"})
    assert signals_of(order) == {"device_advocates"}
    assert case_of(order).state == "noted"
    with at(now() + timedelta(days=1)):  # a visitor's hash means nothing the day after
        assert signals_of(told(cast.north, metadata={"device_hash": "d-1"})) == set()


def test_orders_of_one_device_on_both_sides_of_midnight_are_counted_together(
    cast: Cast, link: Link, visitors: Visitors
) -> None:
    evening = now().replace(hour=23, minute=50) + timedelta(days=1)
    with at(evening):
        tokens = [visitors.click("ana").token for _ in range(6)]
        visitors.leave()
        clicks.ingest()
    orders = []
    for number, token in enumerate(tokens):
        with at(evening + timedelta(minutes=3 * number + 1)):
            orders.append(told(cast.north, code=None, click=token))
    assert "6 conversions of this advocate came from one device" in str(case_of(orders[-1]).signals)


def test_those_who_share_orders_of_one_device_are_no_crowd(cast: Cast, link: Link) -> None:
    with db.transaction():
        get_programme(cast.programme.id).attribution_rule = "split"
        make_link(make_earner(cast.programme, "Bo Advocate"), "bob", coupon="BOB10")
        make_link(make_earner(cast.programme, "Cleo Advocate"), "cleo")
    shared = {"coupon": "BOB10", "metadata": {"device_hash": "d-1"}}
    assert signals_of(told(cast.north, **shared)) == set()
    assert signals_of(told(cast.north, **shared)) == set()
    assert signals_of(told(cast.north, code="cleo", metadata={"device_hash": "d-1"})) == {"device_advocates"}


@pytest.fixture
def bo(cast: Cast, link: Link) -> Link:
    """Of somebody with whom Ana shares what both had a part in."""
    with db.transaction():
        get_programme(cast.programme.id).attribution_rule = "split"
        return make_link(make_earner(cast.programme, "Bo Advocate"), "bob", coupon="BOB10")


def test_shared_orders_count_for_everybody_who_shares_them(
    cast: Cast, link: Link, bo: Link, visitors: Visitors
) -> None:
    token = visitors.click("ana").token
    visitors.leave()
    clicks.ingest()
    with db.transaction():
        for number in range(12):
            bring(cast.north.id, click=token, coupon="BOB10", external_id=f"s-{number}")
        for number in range(6):
            give_back(cast.north.id, f"s-{number}", 100)
        order = bring(cast.north.id, click=token, coupon="BOB10").id
    fraud_work.assess_due()
    with db.transaction(read_only=True):
        first, last = (find_case(order, each.membership_id) for each in (link, bo))
        assert first is not None
        assert last is not None
        said = {each["signal"]: each["sentence"] for each in first.signals}
        by_both = {each["signal"]: each["sentence"] for each in last.signals}
    assert {"burst", "refund_rate", "click_ratio"} <= set(said)
    for signal in ("burst", "refund_rate"):
        assert said[signal] == by_both[signal]
    assert "click_ratio" not in by_both, "his orders came by his coupon"
    alone = told(cast.north, coupon=None, code=None, click=token)
    assert {"burst", "refund_rate", "click_ratio"} <= signals_of(alone)


def test_a_refund_has_everybody_looked_at_again_who_shares_the_sale(cast: Cast, link: Link, bo: Link) -> None:
    told(cast.north, coupon="BOB10", external_id="o-1")
    with db.transaction():
        give_back(cast.north.id, "o-1", 100)
    assert sorted(fraud_work.waiting_members()) == sorted([link.membership_id, bo.membership_id])


def test_a_burst_reaches_the_conversions_before_it(cast: Cast, link: Link) -> None:
    with db.transaction():
        first = bring(cast.north.id, code="ana").id
    fraud_work.assess_due()
    assert signals_of(first) == set()
    with db.transaction():
        for _ in range(5):
            last = bring(cast.north.id, code="ana").id
    fraud_work.assess_due()
    assert signals_of(last) == {"burst"}
    with db.transaction():
        assert fraud_work.take_member(link.membership_id)  # what the job does that looks again
        fraud_work.ask_again([first])
    fraud_work.assess_due()
    assert signals_of(first) == {"burst"}


def test_every_conversion_of_a_burst_counts_the_fullest_hour_around_it(cast: Cast, link: Link) -> None:
    with db.transaction():
        moments = [now() + timedelta(minutes=5 * n) for n in range(8)]
        orders = [bring(cast.north.id, code="ana", occurred_at=each.isoformat()).id for each in moments]
        lonely = bring(cast.north.id, code="ana", occurred_at=(now() + timedelta(hours=3)).isoformat()).id
    fraud_work.assess_due()
    said = {str(case_of(each).signals) for each in orders}
    assert len(said) == 1, said
    assert "8 conversions of this advocate within one hour" in said.pop()
    assert signals_of(lonely) == set()


def test_assessing_again_changes_nothing_and_does_not_ask_for_more(cast: Cast, link: Link) -> None:
    order = odd(cast.north, cast.marketing)
    before = fraud_stored()
    for _ in range(2):
        with db.transaction():
            fraud_work.ask_again([order])
        assert fraud_work.assess_due() == 1
    assert (before, fraud_stored()) == ((1, 0, 1), (1, 0, 1))
    with db.transaction(read_only=True) as session:
        assert session.exec(select(fraud_work.FraudDue)).all() == []


def test_two_clocks_assess_each_conversion_once(cast: Cast, link: Link) -> None:
    with db.transaction():
        for _ in range(12):
            bring(cast.north.id, code="ana")
    did = at_once(*[fraud_work.assess_due] * 3)
    assert sum(each for each in did if isinstance(each, int)) == 12, did


def test_many_conversions_are_assessed_with_few_queries(cast: Cast, link: Link) -> None:
    with db.transaction():
        for _ in range(20):
            bring(cast.north.id, code="ana", metadata={"card_fingerprint": "c"})
    asked: list[str] = []

    def note(*said: object) -> None:
        asked.append(str(said[2]))

    for engine in db.engines():
        event.listen(engine, "before_cursor_execute", note)
    fraud_work.assess_due()
    for engine in db.engines():
        event.remove(engine, "before_cursor_execute", note)
    reads = [each for each in asked if each.lstrip().startswith("SELECT")]
    assert len(reads) < 30, len(reads)  # not some for each of the twenty


def test_those_who_ask_again_hold_conversions_in_one_order(cast: Cast, link: Link) -> None:
    with db.transaction():
        orders = sorted(bring(cast.north.id, code="ana").id for _ in range(3))
    fraud_work.assess_due()
    held: list[str] = []

    def ask_all() -> None:
        with db.transaction():
            fraud_work.ask_again(orders[::-1])

    def touch(order: str) -> None:
        held.append(order)
        assert db.update_one(update(Conversion).where(col(Conversion.id) == order).values(refunded_minor=1))

    with db.transaction():
        touch(orders[0])  # PostgreSQL keeps it behind the others by now
    waited = while_open(lambda: touch(orders[0]), ask_all, lambda: touch(orders[2]))
    assert waited is None, "it waits for the first before it holds the last"
    assert held[1:] == [orders[0], orders[2]]


def test_traces_are_forgotten_after_ninety_days(cast: Cast, link: Link) -> None:
    told(cast.north, metadata={"card_fingerprint": "c"})
    with at(now() + timedelta(days=89)), db.transaction():
        assert forget_traces() == 0
    with at(now() + timedelta(days=91)), db.transaction():
        assert forget_traces() == 1


def test_a_refund_has_the_advocate_looked_at_again(cast: Cast, link: Link) -> None:
    told(cast.north, external_id="o-1")
    with db.transaction():
        give_back(cast.north.id, "o-1", 100)
    assert fraud_work.waiting_members() == [link.membership_id]
    with db.transaction(read_only=True) as session:
        assert session.exec(select(col(Conversion.refunded_minor))).one() == 100


def test_a_clock_that_looks_again_sees_the_refund_that_asked_once_more(cast: Cast, link: Link) -> None:
    order = told(cast.north, external_id="o-1")
    with db.transaction():
        fraud_work.look_again([link.membership_id])

    def refund() -> None:
        give_back(cast.north.id, "o-1", 100)

    def look() -> int:
        with db.transaction() as session:
            assert fraud_work.take_member(link.membership_id)
            return session.get_one(Conversion, order).refunded_minor

    seen = while_open(refund, look)
    assert seen == 100 or fraud_work.waiting_members() == [link.membership_id]
