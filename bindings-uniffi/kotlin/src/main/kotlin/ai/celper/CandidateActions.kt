package ai.celper

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.asFlow
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes

/**
 * The four operations, their batches, waits and watches, which [Celper] implements. Code that takes this interface can be tested with a fake.
 *
 * ```kotlin
 * class Screening(private val celper: CandidateActions) {
 *     suspend fun isDone(candidate: String) = celper.getCandidateStatus(candidate, "pos_abc123").analysisViewed
 * }
 * ```
 *
 * New versions may add operations. In Java, use [CelperBlocking].
 */
public interface CandidateActions {
    /**
     * Reads a candidate's status.
     *
     * ```kotlin
     * val state = client.getCandidateStatus("cand_xyz789", jobPositionId = "pos_abc123")
     * ```
     *
     * Needs the scope `read:candidates`. Throws [NotFoundException] if the candidate or the job position does not exist.
     *
     * @param candidateId the candidate's id
     * @param jobPositionId the id of the job position that the candidate applies for
     * @param timeout the timeout of the whole call, all waits and retries included; if null, the client's
     * @param maxRetries the maximum number of attempts after the first one; if null, the client's
     */
    @JvmSynthetic
    public suspend fun getCandidateStatus(
        candidateId: String,
        jobPositionId: String,
        timeout: Duration? = null,
        maxRetries: Int? = null,
    ): CandidateState

    /**
     * Invites a candidate with the status `new`: opens a 7-day interview session and queues the e-mail.
     *
     * ```kotlin
     * client.inviteCandidate("cand_xyz789", jobPositionId = "pos_abc123", emailBody = "Your interview: {interviewLink}")
     * ```
     *
     * Needs the scope `action:invite`. Throws [InvalidStatusException] if the candidate's status is not `new`, and
     * [NotFoundException] if the candidate or the job position does not exist.
     *
     * @param candidateId the candidate's id
     * @param jobPositionId the id of the job position that the candidate applies for
     * @param emailSubject the e-mail's subject, at most 200 characters; if null, the service's default
     * @param emailBody the e-mail's body, at most 5,000 characters; `{interviewLink}` in it is replaced by the interview's URL; if
     *   null, the service's default
     * @param idempotencyKey the service performs an action only once per key within 24 hours; if null, a UUID v4 created for the
     *   call
     * @param timeout the timeout of the whole call, all waits and retries included; if null, the client's
     * @param maxRetries the maximum number of attempts after the first one; if null, the client's
     */
    @JvmSynthetic
    public suspend fun inviteCandidate(
        candidateId: String,
        jobPositionId: String,
        emailSubject: String? = null,
        emailBody: String? = null,
        idempotencyKey: String? = null,
        timeout: Duration? = null,
        maxRetries: Int? = null,
    ): Invitation

    /**
     * Selects a candidate with the status `interviewed` whose analysis was viewed.
     *
     * ```kotlin
     * client.selectCandidate("cand_xyz789", jobPositionId = "pos_abc123")
     * ```
     *
     * Needs the scope `action:decide`. Throws [AnalysisNotViewedException] if nobody has viewed the analysis,
     * [InvalidStatusException] if the candidate's status is not `interviewed`, and [NotFoundException] if the candidate or the
     * job position does not exist.
     *
     * @param candidateId the candidate's id
     * @param jobPositionId the id of the job position that the candidate applies for
     * @param idempotencyKey the service performs an action only once per key within 24 hours; if null, a UUID v4 created for the
     *   call
     * @param timeout the timeout of the whole call, all waits and retries included; if null, the client's
     * @param maxRetries the maximum number of attempts after the first one; if null, the client's
     */
    @JvmSynthetic
    public suspend fun selectCandidate(
        candidateId: String,
        jobPositionId: String,
        idempotencyKey: String? = null,
        timeout: Duration? = null,
        maxRetries: Int? = null,
    ): Decision

    /**
     * Rejects a candidate with the status `interviewed` whose analysis was viewed.
     *
     * ```kotlin
     * client.rejectCandidate("cand_xyz789", jobPositionId = "pos_abc123")
     * ```
     *
     * Needs the scope `action:decide`. Throws [AnalysisNotViewedException] if nobody has viewed the analysis,
     * [InvalidStatusException] if the candidate's status is not `interviewed`, and [NotFoundException] if the candidate or the
     * job position does not exist.
     *
     * @param candidateId the candidate's id
     * @param jobPositionId the id of the job position that the candidate applies for
     * @param idempotencyKey the service performs an action only once per key within 24 hours; if null, a UUID v4 created for the
     *   call
     * @param timeout the timeout of the whole call, all waits and retries included; if null, the client's
     * @param maxRetries the maximum number of attempts after the first one; if null, the client's
     */
    @JvmSynthetic
    public suspend fun rejectCandidate(
        candidateId: String,
        jobPositionId: String,
        idempotencyKey: String? = null,
        timeout: Duration? = null,
        maxRetries: Int? = null,
    ): Decision

