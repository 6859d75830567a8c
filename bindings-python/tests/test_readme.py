"""The READMEs' Python examples run as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Sandbox

ROOT = Path(__file__).parents[2]
BLOCKS = [
    pytest.param(block, id=f"{path.parent.name}-{number}")
    for path in (ROOT / "README.md", ROOT / "bindings-python/README.md")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL))
]


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_runs_as_printed(block: str, tmp_path: Path) -> None:
    sandbox = Sandbox()
    try:
        for candidate, status, viewed in (
            ("cand_xyz789", "new", False),
            ("cand_decided", "interviewed", True),
            ("cand_unviewed", "interviewed", False),
        ):
            body = {"candidateId": candidate, "jobPositionId": "pos_abc123", "status": status, "analysisViewed": viewed}
            sandbox.control("candidates", body)
        program = tmp_path / "example.py"
        program.write_text(block, encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        environment |= {"CELPER_API_KEY": sandbox.api_key, "CELPER_BASE_URL": sandbox.base_url}
        command = [sys.executable, "-W", "error", str(program)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        stray = [line for line in done.stderr.splitlines() if not line.startswith("DEBUG:celper:")]
        assert (done.returncode, stray) == (0, [])
    finally:
        sandbox.close()
