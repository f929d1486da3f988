"""The snippet in Chromium across two origins: Spokes on one port, a shop with a strict content policy on another."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page

from referrals.conversions.snippet import snippet

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
PAGE = """<!doctype html><html lang="en"><title>Shop</title><script src="{script}" defer></script>
<form action="/buy" data-spokes><button>Buy</button></form><form action="/search"><button>Search</button></form>
<a id="pay" href="https://buy.stripe.com/test_1?x=1">Pay</a><a id="own" data-spokes href="/pay">Pay here</a>
<a id="other" href="/about">About</a><a id="mail" data-spokes href="mailto:us@shop.example">Mail</a>
<a id="script" data-spokes href="javascript:void(0)">Do</a><a id="mine" data-spokes href="/go?client_reference_id=mine">Go</a>
<a id="bill" href="https://buy.stripe.com/test_2?client_reference_id=A-17">Bill</a>
<stripe-buy-button id="plain"></stripe-buy-button>
<stripe-buy-button id="matched" client-reference-id="A-18"></stripe-buy-button>
<stripe-pricing-table client-reference-id="A-19"></stripe-pricing-table></html>"""
POLICY = "default-src 'none'; script-src {spokes}; form-action 'self'; base-uri 'none'"
TOKENS = [
    f"01m8dzgvdn9jtz5b756ya4qkp{place}.ana.17300000000{place}.signature_-of-22-signs{place}"
    for place in range(7)
]


@contextmanager
def serving(answers: dict[str, tuple[str, bytes]], headers: dict[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = answers.get(self.path.partition("?")[0], answers["/"])
            self.send_response(200)
            for name, value in {"Content-Type": kind, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """The shop's address; its pages take the script from another origin."""
    script = {"/": ("text/javascript", snippet()[0])}
    with serving(script, {"Cross-Origin-Resource-Policy": "cross-origin"}) as spokes:
        page = {"/": ("text/html; charset=utf-8", PAGE.format(script=f"{spokes}/spokes.js").encode())}
        with serving(page, {"Content-Security-Policy": POLICY.format(spokes=spokes)}) as url:
            yield url


@pytest.fixture
def context(chromium: Chromium) -> Iterator[BrowserContext]:
    made = chromium.new_context()
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    made = context.new_page()
    made.on("pageerror", lambda error: pytest.fail(str(error)))
    return made


def tokens(page: Page) -> list[str]:
    found: list[str] = page.evaluate("spokes.tokens()")
    return found


def test_a_token_is_kept_on_the_shops_origin_and_put_where_it_is_needed(page: Page, shop: str) -> None:
    page.goto(f"{shop}/?spk={TOKENS[1]}")
    page.goto(f"{shop}/basket")
    assert page.evaluate("spokes.token()") == TOKENS[1]
    reference = TOKENS[1].replace(".", "_")
    assert (
        page.get_attribute("#pay", "href")
        == f"https://buy.stripe.com/test_1?x=1&client_reference_id={reference}"
    )
    assert page.get_attribute("#own", "href") == f"{shop}/pay?client_reference_id={reference}"
    assert page.get_attribute("#other", "href") == "/about"
    assert page.get_attribute("#mail", "href") == "mailto:us@shop.example"
    assert page.get_attribute("#script", "href") == "javascript:void(0)"
    assert page.locator("form[action='/search'] input").count() == 0
    with page.expect_request(f"{shop}/buy?*") as bought:
        page.click("text=Buy")
    assert bought.value.url == f"{shop}/buy?spk={TOKENS[1]}&spk_all={TOKENS[1]}"


def test_the_address_bar_keeps_no_token_and_everything_else(page: Page, shop: str) -> None:
    page.goto(f"{shop}/a?x=1&spk={TOKENS[1]}&y=2#there")
    assert page.evaluate("[location.href, history.length]") == [f"{shop}/a?x=1&y=2#there", 2]
    assert tokens(page) == [TOKENS[1]]
    page.goto(f"{shop}/a?x=%20&y")
    assert page.url == f"{shop}/a?x=%20&y", "an address without a token stays as it is"
    page.goto(f"{shop}/?spk=abc")
    assert (page.url, tokens(page)) == (f"{shop}/", [TOKENS[1]])


