"""The Python examples in the project's pages run unchanged."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from celper_sandbox import Sandbox, find_program

ROOT = Path(__file__).parents[2]
# A comment above an example can exclude it; see `tests/docs/README.md`.
EXAMPLE = re.compile(r"(?P<not_run>^<!-- not run:.*-->\n+)?^```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)


def examples() -> list[object]:
    found: list[object] = []
    for page in (ROOT / "tests/docs/pages.txt").read_text(encoding="utf-8").split():
        text = (ROOT / page).read_text(encoding="utf-8")
        for match in EXAMPLE.finditer(text):
            if not match["not_run"]:
                line = text.count("\n", 0, match.start("code"))
                found.append(pytest.param(match["code"], id=f"{page}:{line}"))
    return found


EXAMPLES = examples()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("code", EXAMPLES)
def test_examples_run(code: str, sandbox: Sandbox, tmp_path: Path) -> None:
    for call in json.loads((ROOT / "tests/docs/stage.json").read_text(encoding="utf-8")):
        sandbox.control(call["path"], call["body"])
    program = tmp_path / "example.py"
    program.write_text(code, encoding="utf-8")
    # Python warns about a fork in a process with threads; `test_fork.py` shows that the child process works.
    warnings = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    command = [sys.executable, *warnings, str(program)]
    environment = {**os.environ, "CELPER_SANDBOX": find_program(), "CELPER_WEBHOOK_SECRET": "whsec_test"}
    # Some leave files where they run.
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    unexpected = [line for line in done.stderr.splitlines() if not line.startswith("DEBUG:celper:")]
    assert (done.returncode, unexpected) == (0, []), done.stderr
