"""How often somebody may ask, counted in the memory of this process: it costs a microsecond and writes nothing.

Each web process counts for itself and forgets when it ends, so N workers let through up to N times the limit. Rows would be
exact (core/throttle.py counts sign-ins so), and would make every reading request a writing one.
"""

from dataclasses import dataclass
from threading import Lock

from core.clock import now

WINDOW_S = 60
MOST_NAMES = 100_000
"""so many are remembered in one window; the table begins anew when that is not enough"""


@dataclass(frozen=True)
class Spent:
    """Where somebody stands in the present window."""

    most: int
    """requests that a window allows"""
    left: int
    resets_in_s: int
    over: bool
    """more was asked for than the window allows"""


class Rates:
    """Counters per name in windows of a minute by the clock."""

    def __init__(self) -> None:
        """Nothing was counted yet."""
        self._lock = Lock()
        self._window = 0
        self._counts: dict[str, int] = {}

    def spend(self, name: str, most: int) -> Spent:
        """Count one request of `name` against `most` a minute; one that is refused counts, too."""
        seconds = int(now().timestamp())
        window = seconds - seconds % WINDOW_S
        with self._lock:
            if window != self._window or len(self._counts) >= MOST_NAMES:
                self._window, self._counts = window, {}
            count = self._counts.get(name, 0) + 1
            self._counts[name] = count
        return Spent(most, max(0, most - count), window + WINDOW_S - seconds, count > most)

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._counts = {}
