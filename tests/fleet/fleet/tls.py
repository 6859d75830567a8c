"""A server that ends TLS in front of a Valkey server, which has none of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType

import trustme


class TlsServer:
    """Passes what it decrypts to a port on this machine.

    Args:
        folder: Where it writes the certificate of its authority.
        port: The port that it passes the data to.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.port_behind = port
        authority = trustme.CA()
        self.certificate = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.certificate))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rediss://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self) -> TlsServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.listener.close()

    def accept(self) -> None:
        """Serve each connection in a thread of its own."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """Pass the requests on, and their replies back: a client has one request at a time under way."""
        # A client that does not trust the certificate ends the handshake.
        with (
            contextlib.suppress(OSError),
            self.context.wrap_socket(client, server_side=True) as encrypted,
            socket.create_connection(("127.0.0.1", self.port_behind)) as plain,
        ):
            replies = threading.Thread(target=pass_on, args=(plain, encrypted), daemon=True)
            replies.start()
            pass_on(encrypted, plain)


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass on what arrives, until one side ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
