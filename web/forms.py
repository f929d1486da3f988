"""Forms and queries: read into an input model, shown again with what was typed and what is wrong with it."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_origin

from flask import g, request
from flask_babel import gettext as _
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict

from core.errors import SpokesError
from core.inputs import Input, InvalidInput, refuse

I = TypeVar("I", bound=Input)  # noqa: E741 - the input's type
CSRF_FIELD = "csrf_token"
AGAIN_FIELD = "password_again"
"""the answer to web/proving.py, which has read it before a view sees the form"""


class Form:
    """What a page's form shows: first what is known, then what was typed, with the refusal beside it."""

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        typed: MultiDict[str, str] | None = getattr(g, "typed", None)
        self._refusal: SpokesError | None = getattr(g, "refusal", None)
        self._typed = typed
        self._known = known or {}

    @property
    def sentence(self) -> str | None:
        """Why the form came back; None when it is shown for the first time."""
        return None if self._refusal is None else _(self._refusal.sentence)

    def value(self, name: str) -> str:
        """The value of a field, as text."""
        if self._typed is not None:
            return self._typed.get(name, "")
        known = self._known.get(name)
        return "" if known is None else str(known)

    def values(self, name: str) -> list[str]:
        """All values of a field that may be picked several times."""
        if self._typed is not None:
            return self._typed.getlist(name)
        return [str(each) for each in self._known.get(name) or []]

    def error(self, name: str) -> str | None:
        """The sentence beside a field, None when nothing is wrong with it."""
        if not isinstance(self._refusal, InvalidInput):
            return None
        sentence = self._refusal.problems.get(name)
        return None if sentence is None else _(sentence)


def read_form(model: type[I]) -> I:
    """The posted form as `model`; raises InvalidInput, and the page is shown again."""
    return _read(model, request.form)


def read_query(model: type[I]) -> I:
    """The query of the address as `model`; raises InvalidInput."""
    return _read(model, request.args)


def _read(model: type[I], given: MultiDict[str, str]) -> I:
    values: dict[str, Any] = {}
    for name in given:
        if name in {CSRF_FIELD, AGAIN_FIELD}:
            continue
        field = model.model_fields.get(name)
        many = field is not None and get_origin(field.annotation) in {list, tuple, frozenset}
        filled = [each for each in given.getlist(name) if each.strip()]
        if model.each_once and len(set(filled)) > 1:
            raise InvalidInput({name: "This was given more than once."})
        if many:
            values[name] = filled
        elif filled:  # an empty field is a missing one
            values[name] = filled[-1]
        elif field is None:
            values[name] = ""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise refuse(error) from error
