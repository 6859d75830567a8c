"""The documented examples of Celery and BullMQ, over a real Valkey server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from celper_sandbox import Sandbox
from fleet.valkey import Valkey

ROOT = Path(__file__).parents[3]
QUEUES = ROOT / "tests/fleet/queues/node_modules"
SEND = """
import json, hiring
results = [hiring.invite.delay(candidate, "pos_1") for candidate in {candidates} * 2]
print(json.dumps([result.get(timeout=60) for result in results]))
"""


def example(language: str, imported: str) -> str:
    """The page's example that imports this library."""
    page = (ROOT / "docs/fork-and-workers.md").read_text()
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    [code] = [block for block in blocks if re.search(rf"^import.*\b{imported}\b", block, re.MULTILINE)]
    return code


def check(worker: list[str], sender: list[str], valkey: Valkey, folder: Path) -> None:
    """Run the worker and the sender of each job twice, and check that each candidate was invited once."""
    with Sandbox() as sandbox:
        candidates = [sandbox.create_candidate().id for _ in range(12)]
        ours = {name: value for name, value in os.environ.items() if not name.startswith("CELPER_")}
        own = {"REDIS_URL": valkey.url, "CANDIDATES": ",".join(candidates)}
        environment = ours | sandbox.environment | own
        sender = [part.format(candidates=candidates) for part in sender]
        with subprocess.Popen(
            worker, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                sent = subprocess.run(
                    sender, cwd=folder, env=environment, capture_output=True, text=True, timeout=90, check=False
                )
            finally:
                process.send_signal(signal.SIGTERM)
                log, _ = process.communicate(timeout=30)
        assert (sent.returncode, process.returncode) == (0, 0), sent.stderr + log
        sessions = json.loads(sent.stdout)
        # A job that is delivered again gets the response of the first delivery.
        assert sessions[:12] == sessions[12:]
        assert len(set(sessions)) == 12
        assert len(sandbox.outbox()) == 12
        # The limits' log is in the server, beside the queue.
        assert int(valkey.command("EVAL \"return #redis.call('KEYS', 'celper:*')\" 0")) > 0


def test_celery(valkey: Valkey, tmp_path: Path) -> None:
    (tmp_path / "hiring.py").write_text(example("python", "celery"))
    worker = [sys.executable, "-m", "celery", "-A", "hiring", "worker", "--pool", "prefork", "--concurrency", "3"]
    check(worker, [sys.executable, "-c", SEND], valkey, tmp_path)


def test_bullmq(valkey: Valkey, tmp_path: Path) -> None:
    assert QUEUES.exists(), f"{QUEUES} is missing: run `make test-fleet`"
    modules = tmp_path / "node_modules"
    modules.mkdir()
    for name, target in {"bullmq": QUEUES / "bullmq", "celper": ROOT / "bindings-node"}.items():
        (modules / name).symlink_to(target)
    (tmp_path / "worker.mjs").write_text(example("ts", "bullmq"))
    shutil.copy(ROOT / "tests/fleet/workers/jobs.mjs", tmp_path)
    check(["node", "worker.mjs"], ["node", "jobs.mjs"], valkey, tmp_path)
