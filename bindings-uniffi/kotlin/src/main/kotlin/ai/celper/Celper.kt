package ai.celper

import ai.celper.internal.ffi.CallInput
import ai.celper.internal.ffi.DirectCalls
import ai.celper.internal.ffi.NativeClient
import ai.celper.internal.ffi.Opening
import ai.celper.internal.ffi.Options
import ai.celper.internal.ffi.Outcome
import ai.celper.internal.ffi.Output
import ai.celper.internal.ffi.Rate
import ai.celper.internal.ffi.Rates
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
 * One client serves any number of coroutines. Its functions suspend without blocking a thread; cancelling the coroutine drops
 * the request on the wire, and no retry follows. Failures are [CelperException]s. From Java: [builder] and [async].
 *
 * @param apiKey the key; without one, and without a [keyProvider], the environment's `CELPER_API_KEY`
 * @param keyProvider fetches the key for each attempt, in place of a fixed one; apps need this
 * @param baseUrl where the API is, a gateway's path in front of it included; without it `CELPER_BASE_URL`, else the service itself
 * @param timeout for a whole call, waits and retries included
 * @param attemptTimeout for one HTTP attempt
 * @param maxRetries how many more attempts may follow a failed one
 * @param rateLimits the windows to keep to; null turns pacing off
 * @param proxy the URL of a proxy; without it the environment's
 * @param caCertificates PEM text, trusted beside the system's roots
 * @param appInfo `name/version` of your program, for the User-Agent
 * @param allowEmulatorHost whether `http` may go to 10.0.2.2, the Android emulator's host; for development only
 * @throws InvalidArgumentException when an option cannot be used or there is no key
 */
public class Celper(
    apiKey: String? = null,
    keyProvider: KeyProvider? = null,
    baseUrl: String? = null,
    timeout: Duration = 120.seconds,
    attemptTimeout: Duration = 30.seconds,
    maxRetries: Int = 2,
    rateLimits: RateLimits? = RateLimits(),
    proxy: String? = null,
    caCertificates: String? = null,
    appInfo: String? = null,
    allowEmulatorHost: Boolean = false,
) : AutoCloseable {
    private val native: NativeClient = opened(
        Options(
            apiKey = apiKey,
            keySource = keyProvider?.let(::ProviderAsSource),
            baseUrl = baseUrl,
            allowEmulatorHost = allowEmulatorHost,
            timeout = timeout.toSeconds(),
            attemptTimeout = attemptTimeout.toSeconds(),
            maxRetries = maxRetries.toLong(),
            rateLimits = rateLimits?.run {
                Rates(reads.toLong(), actions.toLong(), total.toLong(), window.toSeconds())
            },
            proxy = proxy,
            caCertificates = caCertificates,
            appInfo = appInfo,
            language = "kotlin",
            languageVersion = KotlinVersion.CURRENT.toString(),
        ),
    )
    private val id = native.number().toLong()

    /**
     * Reads a candidate's status.
     *
     * ```kotlin
     * val state = client.getCandidateStatus("cand_xyz789", jobPositionId = "pos_abc123")
     * ```
     *
     * Needs the scope `read:candidates`. An unknown candidate or position is a [NotFoundException].
     *
     * @param candidateId the candidate's id
     * @param jobPositionId the id of the job position that the candidate stands for
     * @param timeout for the whole call, in place of the client's
     * @param maxRetries in place of the client's
     */
    @JvmSynthetic
    public suspend fun getCandidateStatus(
        candidateId: String,
        jobPositionId: String,
        timeout: Duration? = null,
        maxRetries: Int? = null,
    ): CandidateState = status(candidateId, jobPositionId, null, timeout, maxRetries)

    /** The same with the idempotency key that Java's one class of options may hold: it is the core's to refuse. */
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
        ) { output: Output.State, requestId, rateLimit ->
            CandidateState(
                CandidateStatus.of(output.status), output.analysisViewed, output.interviewScore, requestId, rateLimit,
            )
        }

    /**
     * Invites a `new` candidate: opens a 7-day interview session, and queues the e-mail.
     *
     * ```kotlin
     * client.inviteCandidate("cand_xyz789", jobPositionId = "pos_abc123", emailBody = "Your interview: {interviewLink}")
     * ```
     *
     * Needs the scope `action:invite`. A candidate that is not `new` is an [InvalidStatusException].
     *
     * @param candidateId the candidate's id
     * @param jobPositionId the id of the job position that the candidate stands for
     * @param emailSubject the e-mail's subject, at most 200 characters; the service's own without it
     * @param emailBody the e-mail's body, at most 5,000 characters, in which `{interviewLink}` becomes the interview's URL; the
     *   service's own without it
     * @param idempotencyKey the key under which the service acts only once within 24 hours; a UUID v4 made for the call without it
     * @param timeout for the whole call, in place of the client's
     * @param maxRetries in place of the client's
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
        ) { output: Output.Invitation, requestId, rateLimit ->
            Invitation(
                output.invited, output.sessionId, output.emailDelivery, output.expiresAt.toJava(), requestId, rateLimit,
            )
        }

    /**
     * Selects an interviewed candidate whose analysis was viewed.
     *
     * ```kotlin
     * client.selectCandidate("cand_xyz789", jobPositionId = "pos_abc123")
     * ```
     *
     * Needs the scope `action:decide`. Fails with [AnalysisNotViewedException] or [InvalidStatusException].
     *
     * @param candidateId the candidate's id
     * @param jobPositionId the id of the job position that the candidate stands for
     * @param idempotencyKey the key under which the service acts only once within 24 hours; a UUID v4 made for the call without it
     * @param timeout for the whole call, in place of the client's
     * @param maxRetries in place of the client's
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
     * Rejects an interviewed candidate whose analysis was viewed.
     *
     * ```kotlin
     * client.rejectCandidate("cand_xyz789", jobPositionId = "pos_abc123")
     * ```
     *
     * Needs the scope `action:decide`. Fails with [AnalysisNotViewedException] or [InvalidStatusException].
     *
     * @param candidateId the candidate's id
     * @param jobPositionId the id of the job position that the candidate stands for
     * @param idempotencyKey the key under which the service acts only once within 24 hours; a UUID v4 made for the call without it
     * @param timeout for the whole call, in place of the client's
     * @param maxRetries in place of the client's
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
        ) { output: Output.Decision, requestId, rateLimit ->
            Decision(CandidateStatus.of(output.status), requestId, rateLimit)
        }

    private suspend inline fun <reified O : Output, R> call(
        input: CallInput,
        result: (O, String?, RateLimit?) -> R,
    ): R {
        with(input) {
            checkUnicode(
                operation, "candidate_id" to candidateId, "job_position_id" to jobPositionId,
                "email_subject" to emailSubject, "email_body" to emailBody, "idempotency_key" to idempotencyKey,
            )
        }
        return when (val outcome = native.outcome(id, input)) {
            is Outcome.Done -> result(outcome.output as O, outcome.requestId, outcome.rateLimit?.toPublic())
            is Outcome.Failed -> throw CelperException.of(outcome.failure)
            is Outcome.Cancelled -> throw CancellationException("the call was cancelled")
        }
    }

    /** The same operations as `CompletableFuture`s, for Java. */
    public fun async(): CelperFutures = CelperFutures(this)

    /** Where the API is. */
    public val baseUrl: String get() = native.baseUrl()

    /** Closes the client: calls under way are finished, and further ones are refused. */
    override fun close() {
        native.shut()
    }

    override fun toString(): String = "Celper(baseUrl=$baseUrl)"

    public companion object {
        /** A client with the environment's `CELPER_API_KEY` and, where set, `CELPER_BASE_URL`. */
        @JvmStatic
        public fun fromEnvironment(): Celper = Celper()

        /** Sets a client up from Java. */
        @JvmStatic
        public fun builder(): CelperBuilder = CelperBuilder()
    }
}

