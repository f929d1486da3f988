"""What people see of reviews, thresholds and appeals, and what others do not."""

import re
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import get_membership
from core import db
from core.people import Person, get_person
from referrals.clicks.clicks import ingest
from referrals.conversions.appeals import Appeal
from referrals.conversions.conversion_rows import Conversion
from referrals.fraud.fraud_cases import FraudCase
from referrals.fraud.fraud_thresholds import FraudThreshold
from referrals.links.links import Link
from rewards.reward import Reward
from tests.factories import Cast, sign_in
from tests.referrals.fraud_stories import case_of, odd, told
from tests.referrals.stories import Visitors, make_earner, make_link
from tests.rewards.stories import percent_rule


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        percent_rule(cast.programme)
        make_link(make_earner(cast.programme, "Bo Advocate"), "bob", coupon="BOB10")
        return make_link(make_earner(cast.programme), "ana")


def owner(code: str) -> Person:
    with db.transaction(read_only=True) as session:
        member = session.exec(select(Link.membership_id).where(Link.code == code)).one()
        return get_person(get_membership(member).person_id)


def test_a_manager_sees_the_evidence_and_clears(cast: Cast, client: FlaskClient, link: Link) -> None:
    order = odd(cast.north, cast.marketing, external_id="odd-1")
    case = case_of(order)
    sign_in(client, cast.manager)
    assert "odd-1" in client.get("/console").text
    assert "odd-1" in client.get("/console/reviews").text
    page = client.get(f"/console/reviews/{case.id}")
    for words in ("colleague", "70", "Code", "12.90", "under review", "The last 90 days"):
        assert words in page.text, words
    assert "colleague" in client.get(f"/console/conversions/{order}").text
    assert client.post(f"/console/reviews/{case.id}", data={"act": "clear"}).status_code == 422
    wrong = client.post(f"/console/reviews/{case.id}", data={"act": "delete", "reason": "x"})
    assert wrong.status_code == 422
    done = client.post(f"/console/reviews/{case.id}", data={"act": "clear", "reason": "Known to us."})
    assert done.status_code == 303
    again = client.post(f"/console/reviews/{case.id}", data={"act": "confirm", "reason": "x"})
    assert again.status_code == 409
    assert "Known to us." in client.get(f"/console/reviews/{case.id}").text


def test_the_cases_of_a_burst_are_decided_together(cast: Cast, client: FlaskClient, link: Link) -> None:
    orders = [odd(cast.north, cast.marketing) for _ in range(3)]
    sign_in(client, cast.manager)
    page = f"/console/reviews/{case_of(orders[1]).id}"
    assert "2 other open cases" in client.get(page).text
    done = client.post(page, data={"act": "confirm", "reason": "A bot", "alike": "yes"})
    assert done.status_code == 303
    assert {case_of(each).state for each in orders} == {"confirmed"}


def test_who_may_see_and_decide_a_review(cast: Cast, client: FlaskClient, link: Link) -> None:
    case = case_of(odd(cast.north, cast.marketing))
    page, decision = f"/console/reviews/{case.id}", {"act": "clear", "reason": "x"}
    expected = {
        "stranger": (403, 403),
        "other_manager": (404, 404),
        "marketing": (403, 403),
        "finance": (200, 403),
    }
    for name, (sees, decides) in expected.items():
        browser = client.application.test_client()
        sign_in(browser, getattr(cast, name))
        assert (browser.get(page).status_code, browser.post(page, data=decision).status_code) == (
            sees,
            decides,
        )
        if name == "other_manager":
            assert "order-" not in browser.get("/console/reviews?state=all").text
    assert client.get(page).status_code == 302  # to sign in
    assert case_of(case.conversion_id).state == "open"


