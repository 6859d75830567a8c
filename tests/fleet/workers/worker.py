"""One of a fleet's processes: asks for its candidate's status, several at once, until its standard input ends.

The environment has the URL, the key and the store; `FLEET` has the rest.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys

import celper

OPTIONS = json.loads(os.environ["FLEET"])


async def calls(client: celper.AsyncCelper) -> None:
    """Makes one call after the other."""
    while True:
        try:
            await client.get_candidate_status(OPTIONS["candidate"], job_position_id="pos_1")
        except celper.CelperError as error:
            print("error", error.kind, error, flush=True)
            await asyncio.sleep(0.05)


async def main() -> None:
    """Makes calls until the standard input ends."""
    limits = celper.RateLimits(**OPTIONS["limits"], window=OPTIONS["window"])
    loop = asyncio.get_running_loop()
    async with celper.AsyncCelper(
        rate_limits=limits, attempt_timeout=OPTIONS["attempt_timeout"], max_retries=0
    ) as client:
        tasks = [asyncio.create_task(calls(client)) for _ in range(OPTIONS["in_flight"])]
        await loop.run_in_executor(None, sys.stdin.read)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(message)s")
asyncio.run(main())
