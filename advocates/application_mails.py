"""What an applicant hears, by mail: the receipt, questions, and always an answer."""

from advocates.application_links import new_link
from advocates.application_states import Application
from core import invitations, mail
from core.ids import new_id
from core.people import Person
from hub.programmes import get_programme


def _leave(template: str, application: Application, **values: object) -> None:
    programme = get_programme(application.programme_id)
    decide_by = application.decide_by.astimezone(programme.zone).date()
    mail.leave(
        template,
        application.id,
        new_id(),  # an application can be asked for more, or put on the waiting list, more than once
        to=application.email,
        name=application.name,
        programme=programme.name,
        decide_by=f"{decide_by.day} {decide_by:%B %Y}",
        token=new_link(application),
        **values,
    )


def send_receipt(application: Application) -> None:
    """We have it, and by then you have an answer.

    Anybody can type anybody's address, so the mail carries nothing of what was typed: its link shows it.
    """
    _leave("application_receipt", application)


def send_already_open(application: Application) -> None:
    """Somebody sent the form again with this address; the application that is open stays as it is."""
    _leave("application_already_open", application)


def send_question(application: Application, question: str) -> None:
    """We need to know more."""
    _leave("application_needs_info", application, question=question)


def send_waitlisted(application: Application, reason: str) -> None:
    """Not now, perhaps later."""
    _leave("application_waitlisted", application, reason=reason)


def send_declined(application: Application, reason: str) -> None:
    """No, and why."""
    _leave("application_declined", application, reason=reason)


def send_accepted(application: Application, person: Person, number: int, reason: str) -> None:
    """Yes: with the link that opens the account, or the way to sign in for somebody who has one."""
    invitation = None if person.password_hash else invitations.issue(person.id, "invitation")
    _leave("application_accepted", application, number=number, reason=reason, invitation=invitation)
