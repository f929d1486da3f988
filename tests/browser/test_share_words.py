"""The share kit in a real browser: nobody copies words that are not their own, or without the disclosure in front."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route, expect

from advocates.membership import get_membership
from core import db
from core.people import get_person
from tests.browser.windows import PHONE, window
from tests.factories import Cast, sign_in
from tests.referrals.stories import make_earner, make_link
from web.assets import FOLDER, prefix

pytestmark = [pytest.mark.browser]

OURS = "http://127.0.0.1:8000"


@pytest.fixture
def share_page(chromium: Chromium, client: FlaskClient, cast: Cast) -> Iterator[Page]:
    """The words of the link /r/ana on a phone; the application answers without a server between."""
    with db.transaction():
        link = make_link(make_earner(cast.programme), "ana")
        owner = get_person(get_membership(link.membership_id).person_id)
    sign_in(client, owner)

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(OURS)
        if path.startswith(prefix()):
            route.fulfill(path=FOLDER / path.removeprefix(prefix()))
            return
        told = client.get(path)
        route.fulfill(status=told.status_code, headers=dict(told.headers), body=told.data)

    with window(chromium, OURS, PHONE) as seen:
        seen.context.route("**/*", answer)
        seen.page.goto(f"/portal/links/{link.id}/share")
        yield seen.page
        assert seen.mishaps() == []


def test_words_are_copied_only_when_they_are_ones_own_and_disclose_first(share_page: Page) -> None:
    words = share_page.locator("[data-words]").first
    text, copy, opened = (
        words.locator("textarea"),
        words.get_by_role("button", name="Copy"),
        words.locator("a"),
    )
    begun = text.input_value()
    assert copy.is_disabled()
    assert not opened.is_visible()
    text.fill(f"{begun}  \n")
    assert copy.is_disabled(), "white space is no edit"
    for unseen in ("\u200b", "\u00ad", "\ufeff", "\u034f", "\u2060"):
        text.fill(begun.replace("here is", f"here{unseen} is"))
        assert copy.is_disabled(), "what nobody sees is no edit"
    text.fill(f"Hello! {begun}")
    assert copy.is_disabled()
    assert "Leave “I’m rewarded by Makers.” at the beginning" in words.inner_text()
    for asked in ("I’m rewarded by Makers.? No, " + begun, "I’m rewarded by Makers.com " + begun):
        text.fill(asked)
        assert copy.is_disabled(), asked
    text.fill("I’m rewarded by Makers. See shop.example")
    assert copy.is_disabled()
    assert "Your link is missing" in words.inner_text()
    mine = f"{OURS}/r/ana"
    for other in (f"{mine}x", f"{mine}-x", f"{mine}/x", f"{mine}.x", f"https://evil.example/?u={mine}"):
        text.fill(f"I’m rewarded by Makers. See {other}")
        assert copy.is_disabled(), other
        assert "Your link is missing" in words.inner_text()
    for whole in (f"see {mine}.", f"({mine})", f"{mine}? And {mine}x", f"{mine}/", f"“{mine}”"):
        text.fill(f"I’m rewarded by Makers. {whole}")
        assert copy.is_enabled(), whole
    text.fill(begun.replace("here is", "this is"))
    copy.click()
    expect(share_page.locator("#announcer")).to_have_text(
        "Copied"
    )  # a function that is polled would be an eval
    assert share_page.evaluate("navigator.clipboard.readText()") == begun.replace("here is", "this is")
    address = opened.get_attribute("href") or ""
    assert address.startswith("mailto:?subject=Ad%3A%20Makers&body=I%E2%80%99m%20rewarded%20by%20Makers.")
    assert "this%20is" in address
