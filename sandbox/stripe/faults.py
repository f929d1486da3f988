"""Faults that tests order in advance: the next matching requests go wrong in the way asked for."""

import json
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.store import Json, Store, decoded

Kind: TypeAlias = Literal[
    "refuse",  # answered with the given error, nothing done; the key replays it
    "rate_limit_429",  # turned away before execution; the key stays fresh
    "hang_before",  # held for `seconds`, nothing done, connection closed
    "slow_commit",  # held for `seconds` with the key in use, then done and answered
    "hang_after_commit",  # done, held for `seconds`, connection closed without an answer
    "drop_after_commit",  # done, connection closed without an answer
    "error_500_before",  # 500, nothing done; the key replays the 500
    "error_500_after_commit",  # done, but answered (and replayed) as 500
    "bad_json",  # done and remembered, but the answer's body is cut in half
]


class Match(BaseModel):
    """Which requests: method (empty: any) and the beginning of the path."""

    model_config = ConfigDict(extra="forbid")
    method: str = ""
    path: str = "/v1/"


class Fault(BaseModel):
    """One order: the next `times` matching requests get this fault."""

    model_config = ConfigDict(extra="forbid")
    match: Match = Match()
    kind: Kind
    times: int = Field(default=1, ge=1, le=1_000_000)
    seconds: float = Field(default=30.0, ge=0, le=600)
    remembered: bool = True  # whether the key replays the refusal or the 500
    status: int = Field(default=400, ge=400, le=599)
    code: str = "transfers_not_allowed"
    error_type: str = "invalid_request_error"
    message: str = "The local Stripe was told to refuse this request."

    def refusal(self) -> StripeRefusal:
        """The error that `refuse` answers."""
        return StripeRefusal(
            self.message, status=self.status, kind=self.error_type, code=self.code, remembered=self.remembered
        )


def order(store: Store, fault: Fault) -> None:
    """Queue a fault behind those already waiting."""
    store.run(
        "INSERT INTO faults (method, path, remaining, body) VALUES (:method, :path, :times, :body)",
        {
            "method": fault.match.method.upper(), "path": fault.match.path, "times": fault.times,
            "body": json.dumps(fault.model_dump()),
        },
    )  # fmt: skip


def take(store: Store, method: str, path: str) -> Fault | None:
    """The oldest waiting fault that matches this request, used up by one; None when all is well."""
    row = store.row(
        "SELECT id, body FROM faults WHERE remaining > 0 AND method IN ('', :method)"
        " AND substr(:path, 1, length(path)) = path ORDER BY id LIMIT 1",
        {"method": method, "path": path},
    )
    if row is None:
        return None
    store.run("UPDATE faults SET remaining = remaining - 1 WHERE id = :id", {"id": row["id"]})
    return Fault.model_validate(decoded(row["body"]))


def waiting(store: Store) -> list[Json]:
    """The faults still to come, oldest first."""
    rows = store.rows("SELECT remaining, body FROM faults WHERE remaining > 0 ORDER BY id")
    return [decoded(row["body"]) | {"times": row["remaining"]} for row in rows]


def clear(store: Store) -> None:
    """Cancel all waiting faults."""
    store.run("DELETE FROM faults")