@pytest.mark.parametrize(
    "junk", ["abc", "a.b.c.d", TOKENS[1][1:], TOKENS[1].rpartition(".")[0], f"{TOKENS[1]}.x", f"x{TOKENS[1]}"]
)
def test_what_has_not_the_form_of_a_token_is_never_the_newest(page: Page, shop: str, junk: str) -> None:
    page.goto(f"{shop}/?spk={TOKENS[2]}")
    page.goto(f"{shop}/?spk={junk}")
    assert tokens(page) == [TOKENS[2]]


def test_a_reference_of_the_shops_own_stays(page: Page, shop: str) -> None:
    page.goto(f"{shop}/?spk={TOKENS[1]}")
    page.evaluate("spokes.fill()")  # once more changes nothing
    reference = TOKENS[1].replace(".", "_")
    assert page.get_attribute("#mine", "href") == "/go?client_reference_id=mine"
    assert page.get_attribute("#bill", "href") == "https://buy.stripe.com/test_2?client_reference_id=A-17"
    on_elements = page.eval_on_selector_all(
        "stripe-buy-button, stripe-pricing-table",
        "all => all.map(one => one.getAttribute('client-reference-id'))",
    )
    assert on_elements == [reference, "A-18", "A-19"]
    assert (page.get_attribute("#own", "href") or "").endswith(f"/pay?client_reference_id={reference}")


def test_the_five_newest_are_kept_the_newest_first_and_none_twice(page: Page, shop: str) -> None:
    for token in [*TOKENS, TOKENS[5]]:
        page.goto(f"{shop}/?spk={token}")
    newest = [TOKENS[5], TOKENS[6], TOKENS[4], TOKENS[3], TOKENS[2]]
    assert tokens(page) == newest
    page.click("text=Buy")
    assert page.evaluate("new URL(location).searchParams.get('spk_all')") == " ".join(newest)


def test_tokens_end_and_what_is_no_token_is_not_kept(page: Page, shop: str) -> None:
    page.goto(f"{shop}/?spk={TOKENS[1]}")
    page.evaluate(
        "localStorage.spokes = JSON.stringify([['old', Date.now() - 1], ...JSON.parse(localStorage.spokes)])"
    )
    page.goto(f"{shop}/?spk=%3Cscript%3E")
    assert tokens(page) == [TOKENS[1]]
    for rubbish in ("{", "null", "5", '[null, {}, "x", [1]]'):
        page.evaluate("text => { localStorage.spokes = text; }", rubbish)
        page.goto(f"{shop}/?spk={TOKENS[2]}")
        assert tokens(page) == [TOKENS[2]]


def test_of_several_the_first_with_the_form_of_a_token_is_taken(page: Page, shop: str) -> None:
    page.goto(f"{shop}/?spk=forged&spk={TOKENS[1]}&x=1&spk={TOKENS[2]}")
    assert (page.url, tokens(page)) == (f"{shop}/?x=1", [TOKENS[1]])


@pytest.mark.parametrize("wish", ["globalPrivacyControl: { value: true }", "doNotTrack: { value: '1' }"])
def test_whoever_asks_not_to_be_tracked_is_not(page: Page, shop: str, wish: str) -> None:
    page.goto(f"{shop}/?spk={TOKENS[1]}")
    page.add_init_script(f"Object.defineProperties(navigator, {{ {wish} }})")
    page.goto(f"{shop}/?spk={TOKENS[2]}")
    assert tokens(page) == [TOKENS[2]]  # on this page, for this purchase
    assert page.evaluate("localStorage.length") == 0
    page.goto(f"{shop}/basket")
    assert tokens(page) == []
    assert page.evaluate("spokes.token()") == ""
