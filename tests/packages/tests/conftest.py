"""Empty environments without Rust, and the sandbox from its own package."""

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
    """The package in `target/dist` that has this list."""
    (found,) = (package for package in check.PACKAGES if package.expected == expected)
    return check.find(found)


def first_call(language: str) -> str:
    """The README's."""
    example = re.search(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert example
    return example[1]


def without_rust() -> dict[str, str]:
    """This environment, less all that is about us, Rust, and where programs look for more."""
    ours = re.compile(r"(CELPER|CARGO|RUST|PYTHON|PYTEST|NODE|npm|MAVEN|VIRTUAL_ENV|CLASSPATH)")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not ours.match(name) and not name.lower().endswith("_proxy")
    }
    folders = os.environ["PATH"].split(os.pathsep)
    path = [folder for folder in folders if not any(shutil.which(name, path=folder) for name in ("cargo", "rustc"))]
    return {**kept, "PATH": os.pathsep.join(path)}


@dataclass
class Place:
    """A folder outside the tree, and the environment of what runs there."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str | Path, **more: str) -> str:
        """What a command prints; it must succeed."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture(scope="session")
def nowhere() -> dict[str, str]:
    """An environment in which there is no Rust."""
    environment = without_rust()
    for name in ("cargo", "rustc", "rustup"):
        assert shutil.which(name, path=environment["PATH"]) is None, f"{name} is where other programs are"
    return environment


@pytest.fixture
def place(tmp_path: Path, nowhere: dict[str, str]) -> Place:
    """An empty folder without Rust."""
    return Place(tmp_path, nowhere)


def make_venv(folder: Path, environment: Mapping[str, str], *wheels: Path) -> Path:
    """A new environment with nothing but wheels, and no index to get others from; gives its programs' folder."""
    venv.create(folder, with_pip=True)
    python = folder / PROGRAMS / "python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--only-binary", ":all:"]
    subprocess.run([python, *install, *wheels], check=True, env=environment)
    return folder / PROGRAMS


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory, nowhere: dict[str, str]) -> Path:
    """The programs of an environment with what is published for pip."""
    folder = tmp_path_factory.mktemp("pip") / "venv"
    return make_venv(folder, nowhere, package("wheel"), package("sandbox-wheel"))


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
def running(programs: Path, nowhere: dict[str, str]) -> Iterator[Sandbox]:
    command: list[str | Path] = [programs / platforms.PROGRAM, "--port", "0", "--no-limits", "--exit-with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=nowhere) as process:
        assert process.stdin
        assert process.stdout
        yield Sandbox(json.loads(process.stdout.readline()))
        process.stdin.close()


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """With the candidates that the READMEs' examples speak of."""
    running.control("reset")
    for call in json.loads((ROOT / "tests/docs/stage.json").read_text(encoding="utf-8")):
        running.control(call["path"], call["body"])
    return running


def pytest_collection_modifyitems() -> None:
    if not (DIST / "SHA256SUMS").exists():
        raise pytest.UsageError("there is nothing in target/dist: run `make dist`")
