"""The load "batch": 500 invitations by one process, and by four. Writes `results/batch.md`.

`--invitations` shortens it: a trial on a busy machine says whether it works, not how well.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from celper_sandbox import Limits, Sandbox

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
PEERS = str(HERE.parent / "python/.venv/bin/python")
ACTIONS = 30
WINDOW = 3.0

PROGRAMS = {
    "celper, Python": [sys.executable, str(HERE / "with_celper.py")],
    "celper, Node": ["node", str(HERE / "with_celper.mjs")],
    "httpx, asyncio.Semaphore, tenacity": [PEERS, str(HERE / "by_hand.py")],
    "fetch, p-limit, p-retry": ["node", str(HERE / "by_hand.mjs")],
}


@dataclass(frozen=True)
class Line:
    """One run of some processes."""

    program: str
    processes: int
    seconds: float
    least: float
    refused: int
    invited: int
    peak_mb: float

    @property
    def ratio(self) -> float:
        """The time, in units of the least possible one."""
        return self.seconds / self.least


def measure(program: str, processes: int, invitations: int) -> Line:
    """Let processes invite their parts of the candidates, and wait for the last."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(limits=Limits(window=WINDOW)) as sandbox:
        ids = [sandbox.create_candidate(f"cand_{number}").id for number in range(invitations)]
        ours = {name: value for name, value in os.environ.items() if not name.startswith("CELPER_")}
        environment = ours | sandbox.environment | {"TMPDIR": folder}
        started = []
        for number in range(processes):
            options = {"candidates": ids[number::processes], "window": WINDOW}
            process = subprocess.Popen(
                PROGRAMS[program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment | {"BATCH": json.dumps(options)},
            )
            started.append(process)
        for process in started:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        begin = time.monotonic()
        for process in started:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        reports = []
        for process in started:
            assert process.stdout
            reports.append(json.loads(process.stdout.readline()))
        seconds = time.monotonic() - begin
        for process in started:
            process.communicate()
            assert process.returncode == 0
        requests = sandbox.control("requests")
        invited = len(sandbox.control("outbox"))
    least = (-(-invitations // ACTIONS) - 1) * WINDOW
    refused = sum(request["answered"] == 429 for request in requests)
    return Line(program, processes, seconds, least, refused, invited, max(report["peak_mb"] for report in reports))


def markdown(lines: list[Line], invitations: int) -> str:
    """The page of results."""
    groups: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.program, line.processes), []).append(line)
    text = [
        "# Many invitations",
        "",
        f"Measured by `make bench-batch` on {os.cpu_count()} cores: {invitations} invitations, {ACTIONS} per {WINDOW:g} s, "
        f"which take at least {lines[0].least:g} s. The [README](../README.md#batch) explains it.",
        "",
    ]
    for (program, processes), runs in groups.items():
        if program.startswith("celper"):
            worst, refused = max(line.ratio for line in runs), sum(line.refused for line in runs)
            met = worst <= 1.01 and refused == 0
            verdict = "met" if met else "**MISSED**"
            text.append(
                f"- {verdict}: {program}, {processes} processes: at most 1.01 of the least time and no 429: {worst:.3f}, {refused}"
            )
    text += [
        "",
        "| | processes | time ÷ least | range | 429s | peak MB of a process |",
        "|---|---|---|---|---|---|",
    ]
    for (program, processes), runs in groups.items():
        ratios = [line.ratio for line in runs]
        each_refused = ", ".join(str(line.refused) for line in runs)
        peak = statistics.median(line.peak_mb for line in runs)
        text.append(
            f"| {program} | {processes} | {statistics.median(ratios):.3f} | {min(ratios):.3f}–{max(ratios):.3f} "
            f"| {each_refused} | {peak:.0f} |"
        )
    return "\n".join([*text, ""])


def main() -> None:
    """Measure everything, or what the options name."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--invitations", type=int, default=500, help="at least 31, so that they take more than a window"
    )
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--only", default="", help="a part of the name of the programs to measure")
    options.add_argument("--dry", action="store_true", help="print the results, and leave the committed ones")
    chosen = options.parse_args()
    lines = []
    for _ in range(chosen.runs):
        for program in PROGRAMS:
            for processes in (1, 4):
                if chosen.only in program:
                    line = measure(program, processes, chosen.invitations)
                    assert line.invited == chosen.invitations, line
                    lines.append(line)
                    print(json.dumps(asdict(line)), file=sys.stderr, flush=True)
    text = markdown(lines, chosen.invitations)
    print(text)
    if not chosen.dry:
        (RESULTS / "batch.md").write_text(text)


if __name__ == "__main__":
    main()
