"""Writes `python/celper/_sync.py` from `python/celper/_async.py`: `.venv/bin/python scripts/unasync.py [--check]`.

PyPI's `unasync` rewrites only code. Here docstrings have examples with `await`, and each class has its own docstring.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "python/celper"
HEADER = "# Generated from _async.py by scripts/unasync.py: edit that file, and run the script again.\n"
SYNC_DOC = '''    """A client of the Celper AI Candidate Actions API.

        client = celper.Celper()  # CELPER_API_KEY, CELPER_BASE_URL
        state = client.get_candidate_status("cand_xyz789", job_position_id="pos_abc123")

    Create one client and keep it: its calls share connections, and any number of threads can use it. Other threads run
    while a call waits, and Ctrl-C ends the wait. After a fork, the child process opens its own connections. A ``with``
    statement closes the client.
    """
'''
RULES: list[tuple[str, str]] = [
    (r'\A"""The asyncio client\."""', '"""The synchronous client."""'),
    (r'(?<=^class AsyncCelper\(Base\):\n)    """.*?"""\n', SYNC_DOC),
    (r"\bAsyncCelper\b", "Celper"),
    (r"\bAsyncBatch\b", "Batch"),
    (r"\bAsyncWatch\b", "Watch"),
    (r"\bAsyncIterable\[_R\] \| ", ""),
    (r"\bAsyncIterable, ", ""),
    (r"iterable or async iterable\b", "iterable"),
    (r"\basync (?=def|with|for)", ""),
    (r"\bawait ", ""),
    (r"\b_native\.start\b", "_native.call"),
    (r"\baclose\b", "close"),
    (r"\b__a(?=enter__|exit__)", "__"),
]


def generate(source: str) -> str:
    """The synchronous module. Fails when a rule no longer matches anything."""
    for pattern, replacement in RULES:
        source, count = re.subn(pattern, replacement, source, flags=re.DOTALL | re.MULTILINE)
        if not count:
            raise SystemExit(f"scripts/unasync.py: nothing in _async.py matches {pattern!r}")
    # Calls are shorter without `await`, and may fit on one line.
    formatter = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(PACKAGE / "_sync.py"), "-"]
    return subprocess.run(formatter, input=HEADER + source, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout


def main() -> None:
    """Writes the file, or with `--check` fails when it is stale."""
    target = PACKAGE / "_sync.py"
    generated = generate((PACKAGE / "_async.py").read_text(encoding="utf-8"))
    if sys.argv[1:] != ["--check"]:
        target.write_text(generated, encoding="utf-8")
    elif target.read_text(encoding="utf-8") != generated:
        raise SystemExit(f"{target.name} is stale: run `.venv/bin/python scripts/unasync.py` in bindings-python")


if __name__ == "__main__":
    main()
