"""Clients created and used before a fork work in the child processes and in the parent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from celper_sandbox import Sandbox
from support import free_port, wait_for_requests, wait_until

PROGRAMS = Path(__file__).parent / "programs"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.mark.parametrize(
    "way",
    [
        "fork",
        "fork-while-busy",
        "fork-inside-a-loop",
        "inherited-loop",
        "multiprocessing",
        "client-not-used-before",
        "signal-handler",
    ],
)
def test_clients_work_in_parent_and_child(sandbox: Sandbox, way: str) -> None:
    candidate, slow = sandbox.create_candidate().id, sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    command = [sys.executable, "-W", "ignore", str(PROGRAMS / "forks.py"), way, candidate, slow]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as program:
        if way == "signal-handler":
            wait_for_requests(sandbox, slow)
        output, errors = program.communicate("the slow request has arrived\n", timeout=120)
    assert (program.returncode, output, errors) == (0, "done\n", "")


def test_gunicorn_with_preload(sandbox: Sandbox) -> None:
    candidate, slow = sandbox.create_candidate().id, sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--preload",
        "--workers",
        "3",
        "--bind",
        f"127.0.0.1:{port}",
        "preloaded:app",
    ]
    environment = {**os.environ, "CANDIDATE": candidate, "SLOW": slow}
    with subprocess.Popen(command, cwd=PROGRAMS, env=environment, stderr=subprocess.PIPE, text=True) as server:

        def get() -> str:
            try:
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                text: str = opener.open(f"http://127.0.0.1:{port}/", timeout=60).read().decode()
            except ConnectionError:
                return ""
            except OSError as error:
                assert server.poll() is None, error
                return ""
            return text

        wait_until(get)
        workers: set[str] = set()

        def several_answered() -> bool:
            pid, *states = get().split()
            assert states == ["new", "new"]
            workers.add(pid)
            return len(workers) > 1

        for _ in range(60):
            several_answered()
        wait_until(several_answered)
        assert str(server.pid) not in workers
        server.send_signal(signal.SIGTERM)
        assert server.stderr
        log = server.stderr.read()
    assert server.returncode == 0, log
    assert not re.search(r"Traceback|ERROR|CRITICAL|Aborted|SIG(ABRT|SEGV|KILL)", log), log


def test_celery_prefork(sandbox: Sandbox, tmp_path: Path) -> None:
    candidates = [sandbox.create_candidate().id for _ in range(24)]
    for folder in ("queue", "control", "results"):
        (tmp_path / folder).mkdir()
    environment = {
        **os.environ,
        "CANDIDATE": candidates[0],
        "FOLDER": str(tmp_path),
        "PYTHONPATH": str(PROGRAMS),
    }
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "3"]
    command += ["--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    send = f"""
import tasks
results = [tasks.invite.delay(candidate) for candidate in {candidates!r}]
outcomes = [result.get(timeout=120) for result in results]
assert [status for _, status in outcomes] == ["invited"] * len(outcomes), outcomes
print(len({{pid for pid, _ in outcomes}}))
"""
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as worker:
        sender = subprocess.run(
            [sys.executable, "-c", send], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        worker.send_signal(signal.SIGTERM)
        assert worker.stderr
        log = worker.stderr.read()
    assert sender.returncode == 0, sender.stderr + log
    assert int(sender.stdout) > 1
    assert not re.search(r"Traceback|ERROR|CRITICAL|SIG(ABRT|SEGV|KILL)|WorkerLost", log), log
    # Each candidate was invited once.
    for candidate in candidates:
        assert sum(request.acted for request in sandbox.requests(candidate)) == 1
