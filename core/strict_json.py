"""JSON from outside, read strictly: no NaN, no duplicate keys, no endless numbers, no endless depth."""

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from core.errors import Malformed
from core.inputs import Input, refuse

I = TypeVar("I", bound=Input)  # noqa: E741 - the input's type
MAX_DEPTH = 20
MAX_DIGITS = 18


class WrongJson(Malformed):
    """This is not valid JSON."""


def as_model(model: type[I], raw: bytes) -> I:
    """One JSON document as `model`; raises WrongJson, InvalidInput."""
    try:
        return model.model_validate(strict_json(raw))
    except ValidationError as error:
        raise refuse(error) from error


def strict_json(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    """The value of a JSON document; raises WrongJson with the reason."""
    try:
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_no_twins,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except (ValueError, RecursionError) as error:
        known = isinstance(error, _Refused)
        raise WrongJson(str(error) if known else None) from error
    if _depth(value) > MAX_DEPTH:
        raise WrongJson(f"This JSON is nested more than {MAX_DEPTH} deep.")
    return value


class _Refused(ValueError):
    pass


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Refused("This JSON names a field twice.")
    return dict(pairs)


def _no_constant(name: str) -> Any:  # noqa: ANN401 - never answers
    raise _Refused(f"{name} is not a JSON number.")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise _Refused(f"This JSON has a number of more than {MAX_DIGITS} digits.")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > 2 * MAX_DIGITS:
        raise _Refused(f"This JSON has a number of more than {2 * MAX_DIGITS} digits.")
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise _Refused("This JSON has a number that is too large.")
    return value


def _depth(value: object) -> int:
    deepest, layer = 0, [value]
    while layer:
        deepest += 1
        below: list[object] = []
        for each in layer:
            if isinstance(each, dict):
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
        layer = below
    return deepest
