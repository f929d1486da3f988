"""Imports: a file is tried first, by the very verb that records and undone at once; then, when confirmed, recorded.

Both happen in the background, a hundred lines to a transaction, where need be each line a savepoint; lines are tried
together with those before them that they depend on. What was interrupted goes on where it was; what was recorded before is known.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, insert, update
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, func, select

from core import audit
from core.access import Actor
from core.clock import now
from core.db import run, session, transaction, update_one
from core.errors import Conflict, NotFound, SpokesError
from core.ids import new_id
from referrals.conversions import conversions, import_reading
from referrals.conversions.conversion_input import NewConversion, NewRefund
from referrals.conversions.conversion_rows import Conversion
from referrals.conversions.import_rows import ConversionImport, ImportKind, ImportRow, Outcome
from referrals.conversions.recording import Arrival, ConversionDiffers, Decided, NewRow
from referrals.conversions.won import Share, shares_of

LINES_PER_STEP = 100
MOST_BEFORE = 1_000
BREATH_S = 0.01
"""between two steps, so that on SQLite clicks and orders get their turn"""
LEASE, STUCK_AFTER = timedelta(minutes=2), timedelta(hours=1)
LONGEST_S = 10.0
"""a clock works so long on one import, then looks around"""
WORKED_ON = ("reading", "recording")


class ImportNotFound(NotFound):
    """There is no such import."""


class ImportChanged(Conflict):
    """This is not what was shown to you, or it was confirmed before. Please look again."""


class ForetoldOtherwise(Conflict):
    """Since this was shown to you it would go to somebody else, or be shared otherwise. Look at this line again: send it once more."""


class Became(NamedTuple):
    """What became of a line, or would."""

    outcome: Outcome
    why: str
    membership_id: str | None = None
    shares: dict[str, int] | None = None
    """membership → basis points, where several share it"""


class _UndoneError(Exception):
    """Raised to undo what was only tried."""


def bring(raw: bytes, kind: ImportKind, *, name: str, unit_id: str, by: Actor) -> ConversionImport:
    """Keep a file's lines to be tried; raises what import_reading.read_file does."""
    lines = import_reading.read_file(raw, kind)
    made = ConversionImport(
        unit_id=unit_id,
        kind=kind,
        name=name[:200],
        sha256=hashlib.sha256(raw).hexdigest(),
        brought_by=by.id,
        brought_at=now(),
        due_at=now(),
    )
    session().add(made)
    session().flush()
    rows = [
        {
            "id": new_id(),
            "import_id": made.id,
            "line": line.number,
            "external_id": line.external_id,
            "said": line.said,
            "cells": line.cells,
            "foretold": "refused" if line.problem else "",
            "outcome": "",
            "why": line.problem,
        }
        for line in lines
    ]
    session().execute(insert(ImportRow), rows)
    return made


def get_import(import_id: str) -> ConversionImport:
    """The import with this id; raises ImportNotFound."""
    found = session().get(ConversionImport, import_id)
    if found is None:
        raise ImportNotFound
    return found


def counts(import_id: str) -> dict[str, int]:
    """How many lines became what, or would: `new`, `known`, `refused`, and `left` for those not tried yet."""
    said = became().label("said")
    grouped = select_columns(said, func.count()).where(col(ImportRow.import_id) == import_id)
    rows = session().execute(grouped.group_by(said)).all()
    found = {str(outcome) or "left": int(number) for outcome, number in rows}
    return {name: found.get(name, 0) for name in ("new", "known", "refused", "left")}


def became() -> ColumnElement[str]:
    """What became of a line, or would; empty for one that was not tried yet."""
    return case((col(ImportRow.outcome) != "", col(ImportRow.outcome)), else_=col(ImportRow.foretold))


def fingerprint(brought: ConversionImport, counted: dict[str, int]) -> str:
    """What a confirmation binds: the file, and what was said would become of it."""
    seen = f"{brought.id} {brought.sha256} {sorted(counted.items())}"
    return hashlib.sha256(seen.encode()).hexdigest()


