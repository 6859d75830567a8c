"""What the clients are meant to reach, beside their peers or by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from languages import BUSY, HELD, MANY, ONE, OURS
from measure import Line

HELD_LOAD = f"{HELD} in flight, unanswered"
HELD_BYTES = 20_000


@dataclass(frozen=True)
class Beside:
    """A peer's figure is at least so many times ours."""

    language: str
    load: str
    peer: str
    least: float
    field: str = "wall_us"


BESIDE = [
    Beside("rust", MANY.name, "reqwest", 1 / 1.10, "cpu_us"),
    Beside("rust", ONE.name, "reqwest", 1 / 1.10, "cpu_us"),
    Beside("python-sync", ONE.name, "pyreqwest", 1),
    Beside("python-sync", ONE.name, "httpx", 3),
    Beside("python-async", MANY.name, "aiohttp", 3),
    Beside("python-async", MANY.name, "pyreqwest", 2),
    Beside("python-uvloop", MANY.name, "aiohttp", 3),
    Beside("python-uvloop", MANY.name, "pyreqwest", 2),
    Beside("node", MANY.name, "undici", 1),
    Beside("node", MANY.name, "undici", 2, "main_cpu_us"),
    Beside("node", MANY.name, "fetch", 4),
    Beside("node", ONE.name, "undici", 1),
    Beside("kotlin", MANY.name, "okhttp", 1),
    Beside("kotlin", MANY.name, "ktor", 1),
    Beside("swift", MANY.name, "URLSession", 1),
    Beside("swift", ONE.name, "URLSession", 1),
]
WORDS = {"wall_us": "time", "cpu_us": "CPU", "main_cpu_us": "main-thread CPU"}


@dataclass(frozen=True)
class Verdict:
    language: str
    met: bool
    text: str


def verdicts(lines: list[Line]) -> Iterator[Verdict]:
    """Of every target whose language has been measured."""
    by_key = {(line["language"], line["load"], line["client"]): line for line in lines}
    for target in BESIDE:
        ours = by_key.get((target.language, target.load, OURS))
        theirs = by_key.get((target.language, target.load, target.peer))
        if ours and theirs:
            ratio = theirs[target.field] / ours[target.field]
            what = f"{target.load}: {target.peer}'s {WORDS[target.field]} a call is at least {target.least:.3g} × ours"
            yield Verdict(target.language, ratio >= target.least, f"{what}: {ratio:.2f} ×")
    busy = by_key.get(("python-async", BUSY.name, OURS))
    alone = by_key.get(("python-async", MANY.name, OURS))
    if busy and alone:
        ratio = busy["wall_us"] / alone["wall_us"]
        yield Verdict("python-async", ratio <= 3, f"{BUSY.name} at most 3 × the time of {MANY.name}: {ratio:.2f} ×")
    for (language, load, client), line in by_key.items():
        if load == HELD_LOAD and client == OURS:
            size = line["bytes_per_call"]
            yield Verdict(language, size < HELD_BYTES, f"a call in flight takes less than 20 KB: {size / 1_000:.1f} KB")


def text(verdict: Verdict, title: Callable[[str], str]) -> str:
    return f"{'met' if verdict.met else '**MISSED**'}: {title(verdict.language)}, {verdict.text}"
