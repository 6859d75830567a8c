package ai.celper

import java.time.Instant

/**
 * Where a candidate stands in one job position's process.
 *
 * ```kotlin
 * when (val status = state.status) {
 *     CandidateStatus.Interviewed -> decide()
 *     is CandidateStatus.Unknown -> log("a status of tomorrow: ${status.value}")
 *     else -> wait()
 * }
 * ```
 */
public sealed class CandidateStatus {
    /** The status as the API spells it. */
    public abstract val value: String

    /** Known to the position; not invited yet. */
    public data object New : CandidateStatus() { override val value: String get() = "new" }

    /** Invited to an interview. */
    public data object Invited : CandidateStatus() { override val value: String get() = "invited" }

    /** The interview took place. */
    public data object Interviewed : CandidateStatus() { override val value: String get() = "interviewed" }

    /** Selected. */
    public data object Selected : CandidateStatus() { override val value: String get() = "selected" }

    /** Rejected. */
    public data object Rejected : CandidateStatus() { override val value: String get() = "rejected" }

    /** The invitation ran out. */
    public data object Expired : CandidateStatus() { override val value: String get() = "expired" }

    /** The interview failed. */
    public data object Failed : CandidateStatus() { override val value: String get() = "failed" }

    /** The interview cannot be evaluated. */
    public data object Unevaluable : CandidateStatus() { override val value: String get() = "unevaluable" }

    /** A status that this version does not know, as the server sent it. */
    public class Unknown internal constructor(override val value: String) : CandidateStatus() {
        override fun equals(other: Any?): Boolean = other is Unknown && value == other.value

        override fun hashCode(): Int = value.hashCode()
    }

    /** The same as [value]. */
    final override fun toString(): String = value

    public companion object {
        /** The statuses that this version knows. */
        @JvmStatic
        public val known: List<CandidateStatus> by lazy {
            listOf(New, Invited, Interviewed, Selected, Rejected, Expired, Failed, Unevaluable)
        }

        /** The status that the API spells so. */
        @JvmStatic
        public fun of(value: String): CandidateStatus = known.find { it.value == value } ?: Unknown(value)
    }
}

/** What the server said of its rate limit in one answer: the tightest of the windows that the request counted in. */
public class RateLimit internal constructor(
    /** Requests allowed in the window. */
    public val limit: Long?,
    /** Requests left in the window. */
    public val remaining: Long?,
    /** When there is room again, on the server's clock. */
    public val resetAt: Instant?,
) {
    private val fields get() = listOf(limit, remaining, resetAt)

    override fun equals(other: Any?): Boolean = other is RateLimit && fields == other.fields

    override fun hashCode(): Int = fields.hashCode()

    override fun toString(): String = "RateLimit(limit=$limit, remaining=$remaining, resetAt=$resetAt)"
}

/** A candidate's state. */
public class CandidateState internal constructor(
    /** Where the candidate stands. */
    public val status: CandidateStatus,
    /** Whether somebody has viewed the interview's analysis; a decision needs that. */
    public val analysisViewed: Boolean,
    /** The interview's score; null before there is one. */
    public val interviewScore: Double?,
    /** The server's id of the request. */
    public val requestId: String?,
    /** The server's rate limit; null where it sent none. */
    public val rateLimit: RateLimit?,
) {
    private val fields get() = listOf(status, analysisViewed, interviewScore, requestId, rateLimit)

    override fun equals(other: Any?): Boolean = other is CandidateState && fields == other.fields

    override fun hashCode(): Int = fields.hashCode()

    override fun toString(): String =
        "CandidateState(status=$status, analysisViewed=$analysisViewed, interviewScore=$interviewScore, " +
            "requestId=$requestId, rateLimit=$rateLimit)"
}

/** An invitation that went out. */
public class Invitation internal constructor(
    /** Whether the candidate was invited. */
    public val invited: Boolean,
    /** The interview session's id. */
    public val sessionId: String,
    /** How the e-mail stands: `pending` when it is queued. */
    public val emailDelivery: String,
    /** When the interview session closes. */
    public val expiresAt: Instant,
    /** The server's id of the request. */
    public val requestId: String?,
    /** The server's rate limit; null where it sent none. */
    public val rateLimit: RateLimit?,
) {
    private val fields get() = listOf(invited, sessionId, emailDelivery, expiresAt, requestId, rateLimit)

    override fun equals(other: Any?): Boolean = other is Invitation && fields == other.fields

    override fun hashCode(): Int = fields.hashCode()

    override fun toString(): String =
        "Invitation(invited=$invited, sessionId=$sessionId, emailDelivery=$emailDelivery, expiresAt=$expiresAt, " +
            "requestId=$requestId, rateLimit=$rateLimit)"
}

/** A decision that was taken. */
public class Decision internal constructor(
    /** The candidate's status now. */
    public val status: CandidateStatus,
    /** The server's id of the request. */
    public val requestId: String?,
    /** The server's rate limit; null where it sent none. */
    public val rateLimit: RateLimit?,
) {
    private val fields get() = listOf(status, requestId, rateLimit)

    override fun equals(other: Any?): Boolean = other is Decision && fields == other.fields

    override fun hashCode(): Int = fields.hashCode()

    override fun toString(): String = "Decision(status=$status, requestId=$requestId, rateLimit=$rateLimit)"
}
