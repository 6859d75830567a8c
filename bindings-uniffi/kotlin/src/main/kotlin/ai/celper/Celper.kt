package ai.celper

import ai.celper.internal.ffi.CallInput
import ai.celper.internal.ffi.ClientOptions
import ai.celper.internal.ffi.DirectCalls
import ai.celper.internal.ffi.NativeClient
import ai.celper.internal.ffi.OpenResult
import ai.celper.internal.ffi.Outcome
import ai.celper.internal.ffi.Output
import ai.celper.internal.ffi.RateLimitHeaders
import ai.celper.internal.ffi.RateLimitOptions
import ai.celper.internal.ffi.Timestamp
import ai.celper.internal.ffi.open
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext
import java.time.Instant
import kotlin.coroutines.ContinuationInterceptor
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit

/**
 * A client of the Celper AI Candidate Actions API.
 *
 * ```kotlin
 * Celper(apiKey = "celp_…").use { client ->
 *     val state = client.getCandidateStatus("cand_xyz789", jobPositionId = "pos_abc123")
 *     if (state.analysisViewed) client.selectCandidate("cand_xyz789", jobPositionId = "pos_abc123")
 * }
 * ```
 *
 * Share one client between any number of coroutines. Its functions suspend and never block a thread. Cancelling the coroutine
 * drops the request on the wire, and no retry follows. A call that fails throws a [CelperException]. In Java, use [builder] and
 * [async].
 *
 * @param apiKey the API key; if null and there is no [keyProvider], the environment variable `CELPER_API_KEY`
 * @param keyProvider returns the key for each attempt, instead of a fixed key; for apps, which must not contain a key
 * @param baseUrl the API's base URL, which may include a path; if null, the environment variable `CELPER_BASE_URL`, otherwise
 *   `https://api.celper.ai`
 * @param timeout the timeout of a whole call, all waits and retries included; if null, a call waits for the rate limit as long as
 *   it takes, and has 120 s after that
 * @param attemptTimeout the timeout of one HTTP attempt
 * @param maxRetries the maximum number of attempts after the first one; 0 means exactly one request
 * @param rateLimits the rate limits that calls are paced to; null turns pacing off
 * @param proxy the URL of an HTTP proxy or, except on Android, a SOCKS proxy; if null, the proxy that the environment configures
 * @param caCertificates CA certificates as PEM text, trusted in addition to the system's
 * @param appInfo your program's `name/version`, appended to the User-Agent header
 * @param allowHttpHosts private hosts that [baseUrl] may name with plain `http`, for example a sandbox in a container network:
 *   names without a dot, names under `internal`, `local`, `test`, `lan` or `home.arpa`, and private addresses. Over `http`,
 *   everyone on the network in between can read the key; never use it with a production key
 * @param allowEmulatorHost adds 10.0.2.2, the host of the Android emulator, to [allowHttpHosts]; for development only
 * @throws InvalidArgumentException if an option is invalid, or if there is no key
 */
