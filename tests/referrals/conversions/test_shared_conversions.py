from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core import db
from core.clock import at, now
from core.people import get_person
from core.settings import Settings
from hub import metrics
from hub.programmes import get_programme
from referrals.clicks.click_ids import new_click_id
from referrals.clicks.link_table import milliseconds
from referrals.clicks.tokens import sign, signing_key
from referrals.conversions.conversions import Conversion, candidates_of
from referrals.links.link_figures import figures_of
from referrals.links.links import Link
from rewards.grants import Reward, rewards_of_conversion
from rewards.ledger import proof
from tests.factories import Cast, sign_in
from tests.referrals.conftest import Machine
from tests.referrals.stories import bring, give_back, make_earner, make_link, order
from tests.rewards.stories import percent_rule, points_rule

NAMES = ("ana", "ben", "cleo")


@pytest.fixture
def links(cast: Cast) -> dict[str, Link]:
    """Three advocates of a programme in which who took part shares."""
    with db.transaction():
        get_programme(cast.programme.id).attribution_rule = "split"
        percent_rule(cast.programme)
        points_rule(cast.programme, "sale", 9)
        return {
            name: make_link(make_earner(cast.programme, name.title()), name, coupon=name.upper() + "10")
            for name in NAMES
        }


@pytest.fixture
def tokens(settings: Settings, links: dict[str, Link]) -> list[str]:
    """A click on each, an hour apart."""
    secret, day_later = signing_key(settings.secret), milliseconds(now() + timedelta(days=1))
    moments = [day_later - hours * 3_600_000 for hours in (3, 2, 1)]
    return [
        sign(new_click_id(at_ms), name, at_ms, secret) for at_ms, name in zip(moments, NAMES, strict=True)
    ]


def shared_sale(
    cast: Cast,
    tokens: list[str],
    amount_minor: int | None = 12_900,
    **changes: Any,  # noqa: ANN401 - fields of an order
) -> Conversion:
    with at(now() + timedelta(days=1)):
        known = {"external_id": "shared", "occurred_at": now().isoformat(), "amount_minor": amount_minor}
        return bring(cast.north.id, clicks=tokens, **{**known, **changes})


def revenue_of(links: dict[str, Link]) -> dict[str, int]:
    assert metrics.differences() == []
    return {name: metrics.value_of("revenue:EUR", "all", link.membership_id) for name, link in links.items()}


def sales_of(links: dict[str, Link]) -> dict[str, int]:
    return {name: metrics.value_of("sales", "all", link.membership_id) for name, link in links.items()}


def rewards_by_name(
    conversion: Conversion, links: dict[str, Link], kind: str = "earned"
) -> dict[str, Reward]:
    name_of = {link.membership_id: name for name, link in links.items()}
    granted = [each for each in rewards_of_conversion(conversion.id) if each.kind == kind]
    return {name_of[each.membership_id]: each for each in granted}


def test_each_share_is_stored_scored_and_rewarded_and_they_sum_to_the_whole(
    cast: Cast, links: dict[str, Link], tokens: list[str]
) -> None:
    with db.transaction():
        sale = shared_sale(cast, tokens, 12_901)
        assert (sale.shared, sale.membership_id) == (True, links["cleo"].membership_id)
        shares = [
            (each.weight_basis_points, each.share_minor)
            for each in candidates_of([sale.id])[sale.id]
            if each.won
        ]
        assert shares == [(4_000, 5_161), (2_000, 2_580), (4_000, 5_160)]
        assert revenue_of(links) == {"ana": 5_161, "ben": 2_580, "cleo": 5_160}
        assert sales_of(links) == {"ana": 0, "ben": 0, "cleo": 1}
        money = rewards_by_name(sale, links)
        assert {name: each.amount_minor for name, each in money.items()} == {
            "ana": 516,
            "ben": 258,
            "cleo": 516,
        }
        assert money["ben"].arithmetic == (
            "10 % of €129.01 = €12.90 (sale rule, version 1); a share of 20 % = €2.58"
        )
        points = rewards_by_name(sale, links, "points")
        assert {name: each.amount_minor for name, each in points.items()} == {"ana": 4, "ben": 2, "cleo": 3}
        assert proof.problems() == []


def test_refunds_take_each_share_back_and_leave_nothing_at_the_end(
    cast: Cast, links: dict[str, Link], tokens: list[str]
) -> None:
    with db.transaction():
        sale = shared_sale(cast, tokens, 1_001)
    taken = 0
    with at(now() + timedelta(days=2)), db.transaction():
        for minor in (1, 1, 333, 666):
            give_back(cast.north.id, "shared", minor, external_id=f"r-{taken}")
            taken += minor
            assert sum(revenue_of(links).values()) == 1_001 - taken
            assert min(revenue_of(links).values()) >= 0
        assert sales_of(links) == {"ana": 0, "ben": 0, "cleo": 0}
        assert set(revenue_of(links).values()) == {0}
        assert {each.state for each in rewards_by_name(sale, links).values()} == {"reversed"}
        assert proof.problems() == []


def test_a_refund_before_a_shared_sale_waits_for_it(
    cast: Cast, links: dict[str, Link], tokens: list[str]
) -> None:
    with db.transaction():
        give_back(cast.north.id, "shared", 900)
        shared_sale(cast, tokens)
        assert revenue_of(links) == {"ana": 4_800, "ben": 2_400, "cleo": 4_800}


