"""Mail, really over SMTP: text and HTML, one id, and a server that refuses is asked again later."""

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from sqlmodel import select

from core import mail
from core.db import session, transaction
from core.outbox import OutboxMessage
from core.settings import Settings, configure

Serve = Callable[..., "Inbox"]


class Inbox:
    """An SMTP server's handler that keeps what it takes, or answers with a refusal."""

    def __init__(self, *, refuses_recipient: str = "", refuses_data: str = "") -> None:
        self.refuses_recipient, self.refuses_data = refuses_recipient, refuses_data
        self.mails: list[EmailMessage] = []
        self.encrypted: list[bool] = []
        self.recipients: list[str] = []
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: object, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuses_recipient:
            return self.refuses_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses_data:
            return self.refuses_data
        self.mails.append(
            BytesParser(EmailMessage, policy=policy.default).parsebytes(envelope.original_content or b"")
        )
        self.encrypted.append(
            server.transport is not None and server.transport.get_extra_info("ssl_object") is not None
        )
        self.recipients += envelope.rcpt_tos
        return "250 Taken"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start an SMTP server on a free port; `serve(inbox, **aiosmtpd's options)`."""
    running: list[Controller] = []

    def start(inbox: Inbox, **options: Any) -> Inbox:  # noqa: ANN401 - aiosmtpd's
        with socket.create_server(("127.0.0.1", 0)) as free:
            inbox.port = free.getsockname()[1]
        server = Controller(inbox, hostname="127.0.0.1", port=inbox.port, **options)
        server.start()
        running.append(server)
        return inbox

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One small mail, so that these tests say nothing about the wording of real ones."""
    (tmp_path / "hello.txt").write_text("Hello {{ name }}\n\nCome to {{ base_url }}/x?a=1&b={{ name }}\n")
    (tmp_path / "hello.html").write_text("<title>{{ subject }}</title><p>Hello {{ name }}</p>")
    monkeypatch.setattr(mail, "TEMPLATES", tmp_path)
    mail._environment.cache_clear()  # noqa: SLF001 - the templates' cache is the module's own
    yield
    mail._environment.cache_clear()  # noqa: SLF001 - as above


pytestmark = pytest.mark.usefixtures("templates", "settings")


def through(settings: Settings, inbox: Inbox, account: str = "", scheme: str = "smtp") -> None:
    configure(settings.model_copy(update={"smtp_url": f"{scheme}://{account}127.0.0.1:{inbox.port}"}))


def left(name: str = "Ana", step: str = "1", to: str = "ana@example.org") -> bool:
    with transaction():
        return mail.leave("hello", "subject-id", step, to=to, name=name)


def the_message() -> OutboxMessage:
    with transaction(read_only=True):
        return session().exec(select(OutboxMessage)).one()


def part(mail_: EmailMessage, kind: str) -> str:
    body = mail_.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_mail_arrives_as_text_and_html_at_a_server_without_starttls(settings: Settings, serve: Serve) -> None:
    inbox = serve(Inbox())
    through(settings, inbox)
    assert [left("Zoë & 李"), left("Zoë & 李")] == [True, False]
    assert [mail.send_due(), mail.send_due()] == [1, 0]
    [arrived] = inbox.mails
    assert (arrived["Subject"], arrived["To"], inbox.recipients) == (
        "Hello Zoë & 李",
        "ana@example.org",
        ["ana@example.org"],
    )
    assert (arrived["From"], arrived["Auto-Submitted"]) == (settings.mail_from, "auto-generated")
    assert part(arrived, "plain").strip() == f"Come to {settings.address}/x?a=1&b=Zoë & 李"
    assert "<p>Hello Zoë &amp; 李</p>" in part(arrived, "html")
    assert "<title>Hello Zoë &amp; 李</title>" in part(arrived, "html")
    assert arrived["Message-ID"] == f"<{the_message().id}@spokes>"
    assert arrived["Date"].datetime.tzinfo is not None


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [({"refuses_recipient": "550 nobody here"}, "SMTPRecipientsRefused"), ({"refuses_data": "451 later"}, "SMTPDataError"),
     ({"refuses_data": "554 looks like spam"}, "SMTPDataError")],
)  # fmt: skip
def test_mail_that_a_server_refuses_waits_with_the_reason(
    settings: Settings, serve: Serve, refusal: dict[str, str], expected: str
) -> None:
    through(settings, serve(Inbox(**refusal)))
    left()
    assert mail.send_due() == 0
    message = the_message()
    assert (message.state, message.attempts) == ("waiting", 1)
    assert expected in message.last_error
    assert next(iter(refusal.values()))[4:] in message.last_error


