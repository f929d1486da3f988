"""Many items of a job, each in a transaction of its own: one that fails stops no other, and the job still says so."""

from collections.abc import Callable, Iterable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.db import transaction
from core.errors import SpokesError

log = structlog.get_logger()


def one_by_one(ids: Iterable[str], step: Callable[[str], int]) -> int:
    """Take the step for each id; answers the sum. Raises the first refusal or database error after the last id."""
    did, first = 0, None
    for each in ids:
        try:
            with transaction():
                done = step(each)
            did += done
        except (SpokesError, SQLAlchemyError) as error:
            log.exception("item failed", item=each, step=step.__name__)
            first = first or error
    if first is not None:
        raise first
    return did
