"""Serving a stand-in's Flask app on a port of this machine, quietly."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

HOST = "127.0.0.1"
POLL_S = 0.02


class QuietHandler(WSGIRequestHandler):
    """Writes no line per request, and lets go of connections that stay silent."""

    timeout = 3.0

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def serving(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve from a background thread until the block ends; `port` 0 takes a free one; the answer is the address."""
    server = ThreadedWSGIServer(HOST, port, app, handler=QuietHandler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()  # waits for the requests under way
