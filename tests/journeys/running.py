"""The whole service as bin/serve starts it, on a temporary data folder, with a real SMTP server beside it."""

import os
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from core.settings import CLOCK_FILE

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "demo-spokes-2026"
START_TIMEOUT_S = 240
MAIL_TIMEOUT_S = 60
"""Right after the start the clock prints the certificates of the demo beside it."""
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here is encrypted: to load the authorities' certificates for every client would be the dearest part of it."""
T = TypeVar("T")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Letter:
    """A mail as it came; read when somebody asks for it, and once."""

    content: bytes

    @cached_property
    def mail(self) -> EmailMessage:
        """It, read."""
        read = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(read, EmailMessage)
        return read

    @cached_property
    def text(self) -> str:
        """Its plain text."""
        body = self.mail.get_body(("plain",))
        return str(body.get_content()) if body is not None else ""

    @cached_property
    def to(self) -> str:
        """Whom its head names."""
        return str(self.mail["To"])


class Postbox:
    """What the SMTP server received."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a mail."""
        self.letters.append(Letter(envelope.original_content or b""))
        return "250 OK"

    def newest(self, to: str, subject: str = "") -> Letter:
        """The newest mail to an address whose subject contains some words; waits for it."""
        return self._first(lambda each: each if subject in each.mail["Subject"] else None, to)

    def link(self, to: str, path: str) -> str:
        """The newest link to an address of ours that begins with `path`; waits for it."""
        ours = re.compile(rf"https?://\S+?({re.escape(path)}\S+)")
        return self._first(lambda each: ours.search(each.text), to).group(1)

    def _first(self, look: Callable[[Letter], T | None], to: str) -> T:
        """What `look` finds in the newest letter to an address in which it finds something."""

        def found() -> T:
            mine = (each for each in reversed(self.letters) if to in each.to)
            return next(seen for seen in map(look, mine) if seen is not None)

        return eventually(found, MAIL_TIMEOUT_S)


def eventually(look: Callable[[], T | None], timeout_s: float = 60, *, every_s: float = 0.1) -> T:
    """The answer of `look` as soon as it has a true one; what it raises in the end is raised."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            found = look()
        except (AssertionError, StopIteration, httpx.TransportError):
            if time.monotonic() > until:
                raise
        else:
            if found or time.monotonic() > until:
                assert found, "it did not happen in time"
                return found
        time.sleep(every_s)


@dataclass
class Service:
    """A running service: its addresses, its folder, its postbox."""

    port: int
    data_dir: Path
    environment: dict[str, str]
    postbox: Postbox
    process: subprocess.Popen[str] | None = None
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def now(self) -> datetime:
        """The moment there, which is ahead of ours once it has travelled."""
        ahead = self.data_dir / CLOCK_FILE
        return datetime.now(UTC) + timedelta(seconds=int(ahead.read_text()) if ahead.exists() else 0)

    @property
    def database_url(self) -> str:
        """Its database."""
        return self.environment["DATABASE_URL"] or f"sqlite:///{self.data_dir / 'spokes.sqlite'}"

    @property
    def stripe_url(self) -> str:
        """Where its local Stripe is."""
        return f"http://127.0.0.1:{self.environment['SANDBOX_STRIPE_PORT']}"

    @property
    def shop_url(self) -> str:
        """Where its shop is."""
        return f"http://127.0.0.1:{self.environment['SANDBOX_SHOP_PORT']}"

    def browser(self) -> "Browser":
        """A new person at a new browser; closed with the service."""
        person = Browser(self.url)
        self.clients.append(person.http)
        return person

    def api(self, key: str) -> httpx.Client:
        """A machine with a key; closed with the service."""
        headers = {"Authorization": f"Bearer {key}"}
        address = f"{self.url}/api/v1"
        self.clients.append(httpx.Client(base_url=address, headers=headers, timeout=30, verify=PLAIN))
        return self.clients[-1]

    def start(self) -> None:
        """Run bin/serve and wait until it says that it is there and is ready."""
        log = self.data_dir.parent / "serve.log"
        with log.open("a") as out:
            self.process = subprocess.Popen(
                [str(ROOT / "bin" / "serve")],
                cwd=ROOT,
                env=self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        eventually(lambda: self._is_ready(log), START_TIMEOUT_S)

    def _is_ready(self, log: Path) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"bin/serve ended:\n{log.read_text()[-3000:]}")
        return httpx.get(f"{self.url}/readyz", timeout=5, verify=PLAIN).status_code == 200

    def stop(self) -> int:
        """Ctrl-C; the answer is the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)

    def spokes(self, *words: str) -> str:
        """Run a command of bin/spokes against this service; what it printed."""
        done = subprocess.run(
            [str(ROOT / "bin" / "spokes"), *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def travel(self, days: float) -> None:
        """Move ahead in time as `bin/spokes travel` does, without its start, and let every process notice."""
        ahead_s = round((self.now - datetime.now(UTC) + timedelta(days=days)).total_seconds())
        (self.data_dir / CLOCK_FILE).write_text(str(ahead_s))
        told = httpx.post(f"{self.stripe_url}/_sandbox/clock", json={"offset_s": ahead_s}, verify=PLAIN)
        told.raise_for_status()
        time.sleep(0.5)


@contextmanager
def running_service(folder: Path, database_url: str = "") -> Iterator[Service]:
    """bin/serve on a folder of its own, ports of its own and an SMTP server of its own."""
    postbox, smtp_port = Postbox(), free_port()
    smtp = Controller(postbox, hostname="127.0.0.1", port=smtp_port)
    smtp.start()
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SPOKES_", "STRIPE_"))},
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": database_url,
        "PORT": str(port),
        "SANDBOX_STRIPE_PORT": str(free_port()),
        "SANDBOX_SHOP_PORT": str(free_port()),
        "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        "DEMO_PASSWORD": PASSWORD,
    }
    service = Service(port, folder / "data", environment, postbox)
    try:
        service.start()
        yield service
    finally:
        for each in service.clients:
            each.close()
        if service.process is not None and service.process.poll() is None:
            service.stop()
        smtp.stop()


class Browser:
    """A person at a browser without JavaScript: follows links, fills in forms, carries cookies."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, follow_redirects=True, timeout=30, verify=PLAIN)

    def get(self, path: str, status: int = 200) -> httpx.Response:
        """Open a page."""
        answer = self.http.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code}\n{answer.text[:2000]}"
        return answer

    def submit(
        self, page: str, values: dict[str, Any], *, action: str | None = None, status: int = 200
    ) -> httpx.Response:
        """Open `page`, then post its form with its CSRF token to `action` (the page itself when left out)."""
        token = csrf_token(self.get(page).text)
        answer = self.http.post(
            action or page, data={**values, "csrf_token": token}, headers={"Referer": str(self.http.base_url)}
        )
        assert answer.status_code == status, f"{action or page}: {answer.status_code}\n{answer.text[:3000]}"
        return answer

    def sign_in(self, email: str, password: str = PASSWORD) -> "Browser":
        """Sign in through the form."""
        self.submit("/login", {"email": email, "password": password})
        return self


def csrf_token(page: str) -> str:
    """The CSRF token in a page's forms."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page) or re.search(
        r'value="([^"]+)"[^>]*name="csrf_token"', page
    )
    assert found, "the page has no form of ours"
    return found.group(1)
