from __future__ import annotations

from collections.abc import Iterator

import pytest

from celper_sandbox import Sandbox


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    shared.reset()
    return shared
