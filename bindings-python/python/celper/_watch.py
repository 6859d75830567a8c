"""Watches of candidates: those of both clients."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import TypeVar

    from celper import _celper
    from celper._celper import WatchItem
    from celper._observe import Observer

    _Sync = TypeVar("_Sync", bound="Watch")
    _Async = TypeVar("_Async", bound="AsyncWatch")


class Watch:
    """Candidates that are watched, from ``Celper.watch_candidates``: an iterator of ``WatchItem``.

        with client.watch_candidates(["cand_1", "cand_2"], job_position_id="pos_abc123") as watch:
            for item in watch:
                print(item.candidate_id, item.error or item.state.status)

    It gives the state of each candidate, and then each change of its ``status``, ``analysis_viewed`` or
    ``interview_score``, until no candidate is left. What would fail for every candidate (401, 403, a closed client) is
    raised and ends it. The end of the ``with`` block ends the watch; so does dropping it. While 64 items are not taken,
    nothing is read. Any number of threads can take items.
    """

    def __init__(
        self,
        client: _celper.Client,
        candidate_ids: Iterable[str],
        job_position_id: str,
        observer: Observer | None = None,
    ) -> None:
        self._native = client.watch(candidate_ids, job_position_id, False, *_traced(observer))

    def __iter__(self: _Sync) -> _Sync:
        return self

    def __next__(self) -> WatchItem:
        item = self._native.next_item()
        if item is None:
            raise StopIteration
        return item

    def close(self) -> None:
        """Ends the watch, and wakes threads that wait for an item. Items that were not taken are lost."""
        self._native.stop()

    def __enter__(self: _Sync) -> _Sync:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a watch cannot be pickled or copied")


class AsyncWatch:
    """Candidates that are watched, from ``AsyncCelper.watch_candidates``: an async iterator of ``WatchItem``.

        async with client.watch_candidates(["cand_1", "cand_2"], job_position_id="pos_abc123") as watch:
            async for item in watch:
                print(item.candidate_id, item.error or item.state.status)

    It starts at the ``async with``, or at the first item. It gives the state of each candidate, and then each change of
    its ``status``, ``analysis_viewed`` or ``interview_score``, until no candidate is left. What would fail for every
    candidate (401, 403, a closed client) is raised and ends it. The end of the ``async with`` block ends the watch; so
    does dropping it. While 64 items are not taken, nothing is read. Cancelling a task that waits for an item loses
    none.
    """

    def __init__(
        self,
        client: _celper.Client,
        candidate_ids: Iterable[str],
        job_position_id: str,
        observer: Observer | None = None,
    ) -> None:
        self._client = client
        self._arguments = (candidate_ids, job_position_id)
        self._traced = _traced(observer)
        self._native: _celper.Watch | None = None
        self._is_closed = False

    def _start(self) -> _celper.Watch:
        if self._native is None:
            self._native = self._client.watch(*self._arguments, True, *self._traced)
        return self._native

    def __aiter__(self: _Async) -> _Async:
        return self

    async def __anext__(self) -> WatchItem:
        item = None if self._is_closed else await self._start().next()
        if item is None:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Ends the watch, and wakes tasks that wait for an item. Items that were not taken are lost."""
        self._is_closed = True
        if self._native is not None:
            self._native.stop()

    async def __aenter__(self: _Async) -> _Async:
        self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a watch cannot be pickled or copied")


def _traced(observer: Observer | None) -> tuple[str | None, _celper._OnRead | None]:
    """What the core needs to tell an observer of the reads."""
    return (observer.traceparent, observer.end_read) if observer else (None, None)
