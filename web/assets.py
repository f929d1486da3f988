"""Static files under an address that changes with their content, so browsers keep them for ever."""

import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "static"


@cache
def release() -> str:
    """A short hash over every static file."""
    digest = hashlib.sha256()
    for path in sorted(p for p in FOLDER.rglob("*") if p.is_file()):
        digest.update(path.relative_to(FOLDER).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def prefix() -> str:
    """Where the static files of this release live."""
    return f"/static/{release()}/"


def asset(path: str) -> str:
    """The address of a static file."""
    return prefix() + path
