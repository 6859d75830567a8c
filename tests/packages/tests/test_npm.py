"""Tests the packages after `npm install celper celper-sandbox`."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Sandbox, Workspace, first_call, package

import contents
import platforms
from tree import version

TARBALLS = ("npm", "npm-platform", "sandbox-npm", "sandbox-npm-platform")


class Registry(http.server.ThreadingHTTPServer):
    """A registry on loopback with only our packages."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.files: dict[str, bytes] = {}
        for name in TARBALLS:
            path = package(name)
            bytes_ = path.read_bytes()
            manifest: dict[str, Any] = json.loads(contents.read(path)["package/package.json"])
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(bytes_).digest()).decode()
            manifest["dist"] = {"tarball": f"{self.url}{path.name}", "integrity": integrity}
            tags = {"latest": manifest["version"]}
            document = {"name": manifest["name"], "dist-tags": tags, "versions": {manifest["version"]: manifest}}
            self.files[path.name] = bytes_
            self.files[manifest["name"]] = json.dumps(document).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        found = self.server.files.get(urllib.parse.unquote(self.path[1:]))
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(found or b'{"error":"not found"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        threading.Thread(target=registry.serve_forever).start()
        yield registry
        registry.shutdown()


@pytest.fixture
def project(workspace: Workspace, registry: Registry) -> Workspace:
    workspace.write("package.json", '{"private": true}')
    options: list[str | Path] = [
        "--registry",
        registry.url,
        "--cache",
        workspace.folder / "cache",
        "--no-audit",
        "--no-fund",
    ]
    workspace.run("npm", "install", "celper", "celper-sandbox", *options)
    return workspace


def test_the_first_call(project: Workspace, sandbox: Sandbox) -> None:
    program = project.write("first_call.mjs", first_call("ts"))
    output = project.run("node", program, **sandbox.variables)
    assert re.fullmatch(r"new null\nopen until \d{4}-.*Z\nview the analysis first\n", output)


def test_the_sandbox(project: Workspace) -> None:
    program = project.write(
        "sandbox.cjs",
        "const { startSandbox } = require('celper-sandbox');"
        "startSandbox().then(async (sandbox) => console.log((await sandbox.createCandidate()).id));",
    )
    assert project.run("node", program) == "cand_1\n"
    assert "--exit-with-parent" in project.run("npx", "celper-sandbox", "--help")


def test_npm_installs_only_this_platforms_packages(project: Workspace) -> None:
    installed = {path.name for path in (project.folder / "node_modules").iterdir() if path.name.startswith("celper")}
    assert installed == {"celper", f"celper-{platforms.NPM}", "celper-sandbox", f"celper-sandbox-{platforms.NPM}"}
    for name in installed:
        manifest = json.loads((project.folder / f"node_modules/{name}/package.json").read_text(encoding="utf-8"))
        assert manifest["version"] == version()
        assert manifest["license"] == "MIT"
        assert "scripts" not in manifest, "installing it runs no script"
