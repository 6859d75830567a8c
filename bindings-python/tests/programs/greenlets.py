"""Calls of many greenlets on one thread: `greenlets.py gevent|eventlet SLOW CANDIDATE SLOW_IN_A_BATCH`."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

library, slow, quick, waiting = sys.argv[1:]
if library == "gevent":
    import gevent
    from gevent import monkey

    monkey.patch_all()
    spawn, sleep, Timeout = gevent.spawn, gevent.sleep, gevent.Timeout
    wait = gevent.joinall
else:
    import eventlet

    eventlet.monkey_patch()
    spawn, sleep, Timeout = eventlet.spawn, eventlet.sleep, eventlet.Timeout

    def wait(greenlets: list[Any]) -> None:
        for greenlet in greenlets:
            greenlet.wait()


import celper  # noqa: E402 - after patching, as programs do

client = celper.Celper(rate_limits=None, max_retries=0)
ended: list[str] = []


def call(candidate: str) -> None:
    client.get_candidate_status(candidate, job_position_id="pos_1")
    ended.append(candidate)


# Each slow call is answered after the quick one has ended, so a call that blocks the thread is seen whatever the machine's speed.
greenlets = [spawn(call, slow) for _ in range(40)]
sleep(0)
call(quick)
assert ended == [quick], ended
wait(greenlets)
assert len(ended) == 41

# A timeout of the library ends the wait, and the request with it.
with Timeout(0.2, False):
    call(slow)
    raise AssertionError("not reached")

# A batch waits in the same way, and asks its key function in the greenlet that takes the items.
batch_client = celper.Celper(lambda: sleep(0) or os.environ["CELPER_API_KEY"], rate_limits=None, max_retries=0)
taken: list[str] = []


def take() -> None:
    with batch_client.batch([celper.StatusRequest(waiting, job_position_id="pos_1")]) as batch:
        taken.extend(item.result.status for item in batch if item.result)


greenlet = spawn(take)
sleep(0)
call(quick)
assert taken == []
wait([greenlet])
assert taken == ["new"]

# So do a wait for a status and a watch.
found: list[str] = []


def watch() -> None:
    found.append(batch_client.wait_for_status(waiting, job_position_id="pos_1", until="new").status)
    with batch_client.watch_candidates([waiting], job_position_id="pos_1") as changes:
        found.extend(change.state.status for change in changes if not changes.close() and change.state)


greenlet = spawn(watch)
sleep(0)
call(quick)
assert found == []
wait([greenlet])
assert found == ["new", "new"], found

# What a call raises arrives in its greenlet; a key function runs there.
names: list[str] = []


def key() -> str:
    names.append("asked")
    sleep(0.01)
    raise LookupError("no key")


try:
    celper.Celper(key).get_candidate_status(quick, job_position_id="pos_1")
except celper.AuthenticationError as error:
    names.append(type(error.__cause__).__name__)
assert names == ["asked", "LookupError"], names
print("done", time.process_time() < 30)
