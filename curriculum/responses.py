"""What somebody answered: read from a form, kept as plain JSON, always by token."""

from collections.abc import Mapping, Sequence

from core.errors import Invalid
from curriculum.drawing import FrozenQuestion, Token

Response = str | list[str] | dict[str, str]
"""single, truefalse: a token; multiple: tokens; matching: left token to right token; else what was written."""

MAX_WRITTEN = 500
MAX_ESSAY = 20_000


class UnknownAnswer(Invalid):
    """That is not one of the answers of this question. Please reload the page."""


class AnswerTooLong(Invalid):
    """This answer is longer than can be taken."""


def read_response(frozen: FrozenQuestion, fields: Mapping[str, Sequence[str]]) -> Response | None:
    """The answer to a question among a form's fields, or None when there is none.

    The field is named by the question's token, in matching `<question token>.<left token>`; lists as a form has them.
    """
    sent = [each for each in fields.get(frozen.token, ()) if each.strip()]
    match frozen.question.kind:
        case "single" | "truefalse":
            return _known(sent[0], frozen.options) if sent else None
        case "multiple":
            return sorted({_known(each, frozen.options) for each in sent}) or None
        case "matching":
            return _matched(frozen, fields) or None
        case "description":
            return None
        case _:
            return _written(sent[0], frozen) if sent else None


def _known(token: str, options: Sequence[Token]) -> str:
    if token not in {option.token for option in options}:
        raise UnknownAnswer
    return token


def _matched(frozen: FrozenQuestion, fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    matched = {}
    for option in frozen.options:
        sent = [each for each in fields.get(f"{frozen.token}.{option.token}", ()) if each.strip()]
        if sent:
            matched[option.token] = _known(sent[0], frozen.rights)
    return matched


def _written(text: str, frozen: FrozenQuestion) -> str:
    if len(text) > (MAX_ESSAY if frozen.question.kind == "essay" else MAX_WRITTEN):
        raise AnswerTooLong
    return text.strip()
