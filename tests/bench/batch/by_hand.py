"""Invites candidates as a careful program does that knows no SDK: a semaphore, retries that honour `Retry-After`, one key per invitation."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import uuid

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential_jitter

OPTIONS = json.loads(os.environ["BATCH"])
IN_FLIGHT = 10
backoff = wait_exponential_jitter(multiplier=0.5, max=8)


def may_pass(error: BaseException) -> bool:
    """Whether another attempt can succeed."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


def wait(state: RetryCallState) -> float:
    """What the server asks for, or a growing wait."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, httpx.HTTPStatusError) and "Retry-After" in error.response.headers:
        return float(error.response.headers["Retry-After"])
    return float(backoff(state))


async def invite(client: httpx.AsyncClient, candidate: str, key: str) -> None:
    """Invite one candidate."""
    body, headers = {"jobPositionId": "pos_1"}, {"Idempotency-Key": key}
    response = await client.post(f"/v1/candidates/{candidate}/invite", json=body, headers=headers)
    response.raise_for_status()


async def main() -> None:
    """Wait for the start, and invite them."""
    headers = {"X-API-Key": os.environ["CELPER_API_KEY"]}
    slots = asyncio.Semaphore(IN_FLIGHT)
    retrying = AsyncRetrying(retry=retry_if_exception(may_pass), wait=wait)
    async with httpx.AsyncClient(base_url=os.environ["CELPER_BASE_URL"], headers=headers, timeout=30) as client:

        async def invite_in_turn(candidate: str) -> None:
            async with slots:
                await retrying(invite, client, candidate, str(uuid.uuid4()))

        print("ready", flush=True)
        sys.stdin.readline()
        await asyncio.gather(*(invite_in_turn(candidate) for candidate in OPTIONS["candidates"]))
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


asyncio.run(main())
