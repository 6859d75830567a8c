"""The command's arguments, and its help."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from celper import InvalidArgumentError, RateLimits, __version__
from celper._cli.rows import FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DESCRIPTION = """\
Reads the status of candidates, invites, selects and rejects them: one by its id, or
all of a CSV file, as fast as the rate limits of the Celper API allow.

  celper status cand_xyz789 --position pos_abc123
  celper invite candidates.csv --position pos_abc123 --dry-run
  celper invite candidates.csv --position pos_abc123 --subject "Your interview" --body-file mail.txt
  celper decide decisions.csv
"""

_EPILOG = """\
The API key is read from the environment variable CELPER_API_KEY, and from nowhere
else: other users of the machine can see the arguments of a command.

`celper COMMAND --help` has the options. The same command again goes on where the
last run stopped, whatever stopped it.
"""

_FILES = """\
the file:
  Its first line has the names of the columns. Upper case, spaces and punctuation do
  not matter, and other columns are ignored:
{columns}
  Commas, semicolons and tabs, with UTF-8 and Excel's UTF-16, are recognized. `-` reads
  standard input. A candidate's id is everything that is not the name of an existing
  file, and has no / and no ending such as .csv.

running it again:
  Beside candidates.csv, the command writes candidates.results.csv, with a row for each
  candidate, and {journal}. With this journal the same command
  goes on where it stopped: what is done is not sent again, and what failed is tried
  again. Rows may be added meanwhile. {fresh}

the ending:
  Ctrl-C lets what is under way finish; a second one cancels it.
  Exit status: 0 all done; 1 some failed; 2 nothing was sent, because of the arguments
  or the file; 3 stopped, or not confirmed; 4 the output could not be written.

environment:
  CELPER_API_KEY            the API key
  CELPER_BASE_URL           as --base-url
  CELPER_RATE_LIMIT_STORE   as --rate-limit-store; may have a password
  HTTPS_PROXY, ALL_PROXY    the proxy
  SSL_CERT_FILE             certificates to trust
  NO_COLOR                  no colors
"""

_COLUMNS = {
    "candidate_id": "candidate_id (or candidate, id)",
    "job_position_id": "job_position_id (or position); optional with --position",
    "email_subject": "email_subject (or subject); optional",
    "email_body": "email_body (or body); optional",
    "decision": "decision: select or reject; rows where it is empty are skipped",
    "idempotency_key": "idempotency_key; optional",
}

_COMMANDS = {
    "invite": ("Invites candidates to their interview", "invite one candidate, or all of a file"),
    "select": ("Selects candidates", "select one candidate, or all of a file"),
    "reject": ("Rejects candidates", "reject one candidate, or all of a file"),
    "decide": (
        "Selects and rejects the candidates of a file, as its column `decision` says",
        "select and reject as a column says",
    ),
    "status": ("Reads the status of candidates", "read the status of one candidate, or of all of a file"),
}


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="celper",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"celper {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command, (description, summary) in _COMMANDS.items():
        _add(
            commands.add_parser(
                command,
                help=summary,
                description=f"{description}.",
                epilog=_files(command),
                formatter_class=argparse.RawDescriptionHelpFormatter,
                allow_abbrev=False,
            ),
            command,
        )
    return top


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parses the arguments; exits with 2 if they are wrong."""
    built = _parser()
    if "_ARGCOMPLETE" in os.environ:
        # Set by the shell's completion, which `register-python-argcomplete celper` prints.
        import argcomplete

        argcomplete.autocomplete(built)
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        built.print_help(sys.stderr)
        sys.exit(2)
    return built.parse_args(given)


def _files(command: str) -> str:
    columns = "\n".join(f"    {_COLUMNS[name]}" for name in FIELDS[command])
    if command == "status":
        fresh = "After a run that was not stopped,\n  the next one reads every status anew."
    else:
        fresh = "To begin anew on purpose, pass another\n  --batch-id, or delete the journal."
    journal = "candidates.status.journal.jsonl" if command == "status" else "candidates.journal.jsonl"
    return _FILES.format(columns=columns, fresh=fresh, journal=journal)


def _add(parser: argparse.ArgumentParser, command: str) -> None:
    is_file = command == "decide"
    target = "FILE" if is_file else "FILE|ID"
    parser.usage = f"celper {command} {target} [OPTIONS]"
    parser.add_argument("target", metavar=target, help="a CSV file" + ("" if is_file else ", or a candidate's id"))

    what = parser.add_argument_group("what to send")
    what.add_argument("--position", metavar="ID", help="the job position, for rows without one of their own")
    if command == "invite":
        what.add_argument("--subject", metavar="TEXT", help="the e-mail's subject, for rows without one")
        body = "a UTF-8 text file with the e-mail's body, for rows without one; {interviewLink} becomes the link"
        what.add_argument("--body-file", metavar="FILE", type=Path, help=body)
    column = "the header of a column, such as candidate_id=Bewerber; may be repeated"
    what.add_argument(
        "--column", metavar="NAME=HEADER", action="append", type=_column(command), default=[], help=column
    )
    what.add_argument("--encoding", metavar="NAME", help="the file's, such as cp1252; default: UTF-8, or UTF-16")
    if command in ("invite", "select", "reject"):
        what.add_argument("--idempotency-key", metavar="KEY", help="for one candidate: the key of its action")

    how = parser.add_argument_group("the run")
    how.add_argument("--dry-run", action="store_true", help="show what would be sent, and send nothing; needs no key")
    if command != "status":
        how.add_argument("-y", "--yes", action="store_true", help="do not ask, for scripts")
        how.add_argument("--batch-id", metavar="NAME", help="names the run; a new name begins anew")
    how.add_argument("--json", action="store_true", help="write a JSON object for each candidate to standard output")
    how.add_argument("--results", metavar="FILE", type=Path, help="the results file; default: beside FILE")
    how.add_argument("--journal", metavar="FILE", type=Path, help="the journal; default: beside FILE")

    service = parser.add_argument_group("the service")
    url = "the URL of the API; default: CELPER_BASE_URL, then https://api.celper.ai"
    service.add_argument("--base-url", metavar="URL", help=url)
    limits = "the limits to keep to; default: reads=40,actions=30,total=60,window=60 (seconds); none: no pacing"
    service.add_argument("--rate-limits", metavar="LIMITS", type=_rate_limits, default=RateLimits(), help=limits)
    store = "which processes share the limits: machine (the default), process, or a redis:// URL"
    service.add_argument("--rate-limit-store", metavar="STORE", help=store)


def _column(command: str) -> Callable[[str], tuple[str, str]]:
    def parse(text: str) -> tuple[str, str]:
        name, separator, header = text.partition("=")
        if not separator or name not in FIELDS[command]:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not NAME=HEADER with a name of: {', '.join(FIELDS[command])}"
            )
        return name, header

    return parse


def _rate_limits(text: str) -> RateLimits | None:
    if text == "none":
        return None
    given: dict[str, str] = {}
    for part in text.split(","):
        name, separator, value = part.partition("=")
        if not separator or name not in ("reads", "actions", "total", "window"):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not of the form reads=40,actions=30,total=60,window=60, or none"
            )
        given[name] = value
    try:
        counts = {name: int(value) for name, value in given.items() if name != "window"}
        window = float(given.get("window", 60))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} has a value that is not a number") from None
    try:
        return RateLimits(**counts, window=window)
    except InvalidArgumentError as error:
        raise argparse.ArgumentTypeError(error.message) from None
