"""The local Stripe as a process of its own, and its controls."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.sandbox.web import web

ROOT = Path(__file__).parent.parent.parent
START_S = 20


@dataclass(frozen=True)
class LocalStripe:
    """A running local Stripe."""

    url: str

    def order(self, path: str, **body: object) -> dict[str, Any]:
        """POST to one of its controls."""
        answer = web.post(f"{self.url}/_sandbox/{path}", json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def api(self, path: str, **form: str) -> dict[str, Any]:
        """POST to Stripe's API as a shop does."""
        return self._answer("POST", path, data=form)

    def read(self, path: str, **query: str) -> dict[str, Any]:
        """GET from Stripe's API."""
        return self._answer("GET", path, params=query)

    def _answer(self, method: str, path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as httpx takes it
        headers = {"Authorization": "Bearer sk_test_local"}
        answer = web.request(method, f"{self.url}/v1/{path}", headers=headers, **more)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def fault(
        self, kind: str, *, times: int = 1, path: str = "/v1/transfers", method: str = "POST", **more: object
    ) -> None:
        """The next `times` requests of this kind go wrong."""
        self.order("faults", kind=kind, times=times, match={"method": method, "path": path}, **more)

    def clear_faults(self) -> None:
        """All goes well from now on."""
        assert web.delete(f"{self.url}/_sandbox/faults").is_success

    def transfers(self) -> list[dict[str, Any]]:
        """Every transfer there is, the newest first."""
        found: list[dict[str, Any]] = []
        query = {"limit": "100"}
        while True:
            answer = self.read("transfers", **query)
            found += answer["data"]
            if not answer["has_more"]:
                return found
            query["starting_after"] = found[-1]["id"]

    def calls(self, method: str, path: str) -> int:
        """How many such requests arrived."""
        query = {"method": method, "path": path}
        answer = web.get(f"{self.url}/_sandbox/requests", params=query)
        return int(answer.json()["count"])


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving() -> Iterator[LocalStripe]:
    """Serve a local Stripe until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "sandbox.stripe", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield LocalStripe(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        try:
            web.get(f"http://127.0.0.1:{port}/_sandbox/health")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the local Stripe did not start")
