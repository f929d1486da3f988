"""One running local Stripe: its store, its webhook endpoints, and whether it is closing."""

import threading
from dataclasses import dataclass, field

from sandbox.stripe import clock
from sandbox.stripe.store import Store


@dataclass
class Endpoint:
    """Where events are posted to and the secret that signs them."""

    url: str
    secret: str


@dataclass
class Delivery:
    """How webhooks behave; tests change it while the server runs."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict)  # "platform", "connect"
    paused: bool = False
    newest_first: bool = False
    copies: int = 1
    delay_s: float = 0.0
    skew_s: float = 0.0  # added to the signature's timestamp
    retry_s: float = 1.0  # before the second attempt; doubles after each
    max_attempts: int = 8


@dataclass
class Box:
    """What requests and background threads share."""

    store: Store
    delivery: Delivery = field(default_factory=Delivery)
    wake: threading.Event = field(default_factory=threading.Event)  # something is to be delivered
    stopping: threading.Event = field(default_factory=threading.Event)

    def now(self) -> int:
        """The sandbox's time, Unix seconds."""
        return clock.now(self.store)

    def hold(self, seconds: float) -> None:
        """Wait, but not beyond the server's end."""
        self.stopping.wait(seconds)
