"""Load on a server by 32 connections that stay open: by wrk where it is installed, else by a small loader of our own."""

import re
import shutil
import subprocess
import sys
import time
from asyncio import Protocol, Transport, get_running_loop, run, sleep
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

CONNECTIONS = 32
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_MS = {"us": 0.001, "ms": 1.0, "s": 1_000.0}
_SCRIPT = """
local requests = {}
function init(args)
  wrk.headers["User-Agent"] = "%s"
  for path in io.lines(args[1]) do requests[#requests + 1] = wrk.format("GET", path) end
  math.randomseed(os.time())
end
function request() return requests[math.random(#requests)] end
"""


@dataclass(frozen=True)
class Loaded:
    """What came of it."""

    per_second: float
    p99_ms: float
    failed: int


@cache
def has_wrk() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def load(port: int, codes: Sequence[str], seconds: float, below: str = "/r/") -> Loaded:
    """Ask for these links (drawn evenly from `codes`, which may name one more than once) for so long."""
    with TemporaryDirectory() as place:
        wanted = Path(place, "paths")
        wanted.write_text("".join(f"{below}{code}\n" for code in codes))
        if not has_wrk():
            words = [sys.executable, "-m", "bench.load", str(port), str(wanted), str(seconds)]
            rate, p99, failed = subprocess.run(
                words, check=True, capture_output=True, text=True
            ).stdout.split()
            return Loaded(float(rate), float(p99), int(failed))
        script = Path(place, "load.lua")
        script.write_text(_SCRIPT % BROWSER)
        words = [
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{max(1, round(seconds))}s",
            "--latency",
            "-s",
            str(script),
        ]
        done = subprocess.run(
            [*words, f"http://127.0.0.1:{port}", "--", str(wanted)],
            check=True,
            capture_output=True,
            text=True,
        )
        return _understood(done.stdout)


def _understood(said: str) -> Loaded:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if rate is None or p99 is None:
        raise SystemExit(f"wrk said something else:\n{said}")
    return Loaded(float(rate[1]), float(p99[1]) * _MS[p99[2]], int(bad[1]) if bad else 0)


class _Visitor(Protocol):
    """One connection of our own loader: asks, waits for the end of the answer, asks again."""

    def __init__(self, requests: Sequence[bytes], took: list[float]) -> None:
        self.requests, self.took = requests, took
        self.at, self.failed, self.began, self.answer = id(self) % len(requests), 0, 0.0, b""
        self.transport: Transport | None = None

    def connection_made(self, transport: object) -> None:
        self.transport = cast("Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Once an answer is whole, note how long it took and ask again."""
        self.answer += data
        head, ended, body = self.answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not ended or len(body) < (int(length[1]) if length else 0):
            return
        self.took.append(time.perf_counter() - self.began)
        self.failed += not head.startswith(b"HTTP/1.1 302")
        self._ask()

    def _ask(self) -> None:
        self.at, self.answer, self.began = (self.at + 1) % len(self.requests), b"", time.perf_counter()
        if self.transport is not None:
            self.transport.write(self.requests[self.at])


async def _visit(port: int, paths: Sequence[str], seconds: float) -> Loaded:
    head = f"Host: 127.0.0.1:{port}\r\nUser-Agent: {BROWSER}"
    requests = [f"GET {each} HTTP/1.1\r\n{head}\r\n\r\n".encode() for each in paths]
    took: list[float] = []
    loop = get_running_loop()
    made = [
        await loop.create_connection(lambda: _Visitor(requests, took), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    await sleep(seconds)
    for transport, _visitor in made:
        transport.abort()
    took.sort()
    return Loaded(
        len(took) / seconds, took[len(took) * 99 // 100] * 1_000, sum(each.failed for _, each in made)
    )


if __name__ == "__main__":
    found = run(_visit(int(sys.argv[1]), Path(sys.argv[2]).read_text().split(), float(sys.argv[3])))
    print(found.per_second, found.p99_ms, found.failed)
