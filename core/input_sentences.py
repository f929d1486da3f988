"""What a model did not accept, in sentences for people: pydantic's kinds of errors in plain words, fields by a door's names."""

import re
from collections.abc import Mapping

from pydantic_core import ErrorDetails

_NAMED = re.compile(r"\{([\w.]+)\}")
_NO_NUMBER = "This has to be a number, like 12.50."
_NO_INTEGER = "This has to be a whole number."
_NO_MOMENT = "This has to be a moment with its time zone, like 2026-11-02T10:15:00Z."
_NO_DAY = "This has to be a day, like 2026-11-02."
_SENTENCES = {
    "missing": "This is required.",
    "string_too_short": "This is required.",
    "extra_forbidden": "This field is not known here.",
    "string_pattern_mismatch": "This does not have the form that is needed here.",
    "string_type": "This has to be text.",
    "string_too_long": "This has more than {max_length} characters.",
    "model_type": "This has to be a JSON object.",
    "dict_type": "This has to be a JSON object.",
    "list_type": "This has to be a list.",
    "too_short": "This has fewer than {min_length} entries.",
    "too_long": "This has more than {max_length} entries.",
    "literal_error": "This has to be {expected}.",
    "bool_type": "This has to be true or false.",
    "bool_parsing": "This has to be true or false.",
    "int_type": _NO_INTEGER,
    "int_parsing": _NO_INTEGER,
    "int_parsing_size": _NO_INTEGER,
    "int_from_float": _NO_INTEGER,
    "float_type": _NO_NUMBER,
    "float_parsing": _NO_NUMBER,
    "finite_number": _NO_NUMBER,
    "decimal_type": _NO_NUMBER,
    "decimal_parsing": _NO_NUMBER,
    "decimal_max_digits": "This has more than {max_digits} digits.",
    "decimal_max_places": "This has more than {decimal_places} decimals.",
    "decimal_whole_digits": "This has more than {whole_digits} digits before its decimals.",
    "greater_than": "This has to be more than {gt}.",
    "greater_than_equal": "This has to be at least {ge}.",
    "less_than": "This has to be less than {lt}.",
    "less_than_equal": "This has to be at most {le}.",
    "timezone_aware": _NO_MOMENT,
    "datetime_type": _NO_MOMENT,
    "datetime_parsing": _NO_MOMENT,
    "datetime_from_date_parsing": _NO_MOMENT,
    "date_type": _NO_DAY,
    "date_parsing": _NO_DAY,
    "date_from_datetime_parsing": _NO_DAY,
}
"""pydantic's kind of error → what people read; placeholders are what it knows of the limit"""


def sentence_of(error: ErrorDetails, words: Mapping[str, str]) -> str:
    """What is wrong, as a sentence; a field that it names as `{amount_minor}` is called by `words`, else as it is."""
    known = {**error.get("ctx", {}), **words}
    return _NAMED.sub(lambda found: str(known.get(found[1], found[1])), _plain(error["type"], error["msg"]))


def _plain(kind: str, message: str) -> str:
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    said = message.removeprefix("Value error, ")
    return said[:1].upper() + said[1:300].rstrip(".") + "."