def confirm(brought: ConversionImport, seen: str, *, by: Actor) -> None:
    """Record what was shown; raises ImportChanged when it is something else, or was confirmed before."""
    counted = counts(brought.id)
    if seen != fingerprint(brought, counted):
        raise ImportChanged
    checked = update(ConversionImport).where(
        col(ConversionImport.id) == brought.id, col(ConversionImport.state) == "checked"
    )
    if not update_one(checked.values(state="recording", due_at=now())):
        raise ImportChanged
    audit.record(
        by,
        "conversions.imported",
        "conversion_import",
        brought.id,
        unit_id=brought.unit_id,
        details={"name": brought.name, "sha256": brought.sha256, **counted},
    )


def work() -> int:
    """Job: try the files that were brought, record those that were confirmed; answers how many lines."""
    with transaction(read_only=True):
        due = select(ConversionImport.id).where(*_due()).order_by(col(ConversionImport.due_at))
        ids = list(session().exec(due.limit(10)).all())
    return sum(_work_on(each) for each in ids)


def stuck_imports() -> list[str]:
    """Check: every file that nobody has worked on for an hour although it waits, as a sentence."""
    late = col(ConversionImport.due_at) < now() - STUCK_AFTER
    left = select(ConversionImport).where(col(ConversionImport.state).in_(WORKED_ON), late).limit(100)
    return [
        f"import {each.id} is {each.state} since {each.brought_at:%Y-%m-%d}" for each in session().exec(left)
    ]


def _due() -> tuple[Any, ...]:
    return col(ConversionImport.state).in_(WORKED_ON), col(ConversionImport.due_at) <= now()


def _work_on(import_id: str) -> int:
    with transaction():
        mine = update(ConversionImport).where(col(ConversionImport.id) == import_id, *_due())
        if not update_one(mine.values(due_at=now() + LEASE)):
            return 0
        brought = session().get_one(ConversionImport, import_id)
    until, did = time.monotonic() + LONGEST_S, 0
    while time.monotonic() < until and (step := _step(brought)):
        did += step
        time.sleep(BREATH_S)
    with transaction():
        finished = not _waiting(brought)
        after = {"reading": "checked", "recording": "done"}[brought.state] if finished else brought.state
        run(
            update(ConversionImport)
            .where(col(ConversionImport.id) == import_id)
            .values(state=after, due_at=now())
        )
    return did


def _waiting(brought: ConversionImport) -> list[ImportRow]:
    undecided = ImportRow.foretold if brought.state == "reading" else ImportRow.outcome
    rows = select(ImportRow).where(
        ImportRow.import_id == brought.id, col(undecided) == "", col(ImportRow.said).is_not(None)
    )
    return list(session().exec(rows.order_by(col(ImportRow.line)).limit(LINES_PER_STEP)).all())


def _step(brought: ConversionImport) -> int:
    return _try(brought) if brought.state == "reading" else _record(brought)


def _try(brought: ConversionImport) -> int:
    """What would become of the next lines: they are recorded, and undone."""
    rows, became = _tried(brought)
    with transaction():
        for row, said in zip(rows, became, strict=True):
            outcome, why, whose, shares = said
            values = {"foretold": outcome, "why": why, "membership_id": whose, "shares": shares}
            run(update(ImportRow).where(col(ImportRow.id) == row.id).values(**values))
    return len(rows)


def _tried(brought: ConversionImport) -> tuple[list[ImportRow], list[Became]]:
    found: list[tuple[ImportRow, Became]] = []

    def undo() -> None:
        raise _UndoneError

    with suppress(_UndoneError), transaction():
        rows = _waiting(brought)
        before = _tried_before(rows, brought)
        became = _became_all([*before, *rows], brought)
        found += zip(rows, became[len(before) :], strict=True)
        undo()
    return [row for row, _ in found], [became for _, became in found]


