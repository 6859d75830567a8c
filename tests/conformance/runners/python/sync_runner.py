"""Runs the synchronous client: each call has its own thread, except those that will be cancelled.

Those run on the main thread, which is the only one that SIGINT interrupts.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

import batches
import celper
import log_capture
from calls import call, open_client
from protocol import Command, Response, read_commands, write
from responses import opened, raised, returned

T = TypeVar("T")


def run() -> None:
    runner = _Runner()
    signal.signal(signal.SIGINT, runner.on_sigint)
    read_commands(runner.handle)
    while True:
        runner.run(runner.main_thread_queue.get())


class _Runner:
    def __init__(self) -> None:
        self.clients: dict[str, celper.Celper] = {}
        self.main_thread_queue: SimpleQueue[Command] = SimpleQueue()
        # The ids of the call that SIGINT would interrupt and of the call to cancel.
        self.interruptible_id: int | None = None
        self.cancelled: int | None = None

    def handle(self, command: Command) -> None:
        if command["command"] == "cancel":
            self.cancelled = command["call_id"]
            os.kill(os.getpid(), signal.SIGINT)
        elif command.get("cancellable"):
            self.main_thread_queue.put(command)
        else:
            threading.Thread(target=self.run, args=(command,), daemon=True).start()

    def on_sigint(self, *_: object) -> None:
        # If the call has ended already, the exception would end the runner.
        if self.interruptible_id is not None and self.interruptible_id == self.cancelled:
            self.interruptible_id = None
            raise KeyboardInterrupt

    def run(self, command: Command) -> None:
        lines = log_capture.start()
        try:
            response = self.execute(command, lines)
        except BaseException as error:
            response = raised(error, lines)
        log_capture.stop(lines)
        write({"id": command["id"], **response})

    def execute(self, command: Command, lines: list[str]) -> Response:
        name = command["client"]
        match command["command"]:
            case "open":
                self.clients[name] = open_client(celper.Celper, command)
                return opened(self.clients[name], lines)
            case "call":
                return returned(self.interruptible(command, lambda: self.call(command)), lines)
            case "batch":
                return self.interruptible(command, lambda: self.batch(command, lines))
            case "close":
                self.clients[name].close()
                return {"closed": True}
            case other:
                raise ValueError(f"unknown command {other}")

    def call(self, command: Command) -> Any:
        return call(self.clients[command["client"]], command)

    def batch(self, command: Command, lines: list[str]) -> Response:
        items: list[Any] = []
        failure = None
        with self.clients[command["client"]].batch(batches.source(command), **command["options"]) as batch:
            try:
                for item in batch:
                    items.append(item)
                    if len(items) == command.get("leave_after"):
                        break
            except batches.SourceError as error:
                failure = error
            except KeyboardInterrupt:
                batch.cancel()
                raise
        return batches.report(batch, items, failure, lines)

    def interruptible(self, command: Command, work: Callable[[], T]) -> T:
        if not command.get("cancellable"):
            return work()
        self.interruptible_id = command["id"]
        try:
            # SIGINT can have come before `interruptible_id` was set.
            if self.cancelled == command["id"]:
                raise KeyboardInterrupt
            return work()
        finally:
            self.interruptible_id = None
