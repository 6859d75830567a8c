from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

import celper
from celper_sandbox import Sandbox

# A shell that runs the tests in the background ignores interrupts, and what the tests start would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "CELPER_API_KEY",
        "CELPER_BASE_URL",
        "CELPER_RATE_LIMIT_STORE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sandbox(celper_sandbox: Sandbox) -> Sandbox:
    """A reset sandbox, which the environment of this process and of its children points to."""
    return celper_sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[celper.Celper]:
    with celper.Celper(**sandbox.client_options) as client:
        yield client


@pytest.fixture
def async_client(sandbox: Sandbox) -> celper.AsyncCelper:
    return celper.AsyncCelper(**sandbox.client_options)
