"""What the API's doors stand on: the key, the scope, pages."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from flask import Response, g, jsonify, request
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from core import api_keys
from core.access import Actor, authorize_anywhere
from core.api_keys import WrongKey
from core.db import transaction
from core.inputs import Input
from core.paging import MAX_LIMIT, Page
from hub.roles import key_actor

T = TypeVar("T")


class Listing(Input):
    """The query of every list."""

    limit: int = Field(default=100, ge=1, le=MAX_LIMIT)
    after: str | None = Field(default=None, max_length=1_000)


def machine(scope: str) -> Actor:
    """Who calls, with the scope checked; raises WrongKey, Forbidden."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret:
        raise WrongKey
    row = api_keys.key_of(secret.strip())
    g.key_to_touch = row.id if api_keys.needs_touch(row) else None
    actor = key_actor(row)
    authorize_anywhere(actor, scope)
    return actor


def note_use(response: Response) -> Response:
    """After a good answer, write (at most hourly) that the key was used: in a transaction of its own, GET stays reading."""
    key_id = g.pop("key_to_touch", None)
    if response.status_code < 400 and key_id:  # noqa: PLR2004 - HTTP's own border
        # The answer stands: a note that fails must not turn it into an error.
        with suppress(SQLAlchemyError), transaction():
            api_keys.touch(key_id)
    return response


def listed(page: Page[T], show: Callable[[T], BaseModel]) -> Response:
    """A page as `{"items": […], "next": cursor or null}`."""
    return jsonify(items=[show(each).model_dump(mode="json") for each in page.items], next=page.next)
