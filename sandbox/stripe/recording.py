"""Every kind of answer and event, written down once for whoever checks them, where SANDBOX_STRIPE_RECORD names a folder.

A kind is address, status and shape: which fields with which types, and words as they are, since they may be one of a few.
"""

import json
import os
import re
from pathlib import Path
from threading import Lock
from typing import Any

from sandbox.stripe.store import Json

FOLDER = "SANDBOX_STRIPE_RECORD"
_WORD = re.compile(r"[a-z_.]{1,60}")
_known: set[int] = set()
_writing = Lock()


def note(method: str, address: str, path: str, *, sent: Json, status: int, body: Json) -> None:
    """Write an answer down (or an event, as EVENT and its type), unless one of its kind is there."""
    folder = os.environ.get(FOLDER)
    if not folder or not status:
        return
    kind = hash((method, address, status, _shape(sent), _shape(body)))
    with _writing:
        if kind in _known:
            return
        _known.add(kind)
        line = {"method": method, "path": path, "sent": sent, "status": status, "body": body}
        with (Path(folder) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _shape(value: Any) -> object:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return tuple(sorted((name, _shape(each)) for name, each in value.items()))
    if isinstance(value, list):
        return ("list", *sorted({repr(_shape(each)) for each in value}))
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else "text"
    return type(value).__name__
