package ai.celper

import ai.celper.internal.ffi.CallInput
import ai.celper.internal.ffi.ClientOptions
import ai.celper.internal.ffi.DirectCalls
import ai.celper.internal.ffi.KeyRequests
import ai.celper.internal.ffi.LastState
import ai.celper.internal.ffi.NativeClient
import ai.celper.internal.ffi.OpenResult
import ai.celper.internal.ffi.Outcome
import ai.celper.internal.ffi.Output
import ai.celper.internal.ffi.RateLimitHeaders
import ai.celper.internal.ffi.RateLimitOptions
import ai.celper.internal.ffi.Timestamp
import ai.celper.internal.ffi.WatchOptions
import ai.celper.internal.ffi.open
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import java.time.Instant
import kotlin.coroutines.intrinsics.suspendCoroutineUninterceptedOrReturn
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit
import kotlin.time.toJavaDuration

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
 * drops the request on the wire, and no retry follows. A call that fails throws a [CelperException]. In Java, use [builder],
 * [blocking] and [async].
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
 * @param rateLimitStore which processes share the rate limits: `"machine"`, the default except on Android, all of this user on this
 *   machine; `"redis://user:password@host:6379/0"` or `"rediss://…"`, all that use this Redis or Valkey server; `"process"`, this
 *   process alone; if null, the environment variable `CELPER_RATE_LIMIT_STORE`, otherwise the default
 * @param rateLimitName a name for the company whose limits these are: clients with the same name share them, whatever their keys; if
 *   null, clients with the same key do
 * @param rateLimitStoreDown what happens to calls while the store cannot be reached: `"share"`, the default, lets each process use
 *   its share of the limits; with `"fail"`, calls fail with [ConnectionFailedException]
 * @param onEvent is called for each call, each request of a batch and each read of a wait or a watch that has ended, with what it did: on
 *   the caller's coroutine or thread, before the result is returned or the exception thrown. What it throws is ignored
 * @param telemetry how calls appear in OpenTelemetry, if the program has `opentelemetry-api`; null turns that off
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
    rateLimitStore: String? = null,
    rateLimitName: String? = null,
    rateLimitStoreDown: String? = null,
    onEvent: ((CallEvent) -> Unit)? = null,
    telemetry: Telemetry? = Telemetry(),
) : CandidateActions, AutoCloseable {
    private val native: NativeClient = openClient(
        keyProvider,
        ClientOptions(
            apiKey = apiKey,
            keySource = null,
            baseUrl = baseUrl,
            allowHttpHosts = if (allowEmulatorHost) allowHttpHosts + EMULATOR_HOST else allowHttpHosts,
            timeout = timeout?.toSeconds(),
            attemptTimeout = attemptTimeout.toSeconds(),
            maxRetries = maxRetries.toLong(),
            rateLimits = rateLimits?.run {
                RateLimitOptions(reads.toLong(), actions.toLong(), total.toLong(), window.toSeconds())
            },
            rateLimitStore = rateLimitStore,
            rateLimitName = rateLimitName,
            rateLimitStoreDown = rateLimitStoreDown,
            proxy = proxy,
            caCertificates = caCertificates,
            appInfo = appInfo,
            logCallback = 0u,
            logLevel = 0u,
            language = "kotlin",
            languageVersion = KotlinVersion.CURRENT.toString(),
        ),
    )
    private val id = native.id().toLong()
    private val observer = CallObserver.of(native, onEvent, telemetry)

    @JvmSynthetic
    override suspend fun getCandidateStatus(
        candidateId: String,
        jobPositionId: String,
        timeout: Duration?,
        maxRetries: Int?,
    ): CandidateState = call(input("status", candidateId, jobPositionId, null, timeout, maxRetries)).toState()

    @JvmSynthetic
    override suspend fun inviteCandidate(
        candidateId: String,
        jobPositionId: String,
        emailSubject: String?,
        emailBody: String?,
        idempotencyKey: String?,
        timeout: Duration?,
        maxRetries: Int?,
    ): Invitation {
        val input = input("invite", candidateId, jobPositionId, idempotencyKey, timeout, maxRetries, emailSubject, emailBody)
        return call(input).toInvitation()
    }

    @JvmSynthetic
    override suspend fun selectCandidate(
        candidateId: String,
        jobPositionId: String,
        idempotencyKey: String?,
        timeout: Duration?,
        maxRetries: Int?,
    ): Decision = call(input("select", candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)).toDecision()

    @JvmSynthetic
    override suspend fun rejectCandidate(
        candidateId: String,
        jobPositionId: String,
        idempotencyKey: String?,
        timeout: Duration?,
        maxRetries: Int?,
    ): Decision = call(input("reject", candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)).toDecision()

    @JvmSynthetic
    override suspend fun waitForStatus(
        candidateId: String,
        jobPositionId: String,
        until: Set<CandidateStatus>,
        timeout: Duration,
    ): CandidateState {
        currentCoroutineContext().ensureActive()
        val wait = watchRun(waitOptions(candidateId, jobPositionId, until, timeout))
        try {
            return wait.state { wait.await(it) }
        } catch (error: CelperException) {
            suspendCoroutineUninterceptedOrReturn<Nothing> { throw error.withCallers(it) }
        }
    }

    @JvmSynthetic
    override fun watchCandidates(candidateIds: Collection<String>, jobPositionId: String): Flow<WatchItem> =
        watchFlow { watchRun(watchOptions(candidateIds, jobPositionId)) }

    /** Starts when it is waited for. */
    internal fun watchRun(options: WatchOptions) = WatchRun(native, observer, options)

    @JvmSynthetic
    override fun batch(requests: Flow<CandidateRequest>, batchId: String?, journal: String?, total: Long?): Batch =
        FlowBatch(batchRun(batchId, journal, total), requests)

    internal fun batchRun(batchId: String?, journal: String?, total: Long?) = BatchRun(native, observer, batchId, journal, total)

    internal suspend fun call(input: CallInput): Outcome.Succeeded {
        // If the coroutine is already cancelled, send nothing.
        currentCoroutineContext().ensureActive()
        val (outcome, error) = observed(input) { DirectCalls.call(native, id, it) }
        return outcome ?: suspendCoroutineUninterceptedOrReturn { throw checkNotNull(error).withCallers(it) }
    }

    internal fun callBlocking(input: CallInput): Outcome.Succeeded {
        val (outcome, error) = observed(input) { DirectCalls.callBlocking(native, id, it) }
        return outcome ?: throw checkNotNull(error)
    }

    /** Makes a call, and tells the observer how it ended: with an outcome or an error. */
    private inline fun observed(input: CallInput, call: (CallInput) -> Outcome): Pair<Outcome.Succeeded?, CelperException?> {
        input.checkUnicode()
        val started = observer?.start()
        val outcome = try {
            val ended = call(observer?.prepared(input, started) ?: input)
            if (ended is Outcome.Cancelled) throw CancellationException("the call was cancelled")
            ended
        } catch (cancelled: CancellationException) {
            observer?.cancelled(started, input.operation)
            throw cancelled
        }
        val error = (outcome as? Outcome.Failed)?.let { CelperException.of(it.failure) }
        observer?.ended(started, input, outcome, error)
        return Pair(outcome as? Outcome.Succeeded, error)
    }

    /** Returns the same operations as functions that return a `CompletableFuture`, for Java. */
    public fun async(): CelperFutures = CelperFutures(this)

    /** Returns the same operations as functions that block the calling thread, for Java; virtual threads too. */
    public fun blocking(): CelperBlocking = BlockingCalls(this)

    /** The base URL that requests are sent to. */
    public val baseUrl: String get() = native.options().baseUrl

    /** The timeout of a whole call; null where there is none. */
    @get:JvmSynthetic
    public val timeout: Duration? get() = native.options().timeout?.seconds

    /** The timeout of one HTTP attempt. */
    @get:JvmSynthetic
    public val attemptTimeout: Duration get() = native.options().attemptTimeout.seconds

    /** The maximum number of attempts after the first one. */
    public val maxRetries: Int get() = native.options().maxRetries.toInt()

    /** The rate limits that calls are paced to; null if pacing is off. */
    public val rateLimits: RateLimits?
        get() = native.options().rateLimits?.run { RateLimits(reads.toInt(), actions.toInt(), total.toInt(), window.seconds) }

    /** Which processes share the rate limits; a URL without user and password. */
    public val rateLimitStore: String get() = native.options().rateLimitStore

    /** The name under which clients share the rate limits; null if those with the same key do. */
    public val rateLimitName: String? get() = native.options().rateLimitName

    /** [timeout], for Java. */
    @get:JvmName("getTimeout")
    public val javaTimeout: java.time.Duration? get() = timeout?.toJavaDuration()

    /** [attemptTimeout], for Java. */
    @get:JvmName("getAttemptTimeout")
    public val javaAttemptTimeout: java.time.Duration get() = attemptTimeout.toJavaDuration()

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
 * val half = RateLimits(reads = 20, actions = 15, total = 30) // leaves half to other programs
 * ```
 */
public data class RateLimits(
    /** Reads (status) per window. */
    public val reads: Int = 40,
    /** Actions (invite, select, reject) per window. */
    public val actions: Int = 30,
    /** Requests of all kinds per window. */
    public val total: Int = 60,
    /** The length of the windows. */
    @get:JvmSynthetic public val window: Duration = 60.seconds,
) {
    /** [window], for Java. */
    @get:JvmName("getWindow")
    public val javaWindow: java.time.Duration get() = window.toJavaDuration()

    public companion object {
        /** Creates the limits in Java. */
        @JvmStatic
        public fun of(reads: Int, actions: Int, total: Int, window: java.time.Duration): RateLimits =
            RateLimits(reads, actions, total, window.toKotlin())
    }
}

private const val EMULATOR_HOST = "10.0.2.2"

private fun openClient(keyProvider: KeyProvider?, options: ClientOptions): NativeClient {
    with(options) {
        checkUnicode(
            "client", "apiKey" to apiKey, "baseUrl" to baseUrl, "proxy" to proxy, "caCertificates" to caCertificates,
            "appInfo" to appInfo, *allowHttpHosts.map { "allowHttpHosts" to it }.toTypedArray(),
        )
    }
    loadNativeLibrary()
    return when (val result = open(options.copy(keySource = keyProvider?.let(KeyRequests::source), logCallback = CallLog.callback, logLevel = CallLog.level))) {
        is OpenResult.Opened -> result.client
        is OpenResult.Failed -> throw CelperException.of(result.failure)
    }
}

internal fun input(
    operation: String,
    candidateId: String,
    jobPositionId: String,
    idempotencyKey: String?,
    timeout: Duration?,
    maxRetries: Int?,
    emailSubject: String? = null,
    emailBody: String? = null,
): CallInput = CallInput(
    operation, candidateId, jobPositionId, emailSubject, emailBody, idempotencyKey, timeout?.toSeconds(), maxRetries?.toLong(),
    null, CallLog.level,
)

internal fun CallInput.checkUnicode() = checkUnicode(
    operation, "candidateId" to candidateId, "jobPositionId" to jobPositionId, "emailSubject" to emailSubject,
    "emailBody" to emailBody, "idempotencyKey" to idempotencyKey,
)

internal fun Outcome.Succeeded.toState(): CandidateState = with(output as Output.State) {
    CandidateState(CandidateStatus.of(status), analysisViewed, interviewScore, requestId, rateLimit?.toPublic(), attempts.toInt())
        .also { it.lazyRecord = record?.let(::LazyRecord) }
}

internal fun LastState.toPublic(): CandidateState =
    CandidateState(CandidateStatus.of(status), analysisViewed, interviewScore, requestId, rateLimit?.toPublic(), attempts.toInt())

internal fun CandidateState.toNative(): LastState =
    LastState(status.value, analysisViewed, interviewScore, requestId, rateLimit?.toHeaders(), attempts.toUInt())

internal fun Outcome.Succeeded.toInvitation(): Invitation = with(output as Output.Invitation) {
    Invitation(invited, sessionId, emailDelivery, expiresAt.toInstant(), requestId, rateLimit?.toPublic(), attempts.toInt())
        .also { it.lazyRecord = record?.let(::LazyRecord) }
}

internal fun Outcome.Succeeded.toDecision(): Decision =
    Decision(CandidateStatus.of((output as Output.Decision).status), requestId, rateLimit?.toPublic(), attempts.toInt())
        .also { it.lazyRecord = record?.let(::LazyRecord) }

internal fun Duration.toSeconds(): Double = toDouble(DurationUnit.SECONDS)

internal fun Timestamp.toInstant(): Instant = Instant.ofEpochSecond(seconds, nanoseconds.toLong())

internal fun RateLimitHeaders.toPublic(): RateLimit = RateLimit(limit?.toSaturatedLong(), remaining?.toSaturatedLong(), resetAt?.toInstant())

internal fun RateLimit.toHeaders(): RateLimitHeaders = RateLimitHeaders(
    limit?.toULong(), remaining?.toULong(), resetAt?.run { Timestamp(epochSecond, nano.toUInt()) },
)

private fun ULong.toSaturatedLong(): Long = coerceAtMost(Long.MAX_VALUE.toULong()).toLong()
