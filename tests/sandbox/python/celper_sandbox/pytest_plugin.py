"""The pytest fixture ``celper_sandbox``: an empty sandbox for each test, and environment variables for it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest

from . import Sandbox


@pytest.fixture(scope="session")
def celper_sandbox_process() -> Iterator[Sandbox]:
    """The sandbox that the tests of this process share. Override the fixture to set options."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def celper_sandbox(celper_sandbox_process: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """An empty sandbox; ``CELPER_BASE_URL`` and ``CELPER_API_KEY`` point at it while the test runs.

    Each test has its own key: clients pace calls by base URL and key, so the calls of one test would delay the next.
    """
    if os.environ.get("CELPER_API_KEY"):
        warnings.warn(
            "CELPER_API_KEY was set before the fixture celper_sandbox: a client that was created at import time calls "
            "the real service instead of the sandbox. Unset it, or create clients in functions.",
            stacklevel=1,
        )
    celper_sandbox_process.reset()
    celper_sandbox_process.api_key = celper_sandbox_process.add_key()
    for name, value in celper_sandbox_process.environment.items():
        monkeypatch.setenv(name, value)
    return celper_sandbox_process
