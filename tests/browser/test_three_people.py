"""The whole programme once, in Chromium, as those who use it: an advocate with a phone, a manager and marketing at desks; and a visitor who buys."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import openpyxl
import pypdf
import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from tests.browser.windows import DESK, NOW_AND_THEN_S, PHONE, Window, window
from tests.journeys.right_answers import answers
from tests.journeys.running import PASSWORD, Service, eventually

pytestmark = [pytest.mark.browser, pytest.mark.service, pytest.mark.timeout(420)]

EMAIL, NAME = "ben.carver@people.example", "Ben Carver"
OWN_PASSWORD = "seven spoons in a drawer"
PATIENCE_MS = 30_000


@pytest.fixture
def advocate(chromium: Chromium, service: Service) -> Iterator[Window]:
    """Ben's phone."""
    expect.set_options(timeout=PATIENCE_MS)
    with window(chromium, service.url, PHONE) as opened:
        yield opened


@pytest.fixture
def manager(chromium: Chromium, service: Service) -> Iterator[Window]:
    """The manager's desk."""
    with window(chromium, service.url, DESK) as opened:
        yield opened


@pytest.fixture
def visitor(chromium: Chromium, service: Service) -> Iterator[Window]:
    """Somebody who follows a link."""
    with window(chromium, service.url, PHONE) as opened:
        yield opened


@pytest.fixture
def marketing(chromium: Chromium, service: Service) -> Iterator[Window]:
    """Marketing's desk."""
    with window(chromium, service.url, DESK) as opened:
        yield opened


