"""Reporting orders and refunds to Spokes, again and again under the same external id until it has answered."""

import hashlib
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from sandbox.shop.catalogue import CURRENCY
from sandbox.shop.orders import Order, Refund

ATTEMPTS = 4
PAUSE_S = 0.2  # doubles after each attempt
MAX_PAUSE_S = 5.0
TIMEOUT_S = 5.0
MAX_TEXT = 4_000
UNREACHABLE = 0


@dataclass(frozen=True)
class Spokes:
    """Where Spokes is and the key to its API, given or in a file that is read at each report."""

    url: str
    api_key: str = ""
    api_key_file: Path | None = None

    def key(self) -> str:
        """The API key; empty when its file does not exist yet."""
        if self.api_key_file is None:
            return self.api_key
        return self.api_key_file.read_text(encoding="utf-8").strip() if self.api_key_file.exists() else ""


@dataclass(frozen=True)
class Reported:
    """What Spokes answered: the HTTP status (0: unreachable) and the beginning of the body."""

    status: int
    text: str


def report_order(spokes: Spokes, order: Order) -> Reported:
    """Post the order as a conversion."""
    return _post(spokes, "/api/v1/conversions", conversion(order))


def report_refund(spokes: Spokes, refund: Refund) -> Reported:
    """Post the refund of an order reported before."""
    body = {
        "external_id": refund.number, "conversion_external_id": refund.order_number, "reason": refund.reason,
        "amount_minor": refund.amount_minor, "occurred_at": refund.occurred_at,
    }  # fmt: skip
    return _post(spokes, "/api/v1/refunds", body)


def conversion(order: Order) -> dict[str, Any]:
    """The order as `POST /api/v1/conversions` takes it."""
    email_sha256 = hashlib.sha256(order.email.strip().lower().encode()).hexdigest()
    body: dict[str, Any] = {
        "external_id": order.number, "kind": "sale", "occurred_at": order.occurred_at,
        "amount_minor": order.amount_minor, "currency": CURRENCY,
        "customer": {"external_id": f"c-{email_sha256[:12]}", "email_sha256": email_sha256},
        "lines": [{"sku": line.sku, "amount_minor": line.amount_minor} for line in order.lines],
    }  # fmt: skip
    return body | {name: value for name, value in (("click", order.click), ("coupon", order.coupon)) if value}


def _post(spokes: Spokes, path: str, body: dict[str, Any]) -> Reported:
    """Post until answered: a refusal is an answer; silence, 429 and 5xx are tried again with the same body."""
    reported = Reported(UNREACHABLE, "Spokes could not be reached.")
    for attempt in range(ATTEMPTS):
        pause_s = PAUSE_S * 2**attempt
        try:
            answer = requests.post(
                spokes.url.rstrip("/") + path, json=body, timeout=TIMEOUT_S, allow_redirects=False,
                headers={"Authorization": f"Bearer {spokes.key()}"},
            )  # fmt: skip
        except requests.RequestException:
            reported = Reported(UNREACHABLE, "Spokes could not be reached.")
        else:
            reported = Reported(answer.status_code, answer.text[:MAX_TEXT])
            if not _worth_another_try(reported.status):
                return reported
            pause_s = max(pause_s, _retry_after_s(answer.headers.get("Retry-After", "")))
        if attempt + 1 < ATTEMPTS:
            time.sleep(min(pause_s, MAX_PAUSE_S))
    return reported


def _worth_another_try(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _retry_after_s(header: str) -> float:
    return float(header) if header.isdecimal() else 0.0
