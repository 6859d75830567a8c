"""The asyncio client."""

from __future__ import annotations

from datetime import timedelta

from celper._base import Base
from celper._batch import AsyncBatch
from celper._celper import CandidateState, Decision, Invitation
from celper._watch import AsyncWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable
    from os import PathLike
    from types import TracebackType
    from typing import Any, TypeVar

    from celper._batch import CandidateRequest
    from celper._status import CandidateStatus

    _R = TypeVar("_R", bound=CandidateRequest)
    _Self = TypeVar("_Self", bound="AsyncCelper")


class AsyncCelper(Base):
    """A client of the Celper AI Candidate Actions API for asyncio.

        async with celper.AsyncCelper() as client:  # CELPER_API_KEY, CELPER_BASE_URL
            state = await client.get_candidate_status("cand_xyz789", job_position_id="pos_abc123")

    Create one client and keep it: its calls share connections. Any number of tasks can use it, on any number of event
    loops, one after another or in several threads.

    Cancelling a call closes its connection, and no retry follows. A cancelled action may have taken place: read the
    candidate's status, or call again with the same ``idempotency_key``.
    """

    async def get_candidate_status(
        self,
        candidate_id: str,
        *,
        job_position_id: str,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
    ) -> CandidateState:
        """Reads a candidate's status.

            state = await client.get_candidate_status("cand_xyz789", job_position_id="pos_abc123")

        Requires the scope ``read:candidates``. Counts as a read.

        Args:
            candidate_id: The candidate's id.
            job_position_id: The id of the job position.
            timeout: The timeout of the whole call, in seconds or as a ``timedelta``. Overrides the client's.
            max_retries: The number of retries. Overrides the client's.

        Raises:
            NotFoundError: There is no such candidate or job position.
            CelperError: For any other failure; see its subclasses.
        """
        state: CandidateState = await self._call(
            "status", candidate_id, job_position_id, None, None, None, timeout, max_retries
        )
        return state

    async def invite_candidate(
        self,
        candidate_id: str,
        *,
        job_position_id: str,
        email_subject: str | None = None,
        email_body: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
    ) -> Invitation:
        """Invites a ``new`` candidate: opens a 7-day interview session and queues the e-mail.

            invitation = await client.invite_candidate("cand_xyz789", job_position_id="pos_abc123")

        Requires the scope ``action:invite``. Counts as an action.

        Args:
            candidate_id: The candidate's id.
            job_position_id: The id of the job position.
            email_subject: The e-mail's subject, at most 200 characters. Defaults to the service's template.
            email_body: The e-mail's body, at most 5,000 characters; the service replaces ``{interviewLink}`` with the
                interview's URL. Defaults to the service's template.
            idempotency_key: The service acts only once on requests with the same key within 24 hours. Defaults to a
                new UUID v4.
            timeout: The timeout of the whole call, in seconds or as a ``timedelta``. Overrides the client's.
            max_retries: The number of retries. Overrides the client's.

        Raises:
            InvalidStatusError: The candidate is not ``new``.
            NotFoundError: There is no such candidate or job position.
            CelperError: For any other failure; see its subclasses.
        """
        invitation: Invitation = await self._call(
            "invite",
            candidate_id,
            job_position_id,
            email_subject,
            email_body,
            idempotency_key,
            timeout,
            max_retries,
        )
        return invitation

    async def select_candidate(
        self,
        candidate_id: str,
        *,
        job_position_id: str,
        idempotency_key: str | None = None,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
    ) -> Decision:
        """Selects an interviewed candidate whose analysis has been viewed.

            decision = await client.select_candidate("cand_xyz789", job_position_id="pos_abc123")

        Requires the scope ``action:decide``. Counts as an action.

        Args:
            candidate_id: The candidate's id.
            job_position_id: The id of the job position.
            idempotency_key: The service acts only once on requests with the same key within 24 hours. Defaults to a
                new UUID v4.
            timeout: The timeout of the whole call, in seconds or as a ``timedelta``. Overrides the client's.
            max_retries: The number of retries. Overrides the client's.

        Raises:
            AnalysisNotViewedError: Nobody has viewed the interview's analysis.
            InvalidStatusError: The candidate's status does not allow the decision.
            CelperError: For any other failure; see its subclasses.
        """
        decision: Decision = await self._call(
            "select", candidate_id, job_position_id, None, None, idempotency_key, timeout, max_retries
        )
        return decision

    async def reject_candidate(
        self,
        candidate_id: str,
        *,
        job_position_id: str,
        idempotency_key: str | None = None,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
    ) -> Decision:
        """Rejects an interviewed candidate whose analysis has been viewed.

            decision = await client.reject_candidate("cand_xyz789", job_position_id="pos_abc123")

        Requires the scope ``action:decide``. Counts as an action.

        Args:
            candidate_id: The candidate's id.
            job_position_id: The id of the job position.
            idempotency_key: The service acts only once on requests with the same key within 24 hours. Defaults to a
                new UUID v4.
            timeout: The timeout of the whole call, in seconds or as a ``timedelta``. Overrides the client's.
            max_retries: The number of retries. Overrides the client's.

        Raises:
            AnalysisNotViewedError: Nobody has viewed the interview's analysis.
            InvalidStatusError: The candidate's status does not allow the decision.
            CelperError: For any other failure; see its subclasses.
        """
        decision: Decision = await self._call(
            "reject", candidate_id, job_position_id, None, None, idempotency_key, timeout, max_retries
        )
        return decision

    def batch(
        self,
        requests: AsyncIterable[_R] | Iterable[_R],
        *,
        batch_id: str | None = None,
        journal: str | PathLike[str] | None = None,
        total: int | None = None,
    ) -> AsyncBatch[_R]:
        """Carries out many requests, as fast as the rate limit allows, and gives an item for each as it ends.

            requests = (celper.InviteRequest(id, job_position_id="pos_abc123") for id in ids)
            async with client.batch(requests, batch_id="spring-2026", journal="spring-2026.jsonl") as batch:
                async for item in batch:
                    print(item.request.candidate_id, item.error or "ok", batch.progress)

        An error is an item and no exception; 401 and 403 end the batch. Run again with the same ``batch_id`` or
        ``journal``, it performs no action twice.

        Args:
            requests: ``InviteRequest``, ``SelectRequest``, ``RejectRequest`` and ``StatusRequest`` objects, from any
                iterable or async iterable. It is read as the batch proceeds.
            batch_id: The batch's name, from which the idempotency keys of its actions are derived. Default: the
                journal's; without a journal the keys are random.
            journal: The path of a file that records what was sent and what has ended, so that a run after a crash
                continues there.
            total: The number of requests, for ``progress``. Defaults to ``len(requests)`` where there is one.

        Raises:
            InvalidArgumentError: An option is invalid, the journal cannot be used, or the client is closed.
        """
        return AsyncBatch(self._native, requests, batch_id, journal, total, self._observer())

    async def wait_for_status(
        self,
        candidate_id: str,
        *,
        job_position_id: str,
        until: CandidateStatus | str | Iterable[CandidateStatus | str],
        timeout: float | timedelta = 600.0,
    ) -> CandidateState:
        """Waits until a candidate has one of these statuses.

            state = await client.wait_for_status(
                "cand_xyz789", job_position_id="pos_abc123", until={"interviewed", "expired", "failed"}, timeout=1200
            )

        For minutes; for days receive webhooks. The status is read at once, after 15 s, and then at intervals that grow
        to 5 minutes. All waits and watches of the process use at most half of the reads, and take turns. Connection
        failures, timeouts of a request, 429 and 5xx do not end the wait.

        Args:
            candidate_id: The candidate's id.
            job_position_id: The id of the job position.
            until: A status, or an iterable of statuses. Any ``str`` is a status.
            timeout: How long to wait, in seconds or as a ``timedelta``; ``math.inf``: as long as it takes.

        Raises:
            RequestTimeoutError: The candidate has another status. ``last_state`` is the candidate's last state.
            NotFoundError: There is no such candidate or job position.
            CelperError: For any other failure; see its subclasses. ``last_state`` is set if a status was read.
        """
        return await self._native.start("wait", candidate_id, job_position_id, until, timeout)

    def watch_candidates(self, candidate_ids: Iterable[str], *, job_position_id: str) -> AsyncWatch:
        """Watches candidates: gives the state of each, and then each change.

            async with client.watch_candidates(ids, job_position_id="pos_abc123") as watch:
                async for item in watch:
                    print(item.candidate_id, item.previous_status, item.error or item.state.status)

        For minutes; for days receive webhooks. Each candidate is read at once, after 15 s, and then at intervals that
        grow to 5 minutes. All waits and watches of the process use at most half of the reads, and take turns: 200
        candidates are read every 10 minutes. A candidate whose status cannot be read (404) gives an item with the
        ``error`` and is no longer watched.

        Args:
            candidate_ids: The candidates' ids, from any iterable. One that comes twice is watched once.
            job_position_id: The id of the job position.

        Raises:
            InvalidArgumentError: An id is invalid, or the client is closed.
        """
        return AsyncWatch(self._native, candidate_ids, job_position_id)

    async def _call(
        self,
        operation: str,
        candidate_id: str,
        job_position_id: str,
        email_subject: str | None,
        email_body: str | None,
        idempotency_key: str | None,
        timeout: float | timedelta | None,
        max_retries: int | None,
    ) -> Any:
        """Makes a call, and tells whoever wants to know of it."""
        options = (email_subject, email_body, idempotency_key, timeout, max_retries)
        observer = self._observer()
        if observer is None:
            return await self._native.start(operation, candidate_id, job_position_id, *options, None)
        try:
            traceparent = observer.traceparent
            result = await self._native.start(operation, candidate_id, job_position_id, *options, traceparent)
        except BaseException as error:
            observer.end_call(operation, candidate_id, job_position_id, error)
            raise
        observer.end_call(operation, candidate_id, job_position_id, result)
        return result

    async def aclose(self) -> None:
        """Closes the client. Calls in flight still complete; further calls raise ``InvalidArgumentError``."""
        self._native.close()

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