/**
 * How many requests the service allows in each sliding window; by default its documented limits.
 *
 * ```kotlin
 * val half = RateLimits(reads = 20, actions = 15, total = 30) // two processes share one company's limits
 * ```
 */
public class RateLimits(
    /** Reads (status) in one window. */
    public val reads: Int = 40,
    /** Actions (invite, select, reject) in one window. */
    public val actions: Int = 30,
    /** Requests of all kinds in one window. */
    public val total: Int = 60,
    /** The windows' length. */
    @get:JvmSynthetic public val window: Duration = 60.seconds,
) {
    private val fields get() = listOf(reads, actions, total, window)

    override fun equals(other: Any?): Boolean = other is RateLimits && fields == other.fields

    override fun hashCode(): Int = fields.hashCode()

    override fun toString(): String = "RateLimits(reads=$reads, actions=$actions, total=$total, window=$window)"

    public companion object {
        /** For Java. */
        @JvmStatic
        public fun of(reads: Int, actions: Int, total: Int, window: java.time.Duration): RateLimits =
            RateLimits(reads, actions, total, window.toKotlin())
    }
}

private fun opened(options: Options): NativeClient {
    with(options) {
        checkUnicode(
            "client", "api_key" to apiKey, "base_url" to baseUrl, "proxy" to proxy, "ca_certificates" to caCertificates,
            "app_info" to appInfo,
        )
    }
    return when (val opening = open(options)) {
        is Opening.Opened -> opening.client
        is Opening.Failed -> throw CelperException.of(opening.failure)
    }
}

private suspend fun NativeClient.outcome(id: Long, input: CallInput): Outcome {
    val context = currentCoroutineContext()
    // A coroutine that is cancelled already sends nothing.
    context.ensureActive()
    val interceptor = context[ContinuationInterceptor]
    // Without a dispatcher the caller's code would go on in the core's own thread, and block every other call there.
    if (interceptor == null || interceptor === Dispatchers.Unconfined) {
        return withContext(Dispatchers.Default) { DirectCalls.call(this@outcome, id, input) }
    }
    return DirectCalls.call(this, id, input)
}

private fun Duration.toSeconds(): Double = toDouble(DurationUnit.SECONDS)

private fun ai.celper.internal.ffi.Instant.toJava(): Instant = Instant.ofEpochSecond(seconds, nanoseconds.toLong())

private fun Rate.toPublic(): RateLimit = RateLimit(limit?.toCount(), remaining?.toCount(), resetAt?.toJava())

private fun ULong.toCount(): Long = coerceAtMost(Long.MAX_VALUE.toULong()).toLong()
