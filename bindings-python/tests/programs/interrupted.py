"""Waits in a call until Ctrl-C. Says when the interrupt came, and what the rest of the program still can do."""

from __future__ import annotations

import sys
import time

import celper

candidate, slow = sys.argv[1:]
client = celper.Celper(rate_limits=None)
client.get_candidate_status(candidate, job_position_id="pos")
print("waiting", flush=True)
try:
    client.invite_candidate(slow, job_position_id="pos", timeout=600)
except KeyboardInterrupt:
    print(time.time(), flush=True)
print(client.get_candidate_status(candidate, job_position_id="pos").status, flush=True)
