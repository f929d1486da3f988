"""The sandbox's own time: the machine's, moved by an offset that tests set."""

import time

from sandbox.stripe.store import Store


def offset_s(store: Store) -> float:
    """Seconds by which the sandbox runs ahead of (or behind) the machine."""
    row = store.row("SELECT value FROM settings WHERE name = 'clock_offset_s'")
    return float(row["value"]) if row else 0.0


def move(store: Store, to_offset_s: float) -> None:
    """Set the offset, in seconds from the machine's time (not from the last offset)."""
    store.run(
        "INSERT OR REPLACE INTO settings VALUES ('clock_offset_s', :value)", {"value": str(to_offset_s)}
    )


def now(store: Store) -> int:
    """The sandbox's time as a Unix timestamp in whole seconds."""
    return int(time.time() + offset_s(store))
