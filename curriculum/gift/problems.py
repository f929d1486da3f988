"""What an import has to tell: a line, a sentence, and whether something was refused or only changed."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class GiftProblem:
    """`error`: the question was left out; `warning`: it was read, and something about it deserves a look."""

    line: int
    sentence: str
    severity: Severity = "error"


class Unreadable(Exception):
    """This question cannot be read."""

    def __init__(self, offset: int, sentence: str) -> None:
        super().__init__(sentence)
        self.offset = offset
        self.sentence = sentence
