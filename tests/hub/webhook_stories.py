"""Receivers of webhooks and endpoints that lead to them, for several tests."""

import json
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from core.db import session, transaction
from core.outbox import OutboxMessage
from core.people import Person
from hub import endpoints
from hub.endpoints import WebhookEndpoint
from hub.units import Unit
from tests.factories import acting
from webhook_types import TYPES

BY_NAME = {each.name: each for each in TYPES}


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


def bodies(made: Made) -> list[dict[str, Any]]:
    """What was left for an endpoint, each of the shape that its type says."""
    told = [json.loads(each.content["body"]) for each in messages(made)]
    for each in told:
        whole = BY_NAME[each["type"]].message
        assert set(each["data"]) == set(BY_NAME[each["type"]].model.model_fields)
        whole.model_validate(each)
    return told