def _tried_before(rows: Sequence[ImportRow], brought: ConversionImport) -> list[ImportRow]:
    """Earlier lines that would be recorded and whose order (of refunds) or customer these have, too: it depends on them.

    They were undone, and are tried once more beside these; of more than MOST_BEFORE the latest.
    """
    about = ("conversion_external_id",) if brought.kind == "refunds" else ("customer", "external_id")
    whose = col(ImportRow.said)[about].as_string()
    named = {str(found) for row in rows if (found := _at(row.said, about))}
    if not named:
        return []
    earlier = select(ImportRow).where(
        ImportRow.import_id == brought.id,
        ImportRow.foretold == "new",
        ImportRow.line < rows[0].line,
        whose.in_(named),
    )
    return list(session().exec(earlier.order_by(col(ImportRow.line).desc()).limit(MOST_BEFORE)))[::-1]


def _at(said: Any, place: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    for name in place:
        said = (said or {}).get(name)
    return said


def _record(brought: ConversionImport) -> int:
    with transaction():
        rows = _waiting(brought)
        _settle(rows, _became_all(rows, brought))
    return len(rows)


def _as_shown(row: ImportRow, became: Became, brought: ConversionImport) -> Became:
    """What becomes of a line, when that is what was confirmed; what is only tried was shown to nobody yet."""
    shown = (row.foretold, row.membership_id, row.shares)
    would = (became.outcome, became.membership_id, became.shares)
    if brought.state == "recording" and became.outcome == "new" and shown != would:
        raise ForetoldOtherwise
    return became


def _settle(rows: Sequence[ImportRow], became: Sequence[Became]) -> None:
    for row, said in zip(rows, became, strict=True):
        row.outcome, row.why, row.membership_id, row.shares = said
        row.said = None  # it is where it belongs
        if said.outcome != "refused":
            row.cells = None
        session().add(row)
    session().flush()


def _became_all(rows: Sequence[ImportRow], brought: ConversionImport) -> list[Became]:
    """What becomes of lines: together, or one by one where something is refused on the way."""
    if brought.kind == "conversions" and rows:
        with suppress(SpokesError, IntegrityError), session().begin_nested():
            return _together(rows, brought)
    return [_became(row, brought) for row in rows]


def _together(rows: Sequence[ImportRow], brought: ConversionImport) -> list[Became]:
    said = [NewConversion.model_validate(row.said) for row in rows]
    decided = conversions.record_all([Arrival(each, brought.brought_by, brought.unit_id) for each in said])
    ids = [each.id for each in decided if not isinstance(each, ConversionDiffers)]
    there = session().exec(select(Conversion).where(col(Conversion.id).in_(ids))).all()
    stored = {each.id: each for each in there}
    shares = shares_of([each.id for each in there if each.shared])
    return [
        _as_shown(row, _said_of(each, stored, shares), brought)
        for row, each in zip(rows, decided, strict=True)
    ]


def _said_of(decided: Decided, stored: Mapping[str, Conversion], shares: Mapping[str, list[Share]]) -> Became:
    if isinstance(decided, ConversionDiffers):
        return Became("refused", decided.sentence)
    outcome: Outcome = "new" if isinstance(decided, NewRow) else "known"
    return _stored(stored[decided.id], outcome, shares.get(decided.id, ()))


def _stored(made: Conversion, outcome: Outcome, shares: Sequence[Share]) -> Became:
    parts = {each.membership_id: each.weight_basis_points for each in shares}
    return Became(outcome, made.reason, made.membership_id, parts or None)


def _became(row: ImportRow, brought: ConversionImport) -> Became:
    by = Actor("person", brought.brought_by, "an import")
    try:
        with session().begin_nested():
            if brought.kind == "refunds":
                return _refund(NewRefund.model_validate(row.said), by, brought.unit_id)
            said = NewConversion.model_validate(row.said)
            made, new = conversions.record(said, by=by, unit_id=brought.unit_id)
            shares = shares_of([made.id])[made.id] if made.shared else ()
            return _as_shown(row, _stored(made, "new" if new else "known", shares), brought)
    except SpokesError as error:
        return Became("refused", error.sentence)
    except IntegrityError:
        return Became("refused", Conflict().sentence)


def _refund(said: NewRefund, by: Actor, unit_id: str) -> Became:
    made, new = conversions.refund(said, by=by, unit_id=unit_id)
    why = "waits for its sale, which is not known yet" if made.state == "parked" else made.state
    return Became("new" if new else "known", why)
