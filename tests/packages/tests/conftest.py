"""Fixtures: empty environments without Rust, and the sandbox from its pip package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import check
import platforms
from tree import DIST, ROOT

PROGRAMS = "Scripts" if sys.platform == "win32" else "bin"


def package(expected: str) -> Path:
    """The package in `target/dist` with this list of files."""
    (found,) = (package for package in check.PACKAGES if package.expected == expected)
    return check.find(found)


def first_call(language: str) -> str:
    """The README's first example in a language."""
    example = re.search(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert example
    return example[1]


def without_rust() -> dict[str, str]:
    """This environment without variables of this project, of Rust and of the languages' search paths."""
    removed = re.compile(r"(CELPER|CARGO|RUST|PYTHON|PYTEST|NODE|npm|MAVEN|VIRTUAL_ENV|CLASSPATH)")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not removed.match(name) and not name.lower().endswith("_proxy")
    }
    folders = os.environ["PATH"].split(os.pathsep)
    path = [folder for folder in folders if not any(shutil.which(name, path=folder) for name in ("cargo", "rustc"))]
    return {**kept, "PATH": os.pathsep.join(path)}


@dataclass
class Workspace:
    """A folder outside the repository, and the environment of commands that run there."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str | Path, **variables: str) -> str:
        """The output of a command, which must succeed."""
        result = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}"
        return result.stdout

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture(scope="session")
def environment_without_rust() -> dict[str, str]:
    """An environment without Rust."""
    environment = without_rust()
    for name in ("cargo", "rustc", "rustup"):
        assert shutil.which(name, path=environment["PATH"]) is None, f"{name} is in a folder with other programs"
    return environment


@pytest.fixture
def workspace(tmp_path: Path, environment_without_rust: dict[str, str]) -> Workspace:
    """An empty folder, and an environment without Rust."""
    return Workspace(tmp_path, environment_without_rust)


def make_venv(folder: Path, environment: Mapping[str, str], *wheels: Path) -> Path:
    """Create an environment with these wheels and without an index; return the folder of its programs."""
    venv.create(folder, with_pip=True)
    python = folder / PROGRAMS / "python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--only-binary", ":all:"]
    subprocess.run([python, *install, *wheels], check=True, env=environment)
    return folder / PROGRAMS


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory, environment_without_rust: dict[str, str]) -> Path:
    """The folder of programs of an environment with the pip packages."""
    folder = tmp_path_factory.mktemp("pip") / "venv"
    return make_venv(folder, environment_without_rust, package("wheel"), package("sandbox-wheel"))


class Sandbox:
    def __init__(self, announced: dict[str, str]) -> None:
        self.base_url = announced["base_url"]
        self.variables = {"CELPER_BASE_URL": self.base_url, "CELPER_API_KEY": announced["api_key"]}

    def control(self, path: str, body: object = None) -> None:
        request = urllib.request.Request(
            f"{self.base_url}/_sandbox/{path}", json.dumps(body or {}).encode(), method="POST"
        )
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()


@pytest.fixture(scope="session")
def running(programs: Path, environment_without_rust: dict[str, str]) -> Iterator[Sandbox]:
    command: list[str | Path] = [programs / platforms.PROGRAM, "--port", "0", "--no-limits", "--exit-with-parent"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment_without_rust
    ) as process:
        assert process.stdin
        assert process.stdout
        yield Sandbox(json.loads(process.stdout.readline()))
        process.stdin.close()


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """The sandbox with the candidates of the READMEs' examples."""
    running.control("reset")
    for call in json.loads((ROOT / "tests/docs/stage.json").read_text(encoding="utf-8")):
        running.control(call["path"], call["body"])
    return running


def pytest_collection_modifyitems() -> None:
    if not (DIST / "SHA256SUMS").exists():
        raise pytest.UsageError("target/dist is empty: run `make dist`")
