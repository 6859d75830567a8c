"""A program that PyInstaller has frozen: it has the modules that only native code imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from celper_sandbox import Sandbox

PROGRAM = """
import asyncio, logging, sys
import celper

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s")
logging.getLogger("asyncio").disabled = True
print(celper.Celper(rate_limits=None).get_candidate_status(sys.argv[1], job_position_id="pos_1").status)


async def main():
    async with celper.AsyncCelper(rate_limits=None) as client:
        try:
            await client.select_candidate(sys.argv[1], job_position_id="pos_1")
        except celper.InvalidStatusError as error:
            print(error.kind)


asyncio.run(main())
"""


def test_a_frozen_program(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    freeze = [sys.executable, "-m", "PyInstaller", "--onefile", "--log-level", "ERROR", "--distpath", str(tmp_path)]
    environment = {**os.environ, "PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache")}
    subprocess.run([*freeze, "program.py"], cwd=tmp_path, env=environment, check=True, timeout=240)
    command = [str(tmp_path / "program"), sandbox.create_candidate().id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["celper", "new", "celper", "invalid_status"]), done.stderr
