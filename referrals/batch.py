"""Many conversions at once: a JSON object a line in, a result a line out, in the same order."""

import json
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy.exc import IntegrityError

from core.db import session, transaction
from core.errors import Conflict, SpokesError, TooLarge
from core.strict_json import as_model
from referrals.conversions import NewConversion

MOST_LINES = 10_000
BATCH_BYTES = 16 * 1024 * 1024
LINES_PER_STEP = 1_000
Told = tuple[str, int] | SpokesError
"""the answer as JSON with its status, or why there is none"""
Take = Callable[[Sequence[NewConversion]], Sequence[Told]]


class TooManyLines(TooLarge):
    """A batch has at most 10,000 lines and 16 MB."""


def answered_lines(raw: bytes, take: Take) -> Iterator[str]:
    """One result for each line, as JSON: `{"status": 201, …the stored conversion…}` or `{"status", "error", "message"}`.

    A thousand lines are one transaction. Where something is refused on the way, they are taken one by one, each in a
    savepoint of its own: one that is refused undoes only itself.
    """
    lines = raw.removesuffix(b"\n").split(b"\n") if raw else []
    if len(lines) > MOST_LINES:
        raise TooManyLines
    for start in range(0, len(lines), LINES_PER_STEP):
        read = [_read(line) for line in lines[start : start + LINES_PER_STEP]]
        taken = iter(_taken([each for each in read if isinstance(each, NewConversion)], take))
        for each in read:
            yield _said(next(taken) if isinstance(each, NewConversion) else each)


def _read(line: bytes) -> NewConversion | SpokesError:
    try:
        return as_model(NewConversion, line)
    except SpokesError as error:
        return error


def _taken(news: Sequence[NewConversion], take: Take) -> Sequence[Told]:
    if not news:
        return []
    try:
        with transaction():
            return take(news)
    except (SpokesError, IntegrityError):
        with transaction():
            return [_alone(new, take) for new in news]


def _alone(new: NewConversion, take: Take) -> Told:
    try:
        with session().begin_nested():
            return take([new])[0]
    except SpokesError as error:
        return error
    except IntegrityError:
        return Conflict()


def _said(told: Told) -> str:
    if not isinstance(told, SpokesError):
        said, status = told
        return f'{{"status":{status},{said[1:]}'
    refused = {
        "status": told.status,
        "error": type(told).__name__,
        "message": told.sentence,
        "details": told.details,
    }
    return json.dumps(refused, ensure_ascii=False, separators=(",", ":"))
