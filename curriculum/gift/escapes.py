r"""The escapes of GIFT: a backslash before `~ = # { } : \`, and `\n` for a line break.

One is our own: `-\>` is an arrow that does not divide a pair, which the format has no other way to say.
"""

import re
from collections.abc import Iterator

from curriculum.questions import FORMATS, Format

_ESCAPED = re.compile(r"\\([~=#{}:\\n])|-\\>")
_SPECIAL = re.compile(r"[~=#{}:\\\n]|->")
_FORMAT = re.compile(r"\s*\[(html|markdown|moodle|plain)\]")
_LINE_BREAK = re.compile(r"[ \t]*\n\s*")


def unescape(raw: str) -> str:
    """The text that was meant."""

    def meant(match: re.Match[str]) -> str:
        character = match.group(1)
        if character is None:
            return "->"
        return "\n" if character == "n" else str(character)

    return _ESCAPED.sub(meant, raw)


def escape(text: str) -> str:
    """The text as it has to be written so that nothing in it is taken for a sign of the format."""

    def written(match: re.Match[str]) -> str:
        found = match.group()
        return {"\n": "\\n", "->": "-\\>"}.get(found, "\\" + found)

    return _SPECIAL.sub(written, text)


def bare(raw: str, sign: str, start: int = 0) -> int:
    """Where `sign` first stands unescaped from `start` on, or -1."""
    return next((at for at in _bare_places(raw, start) if raw.startswith(sign, at)), -1)


def every_bare(raw: str, signs: str, start: int = 0) -> list[int]:
    """Every place where one of the characters in `signs` stands unescaped."""
    return [at for at in _bare_places(raw, start) if raw[at] in signs]


def _bare_places(raw: str, start: int) -> Iterator[int]:
    at = start
    while at < len(raw):
        if raw[at] == "\\" and raw[at + 1 : at + 2] in tuple("~=#{}:\\n"):
            at += 2
            continue
        yield at
        at += 1


def take_format(raw: str, default: Format) -> tuple[Format, str]:
    """The format a text names at its beginning, or the default, and the text after it."""
    match = _FORMAT.match(raw)
    if match is None:
        return default, raw
    return next(each for each in FORMATS if each == match.group(1)), raw[match.end() :]


def meant(raw: str, text_format: Format) -> str:
    """What a raw piece says: line breaks of the file count in HTML and Markdown and are spaces elsewhere."""
    if text_format in ("moodle", "plain"):
        raw = _LINE_BREAK.sub(" ", raw.strip())
    return unescape(raw.strip())
