"""From a folder's files to a curriculum: what is good is kept, everything else is reported."""

import hashlib
import re
from collections.abc import Callable, Mapping

from curriculum.contents import Certification, Curriculum, Lesson, Module, canonical_json
from curriculum.folder_formats import LeftOut, decode, read_certification, read_lesson, read_module
from curriculum.folder_report import FolderProblem, Part, Report
from curriculum.gift import parse_gift
from curriculum.questions import Question

CERTIFICATION = "certification.toml"

_NUMBERED = re.compile(r"(\d{2})-([a-z0-9]+(?:-[a-z0-9]+)*)")
_TIMES_DRAWN = 3  # fewer, and a retake meets the same questions again


def read_files(files: Mapping[str, bytes]) -> tuple[Curriculum | None, list[FolderProblem]]:
    """The curriculum in files by name (`01-module/02-lesson.md`), and every problem; None when it is none at all."""
    reader = _Reader(files)
    return reader.curriculum(), reader.report.problems


class _Reader:
    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.unread = set(files)
        self.report = Report()

    def curriculum(self) -> Curriculum | None:
        """What the files say, None without a certification; what is wrong or left over is in the report."""
        certification = self._certification()
        folders = sorted({name.split("/")[0] for name in self.files if "/" in name})
        modules = tuple(module for folder in folders if (module := self._module(folder)))
        for name in sorted(self.unread):
            self.report.warn(name, "This is not part of a curriculum and was left out.")
        if certification is None:
            return None
        whole = self.report.attempt(
            CERTIFICATION, lambda: Curriculum(certification=certification, modules=modules)
        )
        if whole:
            self._look_at_banks(whole)
        return whole

    def _certification(self) -> Certification | None:
        if CERTIFICATION not in self.files:
            self.report.refuse(CERTIFICATION, "A curriculum has a certification.toml; there is none.")
            return None
        return self._read(
            CERTIFICATION,
            lambda text: Certification.model_validate(
                read_certification(text, self._left_out(CERTIFICATION))
            ),
        )

    def _module(self, folder: str) -> Module | None:
        numbered = _NUMBERED.fullmatch(folder)
        facts = f"{folder}/module.toml"
        if numbered is None or facts not in self.files:
            return None  # its files stay unread and are reported
        fields = self._read(facts, lambda text: read_module(text, self._left_out(facts)))
        lessons, quiz, assignment = (
            self._lessons(folder),
            self._quiz(f"{folder}/quiz.gift"),
            f"{folder}/assignment.md",
        )
        task = self._read(assignment, str) if assignment in self.files else None
        if fields is None:
            return None
        fields |= {
            "position": int(numbered.group(1)),
            "slug": numbered.group(2),
            "lessons": lessons,
            "quiz": quiz,
        }
        return self.report.attempt(facts, lambda: Module.model_validate({**fields, "assignment": task or ""}))

    def _lessons(self, folder: str) -> tuple[Lesson, ...]:
        names = [
            name for name in sorted(self.files) if name.startswith(f"{folder}/") and name.endswith(".md")
        ]
        return tuple(lesson for name in names if (lesson := self._lesson(name)))

    def _lesson(self, name: str) -> Lesson | None:
        numbered = _NUMBERED.fullmatch(name.split("/", 1)[1].removesuffix(".md"))
        if numbered is None:
            return None
        place = {"position": int(numbered.group(1)), "slug": numbered.group(2)}
        return self._read(
            name, lambda text: Lesson.model_validate({**read_lesson(text, self._left_out(name)), **place})
        )

    def _quiz(self, name: str) -> tuple[Question, ...]:
        text = self._read(name, str) if name in self.files else None
        questions, problems = parse_gift(text or "")
        self.report.problems += [
            FolderProblem(name, each.line, each.sentence, each.severity) for each in problems
        ]
        kept: dict[str, Question] = {}
        for question in questions:
            identity = question.id or self._given_id(name, question)
            if identity in kept:
                self.report.refuse(name, f"Two questions have the id {identity}; the second was left out.")
            kept.setdefault(identity, question.model_copy(update={"id": identity}))
        return tuple(kept.values())

    def _given_id(self, name: str, question: Question) -> str:
        """An id from the content, for a question that has none: attempts and statistics need one that stays."""
        identity = "q-" + hashlib.sha256(canonical_json(question.to_json())).hexdigest()[:12]
        words = (question.title or question.text.text)[:40]
        self.report.warn(name, f"The question “{words}” has no id; it was given {identity}.")
        return identity

    def _look_at_banks(self, curriculum: Curriculum) -> None:
        for module in curriculum.modules:
            size, drawn = sum(question.is_graded for question in module.quiz), curriculum.draw_size(module)
            if 0 < size < _TIMES_DRAWN * drawn:
                file = f"{module.position:02d}-{module.slug}/quiz.gift"
                self.report.warn(
                    file, f"{size} questions are fewer than three times the {drawn} that a quiz draws."
                )

    def _read(self, name: str, how: Callable[[str], Part]) -> Part | None:
        self.unread.discard(name)
        return self.report.attempt(name, lambda: how(decode(self.files[name])))

    def _left_out(self, name: str) -> LeftOut:
        return lambda key: self.report.warn(
            name, f"The field “{key[:60]}” is not known here and was left out."
        )
