"""The command ``celper``: from its arguments to its exit status."""

from __future__ import annotations

import io
import os
import sys

from celper import Celper, CelperError, InvalidArgumentError, __version__
from celper._cli import OutputError, UsageError, arguments, inputs, plan, run, summary
from celper._cli.results import FAILED, OK
from celper._cli.text import Terminal, safe
from celper._cli.words import WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from celper._cli.plan import Plan
    from celper._cli.results import Record, ResultsFile

ALL_DONE, SOME_FAILED, USAGE, STOPPED, OUTPUT_FAILED, BROKEN_PIPE = 0, 1, 2, 3, 4, 141


def main(arguments_: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What an encoding cannot express is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    terminal = Terminal(sys.stderr)
    try:
        status = _run(arguments.parse(arguments_), terminal)
        sys.stdout.flush()
        return status
    except UsageError as error:
        return _fail(terminal, str(error), USAGE)
    except InvalidArgumentError as error:
        return _fail(terminal, safe(error.message), USAGE)
    except CelperError as error:
        return _fail(terminal, safe(str(error)), SOME_FAILED)
    except KeyboardInterrupt:
        return _fail(terminal, "interrupted", STOPPED)
    except BrokenPipeError:
        _silence()
        return BROKEN_PIPE
    except OutputError as error:
        _fail(terminal, str(error), OUTPUT_FAILED)
        _silence()
        return OUTPUT_FAILED
    except Exception as error:
        if os.environ.get("CELPER_DEBUG"):
            raise
        what = f"{type(error).__name__}: {safe(str(error))}"
        return _fail(
            terminal, f"{what}. This is a fault of the command; please report it. CELPER_DEBUG=1 shows where.", 1
        )


def entry() -> None:
    """What the installed command calls."""
    sys.exit(main())


def _fail(terminal: Terminal, text: str, status: int) -> int:
    try:
        terminal.line(f"{terminal.style('celper:', '31')} {text}")
    except (OSError, OutputError):
        _silence()
    return status


def _open_closed_streams() -> None:
    """Gives streams that are closed (``>&-``) a file: their descriptors would go to the journal or the results."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process


def _silence() -> None:
    """The output cannot be written: Python must not fail to flush it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _run(options: Namespace, terminal: Terminal) -> int:
    planned, file = inputs.plan_of(options)
    if options.dry_run:
        out = Terminal(sys.stdout)
        plan.show(planned, out)
        plan.show_rows(planned, out)
        out.line("\nNothing was sent.")
        return ALL_DONE
    # Before the question, so that nobody confirms what cannot be done.
    if file is not None:
        file.check()
    client = Celper(
        base_url=options.base_url,
        rate_limits=options.rate_limits,
        rate_limit_store=options.rate_limit_store,
        app_info=f"celper-command/{__version__}",
    )
    with client:
        planned.base_url = client.base_url
        if planned.columns is not None:
            plan.show(planned, terminal)
            asks = planned.has_actions and len(planned.tasks) > 1 and not options.yes
            if asks and not plan.confirm(planned, terminal):
                terminal.line("Nothing was sent.")
                return STOPPED
            terminal.line()
        return _execute(planned, file, client, terminal, as_json=options.json)


def _execute(planned: Plan, file: ResultsFile | None, client: Celper, terminal: Terminal, *, as_json: bool) -> int:
    running = run.Run(planned, client, terminal, as_json=as_json)
    result = running.execute(file)
    if file is not None:
        planned.results = file.path
    outcomes = {record["outcome"] for record in result.records}
    if planned.removes_journal and planned.journal is not None and outcomes <= {OK, FAILED}:
        planned.journal.unlink(missing_ok=True)
    if running.output_error is not None:
        raise running.output_error
    out = terminal if as_json else Terminal(sys.stdout)
    if planned.columns is None:
        _show_one(result.records[0], out, terminal, as_json=as_json)
    else:
        if out.is_live:
            out.line()
        summary.show(result, out)
        _show_next(planned, outcomes, result.results_error, out)
    if result.was_stopped:
        return STOPPED
    return ALL_DONE if outcomes == {OK} and result.results_error is None else SOME_FAILED


def _show_next(planned: Plan, outcomes: set[str], results_error: str | None, out: Terminal) -> None:
    if results_error is not None:
        out.line(f"The results could not be written to {safe(str(planned.results))}: {results_error}.")
    elif planned.results is not None:
        out.line(f"Results: {safe(str(planned.results))}")
    if planned.journal is None or outcomes == {OK}:
        return
    if outcomes <= {OK, FAILED}:
        if planned.has_actions:
            out.line("The same command again tries what failed once more, and nothing else.")
    else:
        out.line("The same command again goes on where this one stopped.")


def _show_one(record: Record, out: Terminal, errors: Terminal, *, as_json: bool) -> None:
    result, error = record["result"], record["error"]
    name = safe(record["candidate_id"])
    if error is not None:
        _fail(errors, f"{name}: {safe(error['text'])}", SOME_FAILED)
        if error["outcome_unknown"]:
            key = error["idempotency_key"]
            errors.line(f"With the same key it takes place only once: --idempotency-key {safe(str(key))}")
    elif result is None:
        errors.line(
            f"{name}: stopped; {'nothing was sent' if record['outcome'] != 'unknown' else 'the outcome is unknown'}"
        )
    elif not as_json:
        said = [WORDS[record["operation"]][2] if record["operation"] == "invite" else safe(str(result["status"]))]
        if record["operation"] == "status":
            said.append("analysis viewed" if result["analysis_viewed"] else "analysis not viewed")
            if result["interview_score"] is not None:
                said.append(f"score {result['interview_score']:g}")
        if record["operation"] == "invite" and not record["already_done"]:
            said += [f"session {safe(result['session_id'])}", f"open until {safe(str(result['expires_at']))}"]
        out.line(f"{name}: {', '.join(said)}")
