"""Many conversions at once: a JSON object a line in, a result a line out, in the same order."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.exc import IntegrityError

from core.db import session, transaction
from core.errors import Conflict, SpokesError, TooLarge
from core.strict_json import as_model
from referrals.conversions import NewConversion

MOST_LINES = 10_000
BATCH_BYTES = 16 * 1024 * 1024
LINES_PER_STEP = 100
Take = Callable[[NewConversion], tuple[dict[str, Any], int]]


class TooManyLines(TooLarge):
    """A batch has at most 10,000 lines and 16 MB."""


def answered_lines(raw: bytes, take: Take) -> Iterator[str]:
    """One result for each line, as JSON: `{"status": 201, …the stored conversion…}` or `{"status", "error", "message"}`.

    A hundred lines are one transaction, and each is a savepoint of its own: one that is refused undoes only itself.
    """
    lines = raw.removesuffix(b"\n").split(b"\n") if raw else []
    if len(lines) > MOST_LINES:
        raise TooManyLines
    for start in range(0, len(lines), LINES_PER_STEP):
        with transaction():
            results = [_answered(line, take) for line in lines[start : start + LINES_PER_STEP]]
        for result in results:
            yield json.dumps(result, ensure_ascii=False, separators=(",", ":"))


def _answered(line: bytes, take: Take) -> dict[str, Any]:
    try:
        new = as_model(NewConversion, line)
        with session().begin_nested():
            body, status = take(new)
    except SpokesError as error:
        return _refused(error)
    except IntegrityError:
        return _refused(Conflict())
    return {"status": status, **body}


def _refused(error: SpokesError) -> dict[str, Any]:
    return {
        "status": error.status,
        "error": type(error).__name__,
        "message": error.sentence,
        "details": error.details,
    }
