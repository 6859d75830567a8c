"""Many requests carried out as one: the batches of both clients."""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from types import GenericAlias

from celper._celper import BatchItem, BatchProgress, InviteRequest, RejectRequest, SelectRequest, StatusRequest
from celper._errors import CelperError, ConnectionFailedError, InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import AsyncIterable, Iterable, Iterator
    from os import PathLike
    from types import TracebackType
    from typing import Any, Generic, Literal, TypeVar

    from celper import _celper
    from celper._observe import Observer

    _T = TypeVar("_T")
    _R = TypeVar("_R", bound="CandidateRequest")
    _Sync = TypeVar("_Sync", bound="Batch[Any]")
    _Async = TypeVar("_Async", bound="AsyncBatch[Any]")

    class _OfRequests(Generic[_R]):
        pass

else:

    class _OfRequests:
        # `Batch[InviteRequest]` works where annotations are evaluated, without an import of `typing`.
        __class_getitem__ = classmethod(GenericAlias)

    BatchItem.__class_getitem__ = classmethod(GenericAlias)

CandidateRequest = InviteRequest | SelectRequest | RejectRequest | StatusRequest
"""A request of a batch: any of the four classes."""


class Batch(_OfRequests["_R"]):
    """Many requests that are carried out as one, from ``Celper.batch``: an iterator of ``BatchItem``.

        with client.batch(requests, batch_id="spring-2026", journal="spring-2026.jsonl") as batch:
            for item in batch:
                print(item.request.candidate_id, item.error or "ok", batch.progress)

    The end of the ``with`` block closes the batch: nothing more is started, and the block waits for what is under way.
    Ctrl-C ends the wait for an item and closes the batch in the same way; a second one cancels what is under way.

    An iterable that raises ends the batch, and its exception is raised after the last item. One thread reads the
    requests at a time; any number of threads can take items.
    """

    def __init__(
        self,
        client: _celper.Client,
        requests: Iterable[_R],
        batch_id: str | None,
        journal: str | PathLike[str] | None,
        total: int | None,
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer
        self._rows: Iterator[_R] | None = iter(_checked(requests))
        self._failure: Exception | None = None
        self._reading = allocate_lock()
        self._reading_thread: int | None = None
        self._native = client.batch(batch_id, journal, _length(requests) if total is None else total)
        self._feed = self._native.feed()

    def __iter__(self: _Sync) -> _Sync:
        return self

    def __next__(self) -> BatchItem[_R]:
        while True:
            event = self._native.next_event()
            if event is None:
                failure, self._failure = self._failure, None
                raise StopIteration if failure is None else failure
            if not isinstance(event, str):
                return _told(self._observer, event)
            self._read()

    def _read(self) -> None:
        """Gives the batch one row."""
        if self._reading_thread == get_ident():
            # It would wait for itself.
            raise RuntimeError("the iterable of the requests takes items of its own batch; take them outside of it")
        with self._reading:
            rows = self._rows
            if rows is None:
                return
            self._reading_thread = get_ident()
            try:
                row = next(rows)
            except StopIteration:
                self._rows = None
                self._feed.end_rows()
            except BaseException as error:
                self._rows = None
                self._feed.fail_rows(_raised(error))
                if not isinstance(error, Exception):
                    raise
                self._failure = error
            else:
                self._feed.push(row)
            finally:
                self._reading_thread = None

    @property
    def batch_id(self) -> str | None:
        """The batch's name: the argument ``batch_id``, or the one in the journal."""
        return self._native.batch_id

    @property
    def progress(self) -> BatchProgress:
        """How far the batch is, and when it will be done."""
        return self._native.progress

    def stop(self) -> None:
        """Starts nothing more. What is under way finishes, and gives the last items."""
        self._native.stop()

    def cancel(self) -> None:
        """Starts nothing more, and drops what is under way: the outcome of these requests is unknown.

        With a journal, the next run finds it out.
        """
        self._native.cancel()

    def close(self) -> None:
        """Starts nothing more, and waits until what is under way has finished. Items that were not taken remain."""
        self.stop()
        try:
            self._native.wait_until_finished()
        except BaseException:
            self._native.cancel()
            raise
        # A generator to which nobody else refers is closed.
        self._rows = None

    def __enter__(self: _Sync) -> _Sync:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except ConnectionFailedError:
            # This is a forked child, which may leave the block by an exception of its own, such as `SystemExit`.
            if error is None:
                raise

    def __repr__(self) -> str:
        return _repr(self, getattr(self, "_native", None))

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a batch cannot be pickled or copied")


class AsyncBatch(_OfRequests["_R"]):
    """Many requests that are carried out as one, from ``AsyncCelper.batch``: an async iterator of ``BatchItem``.

        async with client.batch(requests, batch_id="spring-2026", journal="spring-2026.jsonl") as batch:
            async for item in batch:
                print(item.request.candidate_id, item.error or "ok", batch.progress)

    It starts at the ``async with``, or at the first item. A task reads the requests, as long as the batch runs. The end
    of the ``async with`` block closes the batch: nothing more is started, and the block waits for what is under way.
    Cancelling the task in the block cancels the batch. A wait for one item can have a timeout of its own in the block:
    it loses no item. Without a block, cancelling the wait for an item cancels the batch.

    An iterable that raises ends the batch, and its exception is raised after the last item.
    """

    def __init__(
        self,
        client: _celper.Client,
        requests: AsyncIterable[_R] | Iterable[_R],
        batch_id: str | None,
        journal: str | PathLike[str] | None,
        total: int | None,
        observer: Observer | None = None,
    ) -> None:
        from asyncio import Lock

        self._client = client
        self._observer = observer
        self._options = (batch_id, journal, _length(requests) if total is None else total)
        self._native: _celper.Batch | None = None
        self._starting = Lock()
        self._is_entered = False
        self._ending: Literal["stop", "cancel"] | None = None
        self._reader = _Reader(_checked(requests, "__aiter__"))

    async def _start(self) -> _celper.Batch:
        async with self._starting:
            if self._native is None:
                native = await self._client.start_batch(*self._options)
                self._reader.start(native.feed())
                self._native = native
                if self._ending is not None:
                    self._end(self._ending)
            return self._native

    def __aiter__(self: _Async) -> _Async:
        return self

    async def __anext__(self) -> BatchItem[_R]:
        self._reader.check_loop()
        try:
            item = await (self._native or await self._start()).next()
        except Exception:
            raise
        except BaseException:
            # In the `async with` block this may be a timeout of this wait alone; the block's end sees if it is not.
            if not self._is_entered:
                self.cancel()
            raise
        if item is not None:
            return _told(self._observer, item)
        failure, self._reader.failure = self._reader.failure, None
        raise StopAsyncIteration if failure is None else failure

    @property
    def batch_id(self) -> str | None:
        """The batch's name: the argument ``batch_id``, or the one in the journal."""
        return self._native.batch_id if self._native else self._options[0]

    @property
    def progress(self) -> BatchProgress:
        """How far the batch is, and when it will be done."""
        if self._native:
            return self._native.progress
        total = self._options[2]
        return BatchProgress(done=0, succeeded=0, failed=0, not_attempted=0, resumed=0, in_flight=0, total=total)

    def stop(self) -> None:
        """Starts nothing more. What is under way finishes, and gives the last items."""
        self._end("stop")

    def cancel(self) -> None:
        """Starts nothing more, and drops what is under way: the outcome of these requests is unknown.

        With a journal, the next run finds it out.
        """
        self._end("cancel")

    def _end(self, how: Literal["stop", "cancel"]) -> None:
        self._ending = how
        if self._native is not None:
            if how == "cancel":
                self._native.cancel()
            else:
                self._native.stop()
            self._reader.stop()

    async def aclose(self) -> None:
        """Starts nothing more, and waits until what is under way has finished. Items that were not taken remain."""
        self.stop()
        if self._native is None:
            return
        try:
            await self._native.finished()
            await self._reader.ended()
        except BaseException:
            self.cancel()
            raise

    async def __aenter__(self: _Async) -> _Async:
        await self._start()
        self._is_entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from asyncio import CancelledError

        self._is_entered = False
        try:
            if kind is not None and issubclass(kind, CancelledError):
                self.cancel()
            await self.aclose()
        except ConnectionFailedError:
            if error is None:
                raise

    def __del__(self) -> None:
        if hasattr(self, "_reader"):
            self._reader.stop()

    def __repr__(self) -> str:
        return _repr(self, getattr(self, "_native", None))

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a batch cannot be pickled or copied")


class _Reader:
    """Reads the requests of an ``AsyncBatch`` in a task.

    It does not refer to the batch, so that one to which nobody refers any more is freed, and stops.
    """

    def __init__(self, source: AsyncIterable[Any] | Iterable[Any]) -> None:
        self.failure: BaseException | None = None
        self._source: AsyncIterable[Any] | Iterable[Any] | None = source
        self._is_stopped = False
        self._feed: _celper.Feed | None = None
        self._task: Task[None] | None = None

    def start(self, feed: _celper.Feed) -> None:
        from asyncio import get_running_loop

        self._feed = feed
        # Only the task refers to the source: when it ends, a generator to which nobody else refers is closed.
        source, self._source = self._source, None
        self._task = get_running_loop().create_task(self._run(feed, source))

    def check_loop(self) -> None:
        """Ends the rows if the task can never go on."""
        if self._feed and self._task and not self._task.done() and self._task.get_loop().is_closed():
            message = "the event loop on which the batch reads its requests is closed"
            self._feed.fail_rows(message)
            self.failure = RuntimeError(f"{message}; start and end a batch on one loop")

    def stop(self) -> None:
        """Ends the task, also from another thread."""
        self._is_stopped = True
        if self._task is not None and not self._task.done():
            try:  # noqa: SIM105 - nothing can be imported while the interpreter shuts down
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)
            except RuntimeError:
                pass  # The loop is closed.

    async def ended(self) -> None:
        """Waits for the task's end, on its own loop."""
        from asyncio import get_running_loop, wait

        if self._task is not None and self._task.get_loop() is get_running_loop():
            await wait([self._task])
            # Its exception refers to the source.
            self._task = None

    async def _run(self, feed: _celper.Feed, source: Any) -> None:
        from asyncio import CancelledError

        try:
            await self._read(feed, source)
        except CancelledError:
            message = "the task that reads the requests of the batch was cancelled, as asyncio.run does at its end"
            _fail_rows(feed, message)
            if not self._is_stopped:
                # Whoever takes items was not cancelled.
                self.failure = RuntimeError(message)
            raise
        except BaseException as error:
            _fail_rows(feed, _raised(error))
            if not self._is_stopped:
                self.failure = error
            if not isinstance(error, Exception):
                raise
        else:
            feed.end_rows()

    async def _read(self, feed: _celper.Feed, source: Any) -> None:
        from asyncio import sleep

        is_async = hasattr(source, "__aiter__")
        rows = aiter(source) if is_async else iter(source)
        while await feed.wants_rows():
            try:
                row = await anext(rows) if is_async else next(rows)
            except (StopIteration, StopAsyncIteration):
                return
            feed.push(row)
            if not is_async:
                # An iterable that takes long for each row must not hold up the loop's other tasks for several.
                await sleep(0)


