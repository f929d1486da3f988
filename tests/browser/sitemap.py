"""Every page there is, found as people find it: by following links from the starting pages and from mails."""

import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urlsplit

import httpx
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule

from tests.journeys.running import Browser, Service

FACES = ("/portal", "/console", "/")
NO_PAGES = (
    "/api/",
    "/static/",
    "/webhooks/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/brand.css",
    "/openapi.json",
)
LOOKS_PER_ENDPOINT = 2
"""How many pages of a kind each person opens in search of links."""


@dataclass(frozen=True, order=True)
class Place:
    """A page as one person sees it."""

    face: str
    endpoint: str
    person: str
    path: str

    @property
    def name(self) -> str:
        """A name for its pictures."""
        return re.sub(r"[^a-z]+", "-", f"{self.endpoint} {self.person}".lower())


@dataclass
class Found:
    """What was found: pages, and every endpoint that answered at all (files, redirects)."""

    places: dict[tuple[str, str], Place] = field(default_factory=dict)
    endpoints: set[str] = field(default_factory=set)

    def of(self, face: str) -> list[Place]:
        """The pages of one face."""
        return sorted(place for place in self.places.values() if place.face == face)


class Anchors(HTMLParser):
    """The addresses that a page links to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an anchor's address."""
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]


def page_rules(app: Flask) -> list[Rule]:
    """The addresses that a person can open."""
    return [
        rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.rule.startswith(NO_PAGES)
    ]


def find_pages(
    service: Service, app: Flask, people: dict[str, Browser], letters: dict[str, list[str]]
) -> Found:
    """Follow links as each person in turn, from pages without parameters and from `letters`, each person's own addresses."""
    adapter = app.url_map.bind(urlsplit(service.url).netloc)
    plain = [rule.rule for rule in page_rules(app) if not rule.arguments]
    found = Found()
    for person, browser in people.items():
        Search(service, adapter, person, browser, found).walk([*letters.get(person, []), *plain])
    return found


@dataclass
class Search:
    """One person's walk."""

    service: Service
    adapter: MapAdapter
    person: str
    browser: Browser
    found: Found

    def walk(self, start: Iterable[str]) -> None:
        """Open what is linked, breadth first, until nothing new comes."""
        waiting, known, looks = deque(start), set(start), Counter[str]()
        while waiting:
            path = waiting.popleft()
            endpoint = self._endpoint(path)
            if endpoint is None or looks[endpoint] >= LOOKS_PER_ENDPOINT:
                continue
            looks[endpoint] += 1
            new = [link for link in self._open(endpoint, path) if link not in known]
            known.update(new)
            waiting.extend(new)

    def _endpoint(self, path: str) -> str | None:
        if path.startswith(NO_PAGES):
            return None
        try:
            endpoint, _values = self.adapter.match(urlsplit(path).path, method="GET")
        except HTTPException:
            return None
        return str(endpoint)

    def _open(self, endpoint: str, path: str) -> list[str]:
        answer = self.browser.http.get(path, follow_redirects=False)
        if answer.status_code not in (200, 302, 303):
            return []
        self.found.endpoints.add(endpoint)
        if answer.status_code != httpx.codes.OK or "text/html" not in answer.headers["Content-Type"]:
            return []
        face = next(each for each in FACES if path.startswith(each))
        who = self.person if face == "/portal" else ""
        self.found.places.setdefault((endpoint, who), Place(face, endpoint, self.person, path))
        return [link for link in map(self._ours, Anchors(answer.text).links) if link]

    def _ours(self, link: str) -> str:
        link = urldefrag(link.removeprefix(self.service.url)).url
        return link if link.startswith("/") and not link.startswith("//") else ""
