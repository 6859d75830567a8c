"""A Valkey server of a test's own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

INSTALLED = Path(__file__).parents[3] / "target/valkey/valkey-server"


def free_port() -> int:
    """A free port, whose port for the cluster's bus, 10000 above it, is free as well."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 50_000:
            return port


class Valkey:
    """A server that keeps nothing on the disk."""

    def __init__(self, *options: str) -> None:
        self.program = Path(os.environ.get("CELPER_VALKEY_SERVER", INSTALLED))
        assert self.program.exists(), f"{self.program} is missing: run `make valkey`"
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="celper-valkey-")
        self.port = free_port()
        self.start()

    def __enter__(self) -> Valkey:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    @property
    def url(self) -> str:
        """The address for clients, without a password."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        command = [str(self.program), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self.options]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        while True:
            assert self.process.poll() is None, "the Valkey server ended at once"
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)

    def kill(self) -> None:
        """End the server, as a crash does: its data is gone."""
        self.process.kill()
        self.process.wait()

    def command(self, command: str) -> str:
        """Run a command of words without spaces, and return its reply."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(f"{command}\r\n".encode())
            with connection.makefile("r", newline="\r\n") as replies:
                line = replies.readline().rstrip()
                assert not line.startswith("-"), line
                return replies.read(int(line[1:])) if line.startswith("$") else line[1:]
