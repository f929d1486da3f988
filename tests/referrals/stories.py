"""What happens in tests of referrals: somebody is certified, opens a link, is clicked, an order arrives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.util import setup_testing_defaults

from advocates.membership import Membership
from core.access import COMMAND, Actor
from core.clock import now
from core.settings import Settings
from curriculum.certification import Award
from curriculum.releases import publish
from hub.programmes import Programme
from hub.units import find_hub
from referrals.clicks.redirect import ClickPath
from referrals.conversions import conversions
from referrals.conversions.conversion_input import NewConversion, NewRefund
from referrals.conversions.conversions import Conversion, Refund
from referrals.links import links
from referrals.links.links import Link
from tests.curriculum import stories as curriculum_stories
from tests.curriculum.stories import make_curriculum
from tests.factories import make_advocate

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


def certify(member: Membership) -> Award:
    """Certify a member now; what they learned is published at the first need."""
    hub = find_hub()
    assert hub is not None
    publish(make_curriculum(), unit_id=hub.id, by=COMMAND)
    return curriculum_stories.certify(member)


def make_earner(programme: Programme, name: str = "Ana Advocate") -> Membership:
    """An advocate who may earn: in term, certified, nothing left to acknowledge."""
    member = make_advocate(programme, name)
    certify(member)
    return member


def make_link(member: Membership, code: str | None = None, **wanted: Any) -> Link:  # noqa: ANN401 - what open_link takes
    """A link of a member who may earn."""
    return links.open_link(member, by=COMMAND, code=code, **wanted)


@dataclass
class Answer:
    """What the click path answered."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.header("Location")).query).get("spk", [""])[0]

    @property
    def click_id(self) -> str:
        return self.token.partition(".")[0]


class Visitors:
    """Visitors of share links: a click path of this process over a test's settings."""

    def __init__(self, settings: Settings) -> None:
        self.path = ClickPath(_nothing_here, settings)

    def click(self, code: str, method: str = "GET", agent: str = BROWSER, **headers: str) -> Answer:
        """Ask for /r/<code>; headers by their name in the environment."""
        answer = Answer()

        def start(
            status: str, given: list[tuple[str, str]], _error: object = None
        ) -> Callable[[bytes], object]:
            answer.status, answer.headers = int(status[:3]), given
            return lambda _raw: None

        environ: dict[str, Any] = {}
        setup_testing_defaults(environ)
        environ |= {"PATH_INFO": f"/r/{code}", "REQUEST_METHOD": method, "HTTP_USER_AGENT": agent}
        environ |= {"REMOTE_ADDR": "203.0.113.7", **headers}
        list(self.path(environ, start))
        return answer

    def leave(self) -> None:
        """End the path's threads and its segment, as the end of the process would."""
        self.path.close()


def _nothing_here(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
    start("404 Not Found", [])
    return []


_orders = count(1)


def order(**changes: object) -> dict[str, Any]:
    """The body of a conversion: a sale of 129.00 EUR, now, with an id of its own."""
    known = {
        "external_id": f"order-{next(_orders)}",
        "kind": "sale",
        "occurred_at": now().isoformat(),
        "amount_minor": 12_900,
        "currency": "EUR",
    }
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


def bring(unit_id: str, by: Actor = COMMAND, **changes: object) -> Conversion:
    """Record an order that a unit's shop brought."""
    return conversions.record(NewConversion(**order(**changes)), by=by, unit_id=unit_id)[0]


def give_back(unit_id: str, sale: str, amount_minor: int, **changes: object) -> Refund:
    """Record a refund of a sale."""
    body: dict[str, Any] = {
        "external_id": f"refund-of-{sale}-{amount_minor}",
        "conversion_external_id": sale,
        "amount_minor": amount_minor,
        "occurred_at": now().isoformat(),
    }
    return conversions.refund(NewRefund(**{**body, **changes}), by=COMMAND, unit_id=unit_id)[0]
