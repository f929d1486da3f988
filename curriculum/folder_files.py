"""A curriculum's folder as file names and bytes: taken from the disk with limits, and put back."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from core.errors import Conflict
from curriculum.folder_report import FolderProblem

MAX_FILES = 3_000
MAX_FILE_BYTES = 4_000_000
MAX_TOTAL_BYTES = 50_000_000
DEPTH = 2


class FolderInUse(Conflict):
    """The folder holds something else. Export into an empty folder, or remove what it names."""


def load_folder(root: Path) -> tuple[dict[str, bytes], list[FolderProblem]]:
    """The files of a folder by their path within it, at most two levels deep. Links are never followed."""
    files: dict[str, bytes] = {}
    problems: list[FolderProblem] = []
    total = 0
    for path in _walk(root.resolve(), problems):
        name = path.relative_to(root.resolve()).as_posix()
        content = _read(path)
        total += len(content or b"")
        if total > MAX_TOTAL_BYTES or len(files) >= MAX_FILES:
            problems.append(
                FolderProblem(name, None, "The folder is too large; this and what follows was left out.")
            )
            break
        if content is None:
            problems.append(
                FolderProblem(name, None, f"This is no plain file of at most {MAX_FILE_BYTES:,} bytes.")
            )
        else:
            files[name] = content
    return files, problems


def _walk(root: Path, problems: list[FolderProblem]) -> Iterator[Path]:
    if not root.is_dir():
        problems.append(FolderProblem(".", None, "There is no such folder."))
        return
    for path in sorted(_visible(root)):
        if path.is_symlink():
            problems.append(_linked(path, root))
        elif path.is_dir():
            for inner in sorted(_visible(path)):
                if inner.is_symlink():
                    problems.append(_linked(inner, root))
                else:
                    yield inner
        else:
            yield path


def _visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _linked(path: Path, root: Path) -> FolderProblem:
    return FolderProblem(
        path.relative_to(root).as_posix(), None, "This is a link to another place and was left out."
    )


def _read(path: Path) -> bytes | None:
    """The bytes of a plain file within the limit; a link put in its place meanwhile is not followed either."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_FILE_BYTES:
            return None
        return file.read(MAX_FILE_BYTES)


def store_folder(files: Mapping[str, str], root: Path) -> list[Path]:
    """Write the files below `root` as UTF-8; raises FolderInUse when it holds links or files that are not among them.

    Names come from slugs, so they cannot leave the folder. Hidden files (a repository's own) are left alone.
    """
    present, problems = load_folder(root) if root.exists() else ({}, [])
    foreign = sorted(set(present) - set(files)) + [problem.file for problem in problems]
    if foreign:
        raise FolderInUse(details={"files": foreign[:20]})
    written = []
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written
