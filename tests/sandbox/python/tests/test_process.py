"""The lifetime of the sandbox's process."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import celper_sandbox
from celper_sandbox import Sandbox, SandboxError, find_program

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="it is about signals and fork")


def until(check: Callable[[], bool], within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not check():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # A process that has exited stays in the list until its parent has waited for it; here init may be slow.
    stat = Path(f"/proc/{process_id}/stat")
    try:
        return not stat.parent.parent.is_dir() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def process_id(sandbox: Sandbox) -> int:
    return sandbox._process.pid


def test_it_exits_when_it_is_closed() -> None:
    sandbox = Sandbox()
    found = process_id(sandbox)
    assert runs(found)
    sandbox.close()
    assert not runs(found)
    sandbox.close()
    with pytest.raises(SandboxError, match="does not respond"):
        sandbox.candidates()


@unix_only
def test_a_process_that_dies_during_a_response_is_an_error() -> None:
    with Sandbox() as sandbox:
        os.kill(process_id(sandbox), signal.SIGSTOP)
        with ThreadPoolExecutor() as pool:
            pending = pool.submit(sandbox.candidates)
            # The request waits in the socket of a stopped process.
            time.sleep(0.2)
            os.kill(process_id(sandbox), signal.SIGKILL)
            with pytest.raises(SandboxError, match="does not respond"):
                pending.result()


def test_another_program_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELPER_SANDBOX", "/bin/echo")
    with pytest.raises(SandboxError, match=r"/bin/echo is not celper-sandbox: it printed '--host="):
        Sandbox()


def test_it_exits_when_it_is_garbage_collected() -> None:
    sandbox = Sandbox()
    found = process_id(sandbox)
    del sandbox
    gc.collect()
    assert not runs(found)


def program(body: str) -> subprocess.Popen[str]:
    head = "import os, sys, time, celper_sandbox\nsandbox = celper_sandbox.Sandbox()\n"
    head += "print(sandbox._process.pid, flush=True)\n"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", head + body],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_exits_with_a_program_that_does_not_close_it() -> None:
    child = program("")
    out, err = child.communicate(timeout=120)
    assert (child.returncode, err) == (0, "")
    assert not runs(int(out))


@unix_only
def test_it_exits_with_a_program_that_is_killed() -> None:
    with program("time.sleep(600)") as child:
        assert child.stdout is not None
        found = int(child.stdout.readline())
        assert runs(found)
        child.kill()
        child.communicate()
        until(lambda: not runs(found))


@unix_only
def test_it_exits_with_a_killed_program_whose_fork_lives_on() -> None:
    """The forked process holds the sandbox's standard input open."""
    with program("if forked := os.fork():\n    print(forked, flush=True)\ntime.sleep(600)") as child:
        assert child.stdout is not None
        found, forked = int(child.stdout.readline()), int(child.stdout.readline())
        child.kill()
        child.wait()
        try:
            until(lambda: not runs(found))
            assert runs(forked)
        finally:
            os.kill(forked, signal.SIGKILL)
        child.communicate()


@unix_only
def test_it_survives_a_fork_that_exits() -> None:
    body = """
if forked := os.fork():
    os.waitpid(forked, 0)
    print(sandbox.create_candidate().id)
else:
    sandbox.close()
"""
    child = program(body)
    out, err = child.communicate(timeout=120)
    found, created = out.split()
    assert (created, child.returncode, err) == ("cand_1", 0, "")
    assert not runs(int(found))


def test_each_has_another_key_or_the_given_one() -> None:
    with Sandbox() as one, Sandbox() as other, Sandbox(api_key="celp_mine") as given:
        assert one.api_key != other.api_key
        assert given.api_key == "celp_mine"


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=rf"did not start: .*listen on 127\.0\.0\.1:{port}: .*(in use|10048)"):
            Sandbox(port=port)


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CELPER_SANDBOX", str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError):
        Sandbox()


def test_the_program_is_the_one_that_came_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELPER_SANDBOX", raising=False)
    assert Path(find_program()).resolve().is_relative_to(Path(sys.prefix).resolve())


@pytest.mark.parametrize("command", [[find_program()], [sys.executable, "-m", "celper_sandbox"]], ids=["own", "-m"])
def test_the_program_can_be_run_directly(command: list[str]) -> None:
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=120, check=True)
    assert "--exit-with-parent" in done.stdout
    refused = subprocess.run([*command, "--frob"], capture_output=True, text=True, timeout=120, check=False)
    assert refused.returncode == 2


def test_the_version_is_the_project_s() -> None:
    manifest = (Path(__file__).parents[4] / "Cargo.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{celper_sandbox.__version__}"\n' in manifest
