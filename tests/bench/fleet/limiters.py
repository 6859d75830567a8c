"""A process that keeps to the limits with `limits` or `pyrate-limiter`, as their documentation recommends, over httpx."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable

import httpx

Acquire = Callable[[], Awaitable[None]]

OPTIONS = json.loads(os.environ["FLEET"])
STORE = os.environ["CELPER_RATE_LIMIT_STORE"]
READS = 40


async def with_limits() -> Acquire:
    """`hit` says no without a wait; the window's reset time says when to ask again."""
    from limits import RateLimitItemPerSecond
    from limits.aio.strategies import MovingWindowRateLimiter
    from limits.storage import storage_from_string

    limiter = MovingWindowRateLimiter(storage_from_string(f"async+{STORE}", implementation="redispy"))
    item = RateLimitItemPerSecond(READS, OPTIONS["window"])

    async def acquire() -> None:
        while not await limiter.hit(item, "celper"):
            stats = await limiter.get_window_stats(item, "celper")
            await asyncio.sleep(max(0.0, stats.reset_time - time.time()))

    return acquire


async def with_pyrate_limiter() -> Acquire:
    """`try_acquire_async` waits by itself."""
    from pyrate_limiter import Limiter, Rate, RedisBucket
    from redis.asyncio import Redis

    rates = [Rate(READS, int(OPTIONS["window"] * 1_000))]
    limiter = Limiter(await RedisBucket.init(rates, Redis.from_url(STORE), "celper"))

    async def acquire() -> None:
        await limiter.try_acquire_async("celper")

    return acquire


async def calls(acquire: Acquire, client: httpx.AsyncClient) -> None:
    """Makes one call after the other."""
    while True:
        await acquire()
        response = await client.get(f"/v1/candidates/{OPTIONS['candidate']}/status?jobPositionId=pos_1")
        assert response.status_code in (200, 429), response.text


async def main() -> None:
    """Makes calls until the process is killed."""
    acquire = await {"limits": with_limits, "pyrate-limiter": with_pyrate_limiter}[sys.argv[1]]()
    headers = {"X-API-Key": os.environ["CELPER_API_KEY"]}
    async with httpx.AsyncClient(base_url=os.environ["CELPER_BASE_URL"], headers=headers) as client:
        await asyncio.gather(*(calls(acquire, client) for _ in range(OPTIONS["in_flight"])))


asyncio.run(main())
