"""The wheel in an empty environment without Rust, and the README's examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES: list[str] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PROGRAMS = "Scripts" if sys.platform == "win32" else "bin"


class Environment:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=True)
        self.programs = folder / "venv" / PROGRAMS
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("CELPER_", "PYTEST_", "PYTHON"))}
        self.variables = {**kept, "PATH": os.pathsep.join([str(self.programs), *os.defpath.split(os.pathsep)])}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        program = self.programs / command[0]
        return subprocess.run(
            [str(program), *command[1:]],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("empty"))
    (client,) = (ROOT / "target/wheels").glob("celper-*.whl")
    (sandbox,) = (ROOT / "target/wheels-sandbox").glob("celper_sandbox-*.whl")
    for arguments in (["--no-index", str(client), str(sandbox)], [f"pytest=={pytest.__version__}"]):
        done = made.run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
    return made


def test_there_is_no_rust(environment: Environment) -> None:
    search = "import shutil, sys; sys.exit(str(shutil.which('cargo') or shutil.which('rustc') or ''))"
    assert environment.run("python", "-c", search).stderr.strip() == ""


def test_the_examples_for_pytest(environment: Environment) -> None:
    tests, configuration = EXAMPLES[:2]
    (environment.folder / "test_example.py").write_text(tests, encoding="utf-8")
    done = environment.run("python", "-m", "pytest", "-q", "-W", "error", "test_example.py")
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    (environment.folder / "conftest.py").write_text(configuration, encoding="utf-8")
    done = environment.run("python", "-m", "pytest", "-q", "-W", "error", "test_example.py")
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_example_without_pytest(environment: Environment) -> None:
    (environment.folder / "example.py").write_text(EXAMPLES[2], encoding="utf-8")
    done = environment.run("python", "-W", "error", "example.py")
    assert (done.stdout, done.stderr) == ("interviewed 91.0\nselected\n", "")
    assert len(EXAMPLES) == 3


def test_the_program_is_on_the_path(environment: Environment) -> None:
    done = environment.run("celper-sandbox", "--help")
    assert done.returncode == 0
    assert "--exit-with-parent" in done.stdout
