"""Waits in a call until Ctrl-C. Prints when the interrupt came, and the result of another call after it."""

from __future__ import annotations

import signal
import sys
import time

import celper

# A shell's background jobs ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
candidate, slow = sys.argv[1:]
client = celper.Celper(rate_limits=None)
client.get_candidate_status(candidate, job_position_id="pos_1")
print("waiting", flush=True)
try:
    client.invite_candidate(slow, job_position_id="pos_1", timeout=600)
except KeyboardInterrupt:
    print(time.time(), flush=True)
print(client.get_candidate_status(candidate, job_position_id="pos_1").status, flush=True)
