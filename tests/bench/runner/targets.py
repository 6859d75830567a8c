"""The targets for the Celper clients, absolute or relative to other clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from languages import BUSY, CELPER, CONCURRENT, HELD, SEQUENTIAL
from measure import Line

HELD_LOAD = f"{HELD} in flight, held"
HELD_BYTES = 20_000


@dataclass(frozen=True)
class RelativeTarget:
    """Another client's value is at least `least` times Celper's."""

    language: str
    load: str
    other: str
    least: float
    field: str = "wall_us"


RELATIVE_TARGETS = [
    RelativeTarget("rust", CONCURRENT.name, "reqwest", 1 / 1.10, "cpu_us"),
    RelativeTarget("rust", SEQUENTIAL.name, "reqwest", 1 / 1.10, "cpu_us"),
    RelativeTarget("python-sync", SEQUENTIAL.name, "pyreqwest", 1),
    RelativeTarget("python-sync", SEQUENTIAL.name, "httpx", 3),
    RelativeTarget("python-async", CONCURRENT.name, "aiohttp", 3),
    RelativeTarget("python-async", CONCURRENT.name, "pyreqwest", 2),
    RelativeTarget("python-uvloop", CONCURRENT.name, "aiohttp", 3),
    RelativeTarget("python-uvloop", CONCURRENT.name, "pyreqwest", 2),
    RelativeTarget("node", CONCURRENT.name, "undici", 1),
    RelativeTarget("node", CONCURRENT.name, "undici", 2, "main_cpu_us"),
    RelativeTarget("node", CONCURRENT.name, "fetch", 4),
    RelativeTarget("node", SEQUENTIAL.name, "undici", 1),
    RelativeTarget("kotlin", CONCURRENT.name, "okhttp", 1),
    RelativeTarget("kotlin", CONCURRENT.name, "ktor", 1),
    RelativeTarget("swift", CONCURRENT.name, "URLSession", 1),
    RelativeTarget("swift", SEQUENTIAL.name, "URLSession", 1),
]
FIELD_NAMES = {"wall_us": "time", "cpu_us": "CPU", "main_cpu_us": "main-thread CPU"}


@dataclass(frozen=True)
class Verdict:
    language: str
    met: bool
    text: str


def verdicts(lines: list[Line]) -> Iterator[Verdict]:
    """The verdict on each target whose language has been measured."""
    by_key = {(line["language"], line["load"], line["client"]): line for line in lines}
    for target in RELATIVE_TARGETS:
        celper = by_key.get((target.language, target.load, CELPER))
        other = by_key.get((target.language, target.load, target.other))
        if celper and other:
            ratio = other[target.field] / celper[target.field]
            name = FIELD_NAMES[target.field]
            what = f"{target.load}: {target.other}'s {name} per call at least {target.least:.3g} × Celper's"
            yield Verdict(target.language, ratio >= target.least, f"{what}: {ratio:.2f} ×")
    busy = by_key.get(("python-async", BUSY.name, CELPER))
    alone = by_key.get(("python-async", CONCURRENT.name, CELPER))
    if busy and alone:
        ratio = busy["wall_us"] / alone["wall_us"]
        what = f"{BUSY.name}: at most 3 × the time of {CONCURRENT.name}"
        yield Verdict("python-async", ratio <= 3, f"{what}: {ratio:.2f} ×")
    for (language, load, client), line in by_key.items():
        if load == HELD_LOAD and client == CELPER:
            size = line["bytes_per_call"]
            yield Verdict(language, size < HELD_BYTES, f"less than 20 KB per call in flight: {size / 1_000:.1f} KB")


def text(verdict: Verdict, title: Callable[[str], str]) -> str:
    return f"{'met' if verdict.met else '**MISSED**'}: {title(verdict.language)}, {verdict.text}"
