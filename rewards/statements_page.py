"""Doors for statements as files: an advocate's own, and those that finance looks at."""

from flask import Blueprint, Response, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field

from advocates.membership import Membership, get_membership
from core.access import authorize
from core.errors import NotFound
from core.files import get_file
from core.inputs import Input
from core.people import get_person
from core.spreadsheets import CSV
from hub.programmes import get_programme
from rewards import payouts_page
from rewards.statements import statement_documents, statement_files, statements
from rewards.statements.years import years_of
from web.forms import read_form
from web.signing_in import advocate, staff

door = Blueprint("rewards_statements", __name__)


class WantedMonth(Input):
    """Which month to print."""

    month: str = Field(max_length=7)


class NotPrinted(NotFound):
    """This statement was not printed yet. Please ask for it on its page."""


@door.get("/portal/rewards/statements/<month>.csv")
def my_table(month: str) -> ResponseReturnValue:
    """Every change of a month as a table."""
    return _table(advocate(), month)


@door.get("/portal/rewards/statements/<month>.pdf")
def my_document(month: str) -> ResponseReturnValue:
    """The statement as it was printed when the month had ended."""
    return _document(advocate(), month)


@door.post("/portal/rewards/statements/<month>")
def have_mine_printed(month: str) -> ResponseReturnValue:
    """Ask for the document; the clock prints it."""
    statement_documents.want(advocate(), month)
    flash(_("Your statement is being printed. It is here in a moment."), "wait")
    return redirect(f"/portal/rewards/statements/{month}", 303)


@door.get("/console/advocates/<id:membership_id>/statements")
def months(membership_id: str) -> str:
    """An advocate's months, for finance."""
    member = _seen(membership_id)
    return render_template(
        "console/rewards/statements.html",
        member=member,
        person=get_person(member.person_id),
        programme=get_programme(member.programme_id),
        months=[
            (each, statements.first_day(each), statement_documents.standing_of(member, each))
            for each in statements.months_of(member)
        ],
        years=years_of(member),
    )


@door.post("/console/advocates/<id:membership_id>/statements")
def have_printed(membership_id: str) -> ResponseReturnValue:
    """Ask for an advocate's document."""
    member = _seen(membership_id)
    statement_documents.want(member, read_form(WantedMonth).month)
    flash(_("The statement is being printed. It is here in a moment."), "wait")
    return redirect(f"/console/advocates/{member.id}/statements", 303)


@door.get("/console/advocates/<id:membership_id>/statements/<month>.csv")
def table(membership_id: str, month: str) -> ResponseReturnValue:
    """The same table, for finance."""
    return _table(_seen(membership_id), month)


@door.get("/console/advocates/<id:membership_id>/statements/<month>.pdf")
def document(membership_id: str, month: str) -> ResponseReturnValue:
    """The same document, for finance."""
    return _document(_seen(membership_id), month)


def _seen(membership_id: str) -> Membership:
    actor, member = staff(payouts_page.SEE), get_membership(membership_id)
    authorize(actor, payouts_page.SEE, member.unit_id)
    return member


def _table(member: Membership, month: str) -> Response:
    content = statement_files.as_table(statements.statement(member, month), member)
    return answer_file(content, CSV, statement_files.file_name(month, "csv"))


def _document(member: Membership, month: str) -> Response:
    statements.require_month(member, month)
    return answer_printed(member, month)


def answer_printed(member: Membership, period: str) -> Response:
    """The printed document of a month or a year; raises NotPrinted."""
    document = statement_documents.document_of(member.id, period)
    if document is None or document.file_id is None:
        raise NotPrinted
    file = get_file(document.file_id)
    answer = answer_file(file.content, file.media_type, file.name)
    answer.set_etag(file.sha256)
    return answer


def answer_file(content: bytes, media_type: str, name: str) -> Response:
    """A file to keep."""
    answer = Response(content, content_type=media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
