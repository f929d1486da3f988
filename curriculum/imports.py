"""From a folder to a release and back, with a report of what would be lost on the way."""

from dataclasses import dataclass
from pathlib import Path

from core.access import Actor
from core.errors import Invalid
from curriculum.contents import Curriculum, digest, manifest
from curriculum.folder import read_curriculum, write_curriculum
from curriculum.folder_report import FolderProblem
from curriculum.releases import (
    Kind,
    NoSuchCertification,
    Release,
    content_of,
    find_certification,
    newest_release,
    publish,
    releases_of,
)
from hub.units import UnitNotFound, find_hub


class NotImported(Invalid):
    """Nothing was imported, because something would be lost. Mend what the report names, or accept the losses."""


@dataclass(frozen=True)
class ImportReport:
    """What reading a folder found, and the release that came of it (None in a dry run)."""

    curriculum: Curriculum | None
    problems: tuple[FolderProblem, ...]
    changed: bool
    """whether the folder differs from the newest release"""
    release: Release | None = None

    @property
    def errors(self) -> int:
        """How many parts were left out."""
        return sum(each.severity == "error" for each in self.problems)

    def lines(self) -> list[str]:
        """The report as lines to print."""
        said = [f"{each.severity}: {_place(each)}: {each.sentence}" for each in self.problems]
        if self.curriculum is None:
            return [*said, "This folder holds no curriculum."]
        return [*said, self._summary(self.curriculum)]

    def _summary(self, curriculum: Curriculum) -> str:
        lessons = sum(len(each.lessons) for each in curriculum.modules)
        questions = sum(len(each.quiz) for each in curriculum.modules)
        size = f"{len(curriculum.modules)} modules, {lessons} lessons, {questions} questions"
        if self.release is None:
            fate = "differs from the newest release" if self.changed else "is the newest release already"
        else:
            fate = f"is release {self.release.number}" + ("" if self.changed else ", as before")
        return f"{curriculum.certification.slug}: {size}; {fate}."


def _place(problem: FolderProblem) -> str:
    return problem.file if problem.line is None else f"{problem.file}:{problem.line}"


def import_folder(
    path: Path,
    by: Actor,
    dry_run: bool = False,
    *,
    unit_id: str | None = None,
    kind: Kind = "material",
    accept_losses: bool = False,
) -> ImportReport:
    """Read a folder and publish it for a unit (the hub, when none is named); a dry run only reports.

    Raises NotImported when parts would be left out and nobody accepted that; its details hold the report's lines.
    """
    curriculum, problems = read_curriculum(path)
    report = ImportReport(curriculum, tuple(problems), _differs(curriculum))
    if dry_run:
        return report
    if curriculum is None or (report.errors and not accept_losses):
        raise NotImported(details={"report": report.lines()})
    release = publish(curriculum, unit_id=unit_id or _hub_id(), by=by, kind=kind)
    return ImportReport(curriculum, report.problems, report.changed, release)


def _differs(curriculum: Curriculum | None) -> bool:
    if curriculum is None:
        return False
    newest = newest_release(curriculum.certification.slug)
    return newest is None or newest.sha256 != digest(manifest(curriculum))


def _hub_id() -> str:
    hub = find_hub()
    if hub is None:
        raise UnitNotFound
    return hub.id


def export_folder(path: Path, slug: str = "certified-advocate", number: int | None = None) -> list[Path]:
    """Write a release (the newest, or that number) as a folder; raises NoSuchCertification, FolderInUse."""
    record = find_certification(slug)
    known = releases_of(record.id, limit=1_000) if record else []
    wanted = [each for each in known if number is None or each.number == number]
    if not wanted:
        raise NoSuchCertification
    return write_curriculum(content_of(wanted[0]), path)
