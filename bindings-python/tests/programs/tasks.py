"""A celery application whose client was created and used before its workers were forked."""

from __future__ import annotations

import asyncio
import os

import celery

import celper

CANDIDATE = os.environ["CANDIDATE"]
FOLDER = os.environ["FOLDER"]
client = celper.Celper(rate_limits=None)
async_client = celper.AsyncCelper(rate_limits=None)
client.get_candidate_status(CANDIDATE, job_position_id="pos_1")

app = celery.Celery("tasks", broker="filesystem://", backend=f"file://{FOLDER}/results")
app.conf.update(
    broker_transport_options={
        "data_folder_in": f"{FOLDER}/queue",
        "data_folder_out": f"{FOLDER}/queue",
        "control_folder": f"{FOLDER}/control",
    },
    broker_connection_retry_on_startup=True,
    # Each worker reserves one task, so that all of them get some.
    worker_prefetch_multiplier=1,
)


@app.task
def invite(candidate_id: str) -> tuple[int, str]:
    invitation = client.invite_candidate(candidate_id, job_position_id="pos_1")
    state = asyncio.run(async_client.get_candidate_status(candidate_id, job_position_id="pos_1"))
    assert invitation.invited
    return os.getpid(), str(state.status)
