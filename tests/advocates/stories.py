"""What tests of the advocates package tell over and over."""

import re
from email.message import EmailMessage

from sqlmodel import select

from advocates import applications
from advocates.applications import Application, NewApplication
from core import mail
from core.db import session, transaction
from core.outbox import OutboxMessage

FORM = {
    "name": "Ines Applicant",
    "email": "Ines@Example.org",
    "why": "I have mended bicycles with these tools for ten years.",
    "channels": "ines.example/blog\nhttps://video.example/@ines",
    "age": "yes",
    "consent": "yes",
}


def make_application(programme: str = "makers", **changes: object) -> Application:
    """An application as the form would send it."""
    return applications.submit(NewApplication.model_validate({**FORM, "programme": programme, **changes}))


def mails_to(address: str) -> list[EmailMessage]:
    """Every mail that was left for an address, the oldest first, as it goes out."""
    with transaction(read_only=True):
        left = select(OutboxMessage).where(OutboxMessage.recipient == address).order_by(OutboxMessage.id)
        return [mail.compose(each) for each in session().exec(left).all()]


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """The plain or html part of a mail."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def private_link(message: EmailMessage) -> str:
    """The path of the private page in a mail to an applicant."""
    found = re.search(r"/apply/[A-Za-z0-9_-]{43}", text_of(message))
    assert found is not None
    return found.group()