def test_a_coupon_and_a_known_customer_take_part(
    cast: Cast, links: dict[str, Link], tokens: list[str]
) -> None:
    with db.transaction():
        bring(cast.north.id, code="ben", customer={"external_id": "c-1"})
        sale = shared_sale(cast, tokens[:1], coupon="CLEO10", customer={"external_id": "c-1"})
        assert sale.reason == "shared: ben 40 %, ana 20 %, cleo 40 %"


def test_a_click_that_is_sent_twice_is_one_candidate(
    cast: Cast, links: dict[str, Link], tokens: list[str]
) -> None:
    with db.transaction():
        sale = shared_sale(cast, [tokens[0], tokens[0]], click=tokens[0])
        assert not sale.shared
        assert [each.won for each in candidates_of([sale.id])[sale.id]] == [True]


def test_a_shared_lead_counts_once_and_its_points_are_shared(
    cast: Cast, links: dict[str, Link], tokens: list[str]
) -> None:
    with db.transaction():
        points_rule(cast.programme, "lead", 5)
        lead = shared_sale(cast, tokens, kind="lead", currency=None, amount_minor=None)
        assert metrics.value_of("leads", "all", links["cleo"].membership_id) == 1
        points = rewards_by_name(lead, links, "points")
        assert {name: each.amount_minor for name, each in points.items()} == {"ana": 2, "ben": 1, "cleo": 2}
        assert metrics.differences() == []


def test_the_api_tells_every_share(
    cast: Cast, machine: Machine, links: dict[str, Link], tokens: list[str]
) -> None:
    shop = machine(cast.north)
    with at(now() + timedelta(days=1)):
        body = order(clicks=tokens)
        answer = shop.post("/api/v1/conversions", json=body)
    assert answer.status_code == 201, answer.text
    told = answer.json
    assert told is not None
    assert told["attribution"]["shared"] is True
    parts = [
        (each["link"], each["weight_basis_points"], each["share_minor"])
        for each in told["attribution"]["candidates"]
    ]
    assert parts == [("ana", 4_000, 5_160), ("ben", 2_000, 2_580), ("cleo", 4_000, 5_160)]
    assert sorted(each["amount_minor"] for each in told["rewards"] if each["kind"] == "earned") == [
        258,
        516,
        516,
    ]
    assert shop.post("/api/v1/conversions", json=body).json == told
    too_many = shop.post("/api/v1/conversions", json=order(clicks=["x"] * 21))
    assert too_many.status_code == 422


def test_the_pages_show_the_shares(
    app: Flask, client: FlaskClient, cast: Cast, links: dict[str, Link], tokens: list[str]
) -> None:
    with db.transaction():
        sale = shared_sale(cast, tokens)
        reward = rewards_by_name(sale, links)["ben"]
        ben = get_person(sale_owner(links["ben"]))
    manager = sign_in(client, cast.manager)
    page = manager.get(f"/console/conversions/{sale.id}").text
    for words in ("shared: ana 40 %, ben 20 %, cleo 40 %", "20 %", "€25.80", "€51.60"):
        assert words in page
    assert "and others, by shares" in manager.get("/console/conversions").text
    why = manager.get(f"/console/rewards/{reward.id}").text
    assert "a share of 20 % = €2.58" in why
    assert "shares 20 %" in why
    assert (
        f"/console/conversions/{sale.id}"
        in manager.get(f"/console/advocates/{links['ben'].membership_id}").text
    )
    mine = sign_in(app.test_client(), ben).get("/portal/links").text
    assert "yours, 20 %" in mine
    assert "your share €25.80" in mine
    for other in (cast.other_manager, cast.stranger):
        assert sign_in(app.test_client(), other).get(f"/console/conversions/{sale.id}").status_code in {
            403,
            404,
        }


def sale_owner(link: Link) -> str:
    from advocates.membership import get_membership

    return get_membership(link.membership_id).person_id


def test_a_manager_chooses_the_rule_for_what_comes(client: FlaskClient, cast: Cast) -> None:
    page = f"/console/settings/programmes/{cast.programme.id}"
    manager = sign_in(client, cast.manager)
    form = {
        "name": "Makers",
        "home_url": "https://shop.example/",
        "allowed_hosts": "shop.example",
        "hold_days": "30",
        "attribution_days": "30",
        "payout_minimum": "0",
        "decide_within_days": "14",
    }
    assert manager.post(page, data={**form, "attribution_rule": "split"}).status_code == 303
    with db.transaction(read_only=True):
        assert get_programme(cast.programme.id).attribution_rule == "split"
    assert manager.post(page, data={**form, "attribution_rule": "luck"}).status_code == 422


def test_a_links_page_has_its_share_of_the_revenue_and_the_last_links_has_the_sale(
    cast: Cast, links: dict[str, Link], tokens: list[str]
) -> None:
    with db.transaction():
        shared_sale(cast, tokens, 10_000)
        give_back(cast.north.id, "shared", 5_000)
    with at(now() + timedelta(days=1)), db.transaction(read_only=True):
        found = {name: figures_of(link.id, 28) for name, link in links.items()}
    assert {name: each.sums["EUR"].amount_minor for name, each in found.items()} == {
        "ana": 2_000,
        "ben": 1_000,
        "cleo": 2_000,
    }
    assert {name: sum(each.sales) for name, each in found.items()} == {"ana": 0, "ben": 0, "cleo": 1}
