"""A curriculum as a folder that people keep in Git: read with a report of what is lost, written back the same."""

from pathlib import Path

from curriculum.contents import Curriculum
from curriculum.folder_files import load_folder, store_folder
from curriculum.folder_formats import certification_text, lesson_text, module_text
from curriculum.folder_reading import CERTIFICATION, read_files
from curriculum.folder_report import FolderProblem
from curriculum.gift import write_gift

BUILT_IN = Path(__file__).parent / "content" / "certified-advocate"
"""The certification that comes with Spokes."""


def read_curriculum(path: Path) -> tuple[Curriculum | None, list[FolderProblem]]:
    """The curriculum in a folder and what was wrong or left out, by file and line; None when it is none at all."""
    files, problems = load_folder(path)
    curriculum, more = read_files(files)
    return curriculum, [*problems, *more]


def write_curriculum(curriculum: Curriculum, path: Path) -> list[Path]:
    """Write the folder that `read_curriculum` reads back the same; raises FolderInUse when it holds something else."""
    return store_folder(files_of(curriculum), path)


def files_of(curriculum: Curriculum) -> dict[str, str]:
    """Every file of a curriculum's folder by its name, in order."""
    files = {CERTIFICATION: certification_text(curriculum.certification)}
    for module in curriculum.modules:
        folder = f"{module.position:02d}-{module.slug}"
        files[f"{folder}/module.toml"] = module_text(module)
        files |= {
            f"{folder}/{each.position:02d}-{each.slug}.md": lesson_text(each) for each in module.lessons
        }
        if module.quiz:
            files[f"{folder}/quiz.gift"] = write_gift(module.quiz)
        if module.assignment:
            files[f"{folder}/assignment.md"] = module.assignment + "\n"
    return files
