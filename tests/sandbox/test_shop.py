import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.shop.app import _cents
from sandbox.shop.payments import Stripe
from sandbox.shop.reports import Spokes
from sandbox.shop.server import running
from sandbox.stripe.server import running as running_stripe
from tests.sandbox.receiver import Receiver

NOWHERE = Spokes("http://127.0.0.1:9", "key")


@pytest.fixture
def shop(receiver: Receiver) -> Iterator[httpx.Client]:
    with (
        running(Spokes(receiver.url, "sk-1")) as url,
        httpx.Client(base_url=url, follow_redirects=True) as visitor,
    ):
        yield visitor


def buy(shop: httpx.Client, *skus: str, **form: str) -> httpx.Response:
    for sku in skus:
        shop.post("/basket", data={"sku": sku}).raise_for_status()
    return shop.post("/checkout", data={"name": "Mia Sol", "email": " Mia@Example.org", **form})


def number_on(page: httpx.Response) -> str:
    found = re.search(r'id="order-number">([^<]+)<', page.text)
    assert found, page.text
    return found[1]


def test_an_order_is_reported_with_the_click_the_visitor_came_with(
    shop: httpx.Client, receiver: Receiver
) -> None:
    shop.get("/", params={"spk": "01ABC.sig", "utm_source": "ana"})
    page = buy(shop, "PRO", "CARE", "CARE", coupon="ana10")
    (posted,) = receiver.posted
    assert posted.path == "/api/v1/conversions"
    assert posted.headers["Authorization"] == "Bearer sk-1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", posted.json["occurred_at"])
    email_sha256 = hashlib.sha256(b"mia@example.org").hexdigest()
    assert {name: value for name, value in posted.json.items() if name != "occurred_at"} == {
        "external_id": number_on(page),
        "kind": "sale",
        "click": "01ABC.sig",
        "coupon": "ANA10",
        "amount_minor": 17_800,
        "currency": "EUR",
        "customer": {"external_id": f"c-{email_sha256[:12]}", "email_sha256": email_sha256},
        "lines": [{"sku": "CARE", "amount_minor": 4_900}, {"sku": "PRO", "amount_minor": 12_900}],
    }
    assert 'id="report-status">201<' in page.text
    assert "Basket (0)" in page.text


def test_without_a_click_the_customer_alone_is_named(shop: httpx.Client, receiver: Receiver) -> None:
    buy(shop, "COURSE")
    assert not {"click", "coupon"} & set(receiver.posted[0].json)


def test_a_report_is_repeated_with_the_same_content_until_answered(
    shop: httpx.Client, receiver: Receiver
) -> None:
    receiver.answers = [503, 429]
    page = buy(shop, "PRO")
    assert len({one.body for one in receiver.posted}) == 1
    assert len(receiver.posted) == 3
    assert 'id="report-status">201<' in page.text


def test_a_refusal_is_shown_and_not_repeated(shop: httpx.Client, receiver: Receiver) -> None:
    receiver.status, receiver.reply = 422, {"error": "Invalid", "message": "<b>no</b>"}
    page = buy(shop, "PRO")
    assert len(receiver.posted) == 1
    assert 'id="report-status">422<' in page.text
    assert "&lt;b&gt;no" in page.text


def test_the_order_stands_when_spokes_is_away_and_is_reported_later(
    tmp_path: Path, receiver: Receiver
) -> None:
    state = tmp_path / "shop.sqlite"
    with running(NOWHERE, state) as url, httpx.Client(base_url=url, follow_redirects=True) as shop:
        page = buy(shop, "PRO")
        number = number_on(page)
        assert 'id="report-status">none<' in page.text
    with (
        running(Spokes(receiver.url, "k"), state) as url,
        httpx.Client(base_url=url, follow_redirects=True) as shop,
    ):
        assert "Spokes answered</dt><dd>nothing" in shop.get("/orders").text
        shop.post(f"/orders/{number}/report").raise_for_status()
        assert "Spokes answered</dt><dd>201" in shop.get("/orders").text
    assert receiver.posted[0].json["external_id"] == number


def test_refunds_are_reported_and_never_exceed_the_order(shop: httpx.Client, receiver: Receiver) -> None:
    number = number_on(buy(shop, "PRO"))
    refund = f"/orders/{number}/refund"
    shop.post(refund, data={"amount": "29,00", "reason": "scratched"})
    assert "Nothing was refunded" in shop.post(refund, data={"amount": "100.01"}).text
    assert "Nothing was refunded" in shop.post(refund, data={"amount": "-1"}).text
    shop.post(refund)
    assert "Nothing was refunded" in shop.post(refund).text
    first, second = (one.json for one in receiver.posted[1:])
    assert (first["amount_minor"], first["reason"], first["conversion_external_id"]) == (
        2_900,
        "scratched",
        number,
    )
    assert (second["amount_minor"], second["reason"]) == (10_000, "returned")
    assert first["external_id"] != second["external_id"]
    assert {one.path for one in receiver.posted[1:]} == {"/api/v1/refunds"}


