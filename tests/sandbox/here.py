"""The local Stripe inside this process, behind the real SDK: no sockets, so that twenty thousand steps fit into a minute.

Only the wire is replaced. At every boundary (before a request arrives, after it was executed) whoever tests may look in: to
crash the caller, or to let another sender come along.
"""

from collections.abc import Callable, Mapping
from typing import Any

import stripe
from werkzeug.test import Client

from sandbox.stripe import clock, faults
from sandbox.stripe.app import create_app
from sandbox.stripe.box import Box
from sandbox.stripe.faults import Fault
from sandbox.stripe.store import decoded

Boundary = Callable[[str], None]


def nothing(_where: str) -> None:
    """Nobody looks in."""


class _Connection:
    """Stands where the server looks for the connection that a fault cuts."""

    cut = False

    def shutdown(self, _how: int) -> None:
        self.cut = True


class StripeHere:
    """A local Stripe; `at_boundary` is told `asked` and `executed`, and `held` while a slow request has its key in use."""

    def __init__(self) -> None:
        app = create_app()
        self.box: Box = app.extensions["local_stripe"]
        self.http = Client(app)
        self.at_boundary: Boundary = nothing
        self.box.hold = lambda _seconds: self.at_boundary("held")  # nobody waits here

    def order(self, path: str, **body: object) -> dict[str, Any]:
        """POST to one of its controls."""
        answer = self.http.post(f"/_sandbox/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def fault(self, kind: faults.Kind, *, method: str = "POST", times: int = 1, **more: Any) -> None:  # noqa: ANN401 - as Fault has it
        """The next `times` requests of this kind about transfers go wrong."""
        match = faults.Match(method=method, path="/v1/transfers")
        with self.box.store.transaction():
            faults.order(self.box.store, Fault(match=match, kind=kind, times=times, **more))

    def no_more_faults(self) -> None:
        """All goes well from now on."""
        with self.box.store.transaction():
            faults.clear(self.box.store)

    def move_clock(self, ahead_s: float) -> None:
        """So far ahead of the machine's."""
        with self.box.store.transaction():
            clock.move(self.box.store, ahead_s)

    def transfers(self, group: str) -> list[dict[str, Any]]:
        """Every transfer of a group, the oldest first."""
        wanted = "SELECT body FROM objects WHERE kind = 'transfer' AND grouping = :group ORDER BY seq"
        return [decoded(row["body"]) for row in self.box.store.rows(wanted, {"group": group})]

    def client(self, key: str, _base: str) -> stripe.StripeClient:
        """The SDK's client, whose wire ends here."""
        return stripe.StripeClient(key, max_network_retries=1, http_client=_Wire(self))


class _Wire(stripe.HTTPClient):
    """The SDK's transport."""

    name = "here"

    def __init__(self, stripe_here: StripeHere) -> None:
        super().__init__()
        self._stripe = stripe_here

    def request(  # type: ignore[override]  # the SDK's own clients answer bytes, too
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Ask the server; a connection that is cut is what the SDK calls an APIConnectionError."""
        connection, path = _Connection(), url.split("stripe.com", 1)[1]
        self._stripe.at_boundary("asked")
        answer = self._stripe.http.open(
            path, method=method.upper(), headers=dict(headers or {}), data=post_data,
            environ_overrides={"werkzeug.socket": connection},
        )  # fmt: skip
        self._stripe.at_boundary("executed")
        if connection.cut:
            raise stripe.APIConnectionError("The connection was cut.", should_retry=True)  # type: ignore[no-untyped-call]  # as it comes
        return answer.data, answer.status_code, dict(answer.headers)

    def _sleep_time_seconds(self, num_retries: int) -> float:  # noqa: ARG002 - the SDK's own name
        return 0.0
