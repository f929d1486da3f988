"""What a door for machines takes, answers and refuses: said once, enforced here, and written down by web/openapi.py."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

from flask import request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from core.access import Actor
from core.api_keys import Scope, WrongKey
from core.db import transaction
from core.errors import Conflict, Forbidden, Malformed, SpokesError, TooLarge, Unavailable, UnsupportedMedia
from core.inputs import Input, InvalidInput
from core.paging import WrongCursor
from core.strict_json import WrongJson
from web.forms import read_query
from web.json_in import read_json
from web.machines import Rate, TooManyRequests, machine
from web.requests import transacts_itself

I = TypeVar("I", bound=Input)  # noqa: E741 - the input's type
G = TypeVar("G")
P = ParamSpec("P")
View = Callable[Concatenate[Actor, G, P], ResponseReturnValue]
Door = Callable[P, ResponseReturnValue]
Answers = Mapping[int, type[BaseModel]]
"""status → what is answered"""
Refusals = tuple[type[SpokesError], ...]
Form = Literal["query", "json", "lines"]

NDJSON = "application/x-ndjson"
BATCH_TYPES = frozenset({NDJSON, "application/ndjson", "application/jsonl"})
EVERYWHERE: Refusals = (Malformed, WrongKey, Forbidden, TooManyRequests, Unavailable)


class NotNdjson(UnsupportedMedia):
    """Please send one JSON object a line, with the content type application/x-ndjson."""


BY_FORM: dict[Form, Refusals] = {
    "query": (InvalidInput,),
    "json": (WrongJson, InvalidInput, UnsupportedMedia, TooLarge, Conflict),
    "lines": (NotNdjson, TooLarge),
}


class NoQuery(Input):
    """The query of an address that takes none."""


@dataclass(frozen=True)
class Declared:
    """What a door says of itself; its sentence is the view's docstring."""

    scope: Scope
    form: Form
    """where the input comes from"""
    given: type[Input]
    """the model of the query, of the JSON body, or of each line"""
    answers: Answers
    own_refusals: Refusals
    rate: Rate
    example: Mapping[str, Any] | None = None
    """of a body"""
    idempotency_key: bool = False
    """takes the header `Idempotency-Key`"""

    @property
    def refusals(self) -> dict[int, list[type[SpokesError]]]:
        """Status → every refusal there is, those of the door first."""
        pages: Refusals = (WrongCursor,) if "after" in self.given.model_fields else ()
        found: dict[int, list[type[SpokesError]]] = {}
        for each in (*self.own_refusals, *pages, *BY_FORM[self.form], *EVERYWHERE):
            found.setdefault(each.status, []).append(each)
        return dict(sorted(found.items()))


def by_query(
    given: type[I], *, scope: Scope, answers: Answers, refuses: Refusals = (), rate: Rate = "reads"
) -> Callable[[View[I, P]], Door[P]]:
    """A door whose input is the query of its address; the view gets the actor and the query."""
    return _declare(Declared(scope, "query", given, answers, refuses, rate), lambda: read_query(given))


def by_json(
    given: type[I],
    *,
    scope: Scope,
    answers: Answers,
    refuses: Refusals = (),
    example: Mapping[str, Any] | None = None,
    idempotency_key: bool = False,
) -> Callable[[View[I, P]], Door[P]]:
    """A door whose input is a JSON body; the view gets the actor and what was sent."""
    declared = Declared(scope, "json", given, answers, refuses, "writes", example, idempotency_key)
    return _declare(declared, lambda: read_json(given))


def by_lines(
    given: type[Input], *, scope: Scope, answers: Answers, refuses: Refusals = (), most_bytes: int
) -> Callable[[View[bytes, P]], Door[P]]:
    """A door whose input is a JSON object a line; the view gets the actor and the raw lines, and transacts itself."""

    def read() -> bytes:
        if request.mimetype not in BATCH_TYPES:
            raise NotNdjson
        request.max_content_length = most_bytes
        return request.get_data()

    declare = _declare(Declared(scope, "lines", given, answers, refuses, "batches"), read)
    return lambda view: declare(transacts_itself(view))


def declared_of(view: Callable[..., Any] | None) -> Declared | None:
    """What a view says of itself; None when it is no door for machines."""
    return cast("Declared | None", getattr(view, "declared", None))


def _declare(declared: Declared, read: Callable[[], G]) -> Callable[[View[G, P]], Door[P]]:
    def around(view: View[G, P]) -> Door[P]:
        """The view as a door: asked with the actor of its key and what was sent."""
        own = getattr(view, "transacts_itself", False)

        @wraps(view)
        def asked(*args: P.args, **parts: P.kwargs) -> ResponseReturnValue:
            with transaction(read_only=True) if own else nullcontext():
                actor = machine(declared.scope, declared.rate)
            return view(actor, read(), *args, **parts)

        asked.declared = declared  # type: ignore[attr-defined]  # functions take attributes
        return asked

    return around
