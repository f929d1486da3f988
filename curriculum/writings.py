"""Text as it may be stored: trimmed, line feeds between lines, no control characters, no lone surrogates."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_PROSE = 20_000

MARK = re.compile(r"\[(id|tag):((?:[^\]\\]|\\[\]\\]|\\(?![\]\\])){1,100})\]")
"""An id or tag in a comment, `[id:…]`, with a backslash before `]` and `\\` inside it."""
UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def storable(text: str) -> str:
    """The text, trimmed and with plain line breaks; ValueError when it holds what cannot be stored."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if UNSTORABLE.search(text):
        raise ValueError("text holds characters that cannot be stored")
    return text


def one_line(text: str) -> str:
    """The text on one line, with single spaces."""
    return " ".join(storable(text).split())


Prose = Annotated[str, AfterValidator(storable), Field(max_length=MAX_PROSE)]
SingleLine = Annotated[str, AfterValidator(one_line)]
Label = Annotated[str, AfterValidator(one_line), Field(min_length=1, max_length=100)]
