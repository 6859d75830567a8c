"""Runs the sandbox as a process and calls its control endpoints."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import secrets
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any

from ._models import (
    Act,
    Candidate,
    CompanyState,
    Delivery,
    DeliveryFaultKind,
    FaultKind,
    KeyState,
    Mail,
    Operation,
    Request,
    Scope,
    Unset,
)
from ._program import find_program


class SandboxError(Exception):
    """The sandbox did not start or refused a control request; the message says why."""


@dataclass(frozen=True)
class Limits:
    """Rate limits; the defaults are the service's."""

    reads: int = 40
    actions: int = 30
    total: int = 60
    window: timedelta | float = 60.0
    """A ``timedelta``, or seconds."""


class Sandbox:
    """Runs until it is closed or garbage-collected, or until this process ends, even if it is killed.

    Args:
        limits: The rate limits; ``None`` turns rate limiting off.
        tls: Serve HTTPS; clients must trust :attr:`ca_certificate`.
        host: The IP address to listen on; ``"0.0.0.0"`` for all, so that a container can reach it.
        port: The port to listen on; 0 takes any free port.
        server_names: More names under which clients reach it, such as ``"host.docker.internal"``: the certificate has
            them, and the control endpoints accept them as ``Host``.
        api_key: The API key with all scopes; a random one by default, because clients pace their calls by base URL
            and key: on a port that is used again, the calls of an earlier test would delay those of the next.

    Raises:
        SandboxError: if it does not start.
        FileNotFoundError: if the program is missing.
    """

    base_url: str
    """The ``base_url`` for a client."""
    api_key: str
    """An API key with all scopes."""
    ca_certificate: str | None
    """With ``tls``, the certificate to trust, as PEM."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        tls: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        server_names: Iterable[str] = (),
        api_key: str | None = None,
    ) -> None:
        if isinstance(server_names, str):
            raise TypeError("server_names must be a list of names, not a str")
        command = [find_program(), f"--host={host}", f"--port={port}", "--exit-with-parent"]
        command.append(f"--key={_random_key() if api_key is None else api_key}")
        command += [f"--server-name={name}" for name in server_names]
        if limits is None:
            command.append("--no-limits")
        else:
            counts = {"--reads": limits.reads, "--actions": limits.actions, "--total": limits.total}
            command += [f"{option}={count}" for option, count in counts.items()]
            command.append(f"--window={_seconds(limits.window)}")
        if tls:
            command.append("--tls")
        # The program exits when its standard input ends, which happens when this process ends.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._finalizer = weakref.finalize(self, _end, self._process, os.getpid())
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            stderr = self._process.stderr.read().strip()
            self.close()
            raise SandboxError(f"celper-sandbox did not start: {stderr or f'exit code {self._process.returncode}'}")
        try:
            announced = json.loads(line)
        except ValueError:
            self.close()
            raise SandboxError(f"{command[0]} is not celper-sandbox: it printed {line.strip()!r}") from None
        self.base_url = announced["base_url"]
        self.api_key = self._first_key = announced["api_key"]
        self.ca_certificate = announced["ca_certificate"]
        context = ssl.create_default_context(cadata=self.ca_certificate) if self.ca_certificate else None
        # A proxy of the environment must not be used for the local machine.
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
        """Stop the sandbox and wait until its process has exited. Can be called more than once."""
        self._finalizer()

    @property
    def client_options(self) -> dict[str, Any]:
        """The arguments for ``celper.Celper`` and ``celper.AsyncCelper`` to call this sandbox.

        They turn the client's pacing off, because it would wait for the service's real rate windows.
        """
        options: dict[str, Any] = {"base_url": self.base_url, "api_key": self.api_key, "rate_limits": None}
        if self.ca_certificate:
            options["ca_certificates"] = self.ca_certificate
        return options

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables for a client without arguments to call this sandbox."""
        loopback = "127.0.0.1,localhost,::1"
        variables = {"CELPER_BASE_URL": self.base_url, "CELPER_API_KEY": self.api_key}
        for name in ("NO_PROXY", "no_proxy"):
            current = os.environ.get(name)
            variables[name] = f"{current},{loopback}" if current else loopback
        return variables

    # ── Setup ──

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
        """Create a candidate, or replace the one with the same ids.

        Args:
            candidate_id: The id; ``cand_1``, ``cand_2`` … by default.
            job_position_id: The job position.
            status: Any text, including a status that clients do not know.
            analysis_viewed: Whether the analysis was viewed.
            interview_score: Absent from responses by default, null if ``None``.
            extra: More fields for the data of ``status`` responses.
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
        """Create a candidate who can be selected or rejected."""
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
        """Change fields of a candidate; the others stay."""
        changes = _given(status=status, analysisViewed=analysis_viewed, interviewScore=interview_score)
        body = {"candidateId": candidate_id, "jobPositionId": job_position_id, **changes}
        return _candidate(self.control("candidates", body, method="PATCH"))

    def candidates(self) -> list[Candidate]:
        """All candidates in their current state."""
        return [_candidate(shown) for shown in self.control("candidates")]

    def candidate(self, candidate_id: str, *, job_position_id: str = "pos_1") -> Candidate:
        """One candidate in its current state.

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
        bytes: int | Unset = Unset.UNSET,  # noqa: A002 - the parameter's name in the control endpoint
        location: str | Unset = Unset.UNSET,
        data: Any = Unset.UNSET,
        envelope: Any = Unset.UNSET,
    ) -> None:
        """Queue a fault for the next request for a candidate.

        Args:
            candidate_id: The candidate.
            kind: The kind of fault; the sandbox's README has a table of the kinds and their parameters.
            operation: Only for this operation; for any by default.
            times: How often; ``None`` for no limit.
            act: ``"before"``: the action takes effect before the fault. ``"none"``: it does not happen.
            status: For ``status``, ``endless``, ``not_json`` and ``redirect``.
            headers: For ``status``; ``None`` removes a header.
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
        """Remove all pending faults."""
        self.control("faults", method="DELETE")

    def add_key(
        self,
        key: str | None = None,
        *,
        scopes: Iterable[Scope] | None = None,
        state: KeyState = "active",
        allowlist: Iterable[str] | None = None,
    ) -> str:
        """Add or replace an API key and return it; by default with all scopes and for any address."""
        body: dict[str, Any] = {"key": _random_key() if key is None else key, "state": state}
        if scopes is not None:
            body["scopes"] = list(scopes)
        if allowlist is not None:
            body["allowlist"] = list(allowlist)
        added: str = self.control("keys", body)["key"]
        return added

    def set_company(self, state: CompanyState) -> None:
        """Disable or suspend the company's access to the API, or restore it."""
        self.control("company", {"state": state})

    def set_limits(self, limits: Limits | None) -> None:
        """Change the rate limits; ``None`` turns rate limiting off."""
        if limits is None:
            self.control("limits", {"enabled": False})
            return
        counts = {"reads": limits.reads, "actions": limits.actions, "total": limits.total}
        self.control("limits", {**counts, "window": _seconds(limits.window), "enabled": True})

    # ── Webhooks ──

    def set_webhook(self, url: str, secret: str) -> None:
        """Deliver an event to this URL for every change of a candidate's status, signed with the secret.

        A delivery that gets no 2xx is tried again, 4 times in all, after 0.1, 0.2 and 0.4 seconds.
        """
        self.control("webhook", {"url": url, "secret": secret})

    def remove_webhook(self) -> None:
        """Deliver no more events."""
        self.control("webhook", method="DELETE")

    def queue_delivery_fault(self, kind: DeliveryFaultKind, *, seconds: float | None = None) -> None:
        """Queue a fault for the next event.

        Args:
            kind: ``"late"``: it arrives later, so that the next ones overtake it. ``"twice"``: it arrives twice.
                ``"wrong_signature"``: its signature is of another secret.
            seconds: For ``late``: how much later.
        """
        self.control("webhook-faults", {"kind": kind} | ({} if seconds is None else {"seconds": seconds}))

    def deliveries(self) -> list[Delivery]:
        """The attempts at deliveries that have ended, in order: the latest 10,000, at most 16 MiB."""
        return [_delivery(shown) for shown in self.control("deliveries")]

    def clear_deliveries(self) -> None:
        """Clear the list of deliveries."""
        self.control("deliveries", method="DELETE")

    def wait_for_delivery(
        self, candidate_id: str | None = None, *, status: str | None = None, timeout: timedelta | float = 10.0
    ) -> Delivery:
        """Wait until a webhook was delivered with a 2xx, for this candidate and status if they are given.

        Raises:
            TimeoutError: if there is none in this time; the message has the attempts that failed.
        """
        end = time.monotonic() + _seconds(timeout)
        while True:
            attempts = [
                each
                for each in self.deliveries()
                if candidate_id in (None, each.candidate_id) and status in (None, each.status)
            ]
            for each in attempts:
                if each.answered is not None and 200 <= each.answered < 300:
                    return each
            if time.monotonic() > end:
                failed = [each.answered or each.error for each in attempts]
                raise TimeoutError(f"no webhook was delivered; attempts that failed: {failed}")
            time.sleep(0.01)

    # ── The clock ──

    def now(self) -> datetime:
        """The time on the sandbox's clock."""
        return _time(self.control("clock")["now"])

    def advance_clock(self, by: timedelta | float) -> datetime:
        """Advance the sandbox's clock by a ``timedelta`` or seconds and return its new time.

        Rate windows, idempotency keys and sessions follow it; a client's own waits do not.
        """
        return _time(self.control("clock", {"advanceSeconds": _seconds(by)})["now"])

    # ── Results ──

    def requests(self, candidate_id: str | None = None) -> list[Request]:
        """The logged requests in order: all, or those for one candidate.

        The sandbox keeps the latest 20,000, at most 40 MB of them, and the first 64 KiB of each body.
        """
        query = "" if candidate_id is None else f"?candidateId={urllib.parse.quote(candidate_id, safe='')}"
        return [_request(shown) for shown in self.control(f"requests{query}")]

    def clear_requests(self) -> None:
        """Clear the request log."""
        self.control("requests", method="DELETE")

    def outbox(self) -> list[Mail]:
        """The e-mails that the service would have sent, in order: the latest 10,000, at most 16 MiB."""
        return [_mail(shown) for shown in self.control("outbox")]

    def clear_outbox(self) -> None:
        """Clear the outbox."""
        self.control("outbox", method="DELETE")

    def reset(self) -> None:
        """Clear everything, and reset keys, limits and the clock to their initial state.

        :attr:`api_key` stays valid, also if a test has set it to another key.
        """
        self.control("reset", method="POST")
        self._ids = itertools.count(1)
        if self.api_key != self._first_key:
            self.add_key(self.api_key)

    def control(self, path: str, body: object = None, *, method: str | None = None) -> Any:
        """Call any control endpoint; the sandbox's README lists them.

        Raises:
            SandboxError: if the sandbox refuses the request or has exited.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base_url}/_sandbox/{path}", data=data, method=method)
        try:
            with self._opener.open(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                refused = json.load(error)
            raise SandboxError(refused["error"]) from None
        # A URLError, or the error of a connection that ends during a response.
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise SandboxError(f"the sandbox at {self.base_url} does not respond: {reason}") from error


def _end(process: subprocess.Popen[str], owner: int) -> None:
    if os.getpid() == owner:
        process.terminate()
        process.wait()
    else:
        # A forked child closes its copies of the pipes. The process belongs to its parent.
        process.returncode = 0
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def _random_key() -> str:
    return f"celp_{secrets.token_hex(16)}"


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


def _delivery(shown: dict[str, Any]) -> Delivery:
    return Delivery(
        candidate_id=shown["candidateId"],
        status=shown["status"],
        attempt=shown["attempt"],
        body=shown["body"],
        answered=shown["answered"],
        error=shown["error"],
        fault=shown["fault"] and shown["fault"]["kind"],
        ended_at=_time(shown["endedAt"]),
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