def test_three_people_meet(
    service: Service, advocate: Window, manager: Window, visitor: Window, marketing: Window
) -> None:
    apply(advocate.page)
    sign_in(manager.page, "manager@demo.example")
    accept(manager.page)
    open_account(advocate.page, service)
    learn(advocate.page, service)
    see_certificate(advocate.page)
    acknowledge(advocate.page)
    link = copy_link(advocate.page)
    order = follow_and_buy(visitor.page, service, link)
    see_what_it_brought(advocate.page, order)
    set_up_payouts(advocate.page, service)
    service.travel(15)
    sign_in(manager.page, "manager@demo.example")
    approve_with_the_keyboard(manager.page, order)
    service.travel(32)
    sign_in(advocate.page, EMAIL, OWN_PASSWORD)
    see_that_it_is_paid(advocate.page, order)
    sign_in(marketing.page, "marketing@demo.example")
    take_the_leaderboard_away(marketing.page)
    for person in (advocate, manager, visitor, marketing):
        assert person.mishaps() == []


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Through the form; sessions end after a fortnight."""
    page.goto("/login")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/(portal|console)$"))


def apply(page: Page) -> None:
    """From the first page to the thanks."""
    page.goto("/")
    page.get_by_role("region", name="Makers' Circle").get_by_role("link", name="Apply").click()
    page.get_by_label("Your name").fill(NAME)
    page.get_by_role("textbox", name="E-mail").fill(EMAIL)
    page.get_by_label("Why would you like to speak for us?").fill("I carve spoons and people ask me how.")
    page.get_by_label("I am at least 18 years old.").check()
    page.get_by_label("I agree that my name").check()
    page.get_by_role("button", name="Send my application").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def accept(page: Page) -> None:
    """The manager finds the application on the list of what waits, and accepts it."""
    page.goto("/console?kind=application.review")
    page.get_by_role("link", name=re.compile(NAME)).click()
    page.get_by_role("button", name="Accept").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text(f"Make {NAME} an advocate")
    question.get_by_role("button", name="Accept").click()
    expect(page.locator("#flashes")).not_to_be_empty()
    expect(page.locator(".page-head .state")).to_have_text("accepted")


def open_account(page: Page, service: Service) -> None:
    """By the link in the mail."""
    page.goto(service.postbox.link(EMAIL, "/welcome/"))
    page.get_by_label("Password").fill(OWN_PASSWORD)
    page.get_by_role("button", name="Save and come in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ben")
    page.get_by_role("link", name="Begin").click()


def learn(page: Page, service: Service) -> None:
    """Every lesson and every quiz, as the portal leads from one to the next."""
    for _step in range(60):
        path = urlsplit(page.url).path
        if path == "/portal/certificate":
            return
        if path.startswith("/portal/attempts/"):
            answer_quiz(page, answers(service, path.rsplit("/", 1)[1]))
        elif path.endswith("/quiz"):
            page.get_by_role("button", name="Start").click()
            page.wait_for_url("**/portal/attempts/**")
        else:
            page.get_by_role("button", name="Done, go on").click()
            page.wait_for_function("before => location.pathname !== before", arg=path)
    raise AssertionError("the way through the lessons does not end")


def answer_quiz(page: Page, known: dict[str, str | list[str]]) -> None:
    """Fill in every answer, see that they are saved, hand in, go on."""
    for name, answer in known.items():
        fill(page, name, answer)
    expect(page.locator("#save-state")).to_contain_text("Saved")
    page.get_by_role("button", name="Hand in").click()
    expect(page.locator(".next .figure")).to_have_text("100 %")
    page.locator(".next a.btn-primary").click()
    page.wait_for_load_state()


def fill(page: Page, name: str, answer: str | list[str]) -> None:
    """One answer, whatever it is given with."""
    for choice in answer if isinstance(answer, list) else [answer]:
        ticked = page.locator(f'input[name="{name}"][value="{choice}"]')
        field = page.locator(f'[name="{name}"]')
        if field.first.evaluate("(one) => one.matches('select')"):
            field.select_option(choice)
        elif field.first.evaluate("(one) => one.matches('[type=radio], [type=checkbox]')"):
            ticked.check()
        else:
            field.fill(choice)


def see_certificate(page: Page) -> None:
    """It appears by itself as soon as the clock has printed it; the public page proves it."""
    expect(page.get_by_role("heading", name="Your certificate")).to_be_visible()
    download = page.get_by_role("link", name="Download the PDF")
    expect(download).to_be_visible(timeout=60_000)
    printed = page.request.get(str(download.get_attribute("href")))
    words = "".join(sheet.extract_text() for sheet in pypdf.PdfReader(io.BytesIO(printed.body())).pages)
    assert NAME in words


def acknowledge(page: Page) -> None:
    """One policy after the other, until home has another next step."""
    page.get_by_role("link", name="Read and acknowledge").click()
    while "/portal/policies/" in page.url:
        page.get_by_label("I have read this and keep to it.").check()
        page.get_by_role("button", name="Acknowledge").click()
        page.wait_for_url("**/portal")
        more = page.get_by_role("link", name="Read it")
        if more.count():
            more.click()
            page.wait_for_url("**/portal/policies/**")


def copy_link(page: Page) -> str:
    """The link is there; one tap copies it."""
    page.goto("/portal")
    page.get_by_role("region", name="Your link").get_by_role("button", name="Copy").click()
    expect(page.locator("#announcer")).to_have_text("Copied")
    copied: str = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"http://\S+/r/[a-z0-9-]+", copied)
    return copied


def follow_and_buy(page: Page, service: Service, link: str) -> str:
    """The visitor lands in the shop with a token, and buys; the answer is the order's number."""
    page.goto(link)
    assert page.url.startswith(service.shop_url)
    assert page.evaluate("spokes.token()")
    assert "spk" not in parse_qs(urlsplit(page.url).query)
    for _pair in range(2):
        page.goto(service.shop_url)
        page.get_by_role("button", name="Add studio scissors").click()
    page.goto(f"{service.shop_url}/basket")
    page.get_by_label("Your name").fill("Vera Visitor")
    page.get_by_label("Email").fill("vera@visitors.example")
    page.get_by_role("button", name="Place the order").click()
    return page.locator("#order-number").inner_text()


