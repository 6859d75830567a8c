"""Runs the asyncio client: each call is a task, and is cancelled by cancelling its task."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import batches
import celper
import log_capture
from calls import call, open_client
from protocol import Command, Response, read_commands, write
from responses import opened, raised, returned


def run() -> None:
    asyncio.run(_serve())


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    runner = _Runner()
    read_commands(lambda command: loop.call_soon_threadsafe(runner.handle, command))
    # Never ends: `read_commands` exits the process.
    await loop.create_future()


class _Runner:
    def __init__(self) -> None:
        self.clients: dict[str, celper.AsyncCelper] = {}
        self.tasks: dict[int, asyncio.Task[Response]] = {}

    def handle(self, command: Command) -> None:
        if command["command"] == "cancel":
            # The call can have ended already.
            if task := self.tasks.get(command["call_id"]):
                task.cancel()
            return
        lines = log_capture.start()
        task = asyncio.create_task(self.execute(command, lines))
        self.tasks[command["id"]] = task
        # The task itself cannot respond: a task that is cancelled before it starts never runs.
        task.add_done_callback(partial(self.respond, command["id"], lines))

    def respond(self, command_id: int, lines: list[str], task: asyncio.Task[Response]) -> None:
        try:
            response = task.result()
        except BaseException as error:
            response = raised(error, lines)
        log_capture.stop(lines)
        del self.tasks[command_id]
        write({"id": command_id, **response})

    async def execute(self, command: Command, lines: list[str]) -> Response:
        name = command["client"]
        match command["command"]:
            case "open":
                self.clients[name] = open_client(celper.AsyncCelper, command)
                return opened(self.clients[name], lines)
            case "call":
                return returned(await call(self.clients[name], command), lines)
            case "batch":
                return await self.batch(command, lines)
            case "close":
                await self.clients[name].aclose()
                return {"closed": True}
            case other:
                raise ValueError(f"unknown command {other}")

    async def batch(self, command: Command, lines: list[str]) -> Response:
        items: list[Any] = []
        failure = None
        async with self.clients[command["client"]].batch(batches.source(command), **command["options"]) as batch:
            try:
                async for item in batch:
                    items.append(item)
                    if len(items) == command.get("leave_after"):
                        break
            except batches.SourceError as error:
                failure = error
        return batches.report(batch, items, failure, lines)
