"""The wheel: its files, and that it works on each version of Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import celper
from celper_sandbox import Sandbox

HERE = Path(__file__).parent
WHEELS = HERE.parents[1] / "target/wheels"


def test_the_sync_client_is_generated_from_the_async_one() -> None:
    command = [sys.executable, str(HERE.parent / "scripts/unasync.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def wheel() -> Path:
    (found,) = WHEELS.glob("*.whl")
    return found


def test_wheel_has_only_the_packages_files(wheel: Path) -> None:
    assert wheel.name.startswith(f"celper-{celper.__version__}-cp310-abi3-")
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(archive.namelist())
    package = {name for name in names if name.startswith("celper/")}
    sources = {
        path.relative_to(HERE.parent / "python").as_posix()
        for path in (HERE.parent / "python/celper").rglob("*.py*")
        if path.suffix in (".py", ".pyi")
    }
    assert package == {*sources, "celper/py.typed", "celper/_celper.abi3.so"}
    information = {Path(name).name for name in names if ".dist-info/" in name}
    assert {"METADATA", "RECORD", "WHEEL", "LICENSE"} <= information
    assert {name.split("/")[0] for name in names} == {"celper", f"celper-{celper.__version__}.dist-info"}


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_wheel_works_on_each_python(wheel: Path, sandbox: Sandbox, tmp_path: Path, version: str) -> None:
    """On each version that this machine has."""
    siblings = Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python{version}")
    found = [shutil.which(f"python{version}"), *map(str, siblings)]
    pythons = [
        python
        for python in found
        if python and not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode
    ]
    if not pythons:
        pytest.skip(f"no python{version} on this machine")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = """
import asyncio, pickle, sys
sys.path.insert(0, sys.argv[1])
import celper
client = celper.Celper(rate_limits=None)
state = client.get_candidate_status(sys.argv[2], job_position_id="pos_1")
assert pickle.loads(pickle.dumps(state)) == state
async def main():
    async with celper.AsyncCelper(rate_limits=None) as client:
        return await asyncio.gather(*(client.get_candidate_status(sys.argv[2], job_position_id="pos_1") for _ in range(20)))
assert {state.status for state in asyncio.run(main())} == {celper.CandidateStatus.NEW}
try:
    client.select_candidate(sys.argv[2], job_position_id="pos_1")
except celper.InvalidStatusError as error:
    print(f"{state.status} {error.kind}")
"""
    command = [pythons[0], "-I", "-W", "error", "-c", program, str(tmp_path), sandbox.create_candidate().id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("new invalid_status\n", "")
