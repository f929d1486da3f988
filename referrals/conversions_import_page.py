"""Doors for staff: bring a file of conversions or refunds, see line by line what would become of it, confirm."""

from flask import Blueprint, Response, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from advocates.membership import Membership
from core.access import authorize
from core.db import session
from core.inputs import Input, InvalidInput, Line
from core.money import Money
from core.paging import page_of
from core.people import Person
from core.spreadsheets import CSV, as_csv
from hub import units
from referrals.conversions import imports
from referrals.conversions.import_reading import COLUMNS, IDENTIFIES, MOST_ROWS, NOTES
from referrals.conversions.import_rows import ConversionImport, ImportKind, ImportRow, Outcome
from web.forms import Form, read_form, read_query
from web.requests import takes_bytes
from web.signing_in import staff

door = Blueprint("referrals_conversions_import", __name__)

IMPORT = "conversion.import"
MOST_BYTES = 4 * 1024 * 1024
LATEST = 20


class NewImport(Input):
    """What is in the file, and whose it is."""

    kind: ImportKind
    unit_id: Line


class RowsQuery(Input):
    """Which lines to show."""

    outcome: Outcome = ""
    after: str | None = Field(default=None, max_length=1_000)


class Confirmation(Input):
    """What was seen."""

    seen: Line


@door.get("/console/conversions/import")
def import_page() -> str:
    """The form, and what was brought before."""
    actor = staff(IMPORT)
    mine = col(ConversionImport.unit_id).in_(actor.units_for(IMPORT))
    latest = select(ConversionImport).where(mine).order_by(col(ConversionImport.id).desc()).limit(LATEST)
    return render_template(
        "console/referrals/conversions_import.html",
        units=[unit for unit in units.all_units() if unit.id in actor.units_for(IMPORT)],
        columns=COLUMNS,
        most=MOST_ROWS,
        latest=session().exec(latest).all(),
        form=Form({"kind": ["conversions"]}),
    )


@door.post("/console/conversions/import")
@takes_bytes(MOST_BYTES)
def bring_file() -> ResponseReturnValue:
    """Keep the file's lines; a clock tries them."""
    actor, wanted = staff(IMPORT), read_form(NewImport)
    authorize(actor, IMPORT, wanted.unit_id)
    file = request.files.get("file")
    if file is None or not file.filename:
        raise InvalidInput({"file": "Please choose a file."})
    with file.stream:
        raw = file.read()
    brought = imports.bring(
        raw, wanted.kind, name=_printable(file.filename), unit_id=wanted.unit_id, by=actor
    )
    return redirect(f"/console/conversions/import/{brought.id}", 303)


@door.get("/console/conversions/import/<id:import_id>")
def show_import(import_id: str) -> str:
    """What would become of each line, or what did."""
    brought, query = _seen(import_id), read_query(RowsQuery)
    counted = imports.counts(brought.id)
    rows = select(ImportRow).where(ImportRow.import_id == brought.id)
    if query.outcome:
        rows = rows.where(imports.became() == query.outcome)
    page = page_of(rows, (col(ImportRow.line), "line"), after=query.after, descending=False)
    return render_template(
        "console/referrals/conversions_import_report.html",
        brought=brought,
        query=query,
        counts=counted,
        seen=imports.fingerprint(brought, counted),
        page=page,
        sums={row.id: _sum(row) for row in page.items},
        owners=_owners([each for row in page.items for each in _holders(row)]),
    )


@door.post("/console/conversions/import/<id:import_id>/confirm")
def confirm_import(import_id: str) -> ResponseReturnValue:
    """Record what was shown."""
    brought = _seen(import_id)
    imports.confirm(brought, read_form(Confirmation).seen, by=staff(IMPORT))
    flash(_("The file is being recorded. This page follows it; you may leave it."), "good")
    return redirect(f"/console/conversions/import/{brought.id}", 303)


@door.get("/console/conversions/import/<id:import_id>/refused.csv")
def refused_lines(import_id: str) -> Response:
    """The refused lines as they stood in the file, with their reasons: mended it can be sent as it is."""
    brought = _seen(import_id)
    wanted = select(ImportRow).where(ImportRow.import_id == brought.id, imports.became() == "refused")
    rows = session().exec(wanted.order_by(col(ImportRow.line)).limit(MOST_ROWS)).all()
    columns, identifies = COLUMNS[brought.kind], IDENTIFIES[brought.kind]
    told = (row.cells or {identifies: row.external_id} for row in rows)
    cells = ([each.get(name, "") for name in columns] for each in told)
    table = as_csv(
        [*columns, *NOTES], ((*each, row.line, row.why) for row, each in zip(rows, cells, strict=True))
    )
    headers = {"Content-Disposition": f'attachment; filename="refused-{brought.id}.csv"'}
    return Response(table, mimetype=CSV, headers=headers)


def _seen(import_id: str) -> ConversionImport:
    """The import, for those who may import in its unit."""
    actor, brought = staff(IMPORT), imports.get_import(import_id)
    authorize(actor, IMPORT, brought.unit_id)
    return brought


def _sum(row: ImportRow) -> Money | None:
    """The amount that a line says, where it could be read."""
    said = row.said or {}
    return Money(said["amount_minor"], said["currency"]) if said.get("amount_minor") is not None else None


def _holders(row: ImportRow) -> list[str]:
    """Everybody who would have a part of it, or has."""
    return list(row.shares or [row.membership_id] if row.membership_id else [])


def _owners(ids: list[str]) -> dict[str, tuple[Membership, Person]]:
    """Membership → the member and the person, of the units that the reader may see conversions of."""
    wanted = select(Membership, Person).where(
        Membership.person_id == Person.id,
        col(Membership.id).in_(ids),
        col(Membership.unit_id).in_(staff(IMPORT).units_for("conversion.see")),
    )
    return {member.id: (member, person) for member, person in session().exec(wanted)}


def _printable(name: str) -> str:
    return "".join(each for each in name if each.isprintable())[:200] or "file.csv"
