"""Starts and controls the server's process and the clients' processes."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

# Records the start time in the process that becomes the client's, because a launcher may take time.
WITH_START_TIME = ["bash", "-c", 'BENCH_STARTED=$EPOCHREALTIME exec "$@"', "bash"]
# A proxy between the clients and the server would distort the results.
PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"}
CLEAN = {name: value for name, value in os.environ.items() if name not in PROXIES} | {"LC_ALL": "C.UTF-8"}


class ClientError(Exception):
    """A client's process ended or printed an invalid line."""


class Server:
    """The loopback server's process."""

    def __init__(self, binary: Path) -> None:
        self.process = subprocess.Popen([binary, "serve"], stdout=subprocess.PIPE, text=True, env=CLEAN)
        assert self.process.stdout
        self.base_url = self.process.stdout.readline().strip()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()

    def get(self, path: str) -> Any:
        connection = http.client.HTTPConnection(self.base_url.removeprefix("http://"))
        connection.request("GET", path)
        body = json.loads(connection.getresponse().read())
        connection.close()
        return body

    def cpu_us(self) -> float:
        """The CPU time it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


class Worker:
    """A client's process, which has made its first call."""

    def __init__(self, command: list[str], launcher: list[str], base_url: str) -> None:
        self.name = command[-1]
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*launcher, *WITH_START_TIME, *command, base_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=CLEAN,
        )
        self.ready = self.read()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        try:
            message: dict[str, Any] = json.loads(line)
        except ValueError as error:
            self.process.kill()
            self.errors.seek(0)
            raise ClientError(f"{self.name}: {line}{self.errors.read()[-4_000:]}") from error
        return message

    def send(self, request: dict[str, object]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def run(self, request: dict[str, object]) -> dict[str, Any]:
        self.send(request)
        return self.read()

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()
