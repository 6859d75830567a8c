"""The pytest fixture ``celper_sandbox``: a clean sandbox for each test, and the environment pointing at it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest

from . import Sandbox


@pytest.fixture(scope="session")
def celper_sandbox_process() -> Iterator[Sandbox]:
    """The sandbox that the tests of this process share, one after another. Override it to give it options."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def celper_sandbox(celper_sandbox_process: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox that knows nothing yet; ``CELPER_BASE_URL`` and ``CELPER_API_KEY`` name it while the test runs.

    Each test has a key of its own: clients pace themselves by base URL and key, so one test's calls would otherwise
    hold up the next one's.
    """
    if os.environ.get("CELPER_API_KEY"):
        warnings.warn(
            "the environment had a CELPER_API_KEY when the tests were imported: a client that was made at import calls "
            "the service that it names, not the sandbox. Run the tests without it, or make clients in functions.",
            stacklevel=1,
        )
    celper_sandbox_process.reset()
    celper_sandbox_process.api_key = celper_sandbox_process.add_key()
    for name, value in celper_sandbox_process.environment.items():
        monkeypatch.setenv(name, value)
    return celper_sandbox_process
