"""Rounds of synchronous calls, one after another or from several threads."""

from __future__ import annotations

import threading
from typing import Any

import expected
import peers_sync
import protocol

EMAIL_BODY = "x" * 1_000


def call(client: Any, operation: str) -> None:
    """One call, and whether it gave what it should."""
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


def several(client: Any, operation: str, calls: int, threads: int) -> None:
    failures: list[BaseException] = []

    def caller() -> None:
        try:
            for _ in range(calls // threads):
                call(client, operation)
        except BaseException as failure:
            failures.append(failure)

    callers = [threading.Thread(target=caller) for _ in range(threads)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    if failures:
        raise failures[0]


def run(name: str, base_url: str, load_us: float, _uvloop: bool) -> None:
    client = peers_sync.CLIENTS[name](base_url)
    call(client, "status")
    protocol.ready(load_us)
    expected.check_decisions(client.select("cand_xyz789"), client.reject("cand_xyz789"))
    paced = peers_sync.Celper(base_url, paced=True) if name == "celper" else None
    while request := protocol.request():
        caller = paced if request["paced"] else client
        operation, calls, threads = request["operation"], request["calls"], request["threads"]
        protocol.forget_peak()
        start = protocol.Spent.now()
        if threads == 1:
            for _ in range(calls):
                call(caller, operation)
        else:
            several(caller, operation, calls, threads)
        protocol.write(start.answer(calls))