def test_the_key_file_may_be_written_after_the_start(tmp_path: Path, receiver: Receiver) -> None:
    key_file = tmp_path / "key"
    spokes = Spokes(receiver.url, api_key_file=key_file)
    with running(spokes) as url, httpx.Client(base_url=url, follow_redirects=True) as shop:
        key_file.write_text("late\n")
        buy(shop, "PRO")
    assert receiver.posted[0].headers["Authorization"] == "Bearer late"


@pytest.mark.parametrize(
    ("skus", "form", "message"),
    [
        (["PRO"], {"name": " "}, 'id="name-error"'),
        (["PRO"], {"email": "nobody"}, 'id="email-error"'),
        (["PRO"], {"email": "a b@c.d"}, 'id="email-error"'),
        ([], {}, "Your basket is empty"),
    ],
)
def test_checkout_names_each_mistake(
    shop: httpx.Client, receiver: Receiver, skus: list[str], form: dict[str, str], message: str
) -> None:
    page = buy(shop, *skus, **form)
    assert page.status_code == 422
    assert message in page.text
    assert receiver.posted == []


def test_the_last_click_counts_and_a_senseless_one_is_ignored(shop: httpx.Client, receiver: Receiver) -> None:
    for token in ("first.a", "second.b", "x" * 600, "a\x00b", ""):
        shop.get("/", params={"spk": token})
    buy(shop, "PRO")
    assert receiver.posted[0].json["click"] == "second.b"


def test_unknown_products_and_orders_are_not_found(shop: httpx.Client) -> None:
    assert shop.post("/basket", data={"sku": "GOLD"}).status_code == 404
    assert shop.get("/orders/order-1/thanks").status_code == 404
    assert shop.post("/orders/order-1/refund").status_code == 404


@pytest.mark.parametrize("path", ["/", "/basket", "/orders"])
def test_pages_have_no_inline_script_or_style(shop: httpx.Client, path: str) -> None:
    buy(shop, "PRO")
    page = shop.get(path)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?! src=)|<style|style=|\son\w+=", page.text)
    assert page.text.count("<h1>") == 1


@pytest.mark.parametrize(
    ("sent", "cents"),
    [
        ("10", 1000),
        ("10.5", 1050),
        ("10,50", 1050),
        ("", 7),
        ("x", 0),
        ("1.005", 0),
        ("-1", 0),
        ("1e3", 0),
        ("²", 0),
        ("1.²", 0),
    ],
)
def test_amounts_are_read_without_floats(sent: str, cents: int) -> None:
    assert _cents(sent, 7) == cents


def test_an_order_is_paid_at_stripe_which_is_told_who_sent_the_visitor() -> None:
    with (
        running_stripe() as stripe,
        running(NOWHERE, stripe=Stripe(stripe.url)) as url,
        httpx.Client(base_url=url) as visitor,
    ):
        assert stripe.url in visitor.get("/").headers["Content-Security-Policy"]
        visitor.post("/basket", data={"sku": "PRO"})
        buyer = {"name": "Mia Sol", "email": "mia@example.org", "coupon": "ana10"}
        sent = visitor.post("/checkout", data={**buyer, "spk": "new", "spk_all": "new old", "pay": "stripe"})
        assert sent.headers["Location"].startswith(f"{stripe.url}/pay/cs_test_")
        back = visitor.post(sent.headers["Location"], data={"then": "pay"})
        assert "Paid at Stripe" in visitor.get(back.headers["Location"]).text
        (event,) = (
            each
            for each in stripe.box.store.rows("SELECT body FROM objects WHERE kind = 'event'")
            if "completed" in each["body"]
        )
        session = json.loads(event["body"])["data"]["object"]
        assert (session["metadata"]["spk"], session["metadata"]["spokes_coupon"]) == ("new old", "ANA10")
        assert (session["amount_total"], session["customer_details"]["email"]) == (12_900, "mia@example.org")
    with running(NOWHERE, stripe=Stripe("http://127.0.0.1:9")) as url, httpx.Client(base_url=url) as visitor:
        visitor.post("/basket", data={"sku": "PRO"})
        assert visitor.post("/checkout", data={**buyer, "pay": "stripe"}).status_code == 503
