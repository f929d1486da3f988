"""Requests to addresses that others chose, against real sockets that behave badly."""

import datetime as dt
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core import outgoing
from core.addresses import NoSuchHost, NotPublic
from core.outgoing import Answer, NotReached, post
from core.settings import Settings, configure
from tests.core.raw_server import Behave, raw_server

pytestmark = pytest.mark.usefixtures("settings")
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def says(answer: bytes) -> Behave:
    return lambda connection: connection.sendall(answer)


def sent_to(behave: Behave) -> tuple[Answer, list[bytes]]:
    with raw_server(behave) as server:
        answer = post(f"http://127.0.0.1:{server.port}/in?a=1", b'{"a":1}', {"X-One": "1"})
        return answer, server.arrived


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "TOTAL_TIMEOUT_S", 0.3)


def test_request_is_posted_and_the_answer_read() -> None:
    answer, arrived = sent_to(says(GOOD))
    assert (answer.status, answer.text, answer.retry_after_s) == (200, "ok", None)
    head = arrived[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert head[0] == "POST /in?a=1 HTTP/1.1"
    assert {"X-One: 1", "Content-Length: 7", "Connection: close"} <= set(head)
    assert any(line.startswith("Host: 127.0.0.1:") for line in head)


def test_redirects_are_answers_and_followed_nowhere() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    answer, arrived = sent_to(says(moved))
    assert answer.status == 302
    assert len(arrived) == 1


@pytest.mark.parametrize(
    ("written", "read"), [("120", 120), ("tomorrow", None), ("-1", None), ("9" * 30, None), ("²", None)]
)
def test_retry_after_is_read_when_it_is_plain_seconds(written: str, read: int | None) -> None:
    head = f"HTTP/1.1 503 Busy\r\nRetry-After: {written}\r\nContent-Length: 0\r\n\r\n"
    assert sent_to(says(head.encode("latin-1", "replace")))[0].retry_after_s == read


def test_endless_answer_is_read_to_its_cap_only() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    began = time.monotonic()
    answer, _ = sent_to(endless)
    assert (answer.status, len(answer.text)) == (200, outgoing.MOST_BYTES)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "broken",
    [
        b"", b"HTTP/1.1 2", b"nonsense\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_receiver_that_closes_early_or_speaks_no_http_is_not_reached(broken: bytes) -> None:
    with pytest.raises(NotReached, match=r"The connection broke off \("):
        sent_to(says(broken))


def test_answer_that_ends_too_early_counts_by_its_status() -> None:
    answer, _ = sent_to(says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
    assert (answer.status, answer.text) == (200, "half")


def test_what_comes_back_is_kept_as_printable_text() -> None:
    answer, _ = sent_to(says(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n\x00\x1b[31mo\xff\n"))
    assert answer.text == "  [31mo\N{REPLACEMENT CHARACTER}\n"


def drip(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50:
        time.sleep(0.05)
        connection.sendall(bytes([byte]))


def silent(connection: socket.socket) -> None:
    while connection.recv(1):
        pass


def for_ever_continue(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("behave", [silent, drip, for_ever_continue])
def test_receiver_that_takes_its_time_is_cut_off(behave: Behave) -> None:
    began = time.monotonic()
    with pytest.raises(NotReached, match="No answer within"):
        sent_to(behave)
    assert time.monotonic() - began < 10


def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(NotReached, match="No connection: connection refused"):
        post(f"http://127.0.0.1:{port}/", b"", {})


def test_names_are_looked_up_once_and_that_answer_is_what_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: a name that is public when it is checked and private when it is connected to."""
    asked: list[str] = []
    answers = ["127.0.0.1", "10.0.0.1", "10.0.0.1"]
    really = socket.getaddrinfo

    def look_up(host: str, port: int, *more: int, **named: int) -> list[Any]:
        if host != "hooks.example":
            return really(host, port, *more, **named)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[len(asked) - 1], port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with raw_server(says(GOOD)) as server:
        assert post(f"http://hooks.example:{server.port}/", b"", {}).status == 200
        assert f"Host: hooks.example:{server.port}".encode() in server.arrived[0]
        assert asked == ["hooks.example"]
        with pytest.raises(NotPublic):
            post(f"http://hooks.example:{server.port}/", b"", {})
        assert len(server.arrived) == 1


def test_names_of_private_networks_and_of_nobody_are_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(settings.model_copy(update={"spokes_env": "production"}))
    with pytest.raises(NotPublic):
        post("https://localhost/", b"", {})

    def nobody(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(NoSuchHost):
        post("https://hooks.example/", b"", {})


Certify = Callable[[str], ssl.SSLContext]


@pytest.fixture
def certify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certify:
    """Makes a server's context for a name, with a certificate that we are made to trust."""

    def make(name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        today = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        file = tmp_path / f"{name}.pem"
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        file.write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(serialization.Encoding.PEM, *plain)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        trusting = ssl.create_default_context(cafile=str(file))
        monkeypatch.setattr(outgoing, "trust", lambda: trusting)
        return context

    return make


def leading_here(monkeypatch: pytest.MonkeyPatch) -> None:
    here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    really = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **named: here if host.endswith(".example") else really(host, *more, **named),
    )


def test_certificate_is_checked_for_the_name_though_an_ip_is_connected_to(
    certify: Certify, monkeypatch: pytest.MonkeyPatch
) -> None:
    leading_here(monkeypatch)
    with raw_server(says(GOOD), certify("hooks.example")) as server:
        assert post(f"https://hooks.example:{server.port}/", b"", {}).status == 200
        assert server.names == ["hooks.example"]
        with pytest.raises(NotReached, match=r"The certificate is not good: .*Hostname mismatch"):
            post(f"https://other.example:{server.port}/", b"", {})


def test_certificate_that_nobody_vouches_for_is_refused(
    certify: Certify, monkeypatch: pytest.MonkeyPatch
) -> None:
    leading_here(monkeypatch)
    context = certify("hooks.example")
    monkeypatch.setattr(outgoing, "trust", ssl.create_default_context)
    with (
        raw_server(says(GOOD), context) as server,
        pytest.raises(NotReached, match="certificate is not good"),
    ):
        post(f"https://hooks.example:{server.port}/", b"", {})


@pytest.mark.usefixtures("hurried")
def test_handshake_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    leading_here(monkeypatch)
    with raw_server(silent) as server, pytest.raises(NotReached, match="No answer within"):
        post(f"https://hooks.example:{server.port}/", b"", {})
