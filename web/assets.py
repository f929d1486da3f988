"""Static files under an address that changes with their content, so browsers keep them for ever."""

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from whitenoise import WhiteNoise

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

FOLDER = Path(__file__).parent.parent / "static"
COMPRESSED = {".br", ".gz"}


@cache
def release() -> str:
    """A short hash over every static file; their compressed twins do not count."""
    digest = hashlib.sha256()
    for path in sorted(p for p in FOLDER.rglob("*") if p.is_file() and p.suffix not in COMPRESSED):
        digest.update(path.relative_to(FOLDER).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def prefix() -> str:
    """Where the static files of this release live."""
    return f"/static/{release()}/"


def asset(path: str) -> str:
    """The address of a static file."""
    return prefix() + path


def with_assets(application: "WSGIApplication") -> "WSGIApplication":
    """The application with the static files in front of it: kept for ever, compressed by bin/assets, ours alone."""
    served: WSGIApplication = WhiteNoise(
        application,
        root=str(FOLDER),
        prefix=prefix(),
        immutable_file_test=lambda _path, _url: True,
        allow_all_origins=False,
    )
    return served
