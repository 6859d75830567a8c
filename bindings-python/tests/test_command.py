"""The command ``celper``, as a process and in a real terminal."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pexpect
import pyte
import pytest

from celper._cli import UsageError, results, rows, table
from celper._cli.results import ResultsFile
from celper._cli.rows import Task
from celper._cli.text import duration, fit, safe, width
from celper_sandbox import Limits, Sandbox
from support import wait_until

POSITION = "pos_1"
CELPER = [sys.executable, "-m", "celper"]
# The command where rich is not installed.
PLAIN = [sys.executable, "-c", "import sys; sys.modules['rich'] = None; from celper._cli.main import entry; entry()"]
# Windows so short that hundreds of candidates take seconds.
SHORT = Limits(reads=125, actions=125, total=125, window=1)
SHORT_OPTION = "--rate-limits=reads=125,actions=125,total=125,window=1"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def celper(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CELPER, *arguments],
        input=stdin,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def write_candidates(sandbox: Sandbox, number: int, path: str = "candidates.csv", **fields: Any) -> list[str]:
    ids = [f"cand_{nth}" for nth in range(number)]
    for candidate in ids:
        sandbox.create_candidate(candidate, job_position_id=POSITION, **fields)
    Path(path).write_text("candidate_id\n" + "".join(f"{candidate}\n" for candidate in ids), encoding="utf-8")
    return ids


def results_of(path: str = "candidates.results.csv") -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def acted(sandbox: Sandbox) -> list[str]:
    """The candidates of the requests that changed something."""
    return [request.candidate_id or "" for request in sandbox.requests() if request.acted]


class Shell:
    """A command in a terminal, and what the terminal shows."""

    def __init__(self, command: list[str], *, columns: int = 100, lines: int = 50, **environment: str) -> None:
        # These would count instead of the terminal's size.
        inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        self.process = pexpect.spawn(
            command[0],
            command[1:],
            env={**inherited, **environment},
            dimensions=(lines, columns),
            encoding="utf-8",
            timeout=30,
        )
        self._screen = pyte.Screen(columns, lines)
        stream = pyte.Stream(self._screen)
        self.raw = ""

        def show(text: str) -> None:
            self.raw += text
            stream.feed(text)

        self.process.logfile_read = SimpleNamespace(write=show, flush=lambda: None)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    def finish(self) -> int:
        self.process.expect(pexpect.EOF)
        self.process.close()
        return int(self.process.exitstatus)


# Reading files


def read(data: bytes, encoding: str | None = None) -> table.Table:
    return table.read(data, "f.csv", encoding=encoding, recognizes=rows.recognizes)


@pytest.mark.parametrize(
    ("data", "delimiter"),
    [
        (b"candidate_id,note\nc1,x\n\nc2,y\n", ","),
        (b"\xef\xbb\xbfcandidate_id,note\r\nc1,x\r\n\r\nc2,y\r\n", ","),
        (b"candidate_id;note, and more\r\nc1;x\r\n;\r\nc2;y", ";"),
        (b"candidate_id\tnote\rc1\tx\r\t\rc2\ty\r", "\t"),
        (codecs.BOM_UTF16_LE + "candidate_id\tnote\r\nc1\tx\r\n\r\nc2\ty\r\n".encode("utf-16-le"), "\t"),
        (codecs.BOM_UTF16_BE + "candidate_id;note\r\nc1;x\r\n\r\nc2;y\r\n".encode("utf-16-be"), ";"),
    ],
    ids=["plain", "bom", "semicolons", "tabs", "utf-16-le", "utf-16-be"],
)
def test_files_are_read_as_spreadsheets_write_them(data: bytes, delimiter: str) -> None:
    found = read(data)
    assert (found.header[0], found.delimiter) == ("candidate_id", delimiter)
    assert [(record.line, record.cells[0]) for record in found.records] == [(2, "c1"), (4, "c2")]


def test_lines_are_those_of_the_file() -> None:
    found = read(b'sep=;\r\n\r\nId;Body\r\nc1;"three\r\nlines;\n"\r\nc2;"a ""quote"""\r\n')
    assert [(record.line, record.cells) for record in found.records] == [
        (4, ["c1", "three\r\nlines;\n"]),
        (7, ["c2", 'a "quote"']),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"candidate_id\nc1\nM\xfcller\n", "line 3: byte 0xFC is not UTF-8; save the file as UTF-8"),
        (b"PK\x03\x04...", "an Excel workbook"),
        ("candidate_id\nc1\n".encode("utf-16-le"), "NUL"),
        (b"\n \n", "is empty"),
        (b"sep=;\n\n", "is empty"),
        (b'candidate_id\nc1\n"c2\nc3\n', "line 3: a quoted cell has no closing quote"),
        (b'candidate_id,x\n"c1"2,y\n', "line 2: a quoted cell has text after its closing quote"),
    ],
)
def test_files_that_cannot_be_read_say_how_to_save_them(data: bytes, message: str) -> None:
    with pytest.raises(UsageError) as error:
        read(data)
    assert message in str(error.value)


