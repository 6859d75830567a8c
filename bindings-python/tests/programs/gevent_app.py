"""The WSGI application of test_greenlets.py. The client is made before gunicorn patches the sockets of its worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import celper

client = celper.Celper(rate_limits=None)


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    state = client.get_candidate_status(environ["PATH_INFO"].strip("/"), job_position_id="pos_1")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(state.status).encode()]
