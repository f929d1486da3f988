"""Facts are announced here; `reactions.py` alone says what follows from them, in the same transaction."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

E = TypeVar("E")
_reactions: defaultdict[type[Any], list[Callable[[Any], None]]] = defaultdict(list)


def when(kind: type[E], reaction: Callable[[E], None]) -> None:
    """Run `reaction` whenever an event of `kind` is published; registering the same one again changes nothing."""
    if reaction not in _reactions[kind]:
        _reactions[kind].append(reaction)


def publish(event: object) -> None:
    """Run the reactions to `event` at once; one that raises undoes the act with it."""
    for reaction in _reactions[type(event)]:
        reaction(event)
