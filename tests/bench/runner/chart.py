"""Draws the chart: time and CPU time of a call, a panel for each language."""

from __future__ import annotations

from html import escape

from languages import CELPER, CONCURRENT, SEQUENTIAL
from measure import Line
from report import ORDER, title
from results import Results

WIDTH, COLUMNS, GAP, EDGE = 920, 2, 36, 24
ROW, HEAD, TOP, FOOT = 26, 40, 78, 30
LABEL, NUMBERS = 96, 92
CELPER_COLOUR, OTHER_COLOUR, CPU_COLOUR, INK, FAINT = "#c2410c", "#94a3b8", "#475569", "#1e293b", "#64748b"
COLUMN = (WIDTH - 2 * EDGE - GAP * (COLUMNS - 1)) / COLUMNS


def panels(results: Results) -> list[tuple[str, str, list[Line]]]:
    """For each language its typical load, fastest client first."""
    found = []
    for language in sorted(results["commits"], key=ORDER.index):
        lines = [line for line in results["lines"] if line["language"] == language and "wall_us" in line]
        loads = [load for load in (CONCURRENT.name, SEQUENTIAL.name) if any(line["load"] == load for line in lines)]
        if loads:
            group = [line for line in lines if line["load"] == loads[0]]
            found.append((title(language), loads[0], sorted(group, key=lambda line: float(line["wall_us"]))))
    return found


def text(
    x: float, y: float, content: str, size: int = 12, colour: str = INK, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(content)}</text>'


def bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height}" rx="1.5" fill="{colour}"/>'


def panel(x: float, y: float, name: str, load: str, lines: list[Line]) -> list[str]:
    drawn = [text(x, y + 16, name, 15, bold=True), text(x + COLUMN, y + 16, load, 12, FAINT, "end")]
    most = max(max(line["wall_us"], line["cpu_us"]) for line in lines)
    scale = (COLUMN - LABEL - NUMBERS) / most
    for number, line in enumerate(lines):
        at = y + HEAD - 8 + number * ROW
        is_celper = line["client"] == CELPER
        drawn.append(text(x + LABEL - 8, at + 13, line["client"], anchor="end", bold=is_celper))
        drawn.append(bar(x + LABEL, at + 2, line["wall_us"] * scale, 10, CELPER_COLOUR if is_celper else OTHER_COLOUR))
        drawn.append(bar(x + LABEL, at + 13, line["cpu_us"] * scale, 3, CPU_COLOUR))
        end = x + LABEL + max(line["wall_us"], line["cpu_us"]) * scale + 6
        drawn.append(
            text(
                end,
                at + 13,
                f"{line['wall_us']:.0f} µs · {line['cpu_us']:.0f}",
                11,
                INK if is_celper else FAINT,
                bold=is_celper,
            )
        )
    return drawn


def svg(results: Results) -> str:
    drawn: list[str] = []
    y, row = float(TOP), 0.0
    for number, (name, load, lines) in enumerate(panels(results)):
        column = number % COLUMNS
        if column == 0:
            y, row = y + row, 0.0
        drawn += panel(EDGE + column * (COLUMN + GAP), y, name, load, lines)
        row = max(row, HEAD + ROW * len(lines) + 14)
    height = y + row + FOOT
    legend = [
        text(EDGE, 30, "Time per call, compared with other HTTP clients", 18, bold=True),
        text(EDGE, 52, "Candidate status, parsed into typed values. Shorter is better.", 12, FAINT),
        bar(EDGE + 560, 42, 26, 10, OTHER_COLOUR),
        text(EDGE + 592, 52, "time", 12, FAINT),
        bar(EDGE + 632, 46, 26, 3, CPU_COLOUR),
        text(EDGE + 664, 52, "CPU time", 12, FAINT),
        text(
            EDGE,
            height - 14,
            f"make bench, {results['machine']}; medians; client and server share the cores.",
            11,
            FAINT,
        ),
    ]
    body = "\n".join([*legend, *drawn])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'font-family="system-ui, sans-serif" role="img">\n<title>Time per call, compared with other HTTP clients</title>\n'
        f'<rect width="100%" height="100%" rx="8" fill="#ffffff"/>\n{body}\n</svg>\n'
    )
