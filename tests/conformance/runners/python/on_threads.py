"""The synchronous client: every call on a thread of its own, but for those to be cancelled.

These run on the main thread, the only one that Ctrl-C interrupts, and are cancelled by it.
"""

from __future__ import annotations

import os
import signal
import threading
from queue import SimpleQueue
from typing import Any

import celper
import log
from answers import opened, raised, returned
from calls import call, open_client
from lines import Answer, Request, read_to_the_end, write


def run() -> None:
    runner = _Runner()
    signal.signal(signal.SIGINT, runner.interrupted)
    read_to_the_end(runner.handle)
    while True:
        runner.answer(runner.for_the_main_thread.get())


class _Runner:
    def __init__(self) -> None:
        self.clients: dict[str, celper.Celper] = {}
        self.for_the_main_thread: SimpleQueue[Request] = SimpleQueue()
        # The ids of the call that Ctrl-C would interrupt, and of the one that it is meant for.
        self.interruptible: int | None = None
        self.cancelled: int | None = None

    def handle(self, request: Request) -> None:
        if request["do"] == "cancel":
            self.cancelled = request["call"]
            os.kill(os.getpid(), signal.SIGINT)
        elif request.get("cancellable"):
            self.for_the_main_thread.put(request)
        else:
            threading.Thread(target=self.answer, args=(request,), daemon=True).start()

    def interrupted(self, *_: object) -> None:
        # Not when the call has just ended: the interrupt would then end the runner.
        if self.interruptible is not None and self.interruptible == self.cancelled:
            self.interruptible = None
            raise KeyboardInterrupt

    def answer(self, request: Request) -> None:
        lines = log.begin()
        try:
            answer = self.carry_out(request, lines)
        except BaseException as error:
            answer = raised(error, lines)
        log.end(lines)
        write({"id": request["id"], **answer})

    def carry_out(self, request: Request, lines: list[str]) -> Answer:
        name = request["client"]
        match request["do"]:
            case "open":
                self.clients[name] = open_client(celper.Celper, request)
                return opened(self.clients[name], lines)
            case "call":
                interruptible = request.get("cancellable")
                return returned(self.until_interrupted(request) if interruptible else self.call(request), lines)
            case "close":
                self.clients[name].close()
                return {"closed": True}
            case other:
                raise ValueError(f"there is nothing to do for {other}")

    def call(self, request: Request) -> Any:
        return call(self.clients[request["client"]], request)

    def until_interrupted(self, request: Request) -> Any:
        self.interruptible = request["id"]
        try:
            # The interrupt may have come before there was anything to interrupt.
            if self.cancelled == request["id"]:
                raise KeyboardInterrupt
            return self.call(request)
        finally:
            self.interruptible = None
