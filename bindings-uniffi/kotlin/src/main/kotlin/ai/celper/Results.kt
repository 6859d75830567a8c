package ai.celper

import java.io.Serializable
import java.time.Instant

/**
 * A candidate's status in the process of one job position.
 *
 * ```kotlin
 * when (val status = state.status) {
 *     CandidateStatus.Interviewed -> decide()
 *     is CandidateStatus.Unknown -> log("unknown status: ${status.value}")
 *     else -> wait()
 * }
 * ```
 */
public sealed class CandidateStatus {
    /** The status as the API sends it, for example `interviewed`. */
    public abstract val value: String

    /** Not invited yet. */
    public data object New : CandidateStatus() { override val value: String get() = "new" }

    /** Invited to an interview. */
    public data object Invited : CandidateStatus() { override val value: String get() = "invited" }

    /** The interview took place. */
    public data object Interviewed : CandidateStatus() { override val value: String get() = "interviewed" }

    /** Selected. */
    public data object Selected : CandidateStatus() { override val value: String get() = "selected" }

    /** Rejected. */
    public data object Rejected : CandidateStatus() { override val value: String get() = "rejected" }

    /** The invitation expired. */
    public data object Expired : CandidateStatus() { override val value: String get() = "expired" }

    /** The interview failed. */
    public data object Failed : CandidateStatus() { override val value: String get() = "failed" }

    /** The interview cannot be evaluated. */
    public data object Unevaluable : CandidateStatus() { override val value: String get() = "unevaluable" }

    /** A status that this version of the SDK does not know. */
    public class Unknown internal constructor(override val value: String) : CandidateStatus() {
        override fun equals(other: Any?): Boolean = other is Unknown && value == other.value

        override fun hashCode(): Int = value.hashCode()
    }

    /** Returns [value]. */
    final override fun toString(): String = value

    public companion object {
        /** The statuses that this version of the SDK knows. */
        @JvmStatic
        public val known: List<CandidateStatus> by lazy {
            listOf(New, Invited, Interviewed, Selected, Rejected, Expired, Failed, Unevaluable)
        }

        /** Returns the status that the API calls [value]; [Unknown] if this version of the SDK does not know it. */
        @JvmStatic
        public fun of(value: String): CandidateStatus = known.find { it.value == value } ?: Unknown(value)
    }
}

/** The rate limit headers of one response, for the window closest to its limit of those that the request counts in. */
public data class RateLimit @JvmOverloads constructor(
    /** Requests allowed in the window. */
    public val limit: Long? = null,
    /** Requests left in the window. */
    public val remaining: Long? = null,
    /** When the window resets, by the server's clock. */
    public val resetAt: Instant? = null,
) : Serializable // Exceptions are serializable, and have one.

/** What the results of all operations have: [CandidateState], [Invitation] and [Decision]. */
public sealed interface CandidateResult {
    /** The server's request id; include it when you contact support. */
    public val requestId: String?

    /** The rate limit headers of the response; null if there were none. */
    public val rateLimit: RateLimit?

    /** The number of HTTP requests that were sent for the call. */
    public val attempts: Int

    /** The attempts and waits of the call; null if the result was made by hand. Results that differ only in it are equal. */
    public val record: CallRecord?
}

/** The result of reading a candidate's status. */
public data class CandidateState @JvmOverloads constructor(
    /** The candidate's status. */
    public val status: CandidateStatus,
    /** Whether somebody has viewed the interview's analysis, which is required before a decision. */
    public val analysisViewed: Boolean,
    /** The interview's score; null if there is none yet. */
    public val interviewScore: Double? = null,
    /** The server's request id; include it when you contact support. */
    public override val requestId: String? = null,
    /** The rate limit headers of the response; null if there were none. */
    public override val rateLimit: RateLimit? = null,
    /** The number of HTTP requests that were sent for the call. */
    public override val attempts: Int = 1,
) : CandidateResult {
    @Transient internal var lazyRecord: LazyRecord? = null

    /** The attempts and waits of the call; null if the result was made by hand. Results that differ only in it are equal. */
    public override val record: CallRecord? get() = lazyRecord?.value
}

/** The result of inviting a candidate. */
public data class Invitation @JvmOverloads constructor(
    /** Whether the candidate was invited. */
    public val invited: Boolean,
    /** The interview session's id. */
    public val sessionId: String,
    /** The e-mail's delivery status; `pending` if it is queued. */
    public val emailDelivery: String,
    /** When the interview session expires. */
    public val expiresAt: Instant,
    /** The server's request id; include it when you contact support. */
    public override val requestId: String? = null,
    /** The rate limit headers of the response; null if there were none. */
    public override val rateLimit: RateLimit? = null,
    /** The number of HTTP requests that were sent for the call. */
    public override val attempts: Int = 1,
) : CandidateResult {
    @Transient internal var lazyRecord: LazyRecord? = null

    /** The attempts and waits of the call; null if the result was made by hand. Results that differ only in it are equal. */
    public override val record: CallRecord? get() = lazyRecord?.value
}

/** The result of selecting or rejecting a candidate. */
public data class Decision @JvmOverloads constructor(
    /** The candidate's new status. */
    public val status: CandidateStatus,
    /** The server's request id; include it when you contact support. */
    public override val requestId: String? = null,
    /** The rate limit headers of the response; null if there were none. */
    public override val rateLimit: RateLimit? = null,
    /** The number of HTTP requests that were sent for the call. */
    public override val attempts: Int = 1,
) : CandidateResult {
    @Transient internal var lazyRecord: LazyRecord? = null

    /** The attempts and waits of the call; null if the result was made by hand. Results that differ only in it are equal. */
    public override val record: CallRecord? get() = lazyRecord?.value
}
