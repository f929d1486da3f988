"""Money from end to end in Chromium: payouts set up at Stripe, earned in euros and yen, approved with a password, paid, taken back, explained."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from tests.browser.test_three_people import PATIENCE_MS, set_up_payouts, sign_in
from tests.browser.windows import DESK, NOW_AND_THEN_S, PHONE, Window, window
from tests.journeys.running import PASSWORD, Service, eventually

pytestmark = [pytest.mark.browser, pytest.mark.service, pytest.mark.timeout(420)]

EMAIL = "edda.aziz@people.example"
"""of the demo: certified, with links, not paid yet"""
HALF_AN_HOUR = 0.02
HOLD, A_MONTH = 15, 32


@pytest.fixture
def advocate(chromium: Chromium, service: Service) -> Iterator[Window]:
    """Edda's phone."""
    expect.set_options(timeout=PATIENCE_MS)
    with window(chromium, service.url, PHONE) as opened:
        yield opened


@pytest.fixture
def desk(chromium: Chromium, service: Service) -> Iterator[Window]:
    """Where the manager sits, then finance."""
    with window(chromium, service.url, DESK) as opened:
        yield opened


def test_money_from_set_up_to_the_next_months_statement(
    service: Service, advocate: Window, desk: Window
) -> None:
    sign_in(advocate.page, EMAIL)
    set_up_payouts(advocate.page, service)
    shop = machine(service)
    code = own_code(advocate.page)
    sell(service, shop, code, "money-eur", 30_000, "EUR")
    sell(service, shop, code, "money-jpy", 12_000, "JPY")
    service.travel(HOLD)
    approve(service, desk.page, "manager@demo.example", "money-eur", "money-jpy")
    approve(service, desk.page, "finance@demo.example", "money-jpy")
    service.travel(A_MONTH)
    see_paid(service, advocate.page, "€30.00", "¥1,200")
    refund(service, shop, "money-eur", 15_000)
    service.travel(A_MONTH)
    read_the_statement(advocate.page, service)
    service.spokes("check")  # its exit status says whether all is in order
    see_no_differences(service, desk.page)
    assert advocate.mishaps() == []
    assert [
        each for each in desk.mishaps() if "403" not in each
    ] == []  # the question for the password is one


def machine(service: Service) -> httpx.Client:
    """The shop's own key."""
    said = service.spokes("create-api-key", "money", "--scope", "conversions:write", "--unit", "north")
    return service.api(said.strip().splitlines()[-1])


def own_code(page: Page) -> str:
    """A link of the advocate's."""
    page.goto("/portal/links")
    copied = page.locator("[data-copy*='/r/']").first.get_attribute("data-copy") or ""
    return copied.rpartition("/")[2]


def sell(service: Service, shop: httpx.Client, code: str, order: str, amount: int, currency: str) -> None:
    """An order that names the code."""
    sold = {
        "external_id": order,
        "kind": "sale",
        "occurred_at": service.now.isoformat(),
        "code": code,
        "amount_minor": amount,
        "currency": currency,
    }
    answer = shop.post("/conversions", json=sold)
    assert answer.status_code == 201, answer.text
    assert answer.json()["reward"]["amount_minor"] == amount // 10


def approve(service: Service, page: Page, email: str, *orders: str) -> None:
    """Pick these, approve, and answer the question for the password: it was given half an hour ago."""
    sign_in(page, email)
    service.travel(HALF_AN_HOUR)

    def listed() -> bool:
        page.goto("/console/rewards?q=money-")
        return all(page.get_by_role("row").filter(has_text=f"Order {each}").count() == 1 for each in orders)

    eventually(listed, every_s=NOW_AND_THEN_S)
    for each in orders:
        page.get_by_role("row").filter(has_text=f"Order {each}").get_by_role("checkbox").check()
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Your password, please")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#flashes")).not_to_be_empty()


def see_paid(service: Service, page: Page, *sums: str) -> None:
    """The clock has closed the month and sent both."""
    sign_in(page, EMAIL)

    def paid() -> bool:
        page.goto("/portal/rewards")
        rows = page.get_by_role("row")
        return all(rows.filter(has_text=each).filter(has_text="paid").count() >= 1 for each in sums)

    eventually(paid, timeout_s=60, every_s=NOW_AND_THEN_S)


def refund(service: Service, shop: httpx.Client, order: str, amount: int) -> None:
    """Half of it goes back."""
    told = {
        "external_id": f"{order}-back",
        "conversion_external_id": order,
        "amount_minor": amount,
        "reason": "returned",
        "occurred_at": service.now.isoformat(),
    }
    assert shop.post("/refunds", json=told).status_code == 201


def read_the_statement(page: Page, service: Service) -> None:
    """The month of the refund says what was taken back and why; its document is printed."""
    sign_in(page, EMAIL)
    page.goto("/portal/rewards")
    months = [each.get_attribute("href") for each in page.locator("a[href*='/statements/']").all()]

    for month in months[:3]:
        page.goto(month or "")
        taken = page.get_by_role("row").filter(has_text="taken back").filter(has_text="-€15.00")
        if taken.count() == 1:
            break
    expect(taken).to_contain_text("€150.00 of €300.00 was refunded: €15.00 taken back")
    page.get_by_role("button", name="Print as PDF").click()

    def printed() -> bool:
        page.reload()
        return page.get_by_role("link", name="PDF", exact=True).count() == 1

    eventually(printed, timeout_s=60, every_s=NOW_AND_THEN_S)
    with page.expect_download() as coming:
        page.get_by_role("link", name="PDF", exact=True).click()
    assert re.fullmatch(r"statement-\d{4}-\d{2}\.pdf", coming.value.suggested_filename)


def see_no_differences(service: Service, page: Page) -> None:
    """Finance asks for a comparison, and every payout has its one transfer."""
    sign_in(page, "finance@demo.example")
    page.goto("/console/payouts/reconciliation")
    page.get_by_role("button", name="Compare now").click()

    def compared() -> bool:
        page.goto("/console/payouts/reconciliation")
        return page.get_by_role("button", name="Compare now").count() == 1

    eventually(compared, timeout_s=60, every_s=NOW_AND_THEN_S)
    expect(page.get_by_text("Every payout has its one transfer")).to_be_visible()
    sums = page.locator("#sums tbody tr")
    for row in sums.all():
        expect(row.locator("td").last).to_have_text(re.compile(r"^\W*0(\.00)?$"))
