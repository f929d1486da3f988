"""What machines are told: the base of every answer's model."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from core.described import Described

T = TypeVar("T", bound=BaseModel)


class Answer(Described):
    """An answer."""


class Listed(Answer, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None
    """the cursor of the next page, to be sent as `after`; null on the last page"""


class Refusal(Answer):
    """Why a request was refused."""

    error: str
    """the name of the refusal, for programs: `ConversionDiffers`"""
    message: str
    """a sentence for people"""
    details: dict[str, Any]
    """what more there is to say, for instance `fields`: field to sentence"""
