"""The files of a curriculum's folder as text: TOML for facts, Markdown with front matter for lessons."""

import re
import tomllib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import tomli_w
import yaml

from curriculum.contents import Certification, Lesson, Module, PassRules, QuizRules
from curriculum.folder_report import UnreadableFile

_FRONT_MATTER = re.compile(r"---[ \t]*\n(?:(.{0,5000}?)\n)?---[ \t]*(?:\n(.*))?", re.DOTALL)
_SECTIONS = {"pass": "pass_rules", "quiz": "quiz_rules"}
CERTIFICATION_KEYS = frozenset({"slug", "title", "description", "validity_months", *_SECTIONS})
MODULE_KEYS = frozenset({"title", "description", "draw"})
LESSON_KEYS = frozenset({"title", "minutes"})

LeftOut = Callable[[str], None]
"""Told the name of every field that is not known here."""


def decode(content: bytes) -> str:
    """The text of a file; raises UnreadableFile when it is not UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFile("This file is not UTF-8 text.", line) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_certification(text: str, left_out: LeftOut) -> dict[str, Any]:
    """The fields of `certification.toml`."""
    fields = _only(_toml(text), CERTIFICATION_KEYS, left_out)
    _section(fields, "pass", frozenset(PassRules.model_fields), left_out)
    _section(fields, "quiz", frozenset(QuizRules.model_fields), left_out)
    return {_SECTIONS.get(key, key): value for key, value in fields.items()}


def _section(fields: dict[str, Any], name: str, known: frozenset[str], left_out: LeftOut) -> None:
    if isinstance(fields.get(name), dict):
        fields[name] = _only(fields[name], known, lambda key: left_out(f"{name}.{key}"))


def read_module(text: str, left_out: LeftOut) -> dict[str, Any]:
    """The fields of `module.toml`."""
    return _only(_toml(text), MODULE_KEYS, left_out)


def read_lesson(text: str, left_out: LeftOut) -> dict[str, Any]:
    """The fields of a lesson: those of its front matter, and its text."""
    match = _FRONT_MATTER.fullmatch(text)
    if match is None:
        raise UnreadableFile("A lesson begins with its title and minutes between two lines of ---.", 1)
    return {**_only(_yaml(match.group(1) or ""), LESSON_KEYS, left_out), "text": match.group(2) or ""}


def certification_text(certification: Certification) -> str:
    """`certification.toml` as `read_certification` reads it."""
    sections = {field: section for section, field in _SECTIONS.items()}
    fields = certification.model_dump(exclude_none=True)
    return _toml_text({sections.get(key, key): value for key, value in fields.items()})


def module_text(module: Module) -> str:
    """`module.toml` as `read_module` reads it."""
    return _toml_text(module.model_dump(include=set(MODULE_KEYS), exclude_none=True))


def lesson_text(lesson: Lesson) -> str:
    """A lesson's file as `read_lesson` reads it."""
    facts = {"title": lesson.title, "minutes": lesson.minutes}
    front = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{front}---\n\n{lesson.text}\n"


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError, ArithmeticError, ValueError) as error:
        raise UnreadableFile(f"This is not TOML: {error}") from None


def _toml_text(fields: dict[str, Any]) -> str:
    return tomli_w.dumps(_plain(fields), multiline_strings=True)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields worth writing down; a whole decimal is written as a whole number."""
    plain = {
        key: _plain(value) if isinstance(value, dict) else value
        for key, value in fields.items()
        if value != ""
    }
    return {
        key: int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
        for key, value in plain.items()
    }


def _yaml(text: str) -> dict[str, Any]:
    try:
        fields = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise UnreadableFile("The front matter is not YAML.", mark.line + 2 if mark else 1) from None
    if not isinstance(fields, dict):
        raise UnreadableFile("The front matter names a title and minutes.", 1)
    return fields


def _only(fields: dict[str, Any], known: frozenset[str], left_out: LeftOut) -> dict[str, Any]:
    for key in fields.keys() - known:
        left_out(str(key))
    return {key: value for key, value in fields.items() if key in known}
