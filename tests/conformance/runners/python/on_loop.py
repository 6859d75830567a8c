"""The asyncio client: every call is a task, and is cancelled as one."""

from __future__ import annotations

import asyncio
from functools import partial

import celper
import log
from answers import opened, raised, returned
from calls import call, open_client
from lines import Answer, Request, read_to_the_end, write


def run() -> None:
    asyncio.run(_serve())


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    runner = _Runner()
    read_to_the_end(lambda request: loop.call_soon_threadsafe(runner.handle, request))
    # For ever: the program ends with its input.
    await loop.create_future()


class _Runner:
    def __init__(self) -> None:
        self.clients: dict[str, celper.AsyncCelper] = {}
        self.tasks: dict[int, asyncio.Task[Answer]] = {}

    def handle(self, request: Request) -> None:
        if request["do"] == "cancel":
            # It may have just ended.
            if task := self.tasks.get(request["call"]):
                task.cancel()
            return
        lines = log.begin()
        task = asyncio.create_task(self.carry_out(request, lines))
        self.tasks[request["id"]] = task
        # Not by the task itself: one that is cancelled before it has begun never does.
        task.add_done_callback(partial(self.answer, request["id"], lines))

    def answer(self, number: int, lines: list[str], task: asyncio.Task[Answer]) -> None:
        try:
            answer = task.result()
        except BaseException as error:
            answer = raised(error, lines)
        log.end(lines)
        del self.tasks[number]
        write({"id": number, **answer})

    async def carry_out(self, request: Request, lines: list[str]) -> Answer:
        name = request["client"]
        match request["do"]:
            case "open":
                self.clients[name] = open_client(celper.AsyncCelper, request)
                return opened(self.clients[name], lines)
            case "call":
                return returned(await call(self.clients[name], request), lines)
            case "close":
                await self.clients[name].aclose()
                return {"closed": True}
            case other:
                raise ValueError(f"there is nothing to do for {other}")
