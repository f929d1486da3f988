"""Doors for staff: importing links from a table, first as a dry run."""

from flask import Blueprint, Response, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import ngettext
from pydantic import Field

from core.access import authorize
from core.inputs import Input, InvalidInput, Line
from core.spreadsheets import CSV
from hub.programmes import get_programme, programmes_in
from referrals.links import link_import
from referrals.links.link_rows import COLUMNS, MOST_BYTES, MOST_ROWS, text_of
from web.forms import Form, read_form
from web.signing_in import staff

door = Blueprint("referrals_import", __name__)

SHOWN = 500
"""rows of the report on the page, those that are wrong first; the file has all"""


class LinksTable(Input):
    """A table, pasted; or a file beside it. With `confirm`, the digest of the report, its links are opened."""

    programme_id: Line
    content: str = Field(default="", max_length=MOST_BYTES)
    confirm: str = Field(default="", max_length=64)
    as_file: bool = False
    """the report as CSV"""


@door.get("/console/links/import")
def import_form() -> str:
    """Which programme, and the table."""
    actor = staff("link.manage")
    programmes = programmes_in(actor.units_for("link.manage"))
    return render_template(
        "console/referrals/import.html",
        programmes=programmes,
        columns=COLUMNS,
        most_rows=MOST_ROWS,
        form=Form({"programme_id": programmes[0].id} if programmes else {}),
    )


@door.post("/console/links/import")
def import_table() -> ResponseReturnValue:
    """First what each row would do; confirmed, it is done."""
    actor, typed = staff("link.manage"), read_form(LinksTable)
    programme = get_programme(typed.programme_id)
    authorize(actor, "link.manage", programme.unit_id)
    text = _given(typed)
    if typed.confirm:
        opened = link_import.import_links(programme, text, digest=typed.confirm, by=actor)
        flash(ngettext("One link is imported.", "%(num)s links are imported.", len(opened)), "good")
        return redirect(f"/console/links?programme={programme.id}", 303)
    report = link_import.dry_run(programme, text)
    if typed.as_file:
        headers = {"Content-Disposition": "attachment; filename=links-report.csv"}
        return Response(link_import.report_file(report), content_type=CSV, headers=headers)
    rows = sorted(report.rows, key=lambda each: (each.outcome != "wrong", each.line))
    return render_template(
        "console/referrals/import_report.html",
        programme=programme,
        report=report,
        rows=rows[:SHOWN],
        content=text,
        may_confirm=not report.count("wrong") and report.count("opens") > 0,
    )


def _given(typed: LinksTable) -> str:
    """The text of the file, or else what was pasted."""
    file = request.files.get("file")
    text = text_of(file.read(MOST_BYTES + 1)) if file is not None and file.filename else typed.content
    if not text.strip():
        raise InvalidInput({"content": "Choose a file, or paste the table."})
    return text
