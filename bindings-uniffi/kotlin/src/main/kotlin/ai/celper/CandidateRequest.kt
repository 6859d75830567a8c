package ai.celper

import ai.celper.internal.ffi.CallInput
import kotlin.time.Duration

/**
 * One of the four operations with its arguments, as data; a [batch][Celper.batch] carries them out.
 *
 * ```kotlin
 * val requests = listOf(
 *     InviteRequest("cand_1", jobPositionId = "pos_abc123", emailSubject = "Your interview"),
 *     RejectRequest("cand_2", jobPositionId = "pos_abc123"),
 * )
 * ```
 *
 * In Java: `new RejectRequest("cand_2", "pos_abc123", new CallOptions().withMaxRetries(0))`. The text of an e-mail is not part of
 * `toString()`.
 */
public sealed class CandidateRequest {
    /** The candidate's id. */
    public abstract val candidateId: String

    /** The id of the candidate's job position. */
    public abstract val jobPositionId: String

    /** The timeout of the call once the rate limit has let it through; if null, the client's. */
    @get:JvmSynthetic
    public abstract val timeout: Duration?

    /** The maximum number of attempts after the first one; if null, the client's. */
    public abstract val maxRetries: Int?

    internal abstract val operation: String

    internal abstract fun toInput(): CallInput
}

/** Reads a candidate's status; see [Celper.getCandidateStatus]. */
public data class StatusRequest(
    override val candidateId: String,
    override val jobPositionId: String,
    @get:JvmSynthetic override val timeout: Duration? = null,
    override val maxRetries: Int? = null,
) : CandidateRequest() {
    /** For Java. */
    public constructor(candidateId: String, jobPositionId: String) : this(candidateId, jobPositionId, timeout = null)

    /** For Java. Options with an idempotency key are refused, as a read has none. */
    public constructor(candidateId: String, jobPositionId: String, options: CallOptions) :
        this(candidateId, jobPositionId, options.timeout, options.maxRetries) {
        require(options.idempotencyKey == null) { "idempotencyKey is for actions; reading a status has none" }
    }

    override val operation: String get() = "status"

    override fun toInput(): CallInput = input(operation, candidateId, jobPositionId, null, timeout, maxRetries)
}

/** Invites a candidate; see [Celper.inviteCandidate]. */
public data class InviteRequest(
    override val candidateId: String,
    override val jobPositionId: String,
    /** The e-mail's subject, at most 200 characters; if null, the service's default. */
    public val emailSubject: String? = null,
    /** The e-mail's body, at most 5,000 characters, with `{interviewLink}` where the link belongs; if null, the service's default. */
    public val emailBody: String? = null,
    /** The action's idempotency key; if null, derived from the batch id, or a UUID v4. */
    public val idempotencyKey: String? = null,
    @get:JvmSynthetic override val timeout: Duration? = null,
    override val maxRetries: Int? = null,
) : CandidateRequest() {
    /** For Java. */
    public constructor(candidateId: String, jobPositionId: String) : this(candidateId, jobPositionId, null)

    /** For Java. If the subject or the body is null, the service's default is used. */
    public constructor(candidateId: String, jobPositionId: String, emailSubject: String?, emailBody: String?) :
        this(candidateId, jobPositionId, emailSubject, emailBody, idempotencyKey = null)

    /** For Java. If the subject or the body is null, the service's default is used. */
    public constructor(
        candidateId: String, jobPositionId: String, emailSubject: String?, emailBody: String?, options: CallOptions,
    ) : this(candidateId, jobPositionId, emailSubject, emailBody, options.idempotencyKey, options.timeout, options.maxRetries)

    /** Without the e-mail. */
    override fun toString(): String = "InviteRequest(candidateId=$candidateId, jobPositionId=$jobPositionId)"

    override val operation: String get() = "invite"

    override fun toInput(): CallInput =
        input(operation, candidateId, jobPositionId, idempotencyKey, timeout, maxRetries, emailSubject, emailBody)
}

/** Selects a candidate; see [Celper.selectCandidate]. */
public data class SelectRequest(
    override val candidateId: String,
    override val jobPositionId: String,
    /** The action's idempotency key; if null, derived from the batch id, or a UUID v4. */
    public val idempotencyKey: String? = null,
    @get:JvmSynthetic override val timeout: Duration? = null,
    override val maxRetries: Int? = null,
) : CandidateRequest() {
    /** For Java. */
    public constructor(candidateId: String, jobPositionId: String) : this(candidateId, jobPositionId, null)

    /** For Java. */
    public constructor(candidateId: String, jobPositionId: String, options: CallOptions) :
        this(candidateId, jobPositionId, options.idempotencyKey, options.timeout, options.maxRetries)

    override val operation: String get() = "select"

    override fun toInput(): CallInput = input(operation, candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)
}

/** Rejects a candidate; see [Celper.rejectCandidate]. */
public data class RejectRequest(
    override val candidateId: String,
    override val jobPositionId: String,
    /** The action's idempotency key; if null, derived from the batch id, or a UUID v4. */
    public val idempotencyKey: String? = null,
    @get:JvmSynthetic override val timeout: Duration? = null,
    override val maxRetries: Int? = null,
) : CandidateRequest() {
    /** For Java. */
    public constructor(candidateId: String, jobPositionId: String) : this(candidateId, jobPositionId, null)

    /** For Java. */
    public constructor(candidateId: String, jobPositionId: String, options: CallOptions) :
        this(candidateId, jobPositionId, options.idempotencyKey, options.timeout, options.maxRetries)

    override val operation: String get() = "reject"

    override fun toInput(): CallInput = input(operation, candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)
}
