"""How often we call: a pace that all threads of a process keep together."""

import time
from threading import Lock


class Pace:
    """So many turns a second, evenly spread: whoever comes too early waits for their turn."""

    def __init__(self, per_s: float) -> None:
        self._every_s, self._lock, self._next_at = 1 / per_s, Lock(), time.monotonic()

    def wait(self) -> None:
        """Wait for the next turn; what was not used before is not made up for."""
        with self._lock:
            at = max(time.monotonic(), self._next_at)
            self._next_at = at + self._every_s
        time.sleep(max(0.0, at - time.monotonic()))
