"""Draws ``docs/images/command.svg``: the command in a terminal, in a real run against the sandbox.

``make docs-picture`` runs it. The run has the real limits, so it takes over a minute.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import pexpect
import pyte
from rich.color import ColorParseError
from rich.console import Console
from rich.style import Style
from rich.text import Text

from celper_sandbox import Limits, Sandbox

COLUMNS, SECONDS, CANDIDATES = 100, 75, 140
PICTURE = Path(__file__).parents[2] / "docs/images/command.svg"
COMMAND = 'celper invite candidates.csv --position pos_backend --subject "Your interview with us"'
# Without the fonts that rich's own form loads from the network.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "Fira Code", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def record(folder: Path) -> pyte.Screen:
    """The screen in the middle of a run."""
    screen = pyte.Screen(COLUMNS, 40)
    stream = pyte.Stream(screen)
    stream.feed(f"$ {COMMAND}\r\n")
    with Sandbox(limits=Limits()) as sandbox:
        rows = ["candidate_id,name"]
        for nth in range(1, CANDIDATES + 1):
            candidate = f"cand_{nth:03}"
            rows.append(f"{candidate},Candidate {nth}")
            if nth == 23:
                continue
            status = "invited" if nth == 42 else "new"
            sandbox.create_candidate(candidate, job_position_id="pos_backend", status=status)
        (folder / "candidates.csv").write_text("\n".join(rows), encoding="utf-8")
        command = Path(sys.executable).with_name("celper")
        environment = {**os.environ, **sandbox.environment, "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"}
        shell = pexpect.spawn(
            str(command),
            ["invite", "candidates.csv", "--position=pos_backend", "--subject=Your interview with us"],
            cwd=str(folder),
            env=environment,
            dimensions=(40, COLUMNS),
            encoding="utf-8",
        )
        end: float | None = None
        while end is None or time.monotonic() < end:
            try:
                text = shell.read_nonblocking(4096, timeout=0.2)
            except pexpect.TIMEOUT:
                continue
            stream.feed(text)
            if end is None and "[y/N]" in "".join(screen.display):
                shell.sendline("y")
                end = time.monotonic() + SECONDS
        shell.terminate(force=True)
    return screen


def draw(screen: pyte.Screen) -> None:
    """Writes the picture of a screen."""
    rows = [number for number, line in enumerate(screen.display) if line.strip()]
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for number in range(rows[-1] + 1):
        line = Text()
        for column in range(COLUMNS):
            character = screen.buffer[number][column]
            line.append(character.data, style(character))
        line.rstrip()
        console.print(line, no_wrap=True)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(console.export_svg(title="celper", code_format=SVG, unique_id="celper"), encoding="utf-8")


def style(character: pyte.screens.Char) -> Style:
    """How rich shows a character of the screen."""
    color = None if character.fg == "default" else character.fg
    if color and len(color) == 6 and not color.isalpha():
        color = f"#{color}"
    try:
        return Style(color={"brown": "yellow"}.get(color, color) if color else None, bold=character.bold)
    except ColorParseError:
        return Style(bold=character.bold)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        draw(record(Path(place)))
