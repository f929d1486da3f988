"""The JSON body of a request, read strictly (see core.strict_json)."""

from typing import TypeVar

from flask import request

from core.errors import UnsupportedMedia
from core.inputs import Input
from core.strict_json import as_model

I = TypeVar("I", bound=Input)  # noqa: E741 - the input's type


def read_json(model: type[I]) -> I:
    """The request's JSON body as `model`; raises UnsupportedMedia, WrongJson, InvalidInput."""
    if request.mimetype != "application/json":
        raise UnsupportedMedia
    return as_model(model, request.get_data())
