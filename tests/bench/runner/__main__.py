"""Runs the benchmarks and writes the results: `python3 tests/bench/runner [--json] [LANGUAGE...]`.

Without a language it only rewrites the table and the chart, from the last results.
"""

from __future__ import annotations

import argparse
import json
import sys

import chart
import report
import results
from languages import LANGUAGES, SERVER, SWIFT_BUILT
from measure import Line, log, measure
from process import ClientError, Server
from targets import text, verdicts

BY_NAME = {language.name: language for language in LANGUAGES}


def lines_of(language: str) -> list[Line]:
    with Server(SERVER) as server:
        return measure(BY_NAME[language], server)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("languages", nargs="*", metavar="LANGUAGE", help=", ".join(BY_NAME))
    options.add_argument("--json", action="store_true", help="print only the measured lines, as JSON")
    chosen = options.parse_args()
    if unknown := set(chosen.languages) - set(BY_NAME):
        options.error(f"unknown: {', '.join(unknown)}")
    results.FOLDER.mkdir(exist_ok=True)
    for language in chosen.languages:
        if language == "swift" and not SWIFT_BUILT.exists():
            log("skipped Swift: its programs are not built")
            continue
        try:
            lines = lines_of(language)
        except ClientError as error:
            log(f"{language} failed: {error}")
            return 1
        results.merge(language, lines)
        if chosen.json:
            print("\n".join(json.dumps(results.rounded(line)) for line in lines))
        else:
            print(
                f"\n{report.title(language)}\n{report.calls(lines)}\n\n{report.starts(lines)}\n{report.server_time(lines)}"
            )
            for verdict in verdicts(lines):
                print(text(verdict, report.title))
    merged = results.load()
    (results.FOLDER / "table.md").write_text(report.markdown(merged))
    (results.FOLDER / "calls.svg").write_text(chart.svg(merged))
    return 0


if __name__ == "__main__":
    sys.exit(main())
