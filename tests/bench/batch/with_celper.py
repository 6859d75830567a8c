"""Invites candidates with a batch."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys

import celper

OPTIONS = json.loads(os.environ["BATCH"])


async def main() -> None:
    """Wait for the start, and invite them."""
    client = celper.AsyncCelper(rate_limits=celper.RateLimits(window=OPTIONS["window"]))
    print("ready", flush=True)
    sys.stdin.readline()
    requests = (celper.InviteRequest(candidate, job_position_id="pos_1") for candidate in OPTIONS["candidates"])
    async for item in client.batch(requests):
        if item.error:
            raise item.error
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


asyncio.run(main())
