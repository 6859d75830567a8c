"""Tests the crate `celper` as a dependency, from its package for crates.io."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from conftest import Sandbox, first_call, package

from tree import BUILD, ROOT, version

MANIFEST = """[package]
name = "app"
version = "0.0.0"
edition = "2024"

[dependencies]
celper = {{ path = "../celper-{version}" }}
tokio = {{ version = "1", features = ["macros", "rt-multi-thread"] }}

[workspace]
"""


def test_the_first_call(sandbox: Sandbox, tmp_path: Path) -> None:
    with tarfile.open(package("crate")) as archive:
        archive.extractall(tmp_path, filter="data")
    app = tmp_path / "app"
    (app / "src").mkdir(parents=True)
    (app / "Cargo.toml").write_text(MANIFEST.format(version=version()), encoding="utf-8")
    (app / "src/main.rs").write_text(first_call("rust"), encoding="utf-8")
    # The dependency versions that the project is tested with.
    shutil.copy(ROOT / "Cargo.lock", app)
    environment = {**os.environ, **sandbox.variables, "CARGO_TARGET_DIR": str(BUILD / "crate")}
    result = subprocess.run(
        ["cargo", "run", "--quiet"], cwd=app, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    assert re.fullmatch(r"new None\nopen until .*\nview the analysis first\n", result.stdout)
