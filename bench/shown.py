"""A payment at the local Stripe until the advocate's open page shows the sale: the whole service, in Chromium."""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from bench.figures import Goal, say_alone, skipped
from tests.browser.conftest import CHROMIUM
from tests.browser.test_sold_at_stripe import follow_and_choose, open_links, pay_and_wait
from tests.browser.windows import DESK, PHONE, window
from tests.journeys.running import running_service

WITHIN = Goal(2, 1, at_most=True)


def measure(*, quick: bool) -> bool:
    """SQLite; a sale of another price every time, so that each is known on the page."""
    if CHROMIUM is None:
        skipped("a sale on the advocate's open page", "there is no Chromium on this machine")
        return True
    with (
        TemporaryDirectory(prefix="spokes-bench-", ignore_cleanup_errors=True) as place,
        running_service(Path(place)) as service,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        with window(chromium, service.url, PHONE) as advocate, window(chromium, service.url, DESK) as visitor:
            link, took_s = open_links(advocate.page), []
            for pieces in range(3, 5 if quick else 13):
                follow_and_choose(visitor.page, service, link, pieces)
                price = f"€{pieces * 24.5:.2f}"
                took_s.append(pay_and_wait(visitor.page, service, advocate.page, price))
        chromium.close()
    print(f"the slowest of {len(took_s)} took {max(took_s):.3g} s")
    return say_alone("a sale on the advocate's open page after", "s", took_s, WITHIN)