public class Celper(
    apiKey: String? = null,
    keyProvider: KeyProvider? = null,
    baseUrl: String? = null,
    timeout: Duration? = null,
    attemptTimeout: Duration = 30.seconds,
    maxRetries: Int = 2,
    rateLimits: RateLimits? = RateLimits(),
    proxy: String? = null,
    caCertificates: String? = null,
    appInfo: String? = null,
    allowHttpHosts: List<String> = emptyList(),
    allowEmulatorHost: Boolean = false,
) : AutoCloseable {
    private val native: NativeClient = openClient(
        ClientOptions(
            apiKey = apiKey,
            keySource = keyProvider?.let(::KeyProviderAdapter),
            baseUrl = baseUrl,
            allowHttpHosts = if (allowEmulatorHost) allowHttpHosts + EMULATOR_HOST else allowHttpHosts,
            timeout = timeout?.toSeconds(),
            attemptTimeout = attemptTimeout.toSeconds(),
            maxRetries = maxRetries.toLong(),
            rateLimits = rateLimits?.run {
                RateLimitOptions(reads.toLong(), actions.toLong(), total.toLong(), window.toSeconds())
            },
            proxy = proxy,
            caCertificates = caCertificates,
            appInfo = appInfo,
            language = "kotlin",
            languageVersion = KotlinVersion.CURRENT.toString(),
        ),
    )
    private val id = native.id().toLong()

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
    ): CandidateState = status(candidateId, jobPositionId, null, timeout, maxRetries)

    /** [getCandidateStatus] for Java, whose [CallOptions] may contain an idempotency key; the core rejects it. */
    internal suspend fun status(
        candidateId: String,
        jobPositionId: String,
        idempotencyKey: String?,
        timeout: Duration?,
        maxRetries: Int?,
    ): CandidateState =
        call(
            CallInput(
                "status", candidateId, jobPositionId, null, null, idempotencyKey, timeout?.toSeconds(),
                maxRetries?.toLong(),
            ),
        ) { output: Output.State, requestId, rateLimit, attempts ->
            CandidateState(
                CandidateStatus.of(output.status), output.analysisViewed, output.interviewScore, requestId, rateLimit,
                attempts,
            )
        }

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
    ): Invitation =
        call(
            CallInput(
                "invite", candidateId, jobPositionId, emailSubject, emailBody, idempotencyKey, timeout?.toSeconds(),
                maxRetries?.toLong(),
            ),
        ) { output: Output.Invitation, requestId, rateLimit, attempts ->
            Invitation(
                output.invited, output.sessionId, output.emailDelivery, output.expiresAt.toInstant(), requestId, rateLimit,
                attempts,
            )
        }

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
    ): Decision = decide("select", candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)

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
    ): Decision = decide("reject", candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)

    private suspend fun decide(
        operation: String,
        candidateId: String,
        jobPositionId: String,
        idempotencyKey: String?,
        timeout: Duration?,
        maxRetries: Int?,
    ): Decision =
        call(
            CallInput(
                operation, candidateId, jobPositionId, null, null, idempotencyKey, timeout?.toSeconds(),
                maxRetries?.toLong(),
            ),
        ) { output: Output.Decision, requestId, rateLimit, attempts ->
            Decision(CandidateStatus.of(output.status), requestId, rateLimit, attempts)
        }

    private suspend inline fun <reified O : Output, R> call(
        input: CallInput,
        result: (O, String?, RateLimit?, Int) -> R,
    ): R {
        with(input) {
            checkUnicode(
                operation, "candidateId" to candidateId, "jobPositionId" to jobPositionId,
                "emailSubject" to emailSubject, "emailBody" to emailBody, "idempotencyKey" to idempotencyKey,
            )
        }
        return when (val outcome = native.call(id, input)) {
            is Outcome.Succeeded -> with(outcome) { result(output as O, requestId, rateLimit?.toPublic(), attempts.toInt()) }
            is Outcome.Failed -> throw CelperException.of(outcome.failure)
            is Outcome.Cancelled -> throw CancellationException("the call was cancelled")
        }
    }

    /** Returns the same operations as functions that return a `CompletableFuture`, for Java. */
    public fun async(): CelperFutures = CelperFutures(this)

    /** The base URL that requests are sent to. */
    public val baseUrl: String get() = native.baseUrl()

    /** Closes the client. Running calls finish; new calls throw [InvalidArgumentException]. */
    override fun close() {
        native.closeClient()
    }

    override fun toString(): String = "Celper(baseUrl=$baseUrl)"

    public companion object {
        /**
         * Creates a client with the API key in the environment variable `CELPER_API_KEY` and, if set, the base URL in
         * `CELPER_BASE_URL`.
         *
         * @throws InvalidArgumentException if there is no key, or if one of the two is invalid
         */
        @JvmStatic
        public fun fromEnvironment(): Celper = Celper()

        /** Returns a builder, for Java. */
        @JvmStatic
        public fun builder(): CelperBuilder = CelperBuilder()
    }
}

/**
 * The number of requests that the client sends at most in each sliding window. The defaults are the service's documented limits.
 *
 * ```kotlin
 * val half = RateLimits(reads = 20, actions = 15, total = 30) // two processes share one company's limits
 * ```
 */
public class RateLimits(
    /** Reads (status) per window. */
    public val reads: Int = 40,
    /** Actions (invite, select, reject) per window. */
    public val actions: Int = 30,
    /** Requests of all kinds per window. */
    public val total: Int = 60,
    /** The length of the windows. */
    @get:JvmSynthetic public val window: Duration = 60.seconds,
) {
    private val fields get() = listOf(reads, actions, total, window)

    override fun equals(other: Any?): Boolean = other is RateLimits && fields == other.fields

    override fun hashCode(): Int = fields.hashCode()

    override fun toString(): String = "RateLimits(reads=$reads, actions=$actions, total=$total, window=$window)"

    public companion object {
        /** Creates the limits in Java. */
        @JvmStatic
        public fun of(reads: Int, actions: Int, total: Int, window: java.time.Duration): RateLimits =
            RateLimits(reads, actions, total, window.toKotlin())
    }
}

private const val EMULATOR_HOST = "10.0.2.2"

private fun openClient(options: ClientOptions): NativeClient {
    with(options) {
        checkUnicode(
            "client", "apiKey" to apiKey, "baseUrl" to baseUrl, "proxy" to proxy, "caCertificates" to caCertificates,
            "appInfo" to appInfo, *allowHttpHosts.map { "allowHttpHosts" to it }.toTypedArray(),
        )
    }
    return when (val result = open(options)) {
        is OpenResult.Opened -> result.client
        is OpenResult.Failed -> throw CelperException.of(result.failure)
    }
}

private suspend fun NativeClient.call(id: Long, input: CallInput): Outcome {
    val context = currentCoroutineContext()
    // If the coroutine is already cancelled, send nothing.
    context.ensureActive()
    val interceptor = context[ContinuationInterceptor]
    // Without a dispatcher, the caller's code would resume on the core's network thread and block all other calls.
    if (interceptor == null || interceptor === Dispatchers.Unconfined) {
        return withContext(Dispatchers.Default) { DirectCalls.call(this@call, id, input) }
    }
    return DirectCalls.call(this, id, input)
}

private fun Duration.toSeconds(): Double = toDouble(DurationUnit.SECONDS)

private fun Timestamp.toInstant(): Instant = Instant.ofEpochSecond(seconds, nanoseconds.toLong())

internal fun RateLimitHeaders.toPublic(): RateLimit = RateLimit(limit?.toSaturatedLong(), remaining?.toSaturatedLong(), resetAt?.toInstant())

private fun ULong.toSaturatedLong(): Long = coerceAtMost(Long.MAX_VALUE.toULong()).toLong()
