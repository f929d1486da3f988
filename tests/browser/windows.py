"""A person's browser window that writes down what went wrong in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, ViewportSize

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 800}
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
)
"""A headless browser's own name would be counted as a bot's."""
NOW_AND_THEN_S = 1.0
"""How often to draw a page anew that waits for the clock: each time takes a quarter of a second of everything there is."""
TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`content policy: ${event.violatedDirective} ${event.blockedURI}`))"""


@dataclass
class Window:
    """A page, its context, and the errors it had."""

    context: BrowserContext
    page: Page
    errors: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Keep an error that the page wrote to its console."""
        if message.type in ("error", "warning"):
            self.errors.append(f"{self.page.url}: {message.text}")

    def mishaps(self) -> list[str]:
        """What went wrong since the last question."""
        told, self.errors[:] = list(self.errors), []
        return told


@contextmanager
def window(chromium: Chromium, base_url: str, size: ViewportSize) -> Iterator[Window]:
    """A window with cookies of its own."""
    context = chromium.new_context(
        base_url=base_url,
        viewport=size,
        user_agent=USER_AGENT,
        locale="en-GB",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.add_init_script(TELL_VIOLATIONS)
    made = Window(context, context.new_page())
    made.page.on("console", made.hear)
    made.page.on("pageerror", lambda error: made.errors.append(f"{made.page.url}: {error}"))
    yield made
    context.close()
