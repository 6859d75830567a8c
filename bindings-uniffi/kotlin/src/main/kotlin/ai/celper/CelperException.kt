package ai.celper

import ai.celper.internal.ffi.Failure
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * Why a call gave no result.
 *
 * ```kotlin
 * try {
 *     client.selectCandidate("cand_xyz789", jobPositionId = "pos_abc123")
 * } catch (e: AnalysisNotViewedException) {
 *     println("view the analysis first")
 * } catch (e: CelperException) {
 *     if (e.outcomeUnknown) println("may have happened, read the status: ${e.message}") else throw e
 * }
 * ```
 *
 *     CelperException
 *     ├── InvalidArgumentException
 *     ├── ApiException
 *     │   ├── InvalidRequestException
 *     │   ├── AuthenticationException
 *     │   ├── PermissionDeniedException
 *     │   ├── NotFoundException
 *     │   ├── ConflictException
 *     │   │   ├── InvalidStatusException
 *     │   │   ├── AnalysisNotViewedException
 *     │   │   └── IdempotencyConflictException
 *     │   ├── RateLimitException
 *     │   └── ServerException
 *     ├── TransportException
 *     │   ├── ConnectionFailedException
 *     │   └── RequestTimeoutException
 *     └── UnexpectedResponseException
 *
 * [message] is one readable line, and never contains the API key. A cancelled call throws the coroutine's own
 * `CancellationException` instead.
 */
public sealed class CelperException(failure: Failure, cause: Throwable?) : RuntimeException(failure.text, cause) {
    /** The stable name of what went wrong, the same in every language of this SDK: `not_found`, for one. */
    public val kind: String = failure.kind

    /** The server's own description, or the client's where the server gave none; [message] has the rest around it. */
    public val detail: String = failure.message

    /** What failed: `status`, `invite`, `select` or `reject`; `client` when a client could not be made. */
    public val operation: String = failure.operation

    /** The HTTP status, where there was an answer. */
    public val status: Int? = failure.status?.toInt()

    /** The server's own code, also when it is not a documented one. */
    public val code: String? = failure.code

    /** The server's id of the request, to name in a question to its support. */
    public val requestId: String? = failure.requestId

    /** [retryAfter] in seconds. */
    public val retryAfterSeconds: Double? = failure.retryAfter

    /** How long to wait before it makes sense to call again. */
    @get:JvmSynthetic
    public val retryAfter: Duration? get() = retryAfterSeconds?.seconds

    /** How many HTTP requests were made for the call. */
    public val attempts: Int = failure.attempts.toInt()

    /** The idempotency key that an action's requests carried: call again with it, and nothing is done twice. */
    public val idempotencyKey: String? = failure.idempotencyKey

    /** Whether an action may have taken place although this came of it. Read the status, or call again with the same key. */
    public val outcomeUnknown: Boolean = failure.outcomeUnknown

    internal companion object {
        fun of(failure: Failure): CelperException {
            val cause = (failure.cause as? ThrownByProvider)?.thrown
            return when (failure.kind) {
                "invalid_argument" -> InvalidArgumentException(failure, cause)
                "invalid_request" -> InvalidRequestException(failure, cause)
                "authentication" -> AuthenticationException(failure, cause)
                "permission_denied" -> PermissionDeniedException(failure, cause)
                "not_found" -> NotFoundException(failure, cause)
                "conflict" -> ConflictException(failure, cause)
                "invalid_status" -> InvalidStatusException(failure, cause)
                "analysis_not_viewed" -> AnalysisNotViewedException(failure, cause)
                "idempotency_conflict" -> IdempotencyConflictException(failure, cause)
                "rate_limited" -> RateLimitException(failure, cause)
                "server" -> ServerException(failure, cause)
                "connection" -> ConnectionFailedException(failure, cause)
                "timeout" -> RequestTimeoutException(failure, cause)
                else -> UnexpectedResponseException(failure, cause)
            }
        }
    }
}

/** Refused on this side; nothing was sent. */
public class InvalidArgumentException internal constructor(failure: Failure, cause: Throwable?) : CelperException(failure, cause)

/** The service answered, and refused or failed; or pacing to its rate limits could not fit the call into its timeout. */
public sealed class ApiException(failure: Failure, cause: Throwable?) : CelperException(failure, cause)

/** HTTP 400, or another 4xx without a class of its own. */
public class InvalidRequestException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 401; or the [KeyProvider] gave no key, and then [cause] is what it threw. */
public class AuthenticationException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 403. */
public class PermissionDeniedException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 404: no such candidate or job position. */
public class NotFoundException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 409. */
public open class ConflictException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** The candidate's status does not allow the action. */
public class InvalidStatusException internal constructor(failure: Failure, cause: Throwable?) : ConflictException(failure, cause)

/** The interview's analysis has to be viewed before the decision. */
public class AnalysisNotViewedException internal constructor(failure: Failure, cause: Throwable?) : ConflictException(failure, cause)

/** The idempotency key was used before with another request. */
public class IdempotencyConflictException internal constructor(failure: Failure, cause: Throwable?) : ConflictException(failure, cause)

/** HTTP 429, or pacing cannot fit the call into its timeout. */
public class RateLimitException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 5xx. */
public class ServerException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** There was no usable answer. */
public sealed class TransportException(failure: Failure, cause: Throwable?) : CelperException(failure, cause)

/** DNS, a refused or reset connection, TLS. */
public class ConnectionFailedException internal constructor(failure: Failure, cause: Throwable?) : TransportException(failure, cause)

/** An attempt's time, or the whole call's, ran out. */
public class RequestTimeoutException internal constructor(failure: Failure, cause: Throwable?) : TransportException(failure, cause)

/** An answer that this API does not give: not JSON, the wrong shape, a redirect, too large. */
public class UnexpectedResponseException internal constructor(failure: Failure, cause: Throwable?) : CelperException(failure, cause)
