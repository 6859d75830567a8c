"""Exiting a process in every way, subinterpreters, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from celper_sandbox import Sandbox
from support import wait_for_requests, wait_until_closed

PROGRAMS = Path(__file__).parent / "programs"
RUNS = int(os.environ.get("CELPER_EXIT_RUNS", "300"))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "way",
    [
        "sync",
        "async",
        "async-in-flight",
        "loop-abandoned",
        "daemons",
        "daemon-loops",
        "no-add-reader",
        "atexit",
        "joined-by-a-later-handler",
        "daemons-without-calls",
        "batch-abandoned",
        "daemon-batches",
        "async-batch-abandoned",
        "exception",
        "os._exit",
    ],
)
def test_a_program_exits_without_crash_hang_or_output(sandbox: Sandbox, way: str) -> None:
    candidate, slow = sandbox.create_candidate().id, sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    command = [sys.executable, str(PROGRAMS / "exits.py"), way, candidate, slow]
    expected = (3 if way == "exception" else 0, "new\n" if way in ("atexit", "joined-by-a-later-handler") else "", "")

    def run(_: int) -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    with ThreadPoolExecutor(4) as pool:
        unexpected = [outcome for outcome in pool.map(run, range(RUNS)) if outcome != expected]
    assert not unexpected, f"{len(unexpected)} of {RUNS} runs"


def test_import_fails_in_a_subinterpreter() -> None:
    """Python before 3.12 runs the import there. The end of a subinterpreter must not count as the end of the process."""
    program = """
import importlib, threading
for name in ("_interpreters", "_xxsubinterpreters"):
    try:
        interpreters = importlib.import_module(name)
    except ImportError:
        continue
    break
import celper
other = interpreters.create()
try:
    failure = interpreters.run_string(other, "import celper")
except Exception as error:
    failure = error
assert failure is not None and "ImportError" in str(failure), failure
interpreters.destroy(other)
thread = threading.Thread(target=celper.RateLimits)
thread.start()
thread.join(60)
assert not thread.is_alive()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_interrupts_a_call(sandbox: Sandbox) -> None:
    candidate, slow = sandbox.create_candidate().id, sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    command = [sys.executable, str(PROGRAMS / "interrupted.py"), candidate, slow]
    waits = []
    for _ in range(5):
        before = len(sandbox.requests(slow))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "waiting\n"
            wait_for_requests(sandbox, slow, before + 1)
            sent = time.time()
            process.send_signal(signal.SIGINT)
            waits.append(float(process.stdout.readline()) - sent)
            assert process.stdout.read() == "new\n"
        assert process.returncode == 0
        wait_until_closed(sandbox, slow)
        assert len(sandbox.requests(slow)) == before + 1
    # The median, because the machine may be busy during one of the runs.
    assert sorted(waits)[2] < 0.5, waits
