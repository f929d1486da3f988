"""A click, a shop on another port, a payment at Stripe: the advocate's open page shows the sale with its reason."""

import time

import httpx
import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Locator, Page, expect

from tests.browser.windows import DESK, PHONE, window
from tests.journeys.running import PASSWORD, Service

pytestmark = [pytest.mark.browser, pytest.mark.service, pytest.mark.timeout(300)]
PATIENCE_MS = 60_000
"""How soon it shows is measured by `python -m bench shown`; here it is enough that it does."""


def test_the_advocate_sees_the_sale_with_its_reason_on_the_open_page(
    chromium: Chromium, service: Service
) -> None:
    with window(chromium, service.url, PHONE) as advocate, window(chromium, service.url, DESK) as visitor:
        link = open_links(advocate.page)
        session_id = follow_and_choose(visitor.page, service, link, pieces=5)
        pay_and_wait(visitor.page, service, advocate.page, "€122.50")
        sale = shown(advocate.page, "€122.50")
        expect(sale).to_contain_text(f"won: last click on {link.rpartition('/')[2]}")
        give_back(service, session_id)
        expect(sale).to_contain_text("partly given back", timeout=PATIENCE_MS)
        assert advocate.mishaps() == []
        assert visitor.mishaps() == []


def pay_and_wait(buyer: Page, service: Service, advocate: Page, price: str) -> float:
    """Seconds from the payment until the advocate's open page shows the sale."""
    buyer.get_by_role("button", name="Pay", exact=True).click()
    buyer.wait_for_url(f"{service.shop_url}/orders/**")
    paid_at = time.monotonic()
    expect(shown(advocate, price)).to_be_visible(timeout=PATIENCE_MS)
    return time.monotonic() - paid_at


def shown(page: Page, price: str) -> Locator:
    """The newest line with this price, of what was the advocate's."""
    return page.locator("#live-conversions tr").filter(has_text=price).first


def open_links(page: Page) -> str:
    """The advocate's page stays open; the answer is the link that has brought something, and so runs."""
    page.goto("/login")
    page.get_by_label("E-mail").fill("advocate@demo.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/portal")
    page.goto("/portal/links")
    used = page.locator("section, article, .card").filter(has_text="NOOR10").locator("[data-copy]")
    link: str = used.first.get_attribute("data-copy") or ""
    return link


def follow_and_choose(page: Page, service: Service, link: str, pieces: int) -> str:
    """The visitor lands in the shop, whose snippet keeps the token; the answer is the session's id at Stripe."""
    page.goto(link)
    assert page.url.startswith(service.shop_url)
    token = page.evaluate("spokes.token()")
    page.context.clear_cookies()  # the snippet alone carries it from here
    for _piece in range(pieces):
        page.goto(service.shop_url)
        page.get_by_role("button", name="Add care kit").click()
    page.get_by_label("Your name").fill("Vera Visitor")
    page.get_by_label("Email").fill("vera@visitors.example")
    assert page.locator("input[name=spk]").input_value() == token
    page.get_by_role("button", name="Pay with Stripe").click()
    assert page.url.startswith(f"{service.stripe_url}/pay/")
    return page.url.rpartition("/")[2]


def give_back(service: Service, session_id: str) -> None:
    """The shop gives a part back at Stripe."""
    headers = {"Authorization": "Bearer sk_test_local"}
    with httpx.Client(base_url=f"{service.stripe_url}/v1", headers=headers) as stripe:
        payment = stripe.get(f"/checkout/sessions/{session_id}").json()["payment_intent"]
        stripe.post("/refunds", data={"payment_intent": payment, "amount": "2450"}).raise_for_status()
