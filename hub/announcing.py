"""Telling others what happened: facts are collected while a transaction runs and become messages at its end, together.

Nobody subscribed: one short query for a transaction that announced anything. Otherwise each kind of fact is shown once
to each unit that asked for it, however many facts there are; what a unit may not see, it is not told.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import bindparam
from sqlalchemy import select as select_columns
from sqlmodel import col

from core import outbox
from core.clock import now
from core.db import before_commit, fresh_look, session
from core.outbox import OutboxMessage
from core.reading import Reading
from hub.endpoints import WEBHOOK, WebhookEndpoint, wants
from hub.units import all_units, reach

Show = Callable[[Sequence[str], frozenset[str]], Mapping[str, BaseModel]]
"""ids, and the units that may see → id → what they are told; what is not theirs, or not there any more, is missing"""
AT_ONCE = 500
ONCE = ""
"""the step of what cannot happen to the same thing again"""
_QUEUE = "announced"
_shows: dict[str, Show] = {}


@dataclass(frozen=True)
class Fact:
    """Something that happened to something; `step` tells it from the same happening again."""

    name: str
    about: str
    step: str

    @property
    def subject(self) -> str:
        """What makes a message about it the only one."""
        return ":".join(each for each in (self.name, self.about, self.step) if each)


def shown_by(name: str, show: Show) -> None:
    """Say how facts of this name are shown; again: the same."""
    _shows[name] = show


def names() -> tuple[str, ...]:
    """Every name of a message that can be asked for."""
    return tuple(_shows)


def announce(name: str, ids: Iterable[str], *, step: str) -> None:
    """Tell, when this transaction commits, whoever asked for it that `name` happened to each of `ids`.

    The same name, id and step is told once: `step` tells it from the same happening again, or is ONCE.
    """
    queue: dict[Fact, None] = session().info.setdefault(_QUEUE, {})
    queue.update(dict.fromkeys(Fact(name, each, step) for each in ids))


@before_commit
def leave_messages() -> None:
    """Turn what was announced into rows of the outbox."""
    facts: dict[Fact, None] = session().info.pop(_QUEUE, {})
    takers = _takers({each.name for each in facts}) if facts else []
    if not takers:
        return
    with fresh_look():
        messages = list(_messages(list(facts), takers))
    outbox.put_many(messages)


@dataclass(frozen=True)
class _Taker:
    id: str
    unit_id: str
    types: frozenset[str]


def _takers(happened: set[str]) -> list[_Taker]:
    every = [_Taker(id_, unit_id, frozenset(types)) for id_, unit_id, types in _ENABLED.all(state="enabled")]
    return [each for each in every if any(wants(each.types, name) for name in happened)]


_ENABLED = Reading(
    lambda: select_columns(
        col(WebhookEndpoint.id), col(WebhookEndpoint.unit_id), col(WebhookEndpoint.types)
    ).where(col(WebhookEndpoint.state) == bindparam("state"))
)


def _messages(facts: Sequence[Fact], takers: Sequence[_Taker]) -> Iterator[OutboxMessage]:
    units, at = all_units(), now()
    for unit_id in dict.fromkeys(each.unit_id for each in takers):
        reached = reach(unit_id, units)
        theirs = [each for each in takers if each.unit_id == unit_id]
        for name in dict.fromkeys(each.name for each in facts):
            asked = [each.id for each in theirs if wants(each.types, name)]
            if asked:
                yield from _told([each for each in facts if each.name == name], asked, reached, at)


def _told(
    facts: list[Fact], endpoints: list[str], units: frozenset[str], at: datetime
) -> Iterator[OutboxMessage]:
    for some in _in_parts(facts):
        shown = _shows[some[0].name]([each.about for each in some], units)
        for fact in some:
            if fact.about in shown:
                body = written(fact.name, shown[fact.about].model_dump(mode="json"), at)
                yield from (message(each, fact.name, fact.subject, body, at) for each in endpoints)


def _in_parts(facts: list[Fact]) -> Iterator[list[Fact]]:
    return (facts[start : start + AT_ONCE] for start in range(0, len(facts), AT_ONCE))


def written(name: str, data: dict[str, Any], at: datetime) -> str:
    """The body of a message: these very characters are signed and sent, every time."""
    told = {"type": name, "timestamp": at.isoformat(), "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def message(endpoint_id: str, name: str, subject: str, body: str, at: datetime) -> OutboxMessage:
    """A message for an endpoint, not yet left."""
    return OutboxMessage(
        kind=WEBHOOK,
        subject=subject,
        step=endpoint_id,
        recipient=endpoint_id,
        content={"type": name, "body": body},
        created_at=at,
        due_at=at,
    )
