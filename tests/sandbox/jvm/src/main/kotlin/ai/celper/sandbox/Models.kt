package ai.celper.sandbox

import java.time.Instant

/** The sandbox did not start or refused a control request; the message says why. */
public class SandboxException @JvmOverloads constructor(message: String, cause: Throwable? = null) : RuntimeException(message, cause)

/** A candidate in one job position. */
public data class Candidate(
    public val id: String,
    public val jobPositionId: String,
    public val status: String,
    public val analysisViewed: Boolean,
    /** Null if it is null in responses, or absent from them. */
    public val interviewScore: Double?,
)

/** A request that the sandbox received. */
public data class RecordedRequest(
    public val method: String,
    public val path: String,
    public val query: String?,
    public val candidateId: String?,
    /** Names in lower case; repeated headers are joined with `, `. */
    public val headers: Map<String, String>,
    /** At most its first 64 KiB. */
    public val body: String?,
    /** On the sandbox's clock. */
    public val receivedAt: Instant,
    /** The HTTP status of the response, null if none was sent. */
    public val answered: Int?,
    /** The kind of the fault that was applied to it. */
    public val fault: String?,
    /** Whether it changed a candidate. */
    public val acted: Boolean,
    /** Whether it got the stored response of its idempotency key. */
    public val replayed: Boolean,
    /** Whether the client disconnected before the response was complete. */
    public val clientClosed: Boolean,
)

/** An e-mail that the service would have sent. */
public data class Mail(
    public val candidateId: String,
    public val jobPositionId: String,
    public val sessionId: String,
    public val interviewLink: String,
    public val subject: String,
    public val body: String,
    /** Whether the request had no subject, so that this is the default one. */
    public val defaultSubject: Boolean,
    /** Whether the request had no text, so that this is the default one. */
    public val defaultBody: Boolean,
    /** On the sandbox's clock. */
    public val queuedAt: Instant,
)

/** An attempt at delivering a webhook. */
public data class Delivery(
    public val candidateId: String,
    /** The candidate's status in the event. */
    public val status: String,
    /** 1 for the first. */
    public val attempt: Int,
    public val body: String,
    /** The HTTP status of the response, null if there was none. */
    public val answered: Int?,
    /** Why there was no response. */
    public val error: String?,
    /** The fault that was applied to the delivery. */
    public val fault: DeliveryFault?,
    /** On the sandbox's clock. */
    public val endedAt: Instant,
) {
    internal val accepted: Boolean get() = answered in 200..299
}

/** The kinds of faults of deliveries. */
public enum class DeliveryFault {
    /** The event arrives later, so that the next ones overtake it. */
    LATE,

    /** The event arrives twice. */
    TWICE,

    /** Its signature is of another secret. */
    WRONG_SIGNATURE,
}

/** An operation of the API. */
public enum class Operation { STATUS, INVITE, SELECT, REJECT }

/** Whether a request with a fault acts. */
public enum class Act {
    /** The action takes effect before the fault. */
    BEFORE,

    /** It takes effect after a delay. */
    AFTER,

    /** It does not happen. */
    NONE,
}

/** What an API key may do. */
public enum class Scope(internal val text: String) {
    READ_JOBS("read:jobs"),
    READ_CANDIDATES("read:candidates"),
    WRITE_CANDIDATES("write:candidates"),
    ACTION_INVITE("action:invite"),
    ACTION_DECIDE("action:decide"),
    MANAGE_WEBHOOKS("manage:webhooks"),
}

/** The state of an API key. */
public enum class KeyState { ACTIVE, REVOKED, EXPIRED, CREATOR_LOST_ACCESS }

/** The company's access to the API. */
public enum class CompanyState { ACTIVE, API_DISABLED, ACCOUNT_SUSPENDED }

internal val Enum<*>.word: String get() = name.lowercase()
