"""What comes from outside is read into models of its own before anything else sees it."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from pydantic.types import AwareDatetime, StringConstraints

from core.errors import Invalid
from core.input_sentences import sentence_of


def _one_line(text: str) -> str:
    """Refuse line breaks and tabs: a name goes into the head of a mail and into cells of tables."""
    if any(each in _LINE_BREAKS for each in text):
        raise ValueError("must be a single line")
    return text


_LINE_BREAKS = frozenset("\n\r\t\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}")


def _undirected(value: Any) -> Any:  # noqa: ANN401 - whatever was sent
    """Take out marks that turn the direction of writing: nobody sees them, and a name would turn what stands beside it.

    They come along when a name is copied, so taking them out is kinder than to refuse them; the letters themselves know
    their direction.
    """
    return _TURNING.sub("", value) if isinstance(value, str) else value


_TURNING = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_one_line),
    BeforeValidator(_undirected),
]
"""One line of text, required, without marks that turn the direction of writing."""
Paragraphs = Annotated[str, StringConstraints(max_length=5_000)]
"""Longer text."""
PRINTABLE = re.compile(r"[!-~]{1,200}")
Key = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
"""Somebody else's identifier: visible ASCII."""


def _email(value: str) -> str:
    try:
        # Reserved names are somebody's test programme, not an attack; whether the box exists shows the first mail.
        found = validate_email(value, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError("this is not an e-mail address") from error
    return found.normalized.lower()


Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(_email)]
"""An address that mail can reach, lower case."""
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
"""A short name of ours, as in addresses."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


def _written_out(value: Any) -> Any:  # noqa: ANN401 - whatever was sent
    """Refuse what pydantic would also take for a moment: seconds since 1970, a day alone, signs of other scripts."""
    if isinstance(value, datetime) or (isinstance(value, str) and _MOMENT.match(value) and value.isascii()):
        return value
    raise ValueError("must be a text like 2026-11-02T10:15:00Z")


_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}")
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


def _plain_number(value: Any) -> Any:  # noqa: ANN401 - whatever was sent
    """Refuse what Python would also take for a number: 1e5, 1_000, +5, -0, digits of other scripts."""
    if isinstance(value, str) and not _PLAIN_NUMBER.fullmatch(value.strip()):
        raise ValueError("write digits only, with a point before decimals, like 12.50")
    return value


_PLAIN_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
Sum = Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=4), BeforeValidator(_plain_number)]
"""A sum of money, points or percent as people write it, in the main unit."""

_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""control characters but for tab and line breaks, and halves of surrogate pairs: Unicode's categories Cc and Cs"""


class Input(BaseModel):
    """The base of every input model: only listed fields, trimmed, no control characters, no lone surrogates."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, str_max_length=20_000)
    each_once: ClassVar[bool] = False
    """of a form or an address: two values of one field are refused, where else the last one counts"""

    @field_validator("*", mode="before")
    @classmethod
    def _printable(cls, value: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if not _storable(value):
            raise ValueError("contains characters that cannot be stored")
        return value


def _storable(value: object) -> bool:
    if isinstance(value, str):
        return _UNSTORABLE.search(value) is None
    if isinstance(value, dict):
        return all(_storable(each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple):
        return all(_storable(each) for each in value)
    return True


class InvalidInput(Invalid):
    """Please look at the marked fields."""

    def __init__(self, problems: dict[str, str]) -> None:
        """`problems`: field name (dotted for nested ones) to a sentence."""
        super().__init__(details={"fields": problems})
        self.problems = problems


REQUEST = "request"
"""stands for the field where it is the whole that is wrong"""


def refuse(error: ValidationError, words: Mapping[str, str] | None = None) -> InvalidInput:
    """The refusal that says in sentences what a model did not accept.

    `words`: the door's own names of fields (dotted for nested ones). A model's sentences name fields as `{amount_minor}`.
    """
    called = words or {}
    problems: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in each["loc"])[:120] or REQUEST
        problems.setdefault(called.get(name, name), sentence_of(each, called))
    return InvalidInput(dict(list(problems.items())[:50]))
