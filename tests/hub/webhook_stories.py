"""Receivers of webhooks and endpoints that lead to them, for several tests."""

from dataclasses import dataclass

from sqlmodel import col, select

from core.db import session, transaction
from core.outbox import OutboxMessage
from core.people import Person
from hub import endpoints
from hub.endpoints import WebhookEndpoint
from hub.units import Unit
from tests.factories import acting


@dataclass(frozen=True)
class Made:
    """An endpoint with the secret that was shown once."""

    id: str
    secret: str


def make_endpoint(unit: Unit, url: str, *types: str, by: Person) -> Made:
    """An endpoint of a unit, for everything unless types are named."""
    with transaction():
        endpoint, secret = endpoints.create(unit.id, url, list(types or ("*",)), by=acting(by))
        return Made(endpoint.id, secret)


def the_endpoint(made: Made) -> WebhookEndpoint:
    """As it is now."""
    with transaction(read_only=True):
        return session().get_one(WebhookEndpoint, made.id)


def messages(made: Made | None = None) -> list[OutboxMessage]:
    """What was left for webhooks (to one endpoint), the oldest first."""
    wanted = select(OutboxMessage).where(OutboxMessage.kind == "webhook")
    if made is not None:
        wanted = wanted.where(OutboxMessage.recipient == made.id)
    with transaction(read_only=True):
        return list(session().exec(wanted.order_by(col(OutboxMessage.id))).all())


def types_of(made: Made | None = None) -> list[str]:
    """The types of those messages."""
    return [each.content["type"] for each in messages(made)]
