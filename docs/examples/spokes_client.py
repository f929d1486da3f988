"""A small client for the Spokes API: typed, on the standard library alone. Copy it into your project and change what you like.

    spokes = Spokes("https://spokes.example", key)
    stored = spokes.report_sale(
        "order-1042", occurred_at=order.placed_at, amount_minor=12_900, currency="EUR", click=token
    )
    print(stored.advocate, stored.reason)

Everything that it sends may be sent again: orders and refunds are known by their own ids and content, links by an idempotency key. So it
repeats by itself, with the same body, what was refused for the moment (429, 503) or got lost on the way, after as many seconds as the answer
asks for. After a crash it is you who repeats: say the moment that you keep with the order or refund. With "now" the content would be another,
and be refused (409).
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

Json = dict[str, Any]
PASSING = frozenset({429, 503})
LONGEST_WAIT_S = 60
LINES_PER_BATCH = 10_000


class Refused(Exception):
    """The API refused: `status`, `error` (a name for programs), `message` (a sentence for people), `details`."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.error = str(body.get("error", ""))
        self.message = str(body.get("message", ""))
        self.details: Json = dict(body.get("details") or {})
        super().__init__(f"{status} {self.error}: {self.message}")


class Unreachable(Exception):
    """Nobody answered, or only that it is busy, as often as was tried."""


@dataclass(frozen=True)
class Conversion:
    """A stored lead or sale, and whose it was."""

    id: str
    external_id: str
    kind: str
    amount_minor: int
    currency: str
    refunded_minor: int
    occurred_at: datetime
    advocate: str | None
    """None when it was nobody's"""
    link: str | None
    reason: str
    reward_minor: int | None
    """what it earned; None when nothing, and in lists"""


@dataclass(frozen=True)
class Refund:
    """A stored refund."""

    id: str
    external_id: str
    conversion_external_id: str
    amount_minor: int
    state: str
    """parked (its sale is not known yet), applied, refused (more than was left of the sale) or came_back"""


@dataclass(frozen=True)
class Link:
    """A share link with what it brought."""

    code: str
    destination: str
    active: bool
    advocate: str
    programme: str
    clicks: int
    leads: int
    sales: int


@dataclass(frozen=True)
class Reward:
    """A line of what an advocate is owed."""

    id: str
    kind: str
    state: str
    advocate: str
    amount_minor: int
    currency: str
    arithmetic: str


