"""A server at the other end that behaves as a test says, down to the bytes."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Behave = Callable[[socket.socket], object]


@dataclass
class RawServer:
    """Where it is, and what arrived in its first read of each connection."""

    port: int
    arrived: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """the names that TLS clients asked for"""
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def raw_server(behave: Behave, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Serve one connection after another on a free port until the block ends; `behave` gets each after its first read."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = RawServer(listening.getsockname()[1])
    if tls is not None:
        tls.sni_callback = lambda _sock, name, _context: server.names.append(name)

    def serve() -> None:
        while not server.stop.is_set():
            with suppress(OSError):
                taken = listening.accept()[0]
                if server.stop.is_set():
                    taken.close()
                    return
                with tls.wrap_socket(taken, server_side=True) if tls else taken as connection:
                    server.arrived.append(connection.recv(65_536))
                    behave(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        thread.join(10)
        listening.close()
