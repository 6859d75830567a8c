"""The stores that a fleet can share its limits through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleet.valkey import Valkey


@pytest.fixture(params=["machine", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each store, as the option names it."""
    if request.param == "machine":
        yield "machine"
    else:
        with Valkey() as valkey:
            yield valkey.url


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server
