package ai.celper

import java.util.concurrent.CancellationException

/**
 * The operations for Java as functions that block the calling thread, returned by [Celper.blocking].
 *
 * ```java
 * try (Celper client = Celper.builder().apiKey("celp_…").build()) {
 *     CandidateState state = client.blocking().getCandidateStatus("cand_xyz789", "pos_abc123");
 * }
 * ```
 *
 * The first argument is the candidate's id, the second the job position's. A call that fails throws a [CelperException]. The
 * calling thread may be virtual. Interrupting it cancels the call, which throws a `CancellationException` and leaves the thread
 * interrupted. Coroutines use the functions of [Celper], which block no thread.
 *
 * It is an interface, so that tests can implement it with a fake. New versions may add operations.
 */
public interface CelperBlocking {
    /** Reads a candidate's status; see [Celper.getCandidateStatus]. */
    public fun getCandidateStatus(candidateId: String, jobPositionId: String, options: CallOptions): CandidateState

    /** Reads a candidate's status; see [Celper.getCandidateStatus]. */
    public fun getCandidateStatus(candidateId: String, jobPositionId: String): CandidateState =
        getCandidateStatus(candidateId, jobPositionId, CallOptions())

    /** Invites a candidate; see [Celper.inviteCandidate]. If the subject or the body is null, the service's default is used. */
    public fun inviteCandidate(
        candidateId: String, jobPositionId: String, emailSubject: String?, emailBody: String?, options: CallOptions,
    ): Invitation

    /** Invites a candidate; see [Celper.inviteCandidate]. If the subject or the body is null, the service's default is used. */
    public fun inviteCandidate(
        candidateId: String, jobPositionId: String, emailSubject: String?, emailBody: String?,
    ): Invitation = inviteCandidate(candidateId, jobPositionId, emailSubject, emailBody, CallOptions())

    /** Invites a candidate with the service's default e-mail; see [Celper.inviteCandidate]. */
    public fun inviteCandidate(candidateId: String, jobPositionId: String): Invitation =
        inviteCandidate(candidateId, jobPositionId, null, null, CallOptions())

    /** Selects a candidate; see [Celper.selectCandidate]. */
    public fun selectCandidate(candidateId: String, jobPositionId: String, options: CallOptions): Decision

    /** Selects a candidate; see [Celper.selectCandidate]. */
    public fun selectCandidate(candidateId: String, jobPositionId: String): Decision =
        selectCandidate(candidateId, jobPositionId, CallOptions())

    /** Rejects a candidate; see [Celper.rejectCandidate]. */
    public fun rejectCandidate(candidateId: String, jobPositionId: String, options: CallOptions): Decision

    /** Rejects a candidate; see [Celper.rejectCandidate]. */
    public fun rejectCandidate(candidateId: String, jobPositionId: String): Decision =
        rejectCandidate(candidateId, jobPositionId, CallOptions())

    /** Waits until a candidate has one of the statuses; see [Celper.waitForStatus]. */
    public fun waitForStatus(
        candidateId: String, jobPositionId: String, until: Set<CandidateStatus>, timeout: java.time.Duration,
    ): CandidateState = throw UnsupportedOperationException("this fake has no waitForStatus")

    /** Waits until a candidate has one of the statuses, for 10 minutes; see [Celper.waitForStatus]. */
    public fun waitForStatus(candidateId: String, jobPositionId: String, until: Set<CandidateStatus>): CandidateState =
        waitForStatus(candidateId, jobPositionId, until, java.time.Duration.ofMinutes(10))

    /** Gives the state of each candidate, and then each change; see [Celper.watchCandidates]. */
    public fun watchCandidates(candidateIds: Collection<String>, jobPositionId: String): BlockingWatch =
        throw UnsupportedOperationException("this fake has no watchCandidates")

    /**
     * Carries out any number of requests, as fast as the rate limit allows, and gives an item for each as it ends.
     *
     * The requests of a stream are passed as `stream::iterator`.
     *
     * @throws InvalidArgumentException if an option is invalid, or the journal cannot be used
     */
    public fun batch(requests: Iterable<CandidateRequest>, options: BatchOptions): BlockingBatch

    /** Carries out any number of requests, without a batch id and a journal. */
    public fun batch(requests: Iterable<CandidateRequest>): BlockingBatch = batch(requests, BatchOptions())
}

internal class BlockingCalls(private val client: Celper) : CelperBlocking {
    override fun getCandidateStatus(candidateId: String, jobPositionId: String, options: CallOptions): CandidateState =
        client.callBlocking(options.input("status", candidateId, jobPositionId)).toState()

    override fun inviteCandidate(
        candidateId: String, jobPositionId: String, emailSubject: String?, emailBody: String?, options: CallOptions,
    ): Invitation = client.callBlocking(options.input("invite", candidateId, jobPositionId, emailSubject, emailBody)).toInvitation()

    override fun selectCandidate(candidateId: String, jobPositionId: String, options: CallOptions): Decision =
        client.callBlocking(options.input("select", candidateId, jobPositionId)).toDecision()

    override fun rejectCandidate(candidateId: String, jobPositionId: String, options: CallOptions): Decision =
        client.callBlocking(options.input("reject", candidateId, jobPositionId)).toDecision()

    override fun waitForStatus(
        candidateId: String, jobPositionId: String, until: Set<CandidateStatus>, timeout: java.time.Duration,
    ): CandidateState {
        if (Thread.currentThread().isInterrupted) throw CancellationException("the thread is interrupted")
        val wait = client.watchRun(waitOptions(candidateId, jobPositionId, until, timeout.toKotlin()))
        return wait.state { wait.awaitBlocking(it) }
    }

    override fun watchCandidates(candidateIds: Collection<String>, jobPositionId: String): BlockingWatch =
        WatchIterator(client.watchRun(watchOptions(candidateIds, jobPositionId)))

    override fun batch(requests: Iterable<CandidateRequest>, options: BatchOptions): BlockingBatch {
        val total = options.total ?: (requests as? Collection)?.size?.toLong()
        return ItemIterator(client.batchRun(options.batchId, options.journal, total), requests.iterator())
    }
}
