"""The web processes: Granian, whose workers are forks of a process that has loaded everything and share its memory.

usage: python -m webserver [more of Granian's words, like --port 8000 --workers 2]
"""

import sys
import time
from multiprocessing import set_start_method
from typing import Any

import granian.cli
from granian.server.mp import MPServer
from sqlalchemy.orm import configure_mappers

from core.garbage import settle

BLOCKING_THREADS = 8  # one slow view must not stall redirects
WORDS = [
    *("--interface", "wsgi", "--no-ws", "--blocking-threads", str(BLOCKING_THREADS)),
    *("--respawn-failed-workers", "--log-level", "error"),
]


BREATH_S = 1.0
"""before a worker is brought back that others ended shortly before: one that cannot start must not take a whole processor"""


class _Web(MPServer):
    """Granian, which brings a worker back however soon it ended again; its own would end the healthy ones with it."""

    _last = -BREATH_S

    def _respawn_workers(self, *words: Any, **more: Any) -> None:  # noqa: ANN401 - as Granian has them
        if time.monotonic() - self._last < BREATH_S:
            time.sleep(BREATH_S)
        super()._respawn_workers(*words, **more)
        self.respawned_wrks.clear()
        self._last = time.monotonic()


def main(words: list[str]) -> None:
    """Load the application, then serve it until told to stop."""
    import wsgi  # noqa: F401 - it begins to log and reads the settings: only here, once

    configure_mappers()
    settle()  # what is never looked through for garbage stays shared
    set_start_method("fork")
    vars(granian.cli)["Server"] = _Web
    granian.cli.cli(args=[*WORDS, *words, "wsgi:app"], auto_envvar_prefix="GRANIAN")


if __name__ == "__main__":
    main(sys.argv[1:])
