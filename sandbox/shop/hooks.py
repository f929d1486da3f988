"""What Spokes tells the shop: each webhook checked with the secret, kept once by its id, the latest shown."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from flask import Blueprint, Response, current_app, render_template, request
from standardwebhooks import Webhook, WebhookVerificationError

hooks = Blueprint("hooks", __name__)
KEPT = 50


@dataclass(frozen=True)
class Told:
    """A message that was good."""

    id: str
    type: str
    timestamp: str
    body: str


@dataclass
class Ear:
    """Where the secret is (the file may be written later) and what was heard, the newest first."""

    secret_file: Path | None = None
    heard: deque[Told] = field(default_factory=lambda: deque(maxlen=KEPT))
    lock: Lock = field(default_factory=Lock)

    def secret(self) -> str:
        """The secret; empty as long as there is none."""
        there = self.secret_file is not None and self.secret_file.exists()
        return self.secret_file.read_text(encoding="utf-8").strip() if there and self.secret_file else ""

    def keep(self, told: Told) -> None:
        """Keep a message unless its id is known."""
        with self.lock:
            if all(each.id != told.id for each in self.heard):
                self.heard.appendleft(told)


def _ear() -> Ear:
    found: Ear = current_app.extensions["ear"]
    return found


@hooks.post("/webhooks/spokes")
def hear() -> Response:
    """Take a webhook: 204, or 400 when its signature does not fit."""
    secret, body = _ear().secret(), request.get_data()
    if not secret:
        return Response("no secret yet", 503)
    try:
        told = Webhook(secret).verify(body, dict(request.headers))
    except WebhookVerificationError as error:
        return Response(str(error), 400)
    _ear().keep(Told(request.headers["webhook-id"], told["type"], told["timestamp"], body.decode()))
    return Response(status=204)


@hooks.get("/webhooks")
def show_heard() -> str:
    """What was heard."""
    return render_template("shop/webhooks.html", heard=list(_ear().heard))
