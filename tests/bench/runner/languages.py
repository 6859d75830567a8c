"""The clients of each language, the commands that start them, and the loads."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import sizes
from sizes import Sizes

ROOT = Path(__file__).resolve().parents[3]
BENCH = ROOT / "tests/bench"
SERVER = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/celper-bench"

CELPER = "celper"


@dataclass(frozen=True)
class Load:
    """The calls of one process. `only_celper` for features that the other clients do not have."""

    name: str
    operation: str = "status"
    in_flight: int = 1
    threads: int = 1
    paced: bool = False
    busy: bool = False
    only_celper: bool = False

    def request(self, calls: int) -> dict[str, object]:
        return {
            "operation": self.operation,
            "in_flight": self.in_flight,
            "threads": self.threads,
            "paced": self.paced,
            "busy": self.busy,
            "calls": calls,
        }


SEQUENTIAL = Load("sequential")
CONCURRENT = Load("64 in flight", in_flight=64)
THREADS = Load("8 threads", threads=8)
INVITE = Load("invite with 1 KB", operation="invite", in_flight=64)
MISSING = Load("404 as a typed error", operation="missing", in_flight=64)
PACED = Load("pacing on, no waits", in_flight=64, paced=True, only_celper=True)
BUSY = Load("with a busy Python thread", in_flight=64, busy=True, only_celper=True)

# The number of calls in flight when their memory is measured. URLSession does not start more within a minute.
# Fewer than the 128 that a Celper client sends at a time.
HELD = 100
HELD_REQUEST = Load("held", operation="held", in_flight=HELD).request(HELD)


@dataclass(frozen=True)
class Language:
    name: str
    title: str
    clients: list[str]
    # The command that starts a client; the server's URL is appended.
    command: Callable[[str], list[str]]
    loads: list[Load]
    # The command for measuring memory; None if each call blocks a thread.
    held_command: Callable[[str], list[str]] | None
    # Each client's version and installed size.
    sizes: Callable[[], Sizes]
    # Seconds of calls before the first round of each load, and of the first load; more for JIT compilers.
    warm_up: float = 0.3
    first_warm_up: float = 0
    # A command that runs the client's command.
    launcher: list[str] = field(default_factory=list)


def sequential(load: Load) -> Load:
    """The load for a synchronous client, as sequential calls."""
    return Load(load.name, load.operation, paced=load.paced, only_celper=load.only_celper)


RUST = ["celper", "reqwest", "hyper"]


def rust(client: str) -> list[str]:
    return [str(SERVER), "client", client]


PYTHON = BENCH / "python/.venv/bin/python"


def python(language: str) -> Callable[[str], list[str]]:
    return lambda client: [str(PYTHON), str(BENCH / "python/worker.py"), language, client]


SYNCHRONOUS = ["celper", "pyreqwest", "http.client", "urllib3", "httpx", "niquests", "requests"]
ASYNCHRONOUS = ["celper", "pyreqwest", "aiohttp", "niquests", "httpx"]


def node(client: str) -> list[str]:
    return ["node", "--expose-gc", str(BENCH / "node/worker.mjs"), client]


def kotlin(*options: str) -> Callable[[str], list[str]]:
    target = BENCH / "kotlin/target"

    def command(client: str) -> list[str]:
        return ["java", *options, "-cp", f"{target}/classes:{(target / 'classpath').read_text()}", "MainKt", client]

    return command


TOOLCHAIN = ROOT / "bindings-uniffi/swift/toolchain.sh"


SWIFT_BUILT = BENCH / "swift/Programs/.build/release"


def swift(client: str) -> list[str]:
    return [str(SWIFT_BUILT / f"bench-{client.lower()}")]


LANGUAGES = [
    Language(
        "rust",
        "Rust",
        RUST,
        rust,
        [CONCURRENT, SEQUENTIAL, THREADS, INVITE, MISSING, PACED],
        rust,
        lambda: sizes.rust(ROOT / "Cargo.lock", RUST),
    ),
    Language(
        "python-sync",
        "Python, synchronous",
        SYNCHRONOUS,
        python("python-sync"),
        [SEQUENTIAL, THREADS, *map(sequential, [INVITE, MISSING, PACED])],
        None,
        lambda: sizes.python(PYTHON.parents[1], SYNCHRONOUS),
    ),
    Language(
        "python-async",
        "Python, asyncio",
        ASYNCHRONOUS,
        python("python-async"),
        [CONCURRENT, SEQUENTIAL, INVITE, MISSING, PACED, BUSY],
        python("python-async"),
        lambda: sizes.python(PYTHON.parents[1], ASYNCHRONOUS),
    ),
    Language(
        "python-uvloop",
        "Python, uvloop",
        ASYNCHRONOUS,
        python("python-uvloop"),
        [CONCURRENT],
        None,
        dict,
    ),
    Language(
        "node",
        "Node",
        ["celper", "undici", "fetch", "axios", "got"],
        node,
        [CONCURRENT, SEQUENTIAL, INVITE, MISSING, PACED],
        node,
        lambda: sizes.node(ROOT / "bindings-node", BENCH / "node"),
        warm_up=0.6,
    ),
    Language(
        "kotlin",
        "Kotlin",
        ["celper", "okhttp", "ktor", "java.net.http"],
        # The default heap, a quarter of the machine's memory, would hide the memory of calls.
        kotlin("-Xmx256m"),
        [CONCURRENT, SEQUENTIAL, THREADS, INVITE, MISSING, PACED],
        kotlin("-Xmx256m", "-Xms256m", "-XX:+AlwaysPreTouch"),
        lambda: sizes.kotlin(BENCH / "kotlin/target/tree.json"),
        warm_up=2.5,
        first_warm_up=15,
    ),
    Language(
        "swift",
        "Swift",
        ["celper", "URLSession"],
        swift,
        [CONCURRENT, SEQUENTIAL, INVITE, MISSING, PACED],
        swift,
        lambda: sizes.swift(TOOLCHAIN, SWIFT_BUILT, ROOT / "Cargo.lock"),
        launcher=[str(TOOLCHAIN)],
    ),
]
