package ai.celper

import ai.celper.internal.ffi.Failure
import ai.celper.internal.ffi.KeyRequests
import kotlinx.coroutines.CopyableThrowable
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlin.coroutines.Continuation
import kotlin.coroutines.jvm.internal.CoroutineStackFrame
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * The error of a call, or of creating a client.
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
 *     ├── UnexpectedResponseException
 *     ├── InternalException
 *     └── WebhookException
 *
 * [message] is one line that describes the error and never contains the API key. A cancelled call throws a
 * `CancellationException` instead, as coroutines do. The stack trace has the functions that called the operation, also those
 * that were suspended. Tests create exceptions with [of].
 */
@OptIn(ExperimentalCoroutinesApi::class)
public sealed class CelperException(failure: Failure, cause: Throwable?) :
    RuntimeException(failure.text, cause), CopyableThrowable<CelperException> {
    /** The error kind's stable name, the same in every language of this SDK; for example `not_found`. */
    public val kind: String = failure.kind

    /** The server's description of the error, or the client's if there is none. [message] contains it and more. */
    public val detail: String = failure.message

    /**
     * The operation that failed: `status`, `invite`, `select` or `reject`; `client` or `batch` if creating one failed, `webhook` for a
     * webhook.
     */
    public val operation: String = failure.operation

    /** The HTTP status; null if there was no response. */
    public val status: Int? = failure.status?.toInt()

    /** The server's error code, documented or not. */
    public val code: String? = failure.code

    /** The server's request id; include it when you contact support. */
    public val requestId: String? = failure.requestId

    /** [retryAfter] in seconds, for Java. */
    public val retryAfterSeconds: Double? = failure.retryAfter

    /** How long to wait before calling again. */
    @get:JvmSynthetic
    public val retryAfter: Duration? get() = retryAfterSeconds?.seconds

    /** The number of HTTP requests that were sent for the call. */
    public val attempts: Int = failure.attempts.toInt()

    /** The rate limit headers of the response; null if there were none, or no response. */
    public val rateLimit: RateLimit? = failure.rateLimit?.toPublic()

    /** The idempotency key of the action. Call again with the same key, and the action is not performed twice. */
    public val idempotencyKey: String? = failure.idempotencyKey

    /** Whether the action may have taken place although the call failed. Read the status, or call again with the same key. */
    public val outcomeUnknown: Boolean = failure.outcomeUnknown

    internal val lazyRecord: LazyRecord? = failure.record?.let(::LazyRecord)

    /** The attempts and waits of the call; null if it was refused before it began. */
    public val record: CallRecord? get() = lazyRecord?.value

    /** The candidate's state that [Celper.waitForStatus] has read last; null for other calls, and if it has read none. */
    @Transient public val lastState: CandidateState? = failure.lastState?.toPublic()

    /** For coroutines, which add the stack trace of the code that awaits a failed `async` to a copy of its exception. */
    override fun createCopy(): CelperException = create(toFailure(), cause ?: this)

    internal fun toFailure(): Failure = Failure(
        kind, detail, message.orEmpty(), operation, status?.toUShort(), code, requestId, retryAfterSeconds, attempts.toUInt(),
        rateLimit?.toHeaders(), idempotencyKey, outcomeUnknown, null, lazyRecord?.bytes, lastState?.toNative(),
    )

    /** Adds the suspended functions that wait for the call; only those that run are in the JVM's own stack trace. */
    internal fun withCallers(continuation: Continuation<*>): CelperException {
        val callers = generateSequence(continuation as? CoroutineStackFrame) { it.callerFrame }
        val here = stackTrace.takeWhile { !it.className.startsWith("kotlin.coroutines.jvm.internal.") }
        stackTrace = (here + callers.mapNotNull { it.getStackTraceElement() }).toTypedArray()
        return this
    }

    public companion object {
        /**
         * Creates the exception of a kind, for tests of code that handles errors.
         *
         * ```kotlin
         * val missing = CelperException.of("not_found", "no such candidate", status = 404)
         * ```
         *
         * @param kind the error kind's name; it decides the exception's class
         * @throws IllegalArgumentException if there is no such kind
         */
        @JvmStatic
        @JvmOverloads
        public fun of(
            kind: String,
            detail: String,
            operation: String = "status",
            status: Int? = null,
            code: String? = null,
            requestId: String? = null,
            retryAfterSeconds: Double? = null,
            attempts: Int = 1,
            rateLimit: RateLimit? = null,
            idempotencyKey: String? = null,
            outcomeUnknown: Boolean = false,
            cause: Throwable? = null,
            lastState: CandidateState? = null,
        ): CelperException {
            val failure = Failure(
                kind, detail, "$operation: $detail", operation, status?.toUShort(), code, requestId, retryAfterSeconds,
                attempts.toUInt(), rateLimit?.toHeaders(), idempotencyKey, outcomeUnknown, null, null, lastState?.toNative(),
            )
            val exception = create(failure, cause)
            // An unknown kind gets that class, which is right only for the kind of that name.
            require(exception !is UnexpectedResponseException || kind == "unexpected_response") { "unknown kind: $kind" }
            return exception
        }

        internal fun of(failure: Failure): CelperException = create(failure, failure.cause?.let(KeyRequests::takeError))

        /** A fault of the SDK's own, found on this side of the FFI boundary: an action may have taken place. */
        internal fun internal(operation: String, idempotencyKey: String?, cause: Throwable?): CelperException = of(
            "internal", "internal error in the SDK: ${cause ?: "no outcome"}; please report it", operation, attempts = 0,
            idempotencyKey = idempotencyKey, outcomeUnknown = operation != "status", cause = cause,
        )

        private fun create(failure: Failure, cause: Throwable?): CelperException =
            when (failure.kind) {
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
                "internal" -> InternalException(failure, cause)
                "webhook" -> WebhookException(failure, cause)
                else -> UnexpectedResponseException(failure, cause)
            }
    }
}