def _told(observer: Observer | None, item: BatchItem[Any]) -> BatchItem[Any]:
    if observer is not None:
        observer.end_item(item)
    return item


def _fail_rows(feed: _celper.Feed, message: str) -> None:
    try:  # noqa: SIM105 - without another import
        feed.fail_rows(message)
    except ConnectionFailedError:
        pass  # This is a forked child, whose loop ends.


def _checked(requests: _T, *more: str) -> _T:
    """Fails for what is no iterable."""
    if not any(hasattr(requests, name) for name in ("__iter__", "__getitem__", *more)):
        hint = ", which AsyncCelper takes" if hasattr(requests, "__aiter__") else ""
        message = f"requests must be an iterable of requests, not {type(requests).__name__}{hint}"
        raise InvalidArgumentError(message, operation="batch")
    return requests


def _length(requests: Any) -> int | None:
    """How many requests there are, if they know it."""
    try:
        return len(requests)
    except TypeError:
        return None


def _raised(error: BaseException) -> str:
    return f"the iterable of the requests raised {type(error).__name__}"


def _repr(batch: Batch[Any] | AsyncBatch[Any], native: _celper.Batch | None) -> str:
    name = type(batch).__name__
    try:
        return (
            f"{name}(batch_id={native.batch_id!r}, progress={native.progress!r})" if native else f"{name}(not started)"
        )
    except CelperError:
        return f"{name}(of the parent process)"
