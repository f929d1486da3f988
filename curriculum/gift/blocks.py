"""A GIFT file cut at its blank lines: one block, one question, with the ids, tags and remarks around it."""

import re
from dataclasses import dataclass, field

from curriculum.gift.problems import GiftProblem
from curriculum.writings import MARK

_CATEGORY = "$CATEGORY:"
_MARK_ESCAPE = re.compile(r"\\([\]\\])")


@dataclass
class Block:
    """One question's text without comments; `lines` holds the line number in the file of each of its lines."""

    category: str
    text: str = ""
    lines: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def line_at(self, offset: int) -> int:
        """The line in the file of a place in the text."""
        return self.lines[min(self.text.count("\n", 0, offset), len(self.lines) - 1)]


def split_blocks(text: str) -> tuple[list[Block], list[GiftProblem]]:
    """The blocks of a file in order. A remark that stands alone goes to the next question."""
    splitter = _Splitter()
    for number, line in enumerate(text.split("\n"), start=1):
        splitter.take(number, line)
    splitter.close()
    if splitter.block.remarks:
        splitter.warn(number, "The remark at the end belongs to no question and was left out.")
    return splitter.blocks, splitter.problems


class _Splitter:
    def __init__(self) -> None:
        self.block = Block(category="")
        self.blocks: list[Block] = []
        self.problems: list[GiftProblem] = []
        self._last_line = 1

    def take(self, number: int, line: str) -> None:
        """Read one more line: part of a question, a remark, a category, or the end of a block."""
        self._last_line = number
        stripped = line.strip()
        if not stripped:
            self.close()
        elif stripped.startswith("//"):
            self._comment(stripped[2:])
        elif stripped.startswith(_CATEGORY) and not self.block.lines:
            self.block.category = stripped.removeprefix(_CATEGORY).strip()
        else:
            self.block.text += ("\n" if self.block.lines else "") + line
            self.block.lines.append(number)

    def _comment(self, content: str) -> None:
        marks = list(MARK.finditer(content))
        for mark in marks:
            kept = self.block.ids if mark.group(1) == "id" else self.block.tags
            kept.append(_MARK_ESCAPE.sub(r"\1", mark.group(2)).strip())
        rest = MARK.sub(" ", content).strip() if marks else content.strip()
        if rest or not marks:
            self.block.remarks.append(rest)

    def close(self) -> None:
        """End the block: a question is kept, remarks without one go on to the next."""
        done = self.block
        self.block = Block(category=done.category)
        if done.lines:
            self.blocks.append(done)
            return
        self.block.remarks = done.remarks
        if done.ids or done.tags:
            self.warn(self._last_line, "An id or tag stands apart from any question and was left out.")

    def warn(self, line: int, sentence: str) -> None:
        self.problems.append(GiftProblem(line, sentence, "warning"))
