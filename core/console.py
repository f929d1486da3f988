"""Doors for staff: the audit log, the mail that went out, the jobs of the clock."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from core import audit, mail, outbox, proofs
from core.audit import AuditEntry
from core.db import session
from core.errors import NotFound
from core.inputs import Input
from core.jobs import JobTrace
from core.outbox import OutboxMessage
from core.paging import page_of
from core.settings import settings
from referrals.clicks.clicks import folder
from referrals.clicks.lost_clicks import losses
from web.forms import read_query
from web.signing_in import staff

door = Blueprint("core_console", __name__)

MOST_LOSSES = 20


class AuditQuery(Input):
    """What of the log to show."""

    q: str = Field(default="", max_length=200)
    after: str | None = Field(default=None, max_length=1_000)


@door.get("/console/audit")
def audit_log() -> str:
    """Who did what to what, the newest first."""
    staff("audit.see")
    query = read_query(AuditQuery)
    wanted = select(AuditEntry)
    if query.q:
        found = [
            col(c).contains(query.q, autoescape=True)
            for c in (AuditEntry.action, AuditEntry.actor_name, AuditEntry.object_id)
        ]
        wanted = wanted.where(found[0] | found[1] | found[2])
    page = page_of(wanted, (col(AuditEntry.seq), "seq"), after=query.after)
    return render_template("console/core/audit.html", page=page, query=query)


class MailQuery(Input):
    """Which mails to show."""

    q: str = Field(default="", max_length=200)
    state: str = Field(default="", max_length=20)
    after: str | None = Field(default=None, max_length=1_000)


@door.get("/console/mail")
def mails() -> str:
    """The outbox: what waits, what went out, what could not."""
    staff("settings.see")
    query = read_query(MailQuery)
    wanted = select(OutboxMessage).where(OutboxMessage.kind == "mail")
    if query.q:
        wanted = wanted.where(col(OutboxMessage.recipient).contains(query.q, autoescape=True))
    if query.state:
        wanted = wanted.where(OutboxMessage.state == query.state)
    page = page_of(wanted, (col(OutboxMessage.id), "id"), after=query.after)
    return render_template("console/core/mails.html", page=page, query=query)


@door.get("/console/mail/<id:message_id>")
def one_mail(message_id: str) -> str:
    """A mail as it was or will be sent; in production without the secrets of the links in it."""
    staff("settings.see")
    message = session().get(OutboxMessage, message_id)
    if message is None or message.kind != "mail":
        raise NotFound
    text = message.content["text"]
    shown = mail.without_secrets(text) if settings().production else text
    return render_template("console/core/mail.html", message=message, text=shown)


@door.post("/console/mail/<id:message_id>/again")
def again(message_id: str) -> ResponseReturnValue:
    """Put a mail that could not be sent back in line."""
    actor = staff("settings.manage")
    message = session().get(OutboxMessage, message_id)
    if message is None or message.kind != "mail" or not outbox.send_again(message_id):
        raise NotFound
    audit.record(actor, "mail.again", "outbox_message", message_id)
    flash(_("The mail is in line again."), "good")
    return redirect("/console/mail", 303)


@door.get("/console/jobs")
def jobs() -> str:
    """How each job of the clock went last, and which clicks never got on file."""
    staff("settings.see")
    traces = session().exec(select(JobTrace).order_by(col(JobTrace.name))).all()
    lost = losses(folder())
    return render_template(
        "console/core/jobs.html",
        traces=traces,
        lost=lost[:MOST_LOSSES],
        lost_sum=sum(x.clicks for x in lost),
        proof=proofs.newest(),
    )
