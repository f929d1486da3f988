"""A request to an address that somebody else chose: to a checked IP only, followed nowhere, short in time and bytes."""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Timer

from core.addresses import Goal, goal_of, resolve

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 10.0
MOST_BYTES = 4_096
MOST_ADDRESSES = 3


class NotReached(Exception):
    """There was no answer; the message is a sentence that says why."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the beginning of the text, `Retry-After` in seconds where it was given."""

    status: int
    text: str
    retry_after_s: int | None
    duration_ms: int


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """POST `body` and take the answer's first 4 kB, within 10 s; raises WrongAddress, NotReached."""
    began, goal = time.monotonic(), goal_of(url)
    addresses = resolve(goal.host, goal.port)
    with _connected(goal, addresses) as sock:
        late = Timer(TOTAL_TIMEOUT_S - (time.monotonic() - began), _cut, [sock])
        late.start()
        try:
            status, text, after = _ask(_over(goal, sock), goal, body, headers)
        except (OSError, HTTPException, ValueError) as error:
            raise NotReached(_why(error, time.monotonic() - began)) from error
        finally:
            late.cancel()
    return Answer(status, text, after, int((time.monotonic() - began) * 1000))


def _why(error: Exception, took_s: float) -> str:
    if took_s >= TOTAL_TIMEOUT_S or isinstance(error, TimeoutError):
        return f"No answer within {TOTAL_TIMEOUT_S:.0f} seconds."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not good: {error.verify_message}."
    if isinstance(error, ssl.SSLError):
        return f"No secure connection: {error.reason or 'the other side broke it off'}."
    return f"The connection broke off ({type(error).__name__})."


@contextmanager
def _connected(goal: Goal, addresses: list[str]) -> Iterator[socket.socket]:
    """A connection to the first of the checked addresses that takes one."""
    until, why = time.monotonic() + CONNECT_TIMEOUT_S, "No connection."
    for address in addresses[:MOST_ADDRESSES]:
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        try:
            sock = socket.create_connection((address, goal.port), timeout=left_s)
        except OSError as error:
            why = f"No connection: {(error.strerror or 'it took too long').lower()}."
            continue
        with sock:
            sock.settimeout(TOTAL_TIMEOUT_S)
            yield sock
            return
    raise NotReached(why)


def _over(goal: Goal, sock: socket.socket) -> HTTPConnection:
    """HTTP over a connection that stands; the name, not the IP, is what the certificate and the Host header are about."""
    if goal.scheme == "http":
        made = HTTPConnection(goal.host, goal.port)
        made.sock = sock.dup()
        return made
    secure = HTTPSConnection(goal.host, goal.port)
    secure.sock = trust().wrap_socket(sock.dup(), server_hostname=goal.host)
    return secure


@cache
def trust() -> ssl.SSLContext:
    """Which certificates are good: those that the system trusts."""
    return ssl.create_default_context()


def _ask(
    connection: HTTPConnection, goal: Goal, body: bytes, headers: Mapping[str, str]
) -> tuple[int, str, int | None]:
    try:
        connection.request("POST", goal.path, body, {"Connection": "close", **headers})
        response = connection.getresponse()
        return response.status, _beginning(response), _retry_after_s(response)
    finally:
        connection.close()


def _beginning(response: HTTPResponse) -> str:
    """The first bytes as printable text; an answer that never ends, or ends too early, is one by its status."""
    raw = b""
    with suppress(OSError, HTTPException, ValueError):
        while len(raw) < MOST_BYTES and (more := response.read1(MOST_BYTES - len(raw))):
            raw += more
    text = raw.decode(errors="replace")
    return "".join(each if each.isprintable() or each == "\n" else " " for each in text)


def _retry_after_s(response: HTTPResponse) -> int | None:
    written = response.headers.get("Retry-After", "")
    return int(written) if written.isascii() and written.isdigit() and len(written) < len("1000000") else None


def _cut(sock: socket.socket) -> None:
    """The time is over: whatever waits on the other side's next byte gets its end."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
