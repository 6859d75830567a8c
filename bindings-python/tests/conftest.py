from __future__ import annotations

from collections.abc import Iterator

import pytest

import celper
from sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def client(sandbox: Sandbox) -> Iterator[celper.Celper]:
    with celper.Celper(**sandbox.options()) as client:
        yield client


@pytest.fixture
def async_client(sandbox: Sandbox) -> celper.AsyncCelper:
    return celper.AsyncCelper(**sandbox.options())


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "CELPER_API_KEY",
        "CELPER_BASE_URL",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
