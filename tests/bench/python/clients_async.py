"""The asynchronous clients: celper, and the same calls over other HTTP clients. None limits the number of concurrent calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import typed


class Celper:
    def __init__(self, base_url: str, paced: bool = False) -> None:
        import celper

        # Clients with the same key share their pacing, so the paced client has another key.
        high_limits = celper.RateLimits(reads=100_000_000, actions=100_000_000, total=200_000_000)
        key, limits = (typed.OTHER_KEY, high_limits) if paced else (typed.KEY, None)
        self.client = celper.AsyncCelper(key, base_url=base_url, rate_limits=limits, rate_limit_store="process")
        self.error: type[Exception] = celper.NotFoundError

    async def status(self, candidate: str) -> Any:
        return await self.client.get_candidate_status(candidate, job_position_id=typed.POSITION)

    async def invite(self, candidate: str, email_body: str) -> Any:
        return await self.client.invite_candidate(candidate, job_position_id=typed.POSITION, email_body=email_body)

    async def select(self, candidate: str) -> Any:
        return await self.client.select_candidate(candidate, job_position_id=typed.POSITION)

    async def reject(self, candidate: str) -> Any:
        return await self.client.reject_candidate(candidate, job_position_id=typed.POSITION)


RawResponse = Awaitable[tuple[int, bytes]]


class TypedClient:
    error: type[Exception] = typed.NotFoundError

    def __init__(
        self, get: Callable[[str], RawResponse], post: Callable[[str, bytes, dict[str, str]], RawResponse]
    ) -> None:
        self.get = get
        self.post = post

    async def status(self, candidate: str) -> typed.State:
        return typed.read_state(*await self.get(typed.path(candidate, "status")))

    async def invite(self, candidate: str, email_body: str) -> typed.Invitation:
        response = self.post(typed.path(candidate, "invite"), typed.payload(email_body), typed.action_headers())
        return typed.read_invitation(*await response)

    async def select(self, candidate: str) -> typed.Decision:
        return await self.decide(candidate, "select")

    async def reject(self, candidate: str) -> typed.Decision:
        return await self.decide(candidate, "reject")

    async def decide(self, candidate: str, operation: str) -> typed.Decision:
        response = self.post(typed.path(candidate, operation), typed.payload(None), typed.action_headers())
        return typed.read_decision(*await response)


def with_aiohttp(base_url: str) -> TypedClient:
    import aiohttp

    session = aiohttp.ClientSession(base_url, headers=typed.HEADERS, connector=aiohttp.TCPConnector(limit=0))

    async def get(path: str) -> tuple[int, bytes]:
        async with session.get(path) as response:
            return response.status, await response.read()

    async def post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        async with session.post(path, data=body, headers=headers) as response:
            return response.status, await response.read()

    return TypedClient(get, post)


def with_httpx(base_url: str) -> TypedClient:
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(base_url=base_url, headers=typed.HEADERS, limits=limits, trust_env=False)

    async def get(path: str) -> tuple[int, bytes]:
        response = await client.get(path)
        return response.status_code, response.content

    async def post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        response = await client.post(path, content=body, headers=headers)
        return response.status_code, response.content

    return TypedClient(get, post)


def with_niquests(base_url: str) -> TypedClient:
    import niquests

    session = niquests.AsyncSession(pool_maxsize=1_000)

    async def get(path: str) -> tuple[int, bytes]:
        response = await session.get(base_url + path, headers=typed.HEADERS)
        return response.status_code or 0, response.content or b""

    async def post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        response = await session.post(base_url + path, data=body, headers=typed.HEADERS | headers)
        return response.status_code or 0, response.content or b""

    return TypedClient(get, post)


def with_pyreqwest(base_url: str) -> TypedClient:
    import pyreqwest.client

    client = pyreqwest.client.ClientBuilder().base_url(base_url).default_headers(typed.HEADERS).build()

    async def get(path: str) -> tuple[int, bytes]:
        response = await client.get(path).build().send()
        return response.status, bytes(await response.bytes())

    async def post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        response = await client.post(path).headers(headers).body_bytes(body).build().send()
        return response.status, bytes(await response.bytes())

    return TypedClient(get, post)


CLIENTS: dict[str, Callable[[str], Any]] = {
    "celper": Celper,
    "pyreqwest": with_pyreqwest,
    "aiohttp": with_aiohttp,
    "httpx": with_httpx,
    "niquests": with_niquests,
}
