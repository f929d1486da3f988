"""Doors for payouts by bank file: an advocate's account, and finance's files."""

from typing import Literal

from flask import Blueprint, Response, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from pydantic import Field

from core.access import authorize
from core.db import session
from core.errors import NotFound
from core.files import get_file
from core.inputs import Input, Line
from core.people import get_person
from core.settings import settings
from rewards import payouts_page
from rewards.payouts import bank_accounts, bank_files
from rewards.payouts.bank_files import RIGHT, BankFile
from rewards.payouts.payout_decisions import get_payout
from rewards.payouts.runs import PayoutRun
from rewards.payouts_page import get_run
from rewards.statements_page import answer_file
from web.forms import Form, read_form
from web.proving import proves
from web.signing_in import advocate, me, staff

door = Blueprint("rewards_bank", __name__)

PAGE = "/portal/rewards/bank"


class NoSuchFile(NotFound):
    """There is no such bank file."""


class Account(Input):
    """Where an advocate is paid."""

    holder: Line
    iban: str = Field(min_length=1, max_length=50)
    bic: str = Field(default="", max_length=20)


class Answered(Input):
    """What the bank said of a file."""

    reference: str = Field(default="", max_length=200)


class AnsweredOne(Input):
    """What the bank said of one payout."""

    act: Literal["paid", "refused", "returned"]
    said: str = Field(default="", max_length=500)


@door.get(PAGE)
def account() -> str:
    """The advocate's account, by its last figures."""
    member = advocate()
    _only_by_bank()
    return render_template(
        "portal/rewards/bank.html", account=bank_accounts.account_of(member.person_id), form=Form()
    )


@door.post(PAGE)
@proves()
def set_account() -> ResponseReturnValue:
    """Give an account, or another one."""
    member, typed = advocate(), read_form(Account)
    _only_by_bank()
    details = bank_accounts.checked(typed.holder, typed.iban, typed.bic)
    bank_accounts.set_account(get_person(member.person_id), details, by=me().actor)
    flash(_("This is where you are paid from now on."), "good")
    return redirect(PAGE, 303)


def _only_by_bank() -> None:
    if not settings().pays_by_bank:
        raise NotFound


@door.post("/console/payouts/<id:run_id>/bank-file")
@proves(RIGHT)
def export(run_id: str) -> ResponseReturnValue:
    """Write what waits into a file for the bank."""
    actor, made = staff(RIGHT), get_run(run_id)
    authorize(actor, RIGHT, made.unit_id)
    files = bank_files.export(made, by=actor)
    payouts = sum(each.payouts for each in files)
    if payouts:
        flash(ngettext("One payout is in a file.", "%(num)s payouts are in files.", payouts), "good")
    else:
        flash(_("Everything that waited is held: see below what is in the way."), "wait")
    return redirect(f"/console/payouts/{made.id}", 303)


@door.get("/console/payouts/files/<id:file_id>.<any(xml, csv):fmt>")
def download(file_id: str, fmt: str) -> Response:
    """The file, the same bytes every time."""
    file = _file(file_id)
    stored = get_file(file.xml_id if fmt == "xml" else file.csv_id)
    return answer_file(stored.content, stored.media_type, stored.name)


@door.post("/console/payouts/files/<id:file_id>")
@proves(RIGHT)
def paid(file_id: str) -> ResponseReturnValue:
    """The bank has paid it."""
    file, wanted = _file(file_id), read_form(Answered)
    marked = bank_files.mark_paid(file, wanted.reference, by=staff(RIGHT))
    flash(ngettext("One payout is paid.", "%(num)s payouts are paid.", marked), "good")
    return redirect(f"/console/payouts/{file.run_id}", 303)


@door.post("/console/payouts/items/<id:payout_id>/bank")
@proves(RIGHT)
def answer_one(payout_id: str) -> ResponseReturnValue:
    """The bank has paid this one, or has not, or gave it back later."""
    actor, payout, wanted = staff(payouts_page.SEE), get_payout(payout_id), read_form(AnsweredOne)
    authorize(actor, RIGHT, payout.unit_id)
    if wanted.act == "paid":
        file = session().get(BankFile, payout.reference)
        if file is None:
            raise bank_files.NotExported
        bank_files.mark_paid(file, wanted.said, by=actor, only=payout.id)
        flash(_("It is paid."), "good")
    elif wanted.act == "returned":
        bank_files.returned_by_bank(payout, wanted.said, by=actor)
        flash(_("It came back. Say what becomes of it."), "good")
    else:
        bank_files.refused_by_bank(payout, wanted.said, by=actor)
        flash(_("It is owed again, and waits for the next run."), "good")
    return redirect(f"/console/payouts/items/{payout.id}", 303)


def _file(file_id: str) -> BankFile:
    actor, file = staff(payouts_page.SEE), session().get(BankFile, file_id)
    if file is None:
        raise NoSuchFile
    authorize(actor, RIGHT, session().get_one(PayoutRun, file.run_id).unit_id)
    return file
