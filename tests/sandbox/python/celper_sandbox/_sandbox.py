"""The sandbox as a process of its own, and what a test asks of it."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import secrets
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any

from ._models import Act, Candidate, CompanyState, FaultKind, KeyState, Mail, Operation, Request, Scope, Unset
from ._program import find_program


class SandboxError(Exception):
    """The sandbox did not start, or turned a request of the test down; the message says why."""


@dataclass(frozen=True)
class Limits:
    """Rate windows: the service's own unless said otherwise."""

    reads: int = 40
    actions: int = 30
    total: int = 60
    window: timedelta | float = 60.0
    """A ``timedelta``, or seconds."""


class Sandbox:
    """Runs until it is closed, is collected, or this process ends, however it ends.

    Args:
        limits: The rate windows to keep; without them nothing is refused for coming too fast.
        tls: Serve HTTPS; :attr:`ca_certificate` is what a client has to trust.
        port: Where to listen on 127.0.0.1; 0 takes any free port.

    Raises:
        SandboxError: if it does not start.
        FileNotFoundError: if the program is not there.
    """

    base_url: str
    """For a client's ``base_url``."""
    api_key: str
    """A key with all scopes."""
    ca_certificate: str | None
    """With ``tls``, the certificate to trust, as PEM."""

    def __init__(self, *, limits: Limits | None = None, tls: bool = False, port: int = 0) -> None:
        command = [find_program(), "--port", str(port), "--exit-with-parent"]
        if limits is None:
            command.append("--no-limits")
        else:
            counts = {"--reads": limits.reads, "--actions": limits.actions, "--total": limits.total}
            command += [f"{option}={count}" for option, count in counts.items()]
            command.append(f"--window={_seconds(limits.window)}")
        if tls:
            command.append("--tls")
        # The end of its standard input tells it that this process is gone.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._finalizer = weakref.finalize(self, _end, self._process, os.getpid())
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            said = self._process.stderr.read().strip()
            self.close()
            raise SandboxError(f"celper-sandbox did not start: {said or f'exit code {self._process.returncode}'}")
        try:
            announced = json.loads(line)
        except ValueError:
            self.close()
            raise SandboxError(f"{command[0]} is not celper-sandbox: it says {line.strip()!r}") from None
        self.base_url = announced["base_url"]
        self.api_key = self._first_key = announced["api_key"]
        self.ca_certificate = announced["ca_certificate"]
        context = ssl.create_default_context(cadata=self.ca_certificate) if self.ca_certificate else None
        # No proxy of the environment belongs between a test and its own machine.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        self._ids = itertools.count(1)

    def __repr__(self) -> str:
        return f"<Sandbox {self.base_url}>"

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, and wait until it has ended. More than once does no harm."""
        self._finalizer()

    @property
    def client_options(self) -> dict[str, Any]:
        """What ``celper.Celper`` and ``celper.AsyncCelper`` take to call this sandbox.

        The client's own pacing is off: it would hold tests up for the service's real rate windows.
        """
        options: dict[str, Any] = {"base_url": self.base_url, "api_key": self.api_key, "rate_limits": None}
        if self.ca_certificate:
            options["ca_certificates"] = self.ca_certificate
        return options

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a client that is told nothing calls this sandbox."""
        loopback = "127.0.0.1,localhost,::1"
        variables = {"CELPER_BASE_URL": self.base_url, "CELPER_API_KEY": self.api_key}
        for name in ("NO_PROXY", "no_proxy"):
            already = os.environ.get(name)
            variables[name] = f"{already},{loopback}" if already else loopback
        return variables

    # ── The stage ──

    def create_candidate(
        self,
        candidate_id: str | None = None,
        *,
        job_position_id: str = "pos_1",
        status: str = "new",
        analysis_viewed: bool = False,
        interview_score: float | Unset | None = Unset.UNSET,
        extra: Mapping[str, Any] | None = None,
    ) -> Candidate:
        """Put a candidate, in place of an earlier one of the same ids.

        Args:
            candidate_id: The id; ``cand_1``, ``cand_2`` … if not said.
            job_position_id: The job position.
            status: Any text, also one that the service may have tomorrow.
            analysis_viewed: Whether somebody viewed the analysis.
            interview_score: Left out of the service's answers if not said, null if ``None``.
            extra: More fields for the data of ``status`` answers.
        """
        body: dict[str, Any] = {
            "candidateId": f"cand_{next(self._ids)}" if candidate_id is None else candidate_id,
            "jobPositionId": job_position_id,
            "status": status,
            "analysisViewed": analysis_viewed,
            "extra": dict(extra or {}),
        }
        return _candidate(self.control("candidates", body | _given(interviewScore=interview_score)))

    def create_interviewed_candidate(
        self, candidate_id: str | None = None, *, job_position_id: str = "pos_1", interview_score: float | None = 85
    ) -> Candidate:
        """Put a candidate who can be selected or rejected."""
        return self.create_candidate(
            candidate_id,
            job_position_id=job_position_id,
            status="interviewed",
            analysis_viewed=True,
            interview_score=interview_score,
        )

    def change_candidate(
        self,
        candidate_id: str,
        *,
        job_position_id: str = "pos_1",
        status: str | Unset = Unset.UNSET,
        analysis_viewed: bool | Unset = Unset.UNSET,
        interview_score: float | Unset | None = Unset.UNSET,
    ) -> Candidate:
        """Change what is said of a candidate, and leave the rest as it is."""
        changes = _given(status=status, analysisViewed=analysis_viewed, interviewScore=interview_score)
        body = {"candidateId": candidate_id, "jobPositionId": job_position_id, **changes}
        return _candidate(self.control("candidates", body, method="PATCH"))

    def candidates(self) -> list[Candidate]:
        """All candidates as they are now."""
        return [_candidate(shown) for shown in self.control("candidates")]

    def candidate(self, candidate_id: str, *, job_position_id: str = "pos_1") -> Candidate:
        """One candidate as it is now.

        Raises:
            LookupError: if there is no such candidate.
        """
        for found in self.candidates():
            if (found.id, found.job_position_id) == (candidate_id, job_position_id):
                return found
        raise LookupError(f"there is no candidate {candidate_id!r} for {job_position_id!r}")

    def queue_fault(
        self,
        candidate_id: str,
        kind: FaultKind,
        *,
        operation: Operation | None = None,
        times: int | None = 1,
        act: Act | None = None,
        status: int | Unset = Unset.UNSET,
        headers: Mapping[str, Any] | Unset = Unset.UNSET,
        body: str | Unset = Unset.UNSET,
        json: Any = Unset.UNSET,
        seconds: float | Unset = Unset.UNSET,
        reset: bool | Unset = Unset.UNSET,
        after_bytes: int | Unset = Unset.UNSET,
        bytes_per_second: float | Unset = Unset.UNSET,
        bytes: int | Unset = Unset.UNSET,  # noqa: A002 - the sandbox's own word
        location: str | Unset = Unset.UNSET,
        data: Any = Unset.UNSET,
        envelope: Any = Unset.UNSET,
    ) -> None:
        """Have the next request for a candidate go wrong.

        Args:
            candidate_id: Whose request.
            kind: What goes wrong; the sandbox's README has a table of the kinds and their parameters.
            operation: Only this operation; any if not said.
            times: How often; ``None`` for ever.
            act: ``"before"``: the action takes effect, and then the answer is spoiled. ``"none"``: it does not happen.
            status: For ``status``, ``endless``, ``not_json`` and ``redirect``.
            headers: For ``status``; a value of ``None`` leaves a header out.
            body: For ``status`` and ``not_json``.
            json: For ``status``.
            seconds: For ``delay``.
            reset: For ``close``.
            after_bytes: For ``cut``.
            bytes_per_second: For ``drip``.
            bytes: For ``huge``.
            location: For ``redirect``.
            data: For ``answer``.
            envelope: For ``answer``.
        """
        parameters = _given(
            status=status,
            headers=headers if isinstance(headers, Unset) else dict(headers),
            body=body,
            json=json,
            seconds=seconds,
            reset=reset,
            afterBytes=after_bytes,
            bytesPerSecond=bytes_per_second,
            bytes=bytes,
            location=location,
            data=data,
            envelope=envelope,
        )
        target: dict[str, Any] = {"candidateId": candidate_id, "kind": kind, "times": times}
        if operation is not None:
            target["operation"] = operation
        if act is not None:
            target["act"] = act
        self.control("faults", target | parameters)

    def clear_faults(self) -> None:
        """Drop the faults that have not struck."""
        self.control("faults", method="DELETE")

    def add_key(
        self,
        key: str | None = None,
        *,
        scopes: Iterable[Scope] | None = None,
        state: KeyState = "active",
        allowlist: Iterable[str] | None = None,
    ) -> str:
        """Add an API key, or replace it; all scopes and any caller unless said. Gives the key."""
        body: dict[str, Any] = {"key": f"celp_{secrets.token_hex(16)}" if key is None else key, "state": state}
        if scopes is not None:
            body["scopes"] = list(scopes)
        if allowlist is not None:
            body["allowlist"] = list(allowlist)
        added: str = self.control("keys", body)["key"]
        return added

    def set_company(self, state: CompanyState) -> None:
        """Turn the company's access to the API off, or on again."""
        self.control("company", {"state": state})

    def set_limits(self, limits: Limits | None) -> None:
        """Change the rate windows; ``None`` turns them off."""
        if limits is None:
            self.control("limits", {"enabled": False})
            return
        counts = {"reads": limits.reads, "actions": limits.actions, "total": limits.total}
        self.control("limits", {**counts, "window": _seconds(limits.window), "enabled": True})

    # ── The clock ──

    def now(self) -> datetime:
        """The time on the sandbox's clock."""
        return _time(self.control("clock")["now"])

    def advance_clock(self, by: timedelta | float) -> datetime:
        """Move the sandbox's clock ahead, by a ``timedelta`` or seconds; gives its new time.

        Its windows, idempotency keys and sessions follow. A client's own waits do not.
        """
        return _time(self.control("clock", {"advanceSeconds": _seconds(by)})["now"])

    # ── What happened ──

    def requests(self, candidate_id: str | None = None) -> list[Request]:
        """Every request received, in order; or those for one candidate."""
        query = "" if candidate_id is None else f"?candidateId={urllib.parse.quote(candidate_id, safe='')}"
        return [_request(shown) for shown in self.control(f"requests{query}")]

    def clear_requests(self) -> None:
        """Forget the requests received so far."""
        self.control("requests", method="DELETE")

    def outbox(self) -> list[Mail]:
        """The e-mails that the service would have sent, in order."""
        return [_mail(shown) for shown in self.control("outbox")]

    def clear_outbox(self) -> None:
        """Forget the e-mails so far."""
        self.control("outbox", method="DELETE")

    def reset(self) -> None:
        """Forget everything. Keys, limits and the clock go back to what they were at the start.

        :attr:`api_key` stays a key with all scopes, also one of a test's own.
        """
        self.control("reset", method="POST")
        self._ids = itertools.count(1)
        if self.api_key != self._first_key:
            self.add_key(self.api_key)

    def control(self, path: str, body: object = None, *, method: str | None = None) -> Any:
        """Call a control endpoint that has no method here; its README lists them.

        Raises:
            SandboxError: if the sandbox turns it down, or has ended.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base_url}/_sandbox/{path}", data=data, method=method)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                refusal = json.load(error)
            raise SandboxError(refusal["error"]) from None
        # A URLError, or what a connection that ends in the middle of an answer gives.
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise SandboxError(f"the sandbox at {self.base_url} does not answer: {reason}") from error


def _end(process: subprocess.Popen[str], owner: int) -> None:
    if os.getpid() == owner:
        process.terminate()
        process.wait()
    else:
        # A forked child has copies of the pipes, and the process is not its own to end or to wait for.
        process.returncode = 0
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def _seconds(value: timedelta | float) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def _time(text: str) -> datetime:
    # Python 3.10 reads no "Z".
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not Unset.UNSET}


def _candidate(shown: Mapping[str, Any]) -> Candidate:
    return Candidate(
        id=shown["candidateId"],
        job_position_id=shown["jobPositionId"],
        status=shown["status"],
        analysis_viewed=shown["analysisViewed"],
        interview_score=shown.get("interviewScore"),
    )


def _request(shown: Mapping[str, Any]) -> Request:
    return Request(
        method=shown["method"],
        path=shown["path"],
        query=shown["query"],
        candidate_id=shown["candidateId"],
        headers=shown["header"],
        body=shown["body"],
        received_at=datetime.fromtimestamp(shown["receivedAt"], timezone.utc),
        answered=shown["answered"],
        fault=shown["fault"],
        acted=shown["acted"],
        replayed=shown["replayed"],
        client_closed=shown["clientClosed"],
        raw=shown,
    )


def _mail(shown: Mapping[str, Any]) -> Mail:
    return Mail(
        candidate_id=shown["candidateId"],
        job_position_id=shown["jobPositionId"],
        session_id=shown["sessionId"],
        interview_link=shown["interviewLink"],
        subject=shown["subject"],
        body=shown["body"],
        default_subject=shown["defaultSubject"],
        default_body=shown["defaultBody"],
        queued_at=_time(shown["queuedAt"]),
    )
