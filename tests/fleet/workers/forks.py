"""A program that makes calls, forks twice, and makes calls in all three processes."""

from __future__ import annotations

import json
import os

import celper

OPTIONS = json.loads(os.environ["FLEET"])


def calls(candidate: str) -> None:
    """Makes one call after the other."""
    for _ in range(OPTIONS["calls"]):
        client.get_candidate_status(candidate, job_position_id="pos_1")


limits = celper.RateLimits(**OPTIONS["limits"], window=OPTIONS["window"])
client = celper.Celper(rate_limits=limits, max_retries=0)
calls("parent")
children = []
for number in range(2):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            calls(f"child_{number}")
            status = 0
        finally:
            os._exit(status)
    children.append(child)
calls("parent")
for child in children:
    assert os.waitpid(child, 0)[1] == 0