def test_the_encoding_can_be_named() -> None:
    assert read("candidate_id;name\nc1;Müller\n".encode("cp1252"), "cp1252").records[0].cells == ["c1", "Müller"]


# Columns and rows


@pytest.mark.parametrize("header", ["candidate_id", "candidateId", "Candidate ID", " CANDIDATE-ID ", "id"])
def test_columns_are_found_by_their_usual_spellings(header: str) -> None:
    columns = rows.map_columns(read(f"Row,{header},Position,Notes\n".encode()), "f.csv", "invite", {})
    assert columns.places == {"candidate_id": 1, "job_position_id": 2}
    assert columns.ignored == ["Row", "Notes"]


@pytest.mark.parametrize(
    ("header", "command", "message"),
    [
        ("name,position", "invite", "has no column candidate_id; it has: name, position"),
        ("candidate_id,Candidate Id", "invite", "two columns for candidate_id: 'candidate_id' (column 1) and"),
        ("candidate_id,decision", "select", "use `celper decide`"),
        ("candidate_id,position", "decide", "has no column decision"),
    ],
)
def test_columns_that_cannot_be_understood_are_named(header: str, command: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        rows.map_columns(read(f"{header}\n".encode()), "f.csv", command, {})
    assert message in str(error.value)


def test_all_problems_are_reported_before_anything_is_sent(sandbox: Sandbox) -> None:
    lines = [
        "Candidate Id;position;subject",
        "c1;pos_1;",
        ";pos_1;",
        "c2;;",
        "c1;pos_1;",
        'c3;pos_1;"two\nlines"',
        "a;b;c;d",
    ]
    Path("f.csv").write_text("\n".join([*lines, *[";pos_1;"] * 30]), encoding="utf-8")
    done = celper("invite", "f.csv", "--yes")
    assert done.returncode == 2
    shown = done.stderr.splitlines()
    assert shown[:6] == [
        "celper: f.csv has 35 problems; nothing was sent",
        "  line 3: Candidate Id is empty",
        "  line 4: position is empty, and there is no --position",
        "  line 5: c1 is on line 2 already; remove one of the two",
        "  line 6: email_subject contains a line break or another control character; a subject is one line",
        "  line 8: 4 cells instead of 3; quote cells that contain ';'",
    ]
    assert shown[-1] == "  and 15 more"
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["invite", "none.csv"], "there is no file none.csv"),
        (["invite", "cand_1"], "pass --position"),
        (["invite", "f.csv", "--position", "other"], "line 2: the position is pos_1, but --position says other"),
        (["invite", "f.csv", "--body-file", "none.txt"], "none.txt"),
        (["invite", "f.csv", "--rate-limits", "fast"], "is not of the form"),
        (["invite", "f.csv", "--rate-limits", "reads=1e3"], "'reads=1e3' has a value that is not a number"),
        (["invite", "f.csv", "--subject", " "], "--subject is empty"),
        (["invite", "f.csv", "--results", "f.csv"], "is the file itself"),
        (["invite", "-"], "--batch-id"),
        (["invite", "f.csv"], "no terminal to ask at; pass --yes"),
        (["select", "cand_1", "--position", "p", "--idempotency-key", "ü"], "idempotency_key may contain only"),
    ],
)
def test_wrong_usage_sends_nothing(sandbox: Sandbox, arguments: list[str], message: str) -> None:
    Path("f.csv").write_text("id,position\nc1,pos_1\nc2,pos_1\n", encoding="utf-8")
    done = celper(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sandbox.requests() == []


def test_a_dry_run_needs_no_key_and_shows_what_would_be_sent() -> None:
    Path("mail.txt").write_text("Welcome! {interviewLink}\n", encoding="utf-8")
    Path("f.csv").write_text("id,name\n" + "".join(f"cand_{nth},x\n" for nth in range(500)), encoding="utf-8")
    command = ["invite", "f.csv", "--position=pos_1", "--subject=Your interview", "--body-file=mail.txt", "--dry-run"]
    done = celper(*command, CELPER_API_KEY="")
    assert (done.returncode, done.stderr) == (0, "")
    for text in [
        "Invite 500 candidates",
        "candidate_id from 'id'",
        "cand_0, cand_1",
        "Your interview",
        "Welcome!",
        "at least 16 min",
    ]:
        assert text in done.stdout
    assert sorted(path.name for path in Path().iterdir()) == ["f.csv", "mail.txt"]


# Text and results


def test_text_is_safe_and_fits() -> None:
    assert safe("a\x1b[31m\u202eb\n") == "a\\x1b[31m\\u202eb\\n"
    assert [width(text) for text in ["abc", "日本", "é"]] == [3, 4, 1]
    assert fit("日本語のテスト", 7) == "日本語…"
    assert [duration(seconds) for seconds in [0, 0.44, 59.7, 964, 7500, 90000]] == [
        "0 s",
        "0.4 s",
        "1 min",
        "16 min 4 s",
        "2 h 5 min",
        "1 d 1 h",
    ]


def test_the_results_file_is_whole_at_any_moment_and_defuses_formulas(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    tasks = [Task("invite", f"{start}1+1", POSITION, line=nth + 2) for nth, start in enumerate("=+-@\tx")]
    records = [results.not_started(task, known=True) for task in tasks]
    file = ResultsFile(path, delimiter=";", newline="\r\n", has_bom=True)
    file.begin({"invite"})
    file.add(records[3])
    (row,) = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=";")
    assert (row["line"], row["candidate_id"], row["outcome"]) == ("5", "'@1+1", "not attempted")
    with path.open("rb") as opened:
        file.finish(records)
        # It was replaced, not written over.
        assert opened.read().count(b"\r\n") == 2
    assert path.read_bytes().startswith(b"\xef\xbb\xbfline;candidate_id;")
    found = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=";"))
    assert [row["candidate_id"] for row in found] == ["'=1+1", "'+1+1", "'-1+1", "'@1+1", "'\t1+1", "x1+1"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.csv"]


def test_other_files_are_never_overwritten(sandbox: Sandbox) -> None:
    write_candidates(sandbox, 2)
    Path("candidates.results.csv").write_text("mine\n", encoding="utf-8")
    done = celper("invite", "candidates.csv", "--position", POSITION, "--yes")
    assert done.returncode == 2
    assert "not a results file" in done.stderr
    assert (Path("candidates.results.csv").read_text(encoding="utf-8"), acted(sandbox)) == ("mine\n", [])
    assert not Path("candidates.journal.jsonl").exists()


# One candidate


def test_one_candidate(sandbox: Sandbox) -> None:
    sandbox.create_interviewed_candidate("cand_1", job_position_id=POSITION)
    done = celper("status", "cand_1", "--position", POSITION)
    assert (done.returncode, done.stdout, done.stderr) == (0, "cand_1: interviewed, analysis viewed, score 85\n", "")
    done = celper("select", "cand_1", "--position", POSITION, "--json", "--idempotency-key", "k-1")
    shown = json.loads(done.stdout)
    assert (done.returncode, shown["result"]["status"], shown["idempotency_key"]) == (0, "selected", "k-1")
    done = celper("reject", "cand_1", "--position", POSITION)
    assert (done.returncode, done.stdout) == (1, "")
    assert "INVALID_STATUS_TRANSITION" in done.stderr
    assert list(Path().iterdir()) == []


# Files


def test_decisions_errors_and_another_run(sandbox: Sandbox) -> None:
    for candidate in ("a", "b", "c"):
        sandbox.create_interviewed_candidate(candidate, job_position_id=POSITION)
    sandbox.change_candidate("b", job_position_id=POSITION, analysis_viewed=False)
    text = "Candidate Id;Position;Decision\r\na;pos_1;Select\r\nb;pos_1;rejected\r\nc;pos_1;\r\nnobody;pos_1;select\r\n"
    Path("d.csv").write_text(text, encoding="utf-8", newline="")
    done = celper("decide", "d.csv", "--yes")
    assert done.returncode == 1, done.stderr
    assert "1 selected, 2 failed" in done.stdout
    assert "1 × analysis_not_viewed (ANALYSIS_NOT_VIEWED)" in done.stdout
    assert "open the interview's analysis" in done.stdout
    assert "line 5" in done.stdout
    assert "1 row without a decision" in done.stderr
    with Path("d.results.csv").open(encoding="utf-8", newline="") as file:
        found = {row["candidate_id"]: row for row in csv.DictReader(file, delimiter=";")}
    assert {name: row["outcome"] for name, row in found.items()} == {"a": "ok", "b": "failed", "nobody": "failed"}
    assert found["b"]["error_code"] == "ANALYSIS_NOT_VIEWED"

    sandbox.change_candidate("b", job_position_id=POSITION, analysis_viewed=True)
    Path("d.csv").write_text(
        text.replace("nobody;pos_1;select\r\n", "c;pos_1;reject\r\n").replace("c;pos_1;\r\n", ""),
        encoding="utf-8",
        newline="",
    )
    done = celper("decide", "d.csv", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert {item["candidate_id"]: item["resumed"] for item in shown} == {"a": True, "b": False, "c": False}
    assert sorted(acted(sandbox)) == ["a", "b", "c"]


def test_statuses_are_read_anew_each_time_and_keep_the_results_of_others(sandbox: Sandbox) -> None:
    write_candidates(sandbox, 3)
    assert celper("invite", "candidates.csv", "--position", POSITION, "--yes").returncode == 0
    first = celper("status", "candidates.csv", "--position", POSITION)
    assert (first.returncode, "3 invited" in first.stdout) == (0, True), first.stderr
    sandbox.change_candidate("cand_0", job_position_id=POSITION, status="interviewed")
    assert "2 invited, 1 interviewed" in celper("status", "candidates.csv", "--position", POSITION).stdout
    assert sorted(path.name for path in Path().iterdir()) == [
        "candidates.csv",
        "candidates.invite.results.csv",
        "candidates.journal.jsonl",
        "candidates.results.csv",
    ]


def test_a_rejected_key_ends_the_run_and_every_row_has_a_result(sandbox: Sandbox) -> None:
    write_candidates(sandbox, 60)
    limits = "--rate-limits=actions=30,window=0.5"
    key = "celp_" + "0" * 32
    done = celper("invite", "candidates.csv", "--position", POSITION, "--yes", limits, CELPER_API_KEY=key)
    assert done.returncode == 1
    assert "Check CELPER_API_KEY" in done.stdout
    outcomes = [row["outcome"] for row in results_of()]
    assert set(outcomes) == {"failed", "not attempted"}
    assert len(outcomes) == 60
    assert key not in done.stdout + done.stderr
    assert celper("invite", "candidates.csv", "--position", POSITION, "--yes", limits).returncode == 0


def test_a_pipe_that_closes_stops_the_run_quietly(sandbox: Sandbox) -> None:
    write_candidates(sandbox, 300)
    sandbox.set_limits(SHORT)
    command = (
        f"'{sys.executable}' -m celper invite candidates.csv --position {POSITION} --yes --json {SHORT_OPTION} 2>errors"
    )
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 141
    assert done.stdout.count(b"\n") == 1
    assert b"Error" not in Path("errors").read_bytes()
    assert 0 < len(acted(sandbox)) < 300
    # What was sent is in the results.
    assert {row["candidate_id"] for row in results_of() if row["outcome"] == "ok"} == set(acted(sandbox))


def test_standard_input(sandbox: Sandbox) -> None:
    sandbox.create_candidate("cand_1", job_position_id=POSITION)
    text = "id,position\ncand_1,pos_1\n"
    done = celper("invite", "-", "--batch-id", "spring 2026", "--yes", stdin=text)
    assert done.returncode == 0, done.stderr
    again = celper("invite", "-", "--batch-id", "spring 2026", "--yes", stdin=text)
    assert (again.returncode, "1 invited (all in an earlier run)" in again.stdout) == (0, True)
    assert sorted(path.name for path in Path().iterdir()) == ["spring-2026.journal.jsonl", "spring-2026.results.csv"]


# In a terminal


def test_it_asks_and_no_means_no(sandbox: Sandbox) -> None:
    write_candidates(sandbox, 2)
    shell = Shell([*CELPER, "invite", "candidates.csv", "--position", POSITION], NO_COLOR="1")
    shell.process.expect_exact("Invite 2 candidates? [y/N] ")
    shell.process.sendline("")
    assert shell.finish() == 3
    assert "Nothing was sent." in shell.lines
    assert "\x1b[1m" not in shell.raw
    assert sandbox.requests() == []


@pytest.mark.parametrize("command", [CELPER, PLAIN], ids=["rich", "plain"])
def test_a_narrow_terminal_and_hostile_texts(sandbox: Sandbox, command: list[str]) -> None:
    write_candidates(sandbox, 4)
    sandbox.create_candidate("日本_\u202e", job_position_id=POSITION)
    with Path("candidates.csv").open("a", encoding="utf-8") as file:
        file.write("日本_\u202e\n")
    message = "\x1b]0;owned\x07\x1b[2J" + "long " * 40
    sandbox.queue_fault(
        "cand_1", "status", status=409, json={"success": False, "error": "A\x1b[5mB", "message": message}
    )
    shell = Shell([*command, "invite", "candidates.csv", "--position", POSITION], columns=40)
    shell.process.expect_exact("[y/N] ")
    shell.process.sendline("y")
    assert shell.finish() == 1
    assert "owned\x07" not in shell.raw
    assert "\x1b[5m" not in shell.raw
    assert "\u202e" not in shell.raw
    assert any(line.startswith("4 invited, 1 failed") for line in shell.lines), shell.lines
    assert "Inviting" not in "\n".join(shell.lines)


def test_500_candidates_killed_interrupted_and_resumed(sandbox: Sandbox) -> None:
    ids = write_candidates(sandbox, 500)
    sandbox.set_limits(SHORT)
    arguments = ["invite", "candidates.csv", "--position", POSITION, SHORT_OPTION]

    # In a shared store a killed process keeps its slots for half a minute.
    command = [*CELPER, *arguments, "--yes", "--rate-limit-store=process"]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until(lambda: len(acted(sandbox)) >= 60 and results_of())
    killed.kill()
    killed.wait()
    # A whole CSV file, with what had ended.
    found = results_of()
    ended = len(found)
    assert 0 < ended < 500
    assert all(row["outcome"] == "ok" and row["resumed"] == "" for row in found)

    # A row more does not matter.
    sandbox.create_candidate("cand_late", job_position_id=POSITION)
    with Path("candidates.csv").open("a", encoding="utf-8") as file:
        file.write("cand_late\n")
    shell = Shell([*PLAIN, *arguments])
    shell.process.expect_exact("continues the run of")
    shell.process.expect_exact("[y/N] ")
    shell.process.sendline("yes")
    shell.process.expect("rate limit: next in")
    shell.process.sendintr()
    assert shell.finish() == 3, shell.lines
    text = "\n".join(shell.lines)
    assert "Stopping: what is under way finishes" in text
    assert "The same command again goes on where this one stopped." in text
    found = results_of()
    outcomes = [row["outcome"] for row in found]
    assert [row["candidate_id"] for row in found] == [*ids, "cand_late"]
    assert set(outcomes) == {"ok", "not attempted"}
    assert outcomes.count("ok") >= ended

    done = celper(*arguments, "--yes")
    assert done.returncode == 0, done.stderr
    assert "501 invited (" in done.stdout
    assert [row["outcome"] for row in results_of()] == ["ok"] * 501
    assert sorted(acted(sandbox)) == sorted([*ids, "cand_late"])


def test_a_second_interrupt_cancels(sandbox: Sandbox) -> None:
    write_candidates(sandbox, 3)
    for candidate in ("cand_0", "cand_1", "cand_2"):
        sandbox.queue_fault(candidate, "delay", seconds=60)
    shell = Shell([*CELPER, "reject", "candidates.csv", "--position", POSITION, "-y"])
    wait_until(lambda: len(sandbox.requests()) == 3)
    shell.process.sendintr()
    shell.process.expect_exact("Stopping:")
    shell.process.sendintr()
    assert shell.finish() == 3
    assert {row["outcome"] for row in results_of()} == {"unknown"}
    sandbox.clear_faults()


def test_the_package_does_not_import_the_command() -> None:
    program = (
        "import sys, celper; print([name for name in sys.modules if '_cli' in name or name in ('argparse', 'csv')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_closed_streams_are_no_fault_of_the_command(sandbox: Sandbox) -> None:
    (candidate,) = write_candidates(sandbox, 1)
    command = f"{sys.executable} -m celper status candidates.csv --position {POSITION} <&- >&- 2>&-"
    assert subprocess.run(command, shell=True, timeout=60, check=False).returncode == 0
    assert [row["candidate_id"] for row in results_of()] == [candidate]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_results_that_are_a_pipe_or_a_device_are_refused(sandbox: Sandbox) -> None:
    write_candidates(sandbox, 1)
    os.mkfifo("pipe")
    done = celper("status", "candidates.csv", "--position", POSITION, "--results", "pipe")
    assert (done.returncode, "not a regular file" in done.stderr) == (2, True)


def test_a_candidate_id_that_is_too_long_for_a_file_name_is_an_id(sandbox: Sandbox) -> None:
    done = celper("status", "c" * 1000, "--position", POSITION)
    assert (done.returncode, "not_found" in done.stderr or "no such candidate" in done.stderr) == (1, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("option", ["", "--json"])
def test_output_that_cannot_be_written_is_an_error(sandbox: Sandbox, option: str) -> None:
    write_candidates(sandbox, 2)
    command = f"{sys.executable} -m celper status candidates.csv --position {POSITION} {option} >/dev/full"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "standard output cannot be written: No space left on device" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="this system has no limit for files")
def test_a_full_disk_ends_the_run_and_leaves_whole_rows(sandbox: Sandbox) -> None:
    ids = write_candidates(sandbox, 20)
    command = f"{sys.executable} -m celper invite candidates.csv --position {POSITION} --yes --rate-limits none"
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 2; {command}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert full.returncode == 1
    assert "The results could not be written" in full.stdout
    assert "Remove the cause, and run the same command again" in full.stdout
    assert {len(row) for row in csv.reader(Path("candidates.results.csv").read_text().splitlines())} == {18}
    assert celper(*command.split()[3:]).returncode == 0
    assert sorted(acted(sandbox)) == sorted(ids)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_hangup_stops_the_run_unless_it_is_ignored(sandbox: Sandbox, ignored: bool) -> None:
    write_candidates(sandbox, 6)
    limits = "--rate-limits=reads=2,actions=2,total=2,window=1"
    command = [*CELPER, "invite", "candidates.csv", "--position", POSITION, "--yes", limits]
    # These tests may themselves have been started with nohup.
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGHUP, hangup)
    wait_until(lambda: acted(sandbox))
    run.send_signal(signal.SIGHUP)
    run.send_signal(signal.SIGHUP)
    assert run.wait(60) == (0 if ignored else 3)
    assert {row["outcome"] for row in results_of()} == ({"ok"} if ignored else {"ok", "not attempted"})


def test_another_run_that_takes_the_results_file_loses_no_results(sandbox: Sandbox) -> None:
    write_candidates(sandbox, 3)
    sandbox.queue_fault("cand_2", "delay", seconds=3)
    command = [*CELPER, "invite", "candidates.csv", "--position", POSITION, "--yes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as first:
        wait_until(lambda: Path("candidates.results.csv").exists() and len(results_of()) == 2)
        assert celper("status", "candidates.csv", "--position", POSITION).returncode == 0
        output, _ = first.communicate(timeout=60)
    assert "Results: candidates.invite.results.csv" in output
    for path, operation in [("candidates.invite.results.csv", "invite"), ("candidates.results.csv", "status")]:
        assert [(row["operation"], row["outcome"]) for row in results_of(path)] == [(operation, "ok")] * 3


def test_a_terminal_without_unicode_shows_no_escapes(sandbox: Sandbox) -> None:
    write_candidates(sandbox, 6)
    limits = "--rate-limits=reads=3,actions=3,total=3,window=1"
    shell = Shell([*CELPER, "status", "candidates.csv", "--position", POSITION, limits], PYTHONIOENCODING="ascii")
    assert shell.finish() == 0
    assert "\\u" not in shell.raw
    assert "3/6" in shell.raw
