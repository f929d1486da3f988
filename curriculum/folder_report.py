"""What reading a folder has to tell, collected while it goes on."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from curriculum.gift.problems import Severity

Part = TypeVar("Part")

_LINE = re.compile(r"line (\d+)")


@dataclass(frozen=True)
class FolderProblem:
    """`error`: this part was left out; `warning`: it was read, or ignored, and deserves a look. `line` where known."""

    file: str
    line: int | None
    sentence: str
    severity: Severity = "error"


class UnreadableFile(ValueError):
    """This file cannot be read."""

    def __init__(self, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        found = _LINE.search(sentence) if line is None else None
        self.sentence = sentence
        self.line = int(found.group(1)) if found else line


class Report:
    """The problems found so far, in the order they were met."""

    def __init__(self) -> None:
        self.problems: list[FolderProblem] = []

    def refuse(self, file: str, sentence: str, line: int | None = None) -> None:
        """Note something that was left out."""
        self.problems.append(FolderProblem(file, line, sentence))

    def warn(self, file: str, sentence: str, line: int | None = None) -> None:
        """Note something that deserves a look."""
        self.problems.append(FolderProblem(file, line, sentence, "warning"))

    def attempt(self, file: str, read: Callable[[], Part]) -> Part | None:
        """What `read` gives, or None with the reason noted when the file does not allow it."""
        try:
            return read()
        except UnreadableFile as refused:
            self.refuse(file, refused.sentence, refused.line)
        except ValidationError as refused:
            for each in refused.errors(include_url=False, include_input=False)[:20]:
                where = ".".join(str(part) for part in each["loc"])
                message = each["msg"].removeprefix("Value error, ")
                self.refuse(file, f"{where}: {message}." if where else f"{message}.")
        return None