    /**
     * Waits until a candidate has one of the statuses, for minutes; for days, receive webhooks.
     *
     * ```kotlin
     * val until = setOf(CandidateStatus.Interviewed, CandidateStatus.Expired, CandidateStatus.Failed)
     * val state = client.waitForStatus("cand_xyz789", jobPositionId = "pos_abc123", until = until, timeout = 20.minutes)
     * ```
     *
     * Name every status that ends your wait: a candidate that is waited for as `interviewed` may also become `expired`, `failed` or
     * `unevaluable`. Failures that can pass do not end the wait. Throws [RequestTimeoutException] after the timeout, with the
     * candidate's [last state][CelperException.lastState]. Cancelling the coroutine ends it.
     *
     * @param candidateId the candidate's id
     * @param jobPositionId the id of the job position that the candidate applies for
     * @param until the statuses
     * @param timeout how long to wait; [Duration.INFINITE] for as long as it takes
     */
    @JvmSynthetic
    public suspend fun waitForStatus(
        candidateId: String,
        jobPositionId: String,
        until: Set<CandidateStatus>,
        timeout: Duration = 10.minutes,
    ): CandidateState = throw UnsupportedOperationException("this fake has no waitForStatus")

    /**
     * Gives the state of each candidate, and then each change, until no candidate is left or the collection ends.
     *
     * ```kotlin
     * client.watchCandidates(listOf("cand_1", "cand_2"), jobPositionId = "pos_abc123").collect { item ->
     *     println("${item.candidateId}: ${item.previousStatus} -> ${item.state?.status ?: item.error}")
     * }
     * ```
     *
     * Nothing happens until the flow is collected; each collection is a watch of its own, and leaving it ends the watch. A candidate
     * that is not found comes once with its error. What would fail for every candidate, for example a rejected key, is thrown.
     *
     * @param candidateIds the candidates' ids
     * @param jobPositionId the id of the candidates' job position
     */
    @JvmSynthetic
    public fun watchCandidates(
        candidateIds: Collection<String>,
        jobPositionId: String,
    ): Flow<WatchItem> = throw UnsupportedOperationException("this fake has no watchCandidates")

    /**
     * Carries out any number of requests, as fast as the rate limit allows, and gives an item for each as it ends.
     *
     * ```kotlin
     * val requests = listOf("cand_1", "cand_2").map { InviteRequest(it, jobPositionId = "pos_abc123") }
     * client.batch(requests, batchId = "spring-2026").collect { item -> println("${item.request.candidateId} ${item.error ?: "ok"}") }
     * ```
     *
     * Nothing happens until the [Batch] is collected. Collecting it throws [InvalidArgumentException] if an option is invalid or the
     * journal cannot be used: it belongs to another batch or another base URL, is in use, is damaged, or cannot be opened.
     *
     * @param requests the requests, which are collected as they are needed: at most 72 are read ahead
     * @param batchId names the batch: its actions' idempotency keys are derived from it, so that the same batch, run again within 24
     *   hours, performs no action twice
     * @param journal the path of a file that records what was sent and what has ended, so that a run after a crash continues where
     *   the first one stopped; it is created if it does not exist
     * @param total the number of requests, for [Batch.progress]; if null, it is unknown
     */
    @JvmSynthetic
    public fun batch(
        requests: Flow<CandidateRequest>,
        batchId: String? = null,
        journal: String? = null,
        total: Long? = null,
    ): Batch

    /** The same with a list or any other [Iterable]. */
    @JvmSynthetic
    public fun batch(
        requests: Iterable<CandidateRequest>,
        batchId: String? = null,
        journal: String? = null,
        total: Long? = null,
    ): Batch = batch(requests.asFlow(), batchId, journal, total ?: (requests as? Collection)?.size?.toLong())

    /** The same with a [Sequence]; one that blocks, for example because it reads a file, blocks the collector's dispatcher. */
    @JvmSynthetic
    public fun batch(
        requests: Sequence<CandidateRequest>,
        batchId: String? = null,
        journal: String? = null,
        total: Long? = null,
    ): Batch = batch(requests.asFlow(), batchId, journal, total)
}
