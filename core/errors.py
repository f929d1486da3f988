"""Refusals: raise one to refuse; its docstring is the sentence the person reads, `status` stands beside it."""

from collections.abc import Mapping
from typing import Any, ClassVar


class SpokesError(Exception):
    """This cannot be done."""

    status: ClassVar[int] = 400

    def __init__(self, sentence: str | None = None, *, details: Mapping[str, Any] | None = None) -> None:
        self.sentence = sentence or (type(self).__doc__ or "").strip()
        self.details = dict(details or {})
        super().__init__(self.sentence)


class Malformed(SpokesError):
    """The request could not be read."""

    status = 400


class NotSignedIn(SpokesError):
    """Please sign in first."""

    status = 401


class Forbidden(SpokesError):
    """You may not do this."""

    status = 403


class NotFound(SpokesError):
    """There is nothing here, or not for you."""

    status = 404


class Conflict(SpokesError):
    """This was already done, or something changed in the meantime."""

    status = 409


class TooLarge(SpokesError):
    """That is more than we take at once."""

    status = 413


class UnsupportedMedia(SpokesError):
    """Please send JSON with the content type application/json."""

    status = 415


class Invalid(SpokesError):
    """Some of what was sent is not valid."""

    status = 422


class TooManyAttempts(SpokesError):
    """Too many attempts. Please wait a little and try again."""

    status = 429

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class Unavailable(SpokesError):
    """The service is busy for a moment. Please try again."""

    status = 503
