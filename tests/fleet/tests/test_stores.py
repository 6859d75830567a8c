"""What holds for every store: one budget, fair shares, and a process that stops or ends does not stop the others."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from fleet.processes import READS, WORKERS, Fleet


def test_processes_in_two_languages_get_equal_shares_and_no_429(store: str, tmp_path: Path) -> None:
    # A process may be late for its turn by an eighth of a window.
    with Fleet(tmp_path, window=2) as fleet:
        fleet.start_all(store)
        begin = time.time()
        shares = fleet.wait_for_all(3 * READS, begin)
        mean = 3 * READS / 8
        assert len(shares) == 8, shares
        assert all(0.6 * mean <= calls <= 1.4 * mean for calls in shares.values()), shares
        fleet.wait_for_full_windows(begin, fleet.workers)
        fleet.check()


def test_a_process_that_is_killed_frees_its_slots_and_one_that_is_stopped_delays_nobody(
    store: str, tmp_path: Path
) -> None:
    with Fleet(tmp_path, attempt_timeout=2) as fleet:
        fleet.start_all(store, 4)
        victim, stopped, *others = fleet.workers
        # Its next calls stay without a response, so it is killed in the middle of all of them.
        fleet.sandbox.queue_fault(victim.name, "delay", seconds=30, times=None)
        held = time.time()
        in_flight = int(str(fleet.options["in_flight"]))
        fleet.wait_until(
            lambda: sum(request.worker == victim.name for request in fleet.requests(held)) >= in_flight,
            "calls in flight",
        )
        victim.signal(signal.SIGKILL)
        killed = time.time()
        stopped.signal(signal.SIGSTOP)
        time.sleep(fleet.window)
        fleet.wait_for_each(10, killed, others)
        assert not any(request.worker == stopped.name for request in fleet.requests(killed + fleet.window)), "it stands"
        stopped.signal(signal.SIGCONT)
        going_on = time.time()
        living = [stopped, *others]
        fleet.wait_for_each(5, going_on, living)
        # More than the others could use if slots were lost.
        fleet.wait_for_full_windows(going_on, living)
        assert not any(request.worker == victim.name for request in fleet.requests(killed))
        # Requests under way in them may have timed out.
        fleet.check(victim, stopped)


def test_a_forked_process_shares_its_parents_budget(store: str, tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        names = ["parent", "child_0", "child_1"]
        for name in names:
            fleet.sandbox.create_candidate(name)
        fleet.options["calls"] = 30
        environment = fleet.environment("parent", store)
        subprocess.run([sys.executable, str(WORKERS / "forks.py")], env=environment, check=True, timeout=60)
        calls = Counter(request.worker for request in fleet.requests())
        assert calls == {"parent": 60, "child_0": 30, "child_1": 30}
        fleet.check()
