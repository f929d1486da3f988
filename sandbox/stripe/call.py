"""One API call as the endpoints see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from sandbox.stripe.box import Box
from sandbox.stripe.form import Tree
from sandbox.stripe.store import Json, Store


@dataclass(frozen=True)
class Call:
    """Parameters and circumstances of one authenticated request, inside its transaction."""

    box: Box
    method: str
    path: str
    params: Tree
    owner: str  # the connected account acted for (`Stripe-Account`); empty: the platform
    request_id: str
    idempotency_key: str | None
    host_url: str

    @property
    def is_v2(self) -> bool:
        """Whether it is a call of version 2."""
        return self.path.startswith("/v2/")

    @property
    def store(self) -> Store:
        """Where everything is kept."""
        return self.box.store

    @property
    def now(self) -> int:
        """The sandbox's time, Unix seconds."""
        return self.box.now()


View: TypeAlias = Callable[..., Json]
