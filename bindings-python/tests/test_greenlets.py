"""gevent and eventlet: a call stops its greenlet, and not the others on its thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from celper_sandbox import Sandbox
from support import free_port, wait_for_requests, wait_until, wait_until_closed

PROGRAMS = Path(__file__).parent / "programs"


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_other_greenlets_run_during_a_call(library: str, sandbox: Sandbox) -> None:
    slow, quick, waiting = [sandbox.create_candidate().id for _ in range(3)]
    sandbox.queue_fault(slow, "delay", seconds=3, act="before", times=40)
    sandbox.queue_fault(slow, "delay", seconds=600, act="before", times=None)
    sandbox.queue_fault(waiting, "delay", seconds=3, act="before", times=3)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(PROGRAMS / "greenlets.py"), library]
    command += [slow, quick, waiting]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "done True\n"), done.stderr
    wait_until_closed(sandbox, slow)


def test_a_gunicorn_worker_of_gevent_answers_during_a_call(sandbox: Sandbox) -> None:
    candidate, slow = sandbox.create_candidate().id, sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--preload", "-k", "gevent", "--graceful-timeout", "1"]
    command += ["--bind", f"127.0.0.1:{port}", "gevent_app:app"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(path: str) -> str:
        try:
            text: str = opener.open(f"http://127.0.0.1:{port}/{path}", timeout=60).read().decode()
        except OSError:
            return ""
        return text

    # The one worker serves both requests on one thread.
    environment = {**os.environ, "CELPER_API_KEY": sandbox.api_key, "CELPER_BASE_URL": sandbox.base_url}
    with subprocess.Popen(command, cwd=PROGRAMS, env=environment, stderr=subprocess.PIPE, text=True) as server:
        wait_until(lambda: get(candidate))
        threading.Thread(target=get, args=(slow,), daemon=True).start()
        wait_for_requests(sandbox, slow)
        assert get(candidate) == "new"
        assert server.poll() is None
        server.send_signal(signal.SIGTERM)
        assert server.stderr
        log = server.stderr.read()
    assert "Traceback" not in log, log
