"""Writes the results as text."""

from __future__ import annotations

from languages import CELPER, LANGUAGES
from measure import ROUNDS, Line
from results import Results
from targets import HELD_LOAD, text, verdicts

TITLES = {language.name: language.title for language in LANGUAGES}
ORDER = list(TITLES)
START = "start-up"


def title(language: str) -> str:
    return TITLES.get(language, language)


def markdown(results: Results) -> str:
    """The page with all results."""
    parts = [
        "# Benchmark results",
        f"Measured by `make bench` on {results['machine']}. The [README](../README.md) explains what is measured and how to read "
        f"the tables. Values are medians of {ROUNDS} rounds, per call. Ratios are a client's median divided by Celper's: over 1 "
        "is slower than Celper.",
        "## Targets",
        "\n".join(f"- {text(verdict, title)}" for verdict in verdicts(results["lines"])),
    ]
    for language in sorted(results["commits"], key=ORDER.index):
        lines = [line for line in results["lines"] if line["language"] == language]
        parts.append(f"## {title(language)}")
        parts.append(calls(lines))
        parts.append(starts(lines))
    return "\n\n".join(part for part in parts if part) + "\n"


def calls(lines: list[Line]) -> str:
    rows = [
        "load | client | wall µs | CPU µs | main thread µs | peak MB | wall × | CPU ×",
        "|".join(["---"] * 2 + ["---:"] * 6),
    ]
    measured = [line for line in lines if "wall_us" in line]
    for load in dict.fromkeys(line["load"] for line in measured):
        group = [line for line in measured if line["load"] == load]
        celper = next((line for line in group if line["client"] == CELPER), group[0])
        for line in group:
            rows.append(" | ".join([load if line is group[0] else "", line["client"], *values(line, celper)]))
    return "\n".join(f"| {row} |" for row in rows)


def values(line: Line, celper: Line) -> list[str]:
    numbers = [f"{line[field]:.1f}" for field in ("wall_us", "cpu_us")]
    main, peak = line.get("main_cpu_us"), line.get("peak_kb")
    numbers.append("" if main is None else f"{main:.1f}")
    numbers.append("" if peak is None else f"{peak / 1_000:.0f}")
    if line is celper:
        return [*numbers, "", ""]
    return [*numbers, *(f"{line[field] / celper[field]:.2f}" for field in ("wall_us", "cpu_us"))]


def starts(lines: list[Line]) -> str:
    group = [line for line in lines if line["load"] == START]
    if not group:
        return ""
    memory = {line["client"]: line["bytes_per_call"] for line in lines if line["load"] == HELD_LOAD}
    rows = [
        "client | version | load ms | first response ms | installed MB | KB per call in flight",
        "|".join(["---"] * 2 + ["---:"] * 4),
    ]
    for line in group:
        size, held = line.get("installed_kb"), memory.get(line["client"])
        rows.append(
            " | ".join(
                [
                    line["client"],
                    line.get("version", ""),
                    f"{line['load_us'] / 1e3:.1f}",
                    f"{line['first_us'] / 1e3:.0f}",
                    "" if size is None else f"{size / 1e3:.1f}",
                    "" if held is None else f"{held / 1e3:.1f}",
                ]
            )
        )
    return "\n".join(f"| {row} |" for row in rows)


def server_time(lines: list[Line]) -> str:
    """The server's highest CPU time per call, to show that it did not limit the clients."""
    times = [line["server_cpu_us"] for line in lines if "server_cpu_us" in line]
    return f"the server's CPU time per call: at most {max(times):.1f} µs" if times else ""
