"""Every page that links lead to: answers, fits phone and desk, light and dark, and has nothing that axe-core minds.

With SPOKES_TEST_PICTURES=1 each is also painted four times into var/screenshots, for people to look at.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from app import create_app
from core import db
from core.settings import Settings
from tests.browser.newcomers import letters_and_people
from tests.browser.sitemap import FACES, Found, Place, find_pages, page_rules
from tests.browser.windows import DESK, PHONE, Window, window
from tests.journeys.running import Browser, Service

pytestmark = [pytest.mark.browser, pytest.mark.service, pytest.mark.timeout(420)]

ROOT = Path(__file__).parent.parent.parent
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "var" / "screenshots"
PAINTS = bool(os.environ.get("SPOKES_TEST_PICTURES"))
SMALLEST = 320
TALLEST = 2400
CHECK = """async () => {
  await new Promise((settled) => requestAnimationFrame(() => requestAnimationFrame(settled)));
  const found = await axe.run(document, {
    resultTypes: ["violations"], rules: { "target-size": { enabled: true } },
    preload: false,  // stylesheets, for a rule that is not among these
  });
  return found.violations.map(({ id, nodes }) =>
    `${id} at ${nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")}`);
}"""
WIDER = """async () => {
  await new Promise((settled) => requestAnimationFrame(() => requestAnimationFrame(settled)));
  const wide = document.documentElement.scrollWidth;
  if (wide <= innerWidth) return "";
  const guilty = [...document.querySelectorAll("main *")].find((one) => one.getBoundingClientRect().right > innerWidth + 1);
  return `${wide} px wide: ${guilty?.outerHTML.slice(0, 120)}`;
}"""


@pytest.fixture(scope="module")
def app(service: Service) -> Flask:
    """The application, for its map of addresses."""
    made = create_app(Settings(database_url=service.database_url, data_dir=service.data_dir))
    db.disconnect()
    return made


@pytest.fixture(scope="module")
def people_and_letters(service: Service) -> tuple[dict[str, Browser], dict[str, list[str]]]:
    """Who looks."""
    return letters_and_people(service)


@pytest.fixture(scope="module")
def found(
    service: Service, app: Flask, people_and_letters: tuple[dict[str, Browser], dict[str, list[str]]]
) -> Found:
    """What there is to look at."""
    people, letters = people_and_letters
    return find_pages(service, app, people, letters)


ELSEWHERE = {
    "/r/<code>",  # in front of Flask
    # only where payouts go by bank file
    *("/portal/rewards/bank", "/console/payouts/files/<id:file_id>.<any(xml, csv):fmt>"),
    *("/_lck/balance", "/_lck/journal"),  # for conformance kits, where a setting opens it
    "/portal/rewards/statements/<month>.pdf",  # linked once it was printed: test_two_months_of_money.py follows it
    "/console/advocates/<id:membership_id>/statements/<month>.pdf",  # as above
    "/portal/rewards/years/<int:year>.pdf",  # linked once its year is over and it was printed
}


def test_every_page_can_be_reached_by_links(app: Flask, found: Found) -> None:
    unreached = {rule.rule for rule in page_rules(app) if rule.endpoint not in found.endpoints}
    assert not unreached - ELSEWHERE, f"no link leads to {sorted(unreached)}"


@pytest.mark.parametrize("face", FACES)
def test_every_page_is_fit_to_be_seen(
    chromium: Chromium,
    service: Service,
    found: Found,
    people_and_letters: tuple[dict[str, Browser], dict[str, list[str]]],
    face: str,
) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    people = people_and_letters[0]
    places = found.of(face)
    problems = []
    for person in dict.fromkeys(place.person for place in places):
        with window(chromium, service.url, DESK) as seen:
            carry_cookies(people[person], seen, service)
            seen.context.add_init_script(path=AXE)
            for place in places:
                if place.person == person:
                    problems += [f"{place.name} {place.path} {each}" for each in look_at(seen, place)]
    assert not problems, "\n".join(problems)


def carry_cookies(person: Browser, seen: Window, service: Service) -> None:
    """Sign the window in as this person is."""
    for cookie in person.http.cookies.jar:
        seen.context.add_cookies([{"name": cookie.name, "value": str(cookie.value), "url": service.url}])


def look_at(seen: Window, place: Place) -> list[str]:
    """One page in every size and theme; the answer is what is wrong with it."""
    page = seen.page
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)
    answer = page.goto(place.path, wait_until="load")
    assert answer is not None
    problems = [f"answers {answer.status}"] if answer.status != 200 else []
    problems += axe(page, "desk light")
    picture(page, place, "1280-light")
    page.emulate_media(color_scheme="dark")
    picture(page, place, "1280-dark")
    page.set_viewport_size(PHONE)
    problems += [*axe(page, "phone dark"), *width(page)]
    picture(page, place, "390-dark")
    page.emulate_media(color_scheme="light")
    picture(page, place, "390-light")
    page.set_viewport_size({"width": SMALLEST, "height": PHONE["height"]})
    return [*problems, *width(page), *seen.mishaps()]


def axe(page: Page, how: str) -> list[str]:
    """What axe-core minds."""
    found: list[Any] = page.evaluate(CHECK)
    return [f"{how}: {each}" for each in found]


def width(page: Page) -> list[str]:
    """Whether one would have to scroll sideways."""
    wide: str = page.evaluate(WIDER)
    return [wide] if wide else []


def picture(page: Page, place: Place, variant: str) -> None:
    """A picture for people to look at, of the whole page or its first screens, when pictures are wanted."""
    if not PAINTS:
        return
    width, height = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
    page.screenshot(
        path=PICTURES / f"{place.name}-{variant}.png",
        full_page=True,
        clip={"x": 0, "y": 0, "width": width, "height": min(height, TALLEST)},
    )
