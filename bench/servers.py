"""Servers to measure: Granian with the settings of the supervisor, each in a process group of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from supervisor import BLOCKING_THREADS

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 60
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"

    def worker_memory(self) -> list[float]:
        """Each worker's resident memory, in MiB."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        page = os.sysconf("SC_PAGE_SIZE")
        sizes = [int(Path(f"/proc/{child}/statm").read_text().split()[1]) * page for child in children]
        return [size / MEBIBYTE for size in sizes if size > 10 * MEBIBYTE]


@contextmanager
def process(
    words: list[str], environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of ours, ended with all its children."""
    with log.open("ab") as said:
        running = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=dict(environment),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield running
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


@contextmanager
def server(
    name: str, application: str, workers: int, environment: Mapping[str, str], log: Path
) -> Iterator[Server]:
    """Granian over an application (`module:name`), once it listens."""
    port = free_port()
    settings = ["--port", str(port), "--workers", str(workers), "--blocking-threads", str(BLOCKING_THREADS)]
    words = ["granian", "--interface", "wsgi", *settings, "--no-ws", "--log-level", "warning", application]
    with process(words, environment, log) as running:
        _wait(port, running, log)
        yield Server(name, port, running)


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(port: int, running: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until and running.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise SystemExit(f"the server did not start:\n{log.read_text()}")
