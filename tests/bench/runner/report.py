"""The figures as text."""

from __future__ import annotations

from languages import LANGUAGES, OURS
from measure import ROUNDS, Line
from results import Results
from targets import HELD_LOAD, text, verdicts

TITLES = {language.name: language.title for language in LANGUAGES}
ORDER = list(TITLES)
START = "start-up"


def title(language: str) -> str:
    return TITLES.get(language, language)


def markdown(results: Results) -> str:
    """The whole of it as one page."""
    parts = [
        "# Celper beside what people would use instead",
        f"Made by `make bench` on {results['machine']}; the [README](../README.md) says what is measured and how to read it. "
        f"Figures are medians of {ROUNDS} rounds, per call; ratios are of medians, a client's to Celper's: over 1 is slower "
        "than Celper.",
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
        ours = next((line for line in group if line["client"] == OURS), group[0])
        for line in group:
            rows.append(" | ".join([load if line is group[0] else "", line["client"], *figures(line, ours)]))
    return "\n".join(f"| {row} |" for row in rows)


def figures(line: Line, ours: Line) -> list[str]:
    numbers = [f"{line[field]:.1f}" for field in ("wall_us", "cpu_us")]
    main, peak = line.get("main_cpu_us"), line.get("peak_kb")
    numbers.append("" if main is None else f"{main:.1f}")
    numbers.append("" if peak is None else f"{peak / 1_000:.0f}")
    if line is ours:
        return [*numbers, "", ""]
    return [*numbers, *(f"{line[field] / ours[field]:.2f}" for field in ("wall_us", "cpu_us"))]


def starts(lines: list[Line]) -> str:
    group = [line for line in lines if line["load"] == START]
    if not group:
        return ""
    memory = {line["client"]: line["bytes_per_call"] for line in lines if line["load"] == HELD_LOAD}
    rows = [
        "client | version | loaded in ms | first answer after ms | installed MB | KB a call in flight",
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


def server_share(lines: list[Line]) -> str:
    """What the server takes at most, so that one can see that it is not what was measured."""
    shares = [line["server_cpu_us"] for line in lines if "server_cpu_us" in line]
    return f"the server's own CPU time a call: at most {max(shares):.1f} µs" if shares else ""
