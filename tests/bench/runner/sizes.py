"""Reads the version of each client, and the installed size of it and its dependencies, in KB."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict


class Size(TypedDict):
    version: str
    installed_kb: float | None


Sizes = dict[str, Size]


def rust(lock: Path, clients: list[str]) -> Sizes:
    """Only versions: crates are compiled into the program."""
    locked = dict(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', lock.read_text(), re.MULTILINE))
    return {client: {"version": locked[client], "installed_kb": None} for client in clients}


def python(environment: Path, clients: list[str]) -> Sizes:
    """From pip's lists of installed files, without cached bytecode."""
    folders = [str(folder) for folder in environment.glob("lib/python3*/site-packages")]
    found = {normal(one.name): one for one in importlib.metadata.distributions(path=folders)}

    def size(client: str) -> Size:
        if client == "http.client":
            return {"version": sys.version.split()[0], "installed_kb": 0}
        names, todo = set[str](), [client]
        while todo:
            name = normal(todo.pop())
            if name in found and name not in names:
                names.add(name)
                todo += [needed for needed in map(required, found[name].requires or []) if needed]
        files = [file for name in names for file in found[name].files or [] if file.suffix != ".pyc"]
        paths = [Path(str(file.locate())) for file in files]
        return {
            "version": found[normal(client)].version,
            "installed_kb": sum(path.stat().st_size for path in paths if path.exists()) / 1_000,
        }

    return {client: size(client) for client in clients}


def normal(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def required(requirement: str) -> str | None:
    name, _, marker = requirement.partition(";")
    found = re.match(r"[\w.-]+", name)
    return None if "extra" in marker or not found else found.group()


def files_kb(folder: Path) -> float:
    """The size of a folder without nested packages."""
    files = [file for file in folder.rglob("*") if "node_modules" not in file.relative_to(folder).parts]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1_000


def node(celper: Path, clients: Path) -> Sizes:
    """From the packages' dependencies."""
    manifest = json.loads((celper / "package.json").read_text())
    own = [celper / "package.json", celper / "README.md", *celper.glob("*.node"), *(celper / "dist").rglob("*.*")]
    total = sum(file.stat().st_size for file in own if not re.search(r"\.(map|tsbuildinfo)$", file.name)) / 1_000
    sizes: Sizes = {"celper": {"version": manifest["version"], "installed_kb": total}}
    for client in json.loads((clients / "package.json").read_text())["dependencies"]:
        folders, todo = set[Path](), [resolve(clients, client)]
        while todo:
            folder = todo.pop()
            if folder and folder not in folders:
                folders.add(folder)
                needed = json.loads((folder / "package.json").read_text()).get("dependencies", {})
                todo += [resolve(folder, name) for name in needed]
        version = json.loads((clients / "node_modules" / client / "package.json").read_text())["version"]
        sizes[client] = {"version": version, "installed_kb": sum(map(files_kb, folders))}
    version = subprocess.check_output(["node", "-p", "process.version"], text=True).strip()
    return sizes | {"fetch": {"version": f"Node {version}", "installed_kb": 0}}


def resolve(folder: Path, name: str) -> Path | None:
    """The folder from which Node loads a package."""
    places = [place / "node_modules" / name for place in [folder, *folder.parents]]
    return next((place for place in places if (place / "package.json").exists()), None)


# Part of every Kotlin program.
KOTLIN_LIBRARIES = ("org.jetbrains.kotlin:kotlin-stdlib", "org.jetbrains:annotations")
ARTIFACTS = {
    "ai.celper:celper": "celper",
    "com.squareup.okhttp3:okhttp-jvm": "okhttp",
    "io.ktor:ktor-client-cio-jvm": "ktor",
}


def kotlin(tree: Path) -> Sizes:
    """From Maven's dependency tree and the jars in its repository."""
    sizes: Sizes = {"java.net.http": {"version": "JDK", "installed_kb": 0}}

    def jars(node: dict[str, Any]) -> dict[str, float]:
        name = f"{node['groupId']}:{node['artifactId']}"
        own = {} if name.startswith(KOTLIN_LIBRARIES) else {name: jar_kb(tree.parent, node)}
        for child in node.get("children", []):
            own |= jars(child)
        return own

    for node in json.loads(tree.read_text())["children"]:
        client = ARTIFACTS.get(f"{node['groupId']}:{node['artifactId']}")
        if client:
            sizes[client] = {"version": node["version"], "installed_kb": sum(jars(node).values())}
    return sizes


def jar_kb(target: Path, node: dict[str, Any]) -> float:
    jar = f"{node['artifactId']}-{node['version']}.jar"
    path = next((line for line in (target / "classpath").read_text().split(":") if line.endswith("/" + jar)), None)
    return Path(path).stat().st_size / 1_000 if path else 0


def swift(toolchain: Path, built: Path, lock: Path) -> Sizes:
    """The code and shared libraries of each program beyond those of a program that only imports Foundation."""
    listing = """cd "$1" && for name in bench-celper bench-urlsession bench-nothing; do
        echo "$name $(stat -c %s $name)"; ldd $name | awk '/=> \\//{print $3}' | xargs -n 1 readlink -f | xargs stat -c '%n %s'; echo
    done; swift --version 2>/dev/null | grep -o 'Swift version [0-9.]*'"""
    output = subprocess.run(
        [str(toolchain), "bash", "-c", listing, "bash", str(built)], capture_output=True, text=True, check=True
    ).stdout
    *programs, version = output.strip().split("\n\n")
    celper, urlsession, nothing = (dict(pair(line) for line in program.splitlines()) for program in programs)

    def beyond(program: dict[str, int], name: str) -> float:
        libraries = sum(size for path, size in program.items() if path.startswith("/") and path not in nothing)
        return (libraries + program[name] - nothing["bench-nothing"]) / 1_000

    return {
        "celper": {
            "version": rust(lock, ["celper"])["celper"]["version"],
            "installed_kb": beyond(celper, "bench-celper"),
        },
        "URLSession": {"version": version, "installed_kb": beyond(urlsession, "bench-urlsession")},
    }


def pair(line: str) -> tuple[str, int]:
    name, size = line.rsplit(" ", 1)
    return name, int(size)
