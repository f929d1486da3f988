"""Mail: rendered when something happens, left in the outbox, delivered by the clock over SMTP or into files."""

import re
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from core import outbox
from core.clock import now
from core.settings import settings

SMTP_TIMEOUT_S = 20
_SECRET_LINK = re.compile(r"(/(?:welcome|reset|apply)/)[\w-]{20,}")
TEMPLATES = Path(__file__).parent.parent / "templates" / "emails"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def leave(template: str, subject_id: str, step: str, *, to: str, **values: object) -> bool:
    """Leave a mail in the outbox: `templates/emails/<template>.txt` (first line: the subject) and `.html`.

    `values` fill the templates; `base_url` is always there. False when this step was left before.
    """
    given = {"base_url": settings().address, **values}
    text = _environment().get_template(f"{template}.txt").render(given)
    subject, _, body = text.partition("\n")
    content = {
        "subject": subject.strip(),
        "text": body.lstrip("\n"),
        "html": _environment().get_template(f"{template}.html").render(given, subject=subject.strip()),
    }
    return outbox.put("mail", subject_id, f"{template}:{step}", to=to, content=content)


def send_due() -> int:
    """Send what is due; answers how many mails went out. In production no secret of a link stays behind."""
    kept = _kept if settings().production else dict  # in development the mail page is the letter box
    return outbox.send_due("mail", _by_smtp if settings().smtp_url else _as_file, kept=kept)


def without_secrets(text: str) -> str:
    """A mail's text with the secrets of the links in it taken out."""
    return _SECRET_LINK.sub(r"\1…", text)


def _kept(content: outbox.Content) -> outbox.Content:
    return {name: without_secrets(text) for name, text in content.items()}


def compose(message: outbox.OutboxMessage) -> EmailMessage:
    """The mail as it goes out: text and HTML, dated, with an id that stays the same when it is sent again."""
    mail = EmailMessage()
    mail["From"] = settings().mail_from
    try:
        mail["To"] = message.recipient
    except (IndexError, AttributeError, TypeError) as error:  # how the standard library meets odd addresses
        raise ValueError("this is not an address") from error
    mail["Subject"] = message.content["subject"]
    mail["Date"] = format_datetime(now())
    mail["Message-ID"] = f"<{message.id}@spokes>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.content["text"])
    mail.add_alternative(message.content["html"], subtype="html")
    return mail


def _by_smtp(message: outbox.OutboxMessage) -> None:
    where = urlsplit(settings().smtp_url)
    with _server(where) as server:
        server.ehlo()
        if where.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        if where.username:
            server.login(unquote(where.username), unquote(where.password or ""))
        server.send_message(compose(message))


def _server(where: SplitResult) -> smtplib.SMTP:
    host = where.hostname or "localhost"
    if where.scheme == "smtps":
        encrypted = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, where.port or 465, timeout=SMTP_TIMEOUT_S, context=encrypted)
    return smtplib.SMTP(host, where.port or 25, timeout=SMTP_TIMEOUT_S)


def _as_file(message: outbox.OutboxMessage) -> None:
    folder = settings().data_dir / "mail"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{message.id}.eml").write_bytes(compose(message).as_bytes())