def see_what_it_brought(page: Page, order: str) -> None:
    """The advocate sees the click, the sale, and what it earns with its arithmetic."""
    page.goto("/portal/rewards")
    line = page.get_by_role("row").filter(has_text=f"Order {order}").filter(has_text="€25.80")
    expect(line).to_contain_text("10 % of €258.00 = €25.80")
    expect(line).to_contain_text("on hold until")

    def counted() -> bool:
        page.goto("/portal/links")
        figures = page.locator(".figures").first.inner_text().split()
        return figures == ["Clicks", "1", "Leads", "0", "Sales", "1"]

    eventually(counted)


def set_up_payouts(page: Page, service: Service) -> None:
    """Through Stripe's page, here the local one, and back."""
    page.goto("/portal/rewards")
    page.get_by_role("link", name="Set up payouts").click()
    page.get_by_label("Country of your bank").select_option("NL")
    page.get_by_role("button", name="Go on at Stripe").click()
    assert page.url.startswith(service.stripe_url)
    page.get_by_label("Account holder").fill(NAME)
    page.get_by_label("Bank account ending").fill("6789")
    page.get_by_role("button", name="Finish").click()
    expect(page).to_have_url(re.compile("/portal/rewards/account"))

    def ready() -> bool:
        page.goto("/portal/rewards/account")
        return page.locator(".page-head .state").inner_text() == "ready"

    eventually(ready)


def approve_with_the_keyboard(page: Page, order: str) -> None:
    """A slash to search, j to the row, x to pick it, d would be to say why not, a to approve; the bar says what will happen."""
    page.goto("/console/rewards")
    page.keyboard.press("/")
    page.keyboard.type(order)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**q={order}**")
    eventually(
        lambda: page.reload() and page.get_by_role("row").filter(has_text=f"Order {order}").count() == 1
    )
    page.keyboard.press("j")
    page.keyboard.press("x")
    bar = page.locator("[data-bulk-bar]")
    expect(bar).to_contain_text("1 picked, €25.80")
    expect(bar).to_contain_text("Approve 1")
    page.keyboard.press("d")
    expect(bar.get_by_label("Why, when you deny")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("a")
    expect(page.locator("#flashes .good")).to_be_visible()
    page.goto(f"/console/rewards?state=approved&q={order}")
    expect(page.get_by_role("row").filter(has_text=f"Order {order}")).to_contain_text("approved")


def see_that_it_is_paid(page: Page, order: str) -> None:
    """The clock has closed the month and sent the money; the statement says so."""

    def paid() -> bool:
        page.goto("/portal/rewards")
        line = page.get_by_role("row").filter(has_text=f"Order {order}").filter(has_text="€25.80")
        return line.locator(".state").inner_text() == "paid"

    eventually(paid, timeout_s=60, every_s=NOW_AND_THEN_S)
    page.locator("#statements + ul a").first.click()
    expect(page.locator("main")).to_contain_text("€25.80")


def take_the_leaderboard_away(page: Page) -> None:
    """With its chart drawn, and as CSV, spreadsheet and PDF."""
    page.goto("/console/leaderboard?metric=sales&period=all")
    expect(page.locator("#leaders canvas")).to_be_visible()
    leader = page.get_by_role("row").nth(1).get_by_role("link").inner_text()
    assert leader in download(page, "CSV").read_text("utf-8-sig")
    sheet = openpyxl.load_workbook(download(page, "Excel")).active
    assert sheet is not None
    assert leader in {str(cell.value) for row in sheet.iter_rows() for cell in row}
    assert leader in "".join(each.extract_text() for each in pypdf.PdfReader(download(page, "PDF")).pages)


def download(page: Page, label: str) -> Path:
    """A file, by its button."""
    with page.expect_download() as coming:
        page.get_by_role("link", name=label, exact=True).click()
    kept = Path(coming.value.path()).with_name(coming.value.suggested_filename)
    coming.value.save_as(kept)
    return kept
