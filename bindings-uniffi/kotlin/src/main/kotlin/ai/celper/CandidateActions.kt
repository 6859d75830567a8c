package ai.celper

import kotlin.time.Duration

/**
 * The four operations, which [Celper] implements. Code that takes this interface can be tested with a fake.
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
}