class Spokes:
    """The API of a Spokes service, with a key of yours."""

    def __init__(
        self,
        address: str,
        key: str,
        *,
        timeout_s: float = 10,
        tries: int = 5,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """`address` like https://spokes.example; `tries` is how often a request is sent at most."""
        if not address.startswith(("https://", "http://")):
            raise ValueError("the address starts with https:// or http://")
        self._address = address.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s
        self._tries = tries
        self._wait = wait

    def report_sale(
        self,
        external_id: str,
        *,
        occurred_at: datetime,
        amount_minor: int,
        currency: str,
        click: str | None = None,
        code: str | None = None,
        coupon: str | None = None,
        customer_id: str | None = None,
    ) -> Conversion:
        """Report a sale, known by `external_id`, of the moment of its order; at least one of click, code, coupon, customer_id says whose it may be."""
        sale = {
            "external_id": external_id,
            "kind": "sale",
            "occurred_at": _written(occurred_at),
            "amount_minor": amount_minor,
            "currency": currency,
            "click": click,
            "code": code,
            "coupon": coupon,
            "customer": {"external_id": customer_id} if customer_id else None,
        }
        return _conversion(self._ask("POST", "/api/v1/conversions", body=_known(sale)))

    def report_many(self, conversions: Iterable[Json]) -> Iterator[Conversion | Refused]:
        """Report many conversions (as JSON objects); one result for each, in their order."""
        lines: list[str] = []
        for each in conversions:
            lines.append(json.dumps(each))
            if len(lines) == LINES_PER_BATCH:
                yield from self._batch(lines)
                lines = []
        if lines:
            yield from self._batch(lines)

    def refund(
        self,
        external_id: str,
        *,
        sale: str,
        occurred_at: datetime,
        amount_minor: int,
        reason: str = "",
    ) -> Refund:
        """Report money given back on a sale; a refund that is before its sale waits for it."""
        body = {
            "external_id": external_id,
            "conversion_external_id": sale,
            "amount_minor": amount_minor,
            "reason": reason,
            "occurred_at": _written(occurred_at),
        }
        return _refund(self._ask("POST", "/api/v1/refunds", body=body))

    def undo_refund(self, external_id: str) -> Refund:
        """Take a refund back that failed, or was a mistake."""
        return _refund(self._ask("POST", "/api/v1/refunds/undo", body={"external_id": external_id}))

    def open_link(
        self, *, email: str, code: str | None = None, destination: str | None = None, campaign: str = ""
    ) -> Link:
        """Open a link of an advocate; without a code one is made up."""
        body = _known({"email": email, "code": code, "destination": destination, "campaign": campaign})
        return _link(self._ask("POST", "/api/v1/links", body=body, once=str(uuid.uuid4())))

    def end_link(self, code: str) -> Link:
        """End a link now: it stops forwarding, and what it brought stays."""
        return _link(self._ask("POST", f"/api/v1/links/{quote(code, safe='')}/end"))

    def link(self, code: str) -> Link:
        """One link by its code; raises Refused with status 404 when there is none."""
        return _link(self._ask("GET", f"/api/v1/links/{quote(code, safe='')}"))

    def links(self, *, programme: str | None = None) -> Iterator[Link]:
        """Every link, the newest first."""
        return map(_link, self._pages("/api/v1/links", programme=programme))

    def conversions(
        self, *, since: datetime | None = None, until: datetime | None = None, kind: str | None = None
    ) -> Iterator[Conversion]:
        """Every conversion that occurred from `since` until before `until`, the newest first."""
        bounds = {"since": since, "until": until}
        query = {name: _written(moment) for name, moment in bounds.items() if moment is not None}
        return map(_conversion, self._pages("/api/v1/conversions", kind=kind, **query))

    def rewards(self, *, state: str | None = None) -> Iterator[Reward]:
        """Every reward, the newest first."""
        for each in self._pages("/api/v1/rewards", state=state):
            yield Reward(**{name: each[name] for name in Reward.__dataclass_fields__})

    def _pages(self, path: str, **query: str | None) -> Iterator[Json]:
        after: str | None = None
        while True:
            page = self._ask("GET", path, query={**query, "after": after, "limit": "500"})
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def _batch(self, lines: list[str]) -> Iterator[Conversion | Refused]:
        raw = self._send(
            "POST", "/api/v1/conversions/batch", "\n".join(lines).encode(), "application/x-ndjson"
        )
        for line in raw.decode().removesuffix("\n").split("\n"):  # splitlines() would split at U+2028 too
            found = json.loads(line)
            yield Refused(found["status"], found) if "error" in found else _conversion(found)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: Json | None = None,
        once: str | None = None,
    ) -> Json:
        asked = urlencode(_known(query or {}))
        raw = None if body is None else json.dumps(body).encode()
        found = self._send(method, f"{path}?{asked}" if asked else path, raw, "application/json", once)
        return cast("Json", json.loads(found))

    def _send(self, method: str, path: str, raw: bytes | None, kind: str, once: str | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self._key}", "Accept": kind}
        if raw is not None:
            headers["Content-Type"] = kind
        if once is not None:
            headers["Idempotency-Key"] = once
        request = Request(self._address + path, data=raw, headers=headers, method=method)
        why: object = None
        for number in range(self._tries):
            if number:
                self._wait(_seconds(why, number))
            try:
                with urlopen(request, timeout=self._timeout_s) as answer:
                    return cast("bytes", answer.read())
            except HTTPError as error:
                if error.code not in PASSING:
                    raise Refused(error.code, _body(error)) from None
                why = error
                error.close()
            except (OSError, HTTPException) as error:  # not reached, broken off, no answer in time
                why = error
        raise Unreachable(f"{method} {path} failed {self._tries} times: {why}")


def _seconds(why: object, number: int) -> float:
    """As long as the answer asks for; else 1, 2, 4 … seconds."""
    asked = why.headers.get("Retry-After", "") if isinstance(why, HTTPError) else ""
    return min(float(asked) if asked.isdigit() else 2.0 ** (number - 1), LONGEST_WAIT_S)


def _body(error: HTTPError) -> Json:
    with error:
        try:
            found = json.loads(error.read())
        except ValueError:  # a proxy between us answered
            return {"message": error.reason}
    return found if isinstance(found, dict) else {}


def _known(values: Mapping[str, Any]) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _written(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a moment needs its time zone")
    return moment.isoformat()


def _conversion(found: Json) -> Conversion:
    whose, reward = found["attribution"], found.get("reward")
    plain = ("id", "external_id", "kind", "amount_minor", "currency", "refunded_minor")
    return Conversion(
        **{name: found[name] for name in plain},
        occurred_at=datetime.fromisoformat(found["occurred_at"]),
        advocate=whose["advocate"],
        link=whose["link"],
        reason=whose["reason"],
        reward_minor=reward["amount_minor"] if reward else None,
    )


def _refund(found: Json) -> Refund:
    return Refund(**{name: found[name] for name in Refund.__dataclass_fields__})


def _link(found: Json) -> Link:
    return Link(**{name: found[name] for name in Link.__dataclass_fields__})
