"""What the API's lists can be narrowed to, and their pages."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from core import db
from core.clock import at, now
from referrals.clicks import clicks
from referrals.links.links import Link
from tests.factories import Cast
from tests.queries import counted
from tests.referrals.stories import Visitors, bring, give_back, make_earner, make_link

Machine = Callable[..., FlaskClient]


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana")


def listed(client: FlaskClient, what: str, **query: object) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/{what}", query_string=query)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return list(answer.json["items"])


def test_conversions_by_time_order_and_kind(machine: Machine, cast: Cast, link: Link) -> None:
    start = now()
    with db.transaction():
        for hour in range(3):
            when = (start - timedelta(hours=hour)).isoformat()
            bring(cast.north.id, external_id=f"order-h{hour}", code="ana", occurred_at=when)
        bring(cast.north.id, external_id="lead-1", code="ana", kind="lead", amount_minor=None, currency=None)
        bring(cast.south.id, external_id="order-h1", code="ana")
    shop = machine(cast.north, "conversions:read")

    def ids(**query: object) -> list[str]:
        return [each["external_id"] for each in listed(shop, "conversions", **query)]

    hour_ago = (start - timedelta(hours=1)).isoformat()
    assert ids(since=hour_ago) == ["lead-1", "order-h1", "order-h0"]
    assert ids(until=hour_ago) == ["order-h2"], "the bound itself is not before it"
    assert ids(kind="lead") == ["lead-1"]
    assert ids(external_id="order-h1") == ["order-h1"]
    assert ids(external_id="order-h1", kind="lead") == []


def test_a_unit_without_links_asks_for_no_click(
    machine: Machine, cast: Cast, link: Link, visitors: Visitors
) -> None:
    visitors.click("ana")
    clicks.ingest()
    assert len(listed(machine(cast.north), "clicks")) == len(listed(machine(cast.hub), "clicks")) == 1
    south = machine(cast.south)
    with counted() as sent:
        assert listed(south, "clicks") == []
    (asked,) = [each for each in sent if "FROM click" in each]
    assert "unit_id IN" not in asked  # nothing is looked at


def test_refunds_by_time_order_and_what_became_of_them(machine: Machine, cast: Cast, link: Link) -> None:
    start = now()
    with db.transaction():
        bring(cast.north.id, external_id="order-1", code="ana", amount_minor=5_000)
        for hour, sale in enumerate(("order-1", "order-1", "order-2")):
            when = (start + timedelta(hours=hour + 1)).isoformat()
            give_back(cast.north.id, sale, 100 + hour, external_id=f"r-{hour}", occurred_at=when)
        give_back(cast.south.id, "order-1", 100, external_id="r-0")
    shop = machine(cast.north, "conversions:read")

    def ids(**query: object) -> list[str]:
        return [each["external_id"] for each in listed(shop, "refunds", **query)]

    second = (start + timedelta(hours=2)).isoformat()
    assert ids() == ["r-2", "r-1", "r-0"]
    assert (ids(since=second), ids(until=second)) == (["r-2", "r-1"], ["r-0"])
    assert ids(state="parked") == ids(conversion_external_id="order-2") == ["r-2"]
    assert ids(external_id="r-0", state="applied") == ["r-0"]
    assert ids(limit=1) == ["r-2"]
    with db.transaction():  # the hub's shop sold by the unit's link, and gave back
        bring(cast.hub.id, external_id="order-h", code="ana")
        give_back(cast.hub.id, "order-h", 100, external_id="r-h")
    assert ids()[0] == "r-h"
    assert "r-h" not in [
        each["external_id"] for each in listed(machine(cast.south, "conversions:read"), "refunds")
    ]
    assert len(listed(machine(cast.hub, "conversions:read"), "refunds")) == 5
    assert shop.get("/api/v1/refunds?state=lost").status_code == 422
    assert machine(cast.north, "links:read").get("/api/v1/refunds").status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=2026-11-02",
        "since=2026-11-02T10:00:00",
        "until=0001-01-01T00:00:00%2B14:00",
        "kind=gift",
        "external_id=%20",
        "external_id=a%20b",
        "programme=makers",
    ],
)
def test_wrong_queries_are_refused_with_a_sentence(machine: Machine, cast: Cast, query: str) -> None:
    answer = machine(cast.north).get(f"/api/v1/conversions?{query}")
    if query == "external_id=%20":  # an empty field is a missing one
        assert answer.status_code == 200
        return
    assert answer.status_code == 422, answer.text


def test_clicks_since_a_moment(machine: Machine, cast: Cast, link: Link, visitors: Visitors) -> None:
    visitors.click("ana")
    later = now() + timedelta(hours=1)
    with at(later):
        second = visitors.click("ana").click_id
    clicks.ingest()
    shop = machine(cast.north)
    assert len(listed(shop, "clicks")) == 2
    moment = datetime.fromisoformat(listed(shop, "clicks", limit=1)[0]["occurred_at"])
    assert [each["id"] for each in listed(shop, "clicks", since=moment.isoformat())] == [second]
    assert listed(shop, "clicks", since=(moment + timedelta(milliseconds=1)).isoformat()) == []
    assert len(listed(shop, "clicks", since="0001-01-01T00:00:00Z")) == 2
    assert listed(shop, "clicks", since="9999-12-31T23:59:59Z") == []


def test_links_of_a_programme(machine: Machine, cast: Cast, link: Link) -> None:
    with db.transaction():
        make_link(make_earner(cast.other_programme, "Sofia South"), "sofia")
    hub, north = machine(cast.hub), machine(cast.north)
    assert {"ana", "sofia"} <= {each["code"] for each in listed(hub, "links")}
    found = listed(hub, "links", programme="gardeners")
    assert "sofia" in {each["code"] for each in found}
    assert {each["programme"] for each in found} == {"gardeners"}
    assert north.get("/api/v1/links?programme=gardeners").status_code == 404, "another unit's programme"
    assert north.get("/api/v1/links?programme=nothing").status_code == 404


def test_pages_are_stable_while_rows_arrive(machine: Machine, cast: Cast, link: Link) -> None:
    shop = machine(cast.north)

    def arrive(*ids: str) -> None:
        with db.transaction():
            for each in ids:
                bring(cast.north.id, external_id=each, code="ana")

    arrive("a", "b", "c")
    first = shop.get("/api/v1/conversions?limit=2").get_json()
    arrive("d", "e")
    rest = listed(shop, "conversions", after=first["next"])
    assert [each["external_id"] for each in [*first["items"], *rest]] == ["c", "b", "a"]


def test_a_page_of_links_asks_as_often_as_one_link(machine: Machine, cast: Cast) -> None:
    with db.transaction():
        for number in range(6):
            member = make_earner(cast.programme, f"Ana {number}")
            member.shown_by_name = True
            db.session().add(member)
            make_link(member, f"ana-{number}")
            bring(cast.north.id, code=f"ana-{number}")
    shop = machine(cast.north)
    for what in ("links", "conversions"):
        listed(shop, what)
        asked = []
        for limit in (1, 6):
            with counted() as sent:
                assert len(listed(shop, what, limit=limit)) == limit
            asked.append(len(sent))
        assert asked[0] == asked[1], what
