"""The stand-in for the service, as a process of its own, and what a test asks of it."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

BINARY = Path(os.environ.get("CELPER_SANDBOX", Path(__file__).parents[2] / "target/release/celper-sandbox"))
POSITION = "pos"

_ids = itertools.count(1)


class Sandbox:
    """Runs until it is closed; without rate limits unless an option sets them."""

    def __init__(self, *options: str) -> None:
        if not BINARY.exists():
            raise FileNotFoundError(f"there is no {BINARY}: run `make sandbox`, or set CELPER_SANDBOX")
        limits = [] if "--window" in options else ["--no-limits"]
        self._process = subprocess.Popen(
            [BINARY, "--port", "0", "--exit-with-parent", *limits, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        announced = json.loads(self._process.stdout.readline())
        self.base_url: str = announced["base_url"]
        self.api_key: str = announced["api_key"]
        self.ca_certificate: str | None = announced["ca_certificate"]
        self.proxy_url: str | None = announced["proxy_url"]

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def options(self, **more: Any) -> dict[str, Any]:
        """A client's options, without pacing unless a test asks for it."""
        return {"api_key": self.api_key, "base_url": self.base_url, "rate_limits": None, **more}

    @property
    def environment(self) -> dict[str, str]:
        """For a program that makes its client from the environment."""
        return {**os.environ, "CELPER_API_KEY": self.api_key, "CELPER_BASE_URL": self.base_url}

    def control(self, path: str, body: object = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base_url}/_sandbox/{path}", data=data, method=method)
        context = ssl.create_default_context(cadata=self.ca_certificate) if self.ca_certificate else None
        with urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        ).open(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def candidate(self, **more: Any) -> str:
        """A fresh candidate's id; its job position is `POSITION`."""
        candidate_id = f"cand_{next(_ids)}"
        body = {"candidateId": candidate_id, "jobPositionId": POSITION, "status": "new", **more}
        self.control("candidates", body)
        return candidate_id

    def interviewed(self, **more: Any) -> str:
        """A candidate on whom a decision can be taken."""
        return self.candidate(**{"status": "interviewed", "analysisViewed": True, "interviewScore": 85, **more})

    def fault(self, candidate_id: str, kind: str, **more: Any) -> None:
        self.control("faults", {"candidateId": candidate_id, "kind": kind, **more})

    def requests(self, candidate_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control(f"requests?candidateId={urllib.parse.quote(candidate_id)}")
        return found

    def wait_for_requests(self, candidate_id: str, number: int = 1) -> list[dict[str, Any]]:
        until(lambda: len(self.requests(candidate_id)) >= number)
        return self.requests(candidate_id)

    def wait_until_closed(self, candidate_id: str) -> None:
        """Until the client of the candidate's latest request is gone."""
        until(lambda: self.requests(candidate_id)[-1]["clientClosed"])


def until(check: Callable[[], Any], within: float = 30.0) -> Any:
    """What `check` gives, as soon as it is true."""
    end = time.monotonic() + within
    while not (found := check()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found
