"""The synchronous clients: celper, and the same calls over other HTTP clients."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import typed

THREADS = 8


class Celper:
    def __init__(self, base_url: str, paced: bool = False) -> None:
        import celper

        # Clients with the same key share their pacing, so the paced client has another key.
        high_limits = celper.RateLimits(reads=100_000_000, actions=100_000_000, total=200_000_000)
        key, limits = (typed.OTHER_KEY, high_limits) if paced else (typed.KEY, None)
        self.client = celper.Celper(key, base_url=base_url, rate_limits=limits, rate_limit_store="process")
        self.error: type[Exception] = celper.NotFoundError

    def status(self, candidate: str) -> Any:
        return self.client.get_candidate_status(candidate, job_position_id=typed.POSITION)

    def invite(self, candidate: str, email_body: str) -> Any:
        return self.client.invite_candidate(candidate, job_position_id=typed.POSITION, email_body=email_body)

    def select(self, candidate: str) -> Any:
        return self.client.select_candidate(candidate, job_position_id=typed.POSITION)

    def reject(self, candidate: str) -> Any:
        return self.client.reject_candidate(candidate, job_position_id=typed.POSITION)


Get = Callable[[str], tuple[int, bytes]]
Post = Callable[[str, bytes, dict[str, str]], tuple[int, bytes]]


class TypedClient:
    error: type[Exception] = typed.NotFoundError

    def __init__(self, get: Get, post: Post) -> None:
        self.get = get
        self.post = post

    def status(self, candidate: str) -> typed.State:
        return typed.read_state(*self.get(typed.path(candidate, "status")))

    def invite(self, candidate: str, email_body: str) -> typed.Invitation:
        response = self.post(typed.path(candidate, "invite"), typed.payload(email_body), typed.action_headers())
        return typed.read_invitation(*response)

    def select(self, candidate: str) -> typed.Decision:
        return self.decide(candidate, "select")

    def reject(self, candidate: str) -> typed.Decision:
        return self.decide(candidate, "reject")

    def decide(self, candidate: str, operation: str) -> typed.Decision:
        response = self.post(typed.path(candidate, operation), typed.payload(None), typed.action_headers())
        return typed.read_decision(*response)


def with_http_client(base_url: str) -> TypedClient:
    import http.client

    local = threading.local()

    def send(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = http.client.HTTPConnection(base_url.removeprefix("http://"))
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    return TypedClient(
        lambda path: send("GET", path, None, typed.HEADERS),
        lambda path, body, headers: send("POST", path, body, typed.HEADERS | headers),
    )


def with_urllib3(base_url: str) -> TypedClient:
    import urllib3

    pool = urllib3.PoolManager(headers=typed.HEADERS, maxsize=THREADS)

    def get(path: str) -> tuple[int, bytes]:
        response = pool.request("GET", base_url + path)
        return response.status, response.data

    def post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        response = pool.request("POST", base_url + path, body=body, headers=typed.HEADERS | headers)
        return response.status, response.data

    return TypedClient(get, post)


def with_requests(base_url: str) -> TypedClient:
    import requests

    session = requests.Session()
    session.headers.update(typed.HEADERS)
    session.trust_env = False

    def get(path: str) -> tuple[int, bytes]:
        response = session.get(base_url + path)
        return response.status_code, response.content

    def post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        response = session.post(base_url + path, data=body, headers=headers)
        return response.status_code, response.content

    return TypedClient(get, post)


def with_niquests(base_url: str) -> TypedClient:
    import niquests

    session = niquests.Session()

    def get(path: str) -> tuple[int, bytes]:
        response = session.get(base_url + path, headers=typed.HEADERS)
        return response.status_code or 0, response.content or b""

    def post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        response = session.post(base_url + path, data=body, headers=typed.HEADERS | headers)
        return response.status_code or 0, response.content or b""

    return TypedClient(get, post)


def with_httpx(base_url: str) -> TypedClient:
    import httpx

    client = httpx.Client(base_url=base_url, headers=typed.HEADERS, trust_env=False)

    def get(path: str) -> tuple[int, bytes]:
        response = client.get(path)
        return response.status_code, response.content

    def post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        response = client.post(path, content=body, headers=headers)
        return response.status_code, response.content

    return TypedClient(get, post)


def with_pyreqwest(base_url: str) -> TypedClient:
    import pyreqwest.client

    client = pyreqwest.client.SyncClientBuilder().base_url(base_url).default_headers(typed.HEADERS).build()

    def get(path: str) -> tuple[int, bytes]:
        response = client.get(path).build().send()
        return response.status, bytes(response.bytes())

    def post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        response = client.post(path).headers(headers).body_bytes(body).build().send()
        return response.status, bytes(response.bytes())

    return TypedClient(get, post)


CLIENTS: dict[str, Callable[[str], Any]] = {
    "celper": Celper,
    "pyreqwest": with_pyreqwest,
    "http.client": with_http_client,
    "urllib3": with_urllib3,
    "httpx": with_httpx,
    "niquests": with_niquests,
    "requests": with_requests,
}
