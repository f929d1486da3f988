"""What the API's doors stand on: the key, the scope, how often, pages."""

from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypeVar

from flask import Response, g, jsonify, request
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from core import api_keys
from core.access import Actor, authorize_anywhere
from core.api_keys import HeldKey, WrongKey
from core.db import transaction
from core.errors import TooManyAttempts
from core.paging import Page
from core.rates import WINDOW_S, Rates, Spent
from core.settings import settings
from hub.roles import key_actor

T = TypeVar("T")
Rate = Literal["reads", "writes", "batches"]
WRONG_KEYS_PER_MINUTE = 60
rates = Rates()


class TooManyRequests(TooManyAttempts):
    """That is more than this API takes in a minute. Retry-After says how many seconds to wait."""


def machine(scope: str, rate: Rate = "reads") -> Actor:
    """Who calls, counted, with the scope checked; raises WrongKey, TooManyRequests, Forbidden."""
    actor = key_actor(counted_key(_sent(), rate))
    authorize_anywhere(actor, scope)
    return actor


def counted_key(secret: str, rate: Rate) -> HeldKey:
    """The key that calls, by its secret, its request counted; raises WrongKey, TooManyRequests."""
    key = _known(secret)
    _spend(key.id, rate)
    if api_keys.needs_touch(key):
        g.key_to_touch = key.id
    g.unit_of_caller = key.unit_id
    return key


def unit_of_caller() -> str:
    """The unit of the key that calls; after `machine` or `counted_key`."""
    return str(g.unit_of_caller)


def _sent() -> str:
    """The secret in the header."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret:
        raise WrongKey
    return secret.strip()


def _known(secret: str) -> HeldKey:
    """The key of a secret. Wrong ones are counted by address, and a right one from there still passes."""
    try:
        return api_keys.key_of(secret)
    except WrongKey:
        wrong = rates.spend(f"address {request.remote_addr}", WRONG_KEYS_PER_MINUTE)
        if wrong.over:
            raise TooManyRequests(retry_after_s=wrong.resets_in_s) from None
        raise


def _spend(key_id: str, rate: Rate) -> None:
    most = {
        "reads": settings().api_reads_per_minute,
        "writes": settings().api_writes_per_minute,
        "batches": settings().api_batches_per_minute,
    }[rate]
    if most == 0:
        return
    if "spent" not in g:  # a view that is run again after a deadlock was asked once
        g.spent = (rate, rates.spend(f"{rate} {key_id}", most))
    spent: Spent = g.spent[1]
    if spent.over:
        raise TooManyRequests(retry_after_s=spent.resets_in_s)


def note_use(response: Response) -> Response:
    """Say how much of the rate is left; after a good answer, write (at most hourly) that the key was used.

    In a transaction of its own: GET stays reading.
    """
    spent: tuple[Rate, Spent] | None = g.get("spent")
    if spent is not None:
        rate, stand = spent
        response.headers["RateLimit-Policy"] = f'"{rate}";q={stand.most};w={WINDOW_S}'
        response.headers["RateLimit"] = f'"{rate}";r={stand.left};t={stand.resets_in_s}'
    if response.status_code == WrongKey.status:
        response.headers["WWW-Authenticate"] = "Bearer"
    key_id: str | None = g.pop("key_to_touch", None)
    if response.status_code < 400 and key_id is not None:  # noqa: PLR2004 - HTTP's own border
        with (
            suppress(SQLAlchemyError),
            transaction(),
        ):  # the answer stands: a note that fails must not undo it
            api_keys.touch(key_id)
    return response


def listed(page: Page[T], show: Callable[[T], BaseModel]) -> Response:
    """A page as `{"items": […], "next": cursor or null}`."""
    return jsonify(items=[show(each).model_dump(mode="json") for each in page.items], next=page.next)
