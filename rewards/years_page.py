"""Doors for years: an advocate's own summary, and what finance has to tell authorities."""

from flask import Blueprint, Response, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from advocates.membership import Membership, get_membership
from core import audit
from core.access import authorize
from core.clock import now
from core.errors import NotFound
from core.spreadsheets import CSV
from hub.programmes import get_programme
from rewards import payouts_page
from rewards.statements import statement_documents, year_files, years
from rewards.statements.statements import first_day
from rewards.statements_page import answer_file, answer_printed
from rewards.tax import year_reports
from rewards.tax.tax_thresholds import THRESHOLDS
from web.forms import Form
from web.proving import proves
from web.requests import writes_on_get
from web.signing_in import advocate, staff

door = Blueprint("rewards_years", __name__)

FIRST = 2020


class NoSuchExport(NotFound):
    """There are no payments of this year."""


@door.get("/portal/rewards/years/<int:year>")
def my_year(year: int) -> str:
    """The year in sums, month by month."""
    member = advocate()
    return render_template(
        "portal/rewards/year.html",
        year=year,
        parts=years.year_of(member, year),
        programme=get_programme(member.programme_id),
        document=statement_documents.standing_of(member, str(year)),
        first_day=first_day,
        form=Form(),
    )


@door.get("/portal/rewards/years/<int:year>.csv")
def my_table(year: int) -> ResponseReturnValue:
    """The same as a table."""
    return _table(advocate(), year)


@door.post("/portal/rewards/years/<int:year>")
def have_mine_printed(year: int) -> ResponseReturnValue:
    """Ask for the document; the clock prints it."""
    member = advocate()
    years.require_year(member, year)
    statement_documents.want(member, str(year))
    flash(_("Your summary is being printed. It is here in a moment."), "wait")
    return redirect(f"/portal/rewards/years/{year}", 303)


@door.get("/portal/rewards/years/<int:year>.pdf")
def my_document(year: int) -> ResponseReturnValue:
    """The summary as it was printed when the year had ended."""
    member = advocate()
    years.require_year(member, year)
    return answer_printed(member, str(year))


@door.get("/console/advocates/<id:membership_id>/years/<int:year>.csv")
def table(membership_id: str, year: int) -> ResponseReturnValue:
    """An advocate's year, for finance."""
    actor, member = staff(payouts_page.SEE), get_membership(membership_id)
    authorize(actor, payouts_page.SEE, member.unit_id)
    return _table(member, year)


@door.get("/console/payouts/years")
def payments_page() -> str:
    """The years of payments, and the thresholds they are held against."""
    staff("payout.run")
    return render_template(
        "console/rewards/years.html", years=range(now().year, FIRST - 1, -1), thresholds=THRESHOLDS
    )


@door.get("/console/payouts/years/<int:year>.csv")
@writes_on_get
def payments(year: int) -> ResponseReturnValue:
    """What everybody was paid in a year; with names and addresses, so it is on the audit log."""
    actor = staff("payout.run")
    if not FIRST <= year <= now().year:
        raise NoSuchExport
    content = year_files.payments_of(actor, "payout.run", year)
    audit.record(actor, "payments.exported", "year", str(year))
    return answer_file(content, CSV, f"payments-{year}.csv")


@door.post("/console/payouts/years/<int:year>/reports")
@proves("payout.run")
def reports(year: int) -> ResponseReturnValue:
    """Who is to be reported, with their tax numbers: asked for again, proven, and on the audit log."""
    actor = staff("payout.run")
    if not FIRST <= year <= now().year:
        raise NoSuchExport
    content = year_reports.reports_of(actor, "payout.run", year)
    audit.record(actor, "tax_reports.exported", "year", str(year))
    return answer_file(content, CSV, f"tax-reports-{year}.csv")


def _table(member: Membership, year: int) -> Response:
    return answer_file(year_files.as_table(member, year), CSV, f"summary-{year}.csv")
