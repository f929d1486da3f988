"""The click path: `GET|HEAD /r/<code>` in front of Flask; the click is on file before its redirect is answered."""

import re
import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog

from core.clock import day_since_1970, now_ms
from core.settings import Settings
from referrals.clicks.click_ids import new_click_id
from referrals.clicks.journal import Journal
from referrals.clicks.journal_lines import line_of
from referrals.clicks.link_table import LinkTable
from referrals.clicks.packed_links import KnownLink
from referrals.clicks.tokens import sign, signing_key
from referrals.clicks.visitor import AGENT_LENGTH, client_address, device_of, referrer_host, visitor_hash

log = structlog.get_logger()

PREFIX = "/r/"
METHODS = frozenset({"GET", "HEAD"})
COOKIE = "spk"
LONGEST_CODE = 40
BEHIND = "/.,;:!?)]}>'\"*"
"""what sentences and brackets leave at the end of an address that people paste"""
DAY_MS = 86_400_000
LONGEST_REFERRER = 2_000
_COUNTRY = re.compile("[A-Z]{2}")


class ClickPath:
    """A WSGI application in front of another: it answers for share links and hands everything else on."""

    def __init__(self, wsgi_app: WSGIApplication, settings: Settings) -> None:
        self._app = wsgi_app
        self._key = signing_key(settings.secret)
        self._hops = settings.trusted_proxies
        header = settings.country_header.upper().replace("-", "_")
        self._country_header = f"HTTP_{header}" if header else ""
        self._secure = "; Secure" if settings.production else ""
        hsts = [("Strict-Transport-Security", "max-age=31536000; includeSubDomains")]
        self._headers = [
            ("Cache-Control", "no-store"),
            ("Content-Length", "0"),
            *(hsts if settings.production else []),
        ]
        self.links = LinkTable()
        self.journal = Journal(settings.data_dir / "journal")
        self._said_lost = 0.0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a click, or hand on."""
        path = environ["PATH_INFO"]
        if not path.startswith(PREFIX):
            return self._app(environ, start_response)
        if environ["REQUEST_METHOD"] not in METHODS:
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Length", "0")])
            return []
        at_ms = now_ms()
        code = path[len(PREFIX) :].lower()
        link = self.links.find(code) if len(code) <= LONGEST_CODE else None
        if link is None and code and code[-1] in BEHIND:
            code = code.rstrip(BEHIND)
            link = self.links.find(code) if len(code) <= LONGEST_CODE else None
        if link is None or not link.way.starts_ms <= at_ms < link.way.ends_ms:
            return self._app(environ, start_response)
        return self._forward(environ, start_response, link, code, at_ms)

    def close(self) -> None:
        """End the threads and the segment."""
        self.links.stop()
        self.journal.close()

    def _forward(
        self, environ: WSGIEnvironment, start_response: StartResponse, link: KnownLink, code: str, at_ms: int
    ) -> Iterable[bytes]:
        click_id = new_click_id(at_ms)
        private = environ.get("HTTP_SEC_GPC") == "1" or environ.get("HTTP_DNT") == "1"
        line = self._line(environ, link, click_id, at_ms, private=private)
        try:
            self.journal.append(line)
        except OSError as error:
            self._lose(error, at_ms)
        token, way = sign(click_id, code, at_ms, self._key), link.way
        headers = [("Location", f"{way.before}{token}{way.after}"), *self._headers]
        if not private:
            kept = f"; Max-Age={way.cookie_s}; Path=/; HttpOnly; SameSite=Lax{self._secure}"
            headers.append(("Set-Cookie", f"{COOKIE}={token}{kept}"))
        start_response("302 Found", headers)
        return []

    def _line(
        self,
        environ: WSGIEnvironment,
        link: KnownLink,
        click_id: str,
        at_ms: int,
        *,
        private: bool,
    ) -> bytes:
        """The journal's line; of a visitor who asked not to be tracked it says only that there was a click."""
        agent = environ.get("HTTP_USER_AGENT", "")[:AGENT_LENGTH]
        device = device_of(agent)
        flags = _flags(environ, device, private=private)
        counted = "1" if flags in {"", "private"} else "0"
        day = day_since_1970(at_ms // DAY_MS)
        start = f"{link.way.unit_id}\t{link.whose}\t{day}\t{counted}"
        if private:
            return line_of(f"{start}\t\t{flags}\t\t\t\t{click_id}")
        salted = self.links.salted(day)
        address = client_address(
            environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""), self._hops
        )
        visitor = visitor_hash(salted, address, agent) if salted else ""
        referrer = referrer_host(environ.get("HTTP_REFERER", "")[:LONGEST_REFERRER])
        country = self._country(environ)
        return line_of(f"{start}\t{device}\t{flags}\t{visitor}\t{referrer}\t{country}\t{click_id}")

    def _country(self, environ: WSGIEnvironment) -> str:
        """The visitor's country, if a proxy in front of us is trusted to tell it and does."""
        told: str = environ.get(self._country_header, "") if self._country_header else ""
        return told if _COUNTRY.fullmatch(told) else ""

    def _lose(self, error: OSError, at_ms: int) -> None:
        """A click that could not be put on file: counted, said at most once a second, and forwarded all the same."""
        self.journal.lose(at_ms)
        if time.monotonic() - self._said_lost >= 1:
            self._said_lost = time.monotonic()
            log.error("click not recorded", reason=str(error), lost=self.journal.lost.clicks)


def _flags(environ: WSGIEnvironment, device: str, *, private: bool) -> str:
    """What is special about a request, separated by commas; nothing for an ordinary visitor's.

    Embedded is what a page fetched as its picture, frame or script (Sec-Fetch-Dest): nobody followed a link.
    """
    head, prefetch, embedded = (
        environ["REQUEST_METHOD"] == "HEAD",
        _is_prefetch(environ),
        environ.get("HTTP_SEC_FETCH_DEST", "document") != "document",
    )
    if not (head or prefetch or embedded or private or device == "bot"):
        return ""
    said = (
        *(("head", head), ("prefetch", prefetch), ("embedded", embedded)),
        *(("bot", device == "bot"), ("private", private)),
    )
    return ",".join(name for name, so in said if so)


def _is_prefetch(environ: WSGIEnvironment) -> bool:
    """Fetched ahead by a browser (Sec-Purpose, Purpose, X-Purpose) or by an old Firefox (X-Moz)."""
    return bool(
        environ.get("HTTP_SEC_PURPOSE")
        or environ.get("HTTP_PURPOSE")
        or environ.get("HTTP_X_PURPOSE")
        or environ.get("HTTP_X_MOZ")
    )