def test_the_advocate_is_told_of_a_review_in_fair_words_only(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    order = odd(cast.north, cast.marketing)
    sign_in(client, owner("ana"))
    for address in (f"/portal/conversions/{order}", "/portal/rewards", "/portal", "/portal/links"):
        page = client.get(address)
        assert page.status_code == 200
        assert "colleague" not in page.text
        assert "points when" not in page.text
    assert "not a verdict" in client.get(f"/portal/conversions/{order}").text
    assert "not a verdict" in client.get("/portal/rewards").text


def test_an_advocate_is_not_told_who_the_shops_customer_is(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    somebody = {"external_id": "mia.buyer@example.org"}
    told(cast.north, customer=somebody)
    order = told(cast.north, customer=somebody, code=None)
    with db.transaction(read_only=True) as session:
        reward = session.exec(select(Reward).where(Reward.conversion_id == order)).one().id
    sign_in(client, owner("ana"))
    for address in (f"/portal/conversions/{order}", f"/portal/rewards/{reward}", "/portal/links"):
        page = client.get(address).text
        assert ("nown customer" in page, "mia.buyer" in page) == (True, False), address
    client.post("/logout")
    sign_in(client, cast.manager)
    assert "mia.buyer" in client.get(f"/console/conversions/{order}").text


def test_every_moment_of_a_page_is_by_the_readers_clock(
    cast: Cast, client: FlaskClient, link: Link, visitors: Visitors
) -> None:
    clicked = visitors.click("ana").token
    ingest()  # an order waits for its click before it is assessed
    order = odd(cast.north, cast.marketing, click=clicked, code=None, coupon="BOB10")
    with db.transaction() as session:
        reason = session.get_one(Conversion, order).reason
        written = re.search(r"ana, (.+ UTC)$", reason)
        assert written
        reward = session.exec(select(Reward)).one().id
        for person in session.exec(select(Person)).all():
            person.time_zone = "Pacific/Kiritimati"  # fourteen hours ahead
    at = datetime.strptime(f"{written[1]}+0000", "%d %b %Y, %H:%M UTC%z") + timedelta(hours=14)
    there = f"last click on ana, {at.day} {at:%b %Y, %H:%M}"
    mine = [f"/portal/conversions/{order}", "/portal/links"]
    console = [f"conversions/{order}", "conversions", f"reviews/{case_of(order).id}"]
    console += ["rewards?state=held", f"rewards/{reward}"]
    for person, addresses in (
        (owner("ana"), [*mine, f"/portal/rewards/{reward}", "/portal/rewards"]),
        (cast.manager, [f"/console/{each}" for each in console]),
    ):
        sign_in(client, person)
        for address in addresses:
            page = client.get(address).text
            assert (there in page, "UTC<" in page) == (True, False), address
        client.post("/logout")


def test_a_reward_shows_the_signs_first_and_leaves_the_decision_to_the_review(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    odd(cast.north, cast.marketing)
    sign_in(client, cast.manager)
    listed = client.get("/console/rewards?state=held").text
    assert "a colleague" in listed
    with db.transaction(read_only=True) as session:
        reward = session.exec(select(Reward)).one().id
    page = client.get(f"/console/rewards/{reward}").text
    assert "This reward follows the review." in page
    assert 'value="deny"' not in page
    refused = client.post(f"/console/rewards/{reward}", data={"act": "release"})
    assert refused.status_code == 409


def test_an_advocate_appeals_once_and_a_manager_answers(cast: Cast, client: FlaskClient, link: Link) -> None:
    order = told(cast.north, external_id="o-1", coupon="BOB10")
    page = f"/portal/conversions/{order}"
    sign_in(client, owner("bob"))
    assert page in client.get("/portal/links").text
    assert client.post(page, data={"words": " "}).status_code == 422
    assert client.post(page, data={"words": "x" * 2_001}).status_code == 422
    assert client.post(page, data={"words": "My coupon was used.", "state": "granted"}).status_code == 422
    assert client.post(page, data={"words": "My coupon was used."}).status_code == 303
    assert client.post(page, data={"words": "Again."}).status_code == 409
    assert "being looked at" in client.get(page).text
    with db.transaction(read_only=True) as session:
        asked = f"/console/appeals/{session.exec(select(Appeal)).one().id}"
    for name, status in {"stranger": 403, "other_manager": 404, "marketing": 403, "finance": 403}.items():
        browser = client.application.test_client()
        sign_in(browser, getattr(cast, name))
        assert browser.get(asked).status_code == status
        assert browser.post(asked, data={"act": "grant", "reason": "x"}).status_code == status
    boss = client.application.test_client()
    sign_in(boss, cast.manager)
    assert "My coupon was used." in boss.get("/console/appeals").text
    assert "My coupon was used." in boss.get(asked).text
    assert boss.post(asked, data={"act": "grant", "reason": "The coupon is hers."}).status_code == 303
    seen = client.get(page).text
    assert "The coupon is hers." in seen
    assert "Why it is yours" in seen
    with db.transaction(read_only=True) as session:
        assert session.get_one(Conversion, order).membership_id != link.membership_id


def test_others_do_not_see_a_conversion_of_the_portal(cast: Cast, client: FlaskClient, link: Link) -> None:
    order = told(cast.north)
    for who, status in ((owner("bob"), 404), (cast.stranger, 403)):
        browser = client.application.test_client()
        sign_in(browser, who)
        assert browser.get(f"/portal/conversions/{order}").status_code == status
        assert browser.post(f"/portal/conversions/{order}", data={"words": "x"}).status_code == status


def test_thresholds_are_changed_by_a_new_version_from_now_on(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    before = case_of(odd(cast.north, cast.marketing))
    sign_in(client, cast.manager)
    form = {"programme_id": cast.programme.id, "about": "own_staff", "high_points": "10", "is_on": "yes"}
    assert "Colleague" in client.get(f"/console/reviews/thresholds?programme={cast.programme.id}").text
    assert client.post("/console/reviews/thresholds", data=form).status_code == 303
    assert case_of(odd(cast.north, cast.marketing)).state == "noted"
    assert case_of(before.conversion_id).state == "open"
    off = {"programme_id": cast.programme.id, "about": "own_staff", "high_points": "10"}
    assert client.post("/console/reviews/thresholds", data=off).status_code == 303
    odd(cast.north, cast.marketing)
    with db.transaction(read_only=True) as session:
        assert len(session.exec(select(FraudCase)).all()) == 2
        versions = session.exec(select(FraudThreshold).order_by(col(FraudThreshold.version))).all()
        assert [(each.version, each.is_on, each.valid_to is None) for each in versions] == [
            (1, True, False),
            (2, False, True),
        ]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"about": "burst", "low": "9", "low_points": "1", "high": "3", "high_points": "2"}, 422),
        (
            {"about": "seconds_after_click", "low": "3", "low_points": "1", "high": "9", "high_points": "2"},
            422,
        ),
        ({"about": "burst", "low": "1", "low_points": "9", "high": "3", "high_points": "2"}, 422),
        ({"about": "hold", "high": "0"}, 422),
        ({"about": "hold", "high": "-1"}, 422),
        ({"about": "burst", "high_points": "1001"}, 422),
        ({"about": "looks"}, 422),
        ({"about": "burst", "unit_id": "x"}, 422),
        ({"about": "hold", "high": "90"}, 303),
        ({"about": "hold", "high": "90", "programme_id": "x"}, 404),
    ],
)
def test_thresholds_that_make_no_sense_come_back_with_a_sentence(
    cast: Cast, client: FlaskClient, changes: dict[str, str], status: int
) -> None:
    sign_in(client, cast.manager)
    form = {"programme_id": cast.programme.id, **changes}
    assert client.post("/console/reviews/thresholds", data=form).status_code == status


def test_thresholds_of_another_unit_are_not_there(cast: Cast, client: FlaskClient) -> None:
    form = {"programme_id": cast.programme.id, "about": "hold", "high": "90"}
    for name, status in {"other_manager": 404, "finance": 403, "stranger": 403}.items():
        browser = client.application.test_client()
        sign_in(browser, getattr(cast, name))
        assert browser.post("/console/reviews/thresholds", data=form).status_code == status
    browser = client.application.test_client()
    sign_in(browser, cast.other_manager)
    page = browser.get(f"/console/reviews/thresholds?programme={cast.programme.id}")
    assert cast.programme.name not in page.text