/** An argument or an option is invalid; nothing was sent. */
public class InvalidArgumentException internal constructor(failure: Failure, cause: Throwable?) : CelperException(failure, cause)

/** The service responded with an error, or the rate limits leave no room for the call within its timeout. */
public sealed class ApiException(failure: Failure, cause: Throwable?) : CelperException(failure, cause)

/** HTTP 400, or another 4xx that has no other class. */
public class InvalidRequestException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 401; or the [KeyProvider] failed, in which case [cause] is the exception that it threw. */
public class AuthenticationException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 403: the key is not allowed to do this. */
public class PermissionDeniedException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 404: the candidate or the job position does not exist. */
public class NotFoundException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 409: the request conflicts with the current state. */
public open class ConflictException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 409: the candidate's status does not allow the action. */
public class InvalidStatusException internal constructor(failure: Failure, cause: Throwable?) : ConflictException(failure, cause)

/** HTTP 409: somebody has to view the interview's analysis before the decision. */
public class AnalysisNotViewedException internal constructor(failure: Failure, cause: Throwable?) : ConflictException(failure, cause)

/** HTTP 409: the idempotency key was already used for a different request. */
public class IdempotencyConflictException internal constructor(failure: Failure, cause: Throwable?) : ConflictException(failure, cause)

/** HTTP 429, or the rate limits leave no room for the call within its timeout. */
public class RateLimitException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** HTTP 5xx: the service failed. */
public class ServerException internal constructor(failure: Failure, cause: Throwable?) : ApiException(failure, cause)

/** There was no usable response. */
public sealed class TransportException(failure: Failure, cause: Throwable?) : CelperException(failure, cause)

/** The connection failed: DNS, connection refused or reset, TLS. */
public class ConnectionFailedException internal constructor(failure: Failure, cause: Throwable?) : TransportException(failure, cause)

/** The timeout of an attempt or of the whole call expired. */
public class RequestTimeoutException internal constructor(failure: Failure, cause: Throwable?) : TransportException(failure, cause)

/** The response is not one of this API's: not JSON, an unexpected structure, a redirect, or too large. */
public class UnexpectedResponseException internal constructor(failure: Failure, cause: Throwable?) : CelperException(failure, cause)

/** A bug in the SDK; please report it. */
public class InternalException internal constructor(failure: Failure, cause: Throwable?) : CelperException(failure, cause)

/** A webhook cannot be trusted or read: respond with 400. [reason] tells why. */
public class WebhookException internal constructor(
    failure: Failure,
    cause: Throwable?,
    /**
     * Why, as a stable value, the same in every language of this SDK: `missing_header`, `malformed`, `no_match`, `stale`,
     * `not_json` or `unexpected_body`.
     */
    public val reason: String = "no_match",
    /** The seconds by which a stale webhook's timestamp is behind this machine's clock; negative if it is ahead. */
    public val clockDifferenceSeconds: Long? = null,
) : CelperException(failure, cause) {
    override fun createCopy(): CelperException = WebhookException(toFailure(), cause ?: this, reason, clockDifferenceSeconds)
}
