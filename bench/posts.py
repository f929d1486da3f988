"""Posts on a server by 32 connections that stay open, each body once: `python -m bench.posts PORT FILE KEY SECONDS`."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

CONNECTIONS = 32
PATH = "/api/v1/conversions"


def post(port: int, bodies: Sequence[str], key: str, seconds: float) -> float:
    """Post these bodies for so long, from a process of its own; the answer is how many were answered 201 a second."""
    with TemporaryDirectory() as place:
        wanted = Path(place, "bodies")
        wanted.write_text("\n".join(bodies) + "\n")
        words = [sys.executable, "-m", "bench.posts", str(port), str(wanted), key, str(seconds)]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    good, others = said.split()
    if int(others):
        raise SystemExit(f"{others} posts were not answered 201")
    return float(good)


class _Shop(asyncio.Protocol):
    """One connection: posts, waits for the whole answer, posts the next."""

    def __init__(self, requests: Iterator[bytes], answers: Counter[bytes]) -> None:
        self.requests, self.answers, self.said = requests, answers, b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._post()

    def data_received(self, data: bytes) -> None:
        """Once an answer is whole, count it and post the next."""
        self.said += data
        head, _, body = self.said.partition(b"\r\n\r\n")
        length = next(
            (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":"
        )
        if not body or len(body) < int(length.split(b":")[1] or 1):
            return
        self.answers[self.said[9:12]] += 1
        self._post()

    def _post(self) -> None:
        self.said = b""
        request = next(self.requests, None)
        if request is not None and self.transport is not None:
            self.transport.write(request)


async def _posted(port: int, bodies: Sequence[str], key: str, seconds: float) -> Counter[bytes]:
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    requests = (f"{head}Content-Length: {len(each)}\r\n\r\n{each}".encode() for each in bodies)
    answers: Counter[bytes] = Counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Shop(requests, answers), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(seconds)
    for transport, _shop in made:
        transport.abort()
    return answers


if __name__ == "__main__":
    lasted = float(sys.argv[4])
    came = asyncio.run(
        _posted(int(sys.argv[1]), Path(sys.argv[2]).read_text().split("\n")[:-1], sys.argv[3], lasted)
    )
    print(came[b"201"] / lasted, sum(came.values()) - came[b"201"])