def test_mail_waits_when_no_server_is_there(settings: Settings) -> None:
    through(settings, Inbox())
    left()
    assert mail.send_due() == 0
    assert the_message().state == "waiting"


def test_account_of_the_address_is_used_and_a_wrong_one_waits(
    settings: Settings, serve: Serve, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def authenticate(
        _server: object, _session: object, _envelope: object, _mechanism: str, who: LoginPassword
    ) -> AuthResult:
        return AuthResult(
            success=(who.login, who.password) == (b"us@example.org", b"p@ss/word"), handled=False
        )

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    inbox = serve(Inbox(), tls_context=tls(certificate), authenticator=authenticate, auth_required=True)
    left()
    through(settings, inbox, "us%40example.org:wrong@")
    assert mail.send_due() == 0
    assert "SMTPAuthenticationError" in the_message().last_error
    left(step="2")
    through(settings, inbox, "us%40example.org:p%40ss%2Fword@")
    assert mail.send_due() == 1


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody vouches for, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext"
    subprocess.run(
        [*words.split(), "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "cert"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert", folder / "key"


def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(*certificate)
    return own


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_is_encrypted_where_the_server_can_and_only_towards_a_certificate_we_trust(
    settings: Settings,
    serve: Serve,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
    scheme: str,
) -> None:
    own = tls(certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    inbox = serve(Inbox(), tls_context=own) if scheme == "smtp" else serve(Inbox(), ssl_context=own)
    through(settings, inbox, scheme=scheme)
    left()
    assert mail.send_due() == int(trusted)
    if trusted:
        assert inbox.encrypted == [True]
    else:
        assert "CERTIFICATE_VERIFY_FAILED" in the_message().last_error
        assert inbox.mails == []


def test_without_a_server_mails_become_files(settings: Settings) -> None:
    left()
    assert mail.send_due() == 1
    [file] = (settings.data_dir / "mail").iterdir()
    arrived = BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes())
    assert (arrived["Subject"], file.name) == ("Hello Ana", f"{the_message().id}.eml")


@pytest.mark.parametrize("name", ["Ana\nBcc: everybody@example.org", "Ana\rBcc: everybody@example.org"])
def test_nobody_adds_headers_through_a_name_or_an_address(
    settings: Settings, serve: Serve, name: str
) -> None:
    inbox = serve(Inbox())
    through(settings, inbox)
    left(name)
    left(step="2", to=f"ana@example.org{name[3:]}")
    mail.send_due()
    assert "everybody@example.org" not in inbox.recipients
    assert [each["Bcc"] for each in inbox.mails if each["Bcc"]] == []


def test_mail_without_a_value_it_names_is_a_mistake_found_at_once(settings: Settings) -> None:
    with pytest.raises(Exception, match="'name' is undefined"), transaction():
        mail.leave("hello", "s", "1", to="ana@example.org")
    assert mail.send_due() == 0


def test_server_that_hangs_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "SMTP_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        inbox = Inbox()
        inbox.port = silent.getsockname()[1]
        through(settings, inbox)
        left()
        assert mail.send_due() == 0
    assert "timed out" in the_message().last_error
