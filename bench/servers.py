"""Servers to measure: Granian with the settings of the supervisor, each in a process group of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from webserver import WORDS

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 60
MEBIBYTE = 1024 * 1024


class NotStarted(SystemExit):
    """A server that does not answer; unless somebody can do without it, the bench ends with its words."""


@dataclass(frozen=True)
class Server:
    """A running server; its links are `below` a path."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    below: str = "/r/"

    def worker_memory(self) -> list[float]:
        """What each worker costs, in MiB: its own pages, and its part of those it shares (PSS)."""
        told = (Path(f"/proc/{each}/smaps_rollup").read_text() for each in self._workers())
        return [int(each.partition("\nPss:")[2].split()[0]) * 1024 / MEBIBYTE for each in told]

    def processor_s(self) -> float:
        """The processor time that its workers have used."""
        fields = [
            Path(f"/proc/{each}/stat").read_text().rpartition(") ")[2].split() for each in self._workers()
        ]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")

    def _workers(self) -> list[str]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [
            each for each in children if "resource_tracker" not in Path(f"/proc/{each}/cmdline").read_text()
        ]


@contextmanager
def process(
    words: list[str], environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of ours, ended with all its children."""
    with command([sys.executable, "-m", *words], ROOT, environment, log) as running:
        yield running


@contextmanager
def command(
    words: list[str], folder: Path, environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Any command in a folder, ended with all its children."""
    with log.open("ab") as said:
        running = subprocess.Popen(
            words, cwd=folder, env=dict(environment), stdout=said, stderr=said, start_new_session=True
        )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):  # it ended by itself: its words matter, not this
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
    settings = ["--port", str(port), "--workers", str(workers)]
    ours = application == "wsgi:app"
    words = ["webserver", *settings] if ours else ["granian", *WORDS, *settings, application]
    with process(words, environment, log) as running:
        wait(port, running, log)
        yield Server(name, port, running)


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait(port: int, running: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until it answers, whatever it says; raises NotStarted."""
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
    raise NotStarted(f"the server did not start:\n{log.read_text()}")
