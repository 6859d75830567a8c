"""Runs the synchronous client: each call has its own thread, except those that will be cancelled.

Those run on the main thread, which is the only one that SIGINT interrupts.
"""

from __future__ import annotations

import os
import signal
import threading
from queue import SimpleQueue
from typing import Any

import celper
import log_capture
from calls import call, open_client
from protocol import Command, Response, read_commands, write
from responses import opened, raised, returned


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
        self.interruptible: int | None = None
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
        if self.interruptible is not None and self.interruptible == self.cancelled:
            self.interruptible = None
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
                interruptible = command.get("cancellable")
                return returned(self.interruptible_call(command) if interruptible else self.call(command), lines)
            case "close":
                self.clients[name].close()
                return {"closed": True}
            case other:
                raise ValueError(f"unknown command {other}")

    def call(self, command: Command) -> Any:
        return call(self.clients[command["client"]], command)

    def interruptible_call(self, command: Command) -> Any:
        self.interruptible = command["id"]
        try:
            # SIGINT can have come before `interruptible` was set.
            if self.cancelled == command["id"]:
                raise KeyboardInterrupt
            return self.call(command)
        finally:
            self.interruptible = None
