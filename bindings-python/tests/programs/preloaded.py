"""A WSGI application whose clients were created and used before gunicorn forked its workers."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable

import celper

CANDIDATE, SLOW = os.environ["CANDIDATE"], os.environ["SLOW"]
client = celper.Celper(rate_limits=None)
async_client = celper.AsyncCelper(rate_limits=None)
client.get_candidate_status(CANDIDATE, job_position_id="pos_1")
asyncio.run(async_client.get_candidate_status(CANDIDATE, job_position_id="pos_1"))


def slow_call() -> None:
    try:
        client.get_candidate_status(SLOW, job_position_id="pos_1")
    except celper.CelperError:
        pass


# Still in flight when the workers are forked.
threading.Thread(target=slow_call, daemon=True).start()


def app(environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    state = client.get_candidate_status(CANDIDATE, job_position_id="pos_1")
    same = asyncio.run(async_client.get_candidate_status(CANDIDATE, job_position_id="pos_1"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {state.status} {same.status}".encode()]
