"""Runs rounds of synchronous calls, sequential or from several threads."""

from __future__ import annotations

import threading
from typing import Any

import clients_sync
import expected
import protocol

EMAIL_BODY = "x" * 1_000


def call(client: Any, operation: str) -> None:
    """Make one call and check its result."""
    if operation == "invite":
        expected.check_invitation(client.invite("cand_xyz789", EMAIL_BODY))
    elif operation == "missing":
        try:
            client.status("unknown")
        except client.error as error:
            expected.check_error(error)
        else:
            raise AssertionError("an unknown candidate has a status")
    else:
        expected.check_state(client.status("cand_xyz789"))


def from_threads(client: Any, operation: str, calls: int, threads: int) -> None:
    errors: list[BaseException] = []

    def caller() -> None:
        try:
            for _ in range(calls // threads):
                call(client, operation)
        except BaseException as error:
            errors.append(error)

    callers = [threading.Thread(target=caller) for _ in range(threads)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    if errors:
        raise errors[0]


def run(name: str, base_url: str, load_us: float, _uvloop: bool) -> None:
    client = clients_sync.CLIENTS[name](base_url)
    call(client, "status")
    protocol.ready(load_us)
    expected.check_decisions(client.select("cand_xyz789"), client.reject("cand_xyz789"))
    paced = clients_sync.Celper(base_url, paced=True) if name == "celper" else None
    while request := protocol.request():
        caller = paced if request["paced"] else client
        operation, calls, threads = request["operation"], request["calls"], request["threads"]
        protocol.reset_peak()
        start = protocol.Usage.now()
        if threads == 1:
            for _ in range(calls):
                call(caller, operation)
        else:
            from_threads(caller, operation, calls, threads)
        protocol.write(start.per_call(calls))
