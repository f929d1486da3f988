"""The web processes: Granian, whose workers are forks of a process that has loaded everything and share its memory.

usage: python -m webserver [more of Granian's words, like --port 8000 --workers 2]
"""

import sys
from multiprocessing import set_start_method

from granian.cli import cli
from sqlalchemy.orm import configure_mappers

from core.garbage import settle

BLOCKING_THREADS = 8  # one slow view must not stall redirects
WORDS = [
    *("--interface", "wsgi", "--no-ws", "--blocking-threads", str(BLOCKING_THREADS)),
    *("--respawn-failed-workers", "--log-level", "error"),
]


def main(words: list[str]) -> None:
    """Load the application, then serve it until told to stop."""
    import wsgi  # noqa: F401 - it begins to log and reads the settings: only here, once

    configure_mappers()
    settle()  # what is never looked through for garbage stays shared
    set_start_method("fork")
    cli(args=[*WORDS, *words, "wsgi:app"], auto_envvar_prefix="GRANIAN")


if __name__ == "__main__":
    main(sys.argv[1:])
