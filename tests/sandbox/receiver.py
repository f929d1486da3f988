"""A small real HTTP server at the other end: notes each POST, answers what the test has lined up."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Posted:
    """One POST as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, decoded."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


@dataclass
class Receiver:
    """What arrived, and what is answered: the statuses in `answers` one after another, then `status`."""

    url: str = ""
    posted: list[Posted] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    status: int = 201
    reply: dict[str, Any] = field(default_factory=lambda: {"ok": True})

    def wait_for(self, count: int, timeout_s: float = 5) -> list[Posted]:
        """The POSTs once there are that many; fails after the timeout."""
        deadline = time.monotonic() + timeout_s
        while len(self.posted) < count:
            assert time.monotonic() < deadline, f"only {len(self.posted)} of {count} arrived"
            time.sleep(0.01)
        return list(self.posted)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve on a free port until the block ends."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.posted.append(Posted(self.path, dict(self.headers), body))
            status = receiver.answers.pop(0) if receiver.answers else receiver.status
            answer = json.dumps(receiver.reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()
