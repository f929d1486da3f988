import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select
from werkzeug.test import TestResponse

from core import db
from hub import metrics
from hub.actions import Action
from hub.units import Unit
from referrals.clicks import clicks
from referrals.conversions.conversion_input import NewConversion, content_hash, hashes_of
from referrals.conversions.conversions import Conversion
from referrals.links.links import Link
from rewards.ledger import proof
from tests.factories import Cast
from tests.referrals.stories import Visitors, bring, give_back, make_earner, make_link, order

Machine = Callable[..., FlaskClient]


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana", coupon="ANA10")


@pytest.fixture
def shop(machine: Machine, cast: Cast, link: Link) -> FlaskClient:
    return machine(cast.north)


def told(response: TestResponse) -> Any:  # noqa: ANN401 - any JSON
    return response.json


def stored() -> int:
    with db.transaction(read_only=True):
        return len(db.session().exec(select(Conversion.id)).all())


def test_a_conversion_is_answered_with_its_attribution_and_again_the_same(
    shop: FlaskClient, visitors: Visitors, link: Link
) -> None:
    body = order(click=visitors.click("ana").token, code="ana", customer={"external_id": "c-77"})
    first = shop.post("/api/v1/conversions", json=body)
    assert first.status_code == 201, first.text
    answer = told(first)
    assert answer["external_id"] == body["external_id"]
    assert (answer["kind"], answer["amount_minor"], answer["currency"]) == ("sale", 12_900, "EUR")
    attribution = answer["attribution"]
    assert (attribution["link"], attribution["advocate_id"]) == ("ana", link.membership_id)
    assert attribution["reason"].startswith("won: last click on ana")
    assert [each["source"] for each in attribution["candidates"]] == ["click", "code"]
    assert "reward" in answer
    again = shop.post("/api/v1/conversions", json=body)
    assert (again.status_code, told(again)) == (200, answer)
    other = shop.post("/api/v1/conversions", json={**body, "amount_minor": 1})
    assert (other.status_code, told(other)["error"]) == (409, "ConversionDiffers")


BAD: list[dict[str, Any]] = [
    {"external_id": ""},
    {"external_id": None},
    {"external_id": "a b"},
    {"external_id": "x" * 201},
    {"kind": "gift"},
    {"amount_minor": -1},
    {"amount_minor": 10**12 + 1},
    {"amount_minor": 12.5},
    {"amount_minor": "12900"},
    {"amount_minor": True},
    {"amount_minor": None},
    {"tax_minor": 12_901},
    {"tax_minor": 12_000, "shipping_minor": 901},
    {"shipping_minor": -1},
    {"discount_minor": 1.5},
    {"currency": None},
    {"currency": "EURO"},
    {"currency": "eur"},
    {"currency": "XQQ"},
    {"currency": "PTS"},
    {"occurred_at": "2026-11-02T10:15:00"},
    {"occurred_at": "2999-01-01T00:00:00Z"},
    {"occurred_at": "0001-01-01T00:00:00+14:00"},
    {"occurred_at": "9999-12-31T23:59:59-14:00"},
    {"occurred_at": 1_762_078_500},
    {"occurred_at": "yesterday"},
    {"code": None},
    {"code": "a\u0000b"},
    {"click": "x" * 301},
    {"customer": {}},
    {"customer": {"external_id": "c", "role": "admin"}},
    {"customer": {"email_sha256": "ana@example.org"}},
    {"lines": [{"sku": "A", "amount_minor": 1}] * 201},
    {"lines": [{"sku": "A", "amount_minor": -1}]},
    {"metadata": {"a": {"b": 1}}},
    {"metadata": {f"k{number}": 1 for number in range(51)}},
    {"metadata": {"k": "x" * 501}},
    {"membership_id": "mine"},
    {"unit_id": "mine"},
]


