"""Many conversions at once: a JSON object a line in, a result a line out, in the same order."""

import json
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy.exc import IntegrityError

from core.db import again_after_deadlock, transaction
from core.errors import Conflict, SpokesError, TooLarge
from core.strict_json import as_model
from referrals.conversions.conversions import NewConversion

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

    A thousand lines are one transaction. Where something is refused on the way, each half of them is one, and so on: what
    is refused undoes only itself.
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
    """What is told of each. All of a transaction are taken at once, so that two batches lock in the same order."""
    if not news:
        return []
    try:
        return again_after_deadlock(lambda: _in_one_step(news, take))
    except (SpokesError, IntegrityError) as error:
        if len(news) == 1:
            return [error if isinstance(error, SpokesError) else Conflict()]
    middle = len(news) // 2
    return [*_taken(news[:middle], take), *_taken(news[middle:], take)]


def _in_one_step(news: Sequence[NewConversion], take: Take) -> Sequence[Told]:
    with transaction():
        return take(news)


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
