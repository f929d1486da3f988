"""The visitors of the demo: they click through the real click path, some buy, a few send something back."""

import hashlib
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from core.access import Actor
from core.clock import at
from core.db import transaction
from core.settings import settings
from hub.programmes import Programme
from referrals.clicks.redirect import ClickPath
from referrals.conversions.conversion_input import NewConversion, NewRefund
from referrals.conversions.conversions import record
from referrals.conversions.refunds import refund

AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Version/19.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
)
PRICES = (("GRINDER", 12_900), ("KETTLE", 8_900), ("SCALE", 4_900), ("BEANS", 1_450), ("ESPRESSO", 64_000))
BUYS, LEADS, RETURNS = 0.08, 0.03, 0.08


@dataclass(frozen=True)
class Order:
    """Something bought, which may come back."""

    number: str
    amount_minor: int
    at: datetime


class Visitors:
    """A stream of visitors, the same in every demo; each order number is told once."""

    def __init__(self, rng: random.Random, shop: Actor, unit_id: str, until: datetime) -> None:
        self._rng = rng
        self._until = until
        self._shop, self._unit_id = shop, unit_id
        self._orders = 0
        self._before: list[str] = []
        self._clicked: dict[str, tuple[str, str]] = {}
        """programme → code and token of the click before: where sales are shared, the same visitor's"""
        self.path = ClickPath(Flask("nothing behind"), settings())

    def visit(self, code: str, programme: Programme, moment: datetime) -> Order | None:
        """One visitor by a link; the order, if they buy."""
        token = self.click(code, moment)
        if token is None:
            return None
        before_code, before = self._clicked.get(programme.id, (code, ""))
        self._before = [before] if programme.attribution_rule == "split" and before_code != code else []
        self._clicked[programme.id] = (code, token)
        luck = self._rng.random()
        if luck < BUYS:
            later = moment + timedelta(minutes=self._rng.randrange(3, 4_000))
            return self._buy(token, programme, later) if later < self._until else None
        if luck < BUYS + LEADS:
            self._sign_up(token, programme, moment + timedelta(minutes=2))
        return None

    def click(self, code: str, moment: datetime) -> str | None:
        """One visit by a link, from a network of its own; its token, if the link forwards."""
        agent = self._rng.choices(AGENTS, (40, 30, 20, 15, 6))[0]
        address = f"198.18.{self._rng.randrange(256)}.7"
        headers = [("User-Agent", agent), ("Referer", "https://mornings.example/")]
        asked = EnvironBuilder(f"/r/{code}", headers=headers, environ_base={"REMOTE_ADDR": address})
        with at(moment):
            _body, status, answered = run_wsgi_app(self.path, asked.get_environ())
        if not status.startswith("302"):
            return None
        return parse_qs(urlsplit(answered["Location"]).query)["spk"][0]

    def order(self, programme: Programme, moment: datetime, **told: object) -> str:
        """An order told by the shop in so many words; the conversion's id."""
        words = {
            "external_id": self._number(),
            "kind": "sale",
            "occurred_at": moment.isoformat(),
            "amount_minor": 12_900,
            "currency": programme.currency,
            **told,
        }
        with at(moment), transaction():
            stored, _new = record(NewConversion.model_validate(words), by=self._shop, unit_id=self._unit_id)
            return stored.id

    def _buy(self, token: str, programme: Programme, moment: datetime) -> Order:
        lines = self._rng.choices(PRICES, (8, 6, 8, 14, 2), k=self._rng.choice((1, 1, 1, 2)))
        total = sum(price for _, price in lines)
        order = Order(self._number(), total, moment)
        self._tell(programme, moment, order.number, "sale", token, total, lines)
        return order

    def _sign_up(self, token: str, programme: Programme, moment: datetime) -> None:
        self._tell(programme, moment, self._number("L-"), "lead", token, None, [])

    def _number(self, prefix: str = "") -> str:
        self._orders += 1
        return f"{prefix}{1000 + self._orders}"

    def _tell(
        self,
        programme: Programme,
        moment: datetime,
        number: str,
        kind: str,
        token: str,
        total: int | None,
        lines: list[tuple[str, int]],
    ) -> None:
        buyer = f"buyer-{self._rng.randrange(10_000)}"
        told = {
            "external_id": number,
            "kind": kind,
            "occurred_at": moment.isoformat(),
            "click": token,
            "clicks": self._before,
            "amount_minor": total,
            "currency": None if total is None else programme.currency,
            "customer": {"external_id": buyer, "email_sha256": hashlib.sha256(buyer.encode()).hexdigest()},
            "lines": [{"sku": sku, "amount_minor": price} for sku, price in lines],
        }
        with at(moment), transaction():
            record(NewConversion.model_validate(told), by=self._shop, unit_id=self._unit_id)

    def bring_back(self, order: Order, moment: datetime) -> None:
        """Some orders come back, whole or in part."""
        if self._rng.random() >= RETURNS:
            return
        amount = order.amount_minor if self._rng.random() < 0.6 else order.amount_minor // 2  # noqa: PLR2004 - more whole than half
        told = {
            "external_id": self._number("R-"),
            "conversion_external_id": order.number,
            "amount_minor": amount,
            "reason": "returned",
            "occurred_at": moment.isoformat(),
        }
        with at(moment), transaction():
            refund(NewRefund.model_validate(told), by=self._shop, unit_id=self._unit_id)