@pytest.mark.parametrize("changes", BAD, ids=lambda each: json.dumps(each)[:40])
def test_bad_conversions_are_refused_with_a_sentence(shop: FlaskClient, changes: dict[str, Any]) -> None:
    body = {name: value for name, value in {**order(code="ana"), **changes}.items() if value is not None}
    answer = shop.post("/api/v1/conversions", json=body)
    assert answer.status_code == 422, answer.text
    assert told(answer)["error"] == "InvalidInput"
    assert stored() == 0


@pytest.mark.parametrize(
    ("raw", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": 1, "a": 2}', "application/json", 400),
        (b"[" * 50 + b"]" * 50, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
    ],
)
def test_what_is_no_json_is_refused(shop: FlaskClient, raw: bytes, kind: str, status: int) -> None:
    answer = shop.post("/api/v1/conversions", data=raw, content_type=kind)
    assert answer.status_code == status


def test_keys_are_asked_for_and_scopes_are_kept(machine: Machine, cast: Cast, link: Link) -> None:
    reader = machine(cast.north, "conversions:read")
    assert reader.post("/api/v1/conversions", json=order(code="ana")).status_code == 403
    assert (
        reader.post("/api/v1/conversions/batch", data=b"", content_type="application/x-ndjson").status_code
        == 403
    )
    assert reader.get("/api/v1/links").status_code == 403
    assert reader.get("/api/v1/conversions").status_code == 200
    nobody = reader.application.test_client()
    for path in ("/api/v1/links", "/api/v1/links/ana", "/api/v1/clicks", "/api/v1/conversions"):
        assert nobody.get(path).status_code == 401
    assert nobody.post("/api/v1/refunds", json={}).status_code == 401


def test_another_unit_sees_nothing(
    machine: Machine, cast: Cast, link: Link, visitors: Visitors, shop: FlaskClient
) -> None:
    visitors.click("ana")
    clicks.ingest()
    shop.post("/api/v1/conversions", json=order(code="ana"))
    south = machine(cast.south)
    assert south.get("/api/v1/links/ana").status_code == 404
    for path in ("/api/v1/links", "/api/v1/clicks", "/api/v1/conversions"):
        assert told(south.get(path)) == {"items": [], "next": None}
        assert told(shop.get(path))["items"]


def test_a_conversion_that_the_hub_brought_is_seen_where_it_was_won(
    machine: Machine, cast: Cast, link: Link, shop: FlaskClient
) -> None:
    machine(cast.hub).post("/api/v1/conversions", json=order(code="ana"))
    assert len(told(shop.get("/api/v1/conversions"))["items"]) == 1
    assert told(machine(cast.south).get("/api/v1/conversions"))["items"] == []


def test_a_link_tells_what_it_brought(cast: Cast, shop: FlaskClient, visitors: Visitors, link: Link) -> None:
    visitors.click("ana")
    visitors.click("ana", "HEAD")
    clicks.ingest()
    with db.transaction():
        bring(cast.north.id, code="ana")
        bring(cast.north.id, code="ana", external_id="back")
        bring(cast.north.id, code="ana", kind="lead", amount_minor=None, currency=None)
        give_back(cast.north.id, "back", 12_900)
    about = told(shop.get("/api/v1/links/ANA"))
    assert about["code"] == "ana"
    assert about["destination"] == "https://shop.example/"
    assert (about["active"], about["programme"], about["currency"]) == (True, "makers", "EUR")
    assert (about["clicks"], about["leads"], about["sales"]) == (1, 1, 1)
    assert about["advocate"].startswith("Advocate #")
    assert shop.get("/api/v1/links/nobody").status_code == 404


def test_every_recorded_click_is_listed_page_by_page(
    shop: FlaskClient, visitors: Visitors, link: Link
) -> None:
    made = [
        visitors.click("ana").click_id,
        visitors.click("ana", "HEAD").click_id,
        visitors.click("ana").click_id,
    ]
    clicks.ingest()
    seen: list[dict[str, Any]] = []
    after = None
    for _ in range(3):
        page = told(
            shop.get("/api/v1/clicks", query_string={"limit": 1, **({"after": after} if after else {})})
        )
        seen += page["items"]
        after = page["next"]
    assert after is None
    assert {each["id"] for each in seen} == set(made)
    head = next(each for each in seen if each["id"] == made[1])
    assert (head["code"], head["counted"], head["flags"]) == ("ana", False, ["head"])


def test_a_batch_answers_each_line_in_order(shop: FlaskClient, link: Link) -> None:
    good, other = order(code="ana"), order(code="nobody")
    lines = [
        json.dumps(good),
        "{",
        json.dumps({**good, "amount_minor": 1}),
        json.dumps({**order(code="ana"), "amount_minor": -5}),
        "",
        json.dumps(good),
        json.dumps(other),
    ]
    answer = shop.post(
        "/api/v1/conversions/batch", data="\n".join(lines) + "\n", content_type="application/x-ndjson"
    )
    assert answer.status_code == 200, answer.text
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert [each["status"] for each in results] == [201, 400, 409, 422, 400, 200, 201]
    assert results[0]["external_id"] == good["external_id"]
    assert results[0]["id"] == results[5]["id"]
    assert stored() == 2


def test_a_batch_has_limits(shop: FlaskClient, link: Link) -> None:
    many = shop.post("/api/v1/conversions/batch", data=b"{}\n" * 10_001, content_type="application/x-ndjson")
    assert many.status_code == 413
    large = shop.post(
        "/api/v1/conversions/batch", data=b" " * (16 * 1024 * 1024 + 1), content_type="application/x-ndjson"
    )
    assert large.status_code == 413
    assert (
        shop.post("/api/v1/conversions/batch", data=b"{}", content_type="application/json").status_code == 415
    )
    two = b" " * (2 * 1024 * 1024)
    assert (
        shop.post("/api/v1/conversions/batch", data=two, content_type="application/x-ndjson").status_code
        == 200
    )


def refund_of(sale: dict[str, Any], amount_minor: int, **more: object) -> dict[str, Any]:
    """The body of a refund, r-1, at the time of its sale."""
    about = {
        "external_id": "r-1",
        "conversion_external_id": sale["external_id"],
        "amount_minor": amount_minor,
    }
    return {**about, "occurred_at": sale["occurred_at"], **more}


def test_refunds_are_stored_once_parked_and_refused(shop: FlaskClient, link: Link) -> None:
    sale = order(code="ana")
    body = refund_of(sale, 900, reason="broken")
    first = shop.post("/api/v1/refunds", json=body)
    assert (first.status_code, told(first)["state"]) == (201, "parked")
    assert shop.post("/api/v1/conversions", json=sale).status_code == 201
    again = shop.post("/api/v1/refunds", json=body)
    assert (again.status_code, told(again)) == (200, {**told(first), "state": "applied"})
    assert shop.post("/api/v1/refunds", json={**body, "amount_minor": 1}).status_code == 409
    large = shop.post("/api/v1/refunds", json={**body, "external_id": "r-2", "amount_minor": 12_001})
    assert (large.status_code, told(large)["error"]) == (422, "RefundTooLarge")
    rest = shop.post("/api/v1/refunds", json={**body, "external_id": "r-3", "amount_minor": 12_000})
    assert (rest.status_code, told(rest)["state"]) == (201, "applied")
    for wrong in (0, -1, 1.5, "900", None):
        answer = shop.post("/api/v1/refunds", json={**body, "external_id": "r-4", "amount_minor": wrong})
        assert answer.status_code == 422


def test_a_shop_that_sends_a_parked_refund_again_hears_what_became_of_it(
    shop: FlaskClient, link: Link
) -> None:
    sale = order(code="ana")
    body = refund_of(sale, 12_901)
    assert told(shop.post("/api/v1/refunds", json=body))["state"] == "parked"
    shop.post("/api/v1/conversions", json=sale)
    again = shop.post("/api/v1/refunds", json=body)
    assert (again.status_code, told(again)["state"]) == (200, "refused")


def test_a_shop_takes_a_refund_back_that_was_a_mistake(
    machine: Machine, shop: FlaskClient, cast: Cast, link: Link
) -> None:
    sale = order(code="ana")
    shop.post("/api/v1/conversions", json=sale)
    body = refund_of(sale, 12_900)
    shop.post("/api/v1/refunds", json=body)
    for unit in (cast.south, cast.hub):
        other = machine(unit).post("/api/v1/refunds/undo", json={"external_id": "r-1"})
        assert (other.status_code, told(other)["error"]) == (404, "RefundNotFound"), "each shop its own"
    for _ in range(2):
        undone = shop.post("/api/v1/refunds/undo", json={"external_id": "r-1"})
        assert (undone.status_code, told(undone)["state"]) == (200, "came_back")
    assert told(shop.post("/api/v1/refunds", json=body))["state"] == "came_back", "told again it stays undone"
    with db.transaction(read_only=True):
        (kept,) = db.session().exec(select(Conversion)).all()
        assert (kept.refunded_minor, metrics.differences(), proof.problems()) == (0, [], [])
    assert shop.post("/api/v1/refunds", json={**body, "external_id": "r-2"}).status_code == 201


def test_a_refund_that_waits_for_its_sale_can_be_taken_back(shop: FlaskClient, link: Link) -> None:
    sale = order(code="ana")
    body = refund_of(sale, 900)
    shop.post("/api/v1/refunds", json=body)
    assert told(shop.post("/api/v1/refunds/undo", json={"external_id": "r-1"}))["state"] == "came_back"
    shop.post("/api/v1/conversions", json=sale)
    assert told(shop.post("/api/v1/refunds", json=body))["state"] == "came_back"


def test_a_refund_that_was_refused_and_is_taken_back_asks_nobody_any_more(
    shop: FlaskClient, link: Link
) -> None:
    sale = order(code="ana")
    for name in ("r-1", "r-2"):
        shop.post("/api/v1/refunds", json=refund_of(sale, 99_999, external_id=name))
    shop.post("/api/v1/conversions", json=sale)

    def asked() -> int:
        with db.transaction(read_only=True):
            waiting = select(Action).where(Action.kind == "refund.look", col(Action.done_at).is_(None))
            return len(db.session().exec(waiting).all())

    for name, left in (("r-1", 1), ("r-2", 0)):
        undone = shop.post("/api/v1/refunds/undo", json={"external_id": name})
        assert (told(undone)["state"], asked()) == ("came_back", left)


def test_an_order_told_before_one_word_was_left_out_of_its_content_is_the_same(
    shop: FlaskClient, link: Link
) -> None:
    sale = order(code="ana", metadata={"email_normalized_sha256": "a" * 64})
    first = shop.post("/api/v1/conversions", json=sale)
    (earlier,) = hashes_of(NewConversion(**sale)) - {content_hash(NewConversion(**sale))}
    with db.transaction():
        (kept,) = db.session().exec(select(Conversion)).all()
        kept.content_hash = earlier
    again = shop.post("/api/v1/conversions", json=sale)
    assert (first.status_code, again.status_code, told(again)) == (201, 200, told(first))


def test_a_lead_and_another_currency_are_not_refunded_and_the_refusal_says_so(
    shop: FlaskClient, link: Link
) -> None:
    lead, sale = order(code="ana", kind="lead", amount_minor=None, currency=None), order(code="ana")
    for each in (lead, sale):
        assert shop.post("/api/v1/conversions", json=each).status_code == 201
    body = {"external_id": "r-1", "amount_minor": 900, "occurred_at": sale["occurred_at"]}
    of_lead = shop.post("/api/v1/refunds", json={**body, "conversion_external_id": lead["external_id"]})
    assert (of_lead.status_code, told(of_lead)["error"]) == (422, "RefundOfLead")
    assert told(of_lead)["message"].startswith("This is a lead")
    about = {**body, "conversion_external_id": sale["external_id"]}
    dollars = shop.post("/api/v1/refunds", json={**about, "currency": "USD"})
    assert (dollars.status_code, told(dollars)["error"]) == (422, "RefundInOtherCurrency")
    assert shop.post("/api/v1/refunds", json={**about, "currency": "usd"}).status_code == 422
    assert shop.post("/api/v1/refunds", json={**about, "currency": "EUR"}).status_code == 201
    assert shop.post("/api/v1/refunds", json=about).status_code == 200


def test_a_wrong_page_address_is_refused(shop: FlaskClient, link: Link) -> None:
    assert shop.get("/api/v1/clicks?after=nonsense").status_code == 400
    assert shop.get("/api/v1/clicks?limit=0").status_code == 422
    assert shop.get("/api/v1/clicks?limit=1001").status_code == 422
    assert shop.get("/api/v1/links/" + "a" * 3_000).status_code == 404


def test_a_unit_is_who_brought_it(cast: Cast, shop: FlaskClient, link: Link) -> None:
    shop.post("/api/v1/conversions", json=order(code="ana"))
    with db.transaction(read_only=True):
        row = db.session().exec(select(Conversion)).one()
        unit = db.session().get_one(Unit, row.unit_id)
    assert (unit.id, row.earning_unit_id) == (cast.north.id, cast.north.id)
    assert row.brought_by


@pytest.mark.parametrize("hub_first", [True, False])
def test_an_order_told_by_a_unit_and_by_the_hub_is_rewarded_once(
    machine: Machine, cast: Cast, link: Link, shop: FlaskClient, *, hub_first: bool
) -> None:
    body = order(code="ana")
    first, second = (machine(cast.hub), shop) if hub_first else (shop, machine(cast.hub))
    one = first.post("/api/v1/conversions", json=body)
    two = second.post("/api/v1/conversions", json=body)
    batch = second.post(
        "/api/v1/conversions/batch", data=json.dumps(body), content_type="application/x-ndjson"
    )
    assert (one.status_code, two.status_code, json.loads(batch.text)["status"]) == (201, 200, 200)
    assert told(one) == told(two)
    assert stored() == 1


@pytest.fixture
def neighbour(cast: Cast) -> Link:
    """A link of an advocate of south."""
    with db.transaction():
        return make_link(make_earner(cast.other_programme, "Sofia South"), "sofia", coupon="SOFIA5")


def tells_of_neighbour(text: str, neighbour: Link) -> bool:
    words = ("sofia", neighbour.membership_id, neighbour.id)
    return any(each.lower() in text.lower() for each in words)


@pytest.mark.parametrize("named", [{"code": "ana", "coupon": "SOFIA5"}, {"code": "sofia", "coupon": "ANA10"}])
def test_a_key_is_told_nothing_of_another_units_advocate(
    machine: Machine, cast: Cast, shop: FlaskClient, link: Link, neighbour: Link, named: dict[str, str]
) -> None:
    body = order(**named)
    hub = machine(cast.hub)
    first = hub.post("/api/v1/conversions", json=body)
    assert tells_of_neighbour(first.text, neighbour)
    again = shop.post("/api/v1/conversions", json=body)
    assert (again.status_code, told(again)["id"]) == (200, told(first)["id"])
    attribution = told(again)["attribution"]
    assert "an advocate of another unit" in {each["advocate"] for each in attribution["candidates"]}
    assert link.membership_id in {each["advocate_id"] for each in attribution["candidates"]}
    for answer in (again, shop.get("/api/v1/conversions")):
        assert not tells_of_neighbour(answer.text, neighbour)
    if named["code"] == "sofia":  # and the neighbour won it
        assert (attribution["advocate"], attribution["advocate_id"]) == ("an advocate of another unit", None)
        assert (told(again)["reward"], attribution["link"]) == (None, None)
    assert told(hub.post("/api/v1/conversions", json=body)) == told(first)
