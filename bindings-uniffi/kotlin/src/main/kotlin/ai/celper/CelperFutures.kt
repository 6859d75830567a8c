package ai.celper

import ai.celper.internal.ffi.CallInput
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.future.future
import java.util.concurrent.CompletableFuture
import java.util.function.Consumer
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.Duration.Companion.seconds

/**
 * The operations for Java, returned by [Celper.async].
 *
 * ```java
 * try (Celper client = Celper.builder().apiKey("celp_…").build()) {
 *     CandidateState state = client.async().getCandidateStatus("cand_xyz789", "pos_abc123").join();
 * }
 * ```
 *
 * The first argument is the candidate's id, the second the job position's. A future fails with a [CelperException], which
 * methods such as `join` wrap in a `CompletionException`. Cancelling a future cancels its call. Dependent stages run on threads
 * of the SDK, and may block them: there is always another one.
 */
public class CelperFutures internal constructor(private val client: Celper) {
    // Starts on the calling thread, as the call only queues a request; ends on one that the dependent stages may block.
    private fun <T> start(options: CallOptions, call: suspend CallOptions.() -> T): CompletableFuture<T> =
        CoroutineScope(SupervisorJob() + CallbackThreads).future(start = CoroutineStart.UNDISPATCHED) { options.call() }

    /** Reads a candidate's status; see [Celper.getCandidateStatus]. */
    @JvmOverloads
    public fun getCandidateStatus(
        candidateId: String,
        jobPositionId: String,
        options: CallOptions = CallOptions(),
    ): CompletableFuture<CandidateState> =
        start(options) { client.call(input("status", candidateId, jobPositionId)).toState() }

    /** Invites a candidate; see [Celper.inviteCandidate]. If the subject or the body is null, the service's default is used. */
    @JvmOverloads
    public fun inviteCandidate(
        candidateId: String,
        jobPositionId: String,
        emailSubject: String? = null,
        emailBody: String? = null,
        options: CallOptions = CallOptions(),
    ): CompletableFuture<Invitation> =
        start(options) { client.call(input("invite", candidateId, jobPositionId, emailSubject, emailBody)).toInvitation() }

    /** Selects a candidate; see [Celper.selectCandidate]. */
    @JvmOverloads
    public fun selectCandidate(
        candidateId: String,
        jobPositionId: String,
        options: CallOptions = CallOptions(),
    ): CompletableFuture<Decision> = start(options) { client.call(input("select", candidateId, jobPositionId)).toDecision() }

    /** Rejects a candidate; see [Celper.rejectCandidate]. */
    @JvmOverloads
    public fun rejectCandidate(
        candidateId: String,
        jobPositionId: String,
        options: CallOptions = CallOptions(),
    ): CompletableFuture<Decision> = start(options) { client.call(input("reject", candidateId, jobPositionId)).toDecision() }

    /** Waits until a candidate has one of the statuses; see [Celper.waitForStatus]. Cancelling the future ends the wait. */
    @JvmOverloads
    public fun waitForStatus(
        candidateId: String,
        jobPositionId: String,
        until: Set<CandidateStatus>,
        timeout: java.time.Duration = java.time.Duration.ofMinutes(10),
    ): CompletableFuture<CandidateState> =
        start(CallOptions()) { client.waitForStatus(candidateId, jobPositionId, until, timeout.toKotlin()) }
}

/** Options of one call in Java: `new CallOptions().withTimeout(Duration.ofSeconds(5)).withMaxRetries(0)`. */
public class CallOptions private constructor(
    internal val idempotencyKey: String?,
    internal val timeout: Duration?,
    internal val maxRetries: Int?,
) {
    /** The client's options apply. */
    public constructor() : this(null, null, null)

    internal fun input(
        operation: String, candidateId: String, jobPositionId: String, emailSubject: String? = null, emailBody: String? = null,
    ): CallInput = input(operation, candidateId, jobPositionId, idempotencyKey, timeout, maxRetries, emailSubject, emailBody)

    /** Sets the action's idempotency key. Reading a status with one fails with [InvalidArgumentException]. */
    public fun withIdempotencyKey(key: String): CallOptions = CallOptions(key, timeout, maxRetries)

    /** Sets the timeout of the whole call, all waits and retries included. */
    public fun withTimeout(timeout: java.time.Duration): CallOptions =
        CallOptions(idempotencyKey, timeout.toKotlin(), maxRetries)

    /** Sets the maximum number of attempts after the first one. */
    public fun withMaxRetries(maxRetries: Int): CallOptions = CallOptions(idempotencyKey, timeout, maxRetries)
}

/**
 * Builds a [Celper] client in Java: `Celper.builder().apiKey("celp_…").build()`.
 *
 * See the client's constructor for the defaults. Where null is allowed, it means what leaving out the option means, except that
 * `rateLimits(null)` turns pacing off, and `telemetry(null)` OpenTelemetry.
 */
public class CelperBuilder internal constructor() {
    private var apiKey: String? = null
    private var keyProvider: KeyProvider? = null
    private var baseUrl: String? = null
    private var timeout: Duration? = null
    private var attemptTimeout: Duration = 30.seconds
    private var maxRetries: Int = 2
    private var rateLimits: RateLimits? = RateLimits()
    private var proxy: String? = null
    private var caCertificates: String? = null
    private var appInfo: String? = null
    private var allowHttpHosts: List<String> = emptyList()
    private var allowEmulatorHost: Boolean = false
    private var rateLimitStore: String? = null
    private var rateLimitName: String? = null
    private var rateLimitStoreDown: String? = null
    private var onEvent: Consumer<CallEvent>? = null
    private var telemetry: Telemetry? = Telemetry()

    /** Sets the API key. Without a key and a key provider, the environment variable `CELPER_API_KEY` is used. */
    public fun apiKey(key: String?): CelperBuilder = apply { apiKey = key }

    /** Sets a key provider, instead of a fixed key; see [KeyProvider.ofFuture]. */
    public fun keyProvider(provider: KeyProvider?): CelperBuilder = apply { keyProvider = provider }

    /** Sets the base URL. Without one, the environment variable `CELPER_BASE_URL` is used, otherwise `https://api.celper.ai`. */
    public fun baseUrl(url: String?): CelperBuilder = apply { baseUrl = url }

    /**
     * Sets the timeout of a whole call, all waits and retries included. Without one, a call waits for the rate limit as long as it
     * takes, and has 120 s after that.
     */
    public fun timeout(timeout: java.time.Duration?): CelperBuilder = apply { this.timeout = timeout?.toKotlin() }

    /** Sets the timeout of one HTTP attempt. */
    public fun attemptTimeout(timeout: java.time.Duration): CelperBuilder =
        apply { attemptTimeout = timeout.toKotlin() }

    /** Sets the maximum number of attempts after the first one. */
    public fun maxRetries(maxRetries: Int): CelperBuilder = apply { this.maxRetries = maxRetries }

    /** Sets the rate limits that calls are paced to; null turns pacing off. */
    public fun rateLimits(limits: RateLimits?): CelperBuilder = apply { rateLimits = limits }

    /** Sets the URL of an HTTP proxy or, except on Android, a SOCKS proxy. */
    public fun proxy(url: String?): CelperBuilder = apply { proxy = url }

    /** Sets CA certificates as PEM text, trusted in addition to the system's. */
    public fun caCertificates(pem: String?): CelperBuilder = apply { caCertificates = pem }

    /** Sets your program's `name/version`, appended to the User-Agent header. */
    public fun appInfo(appInfo: String?): CelperBuilder = apply { this.appInfo = appInfo }

    /**
     * Sets private hosts that the base URL may name with plain `http`, for example a sandbox in a container network. Over `http`,
     * everyone on the network in between can read the key; never use it with a production key.
     */
    public fun allowHttpHosts(hosts: List<String>): CelperBuilder = apply { allowHttpHosts = hosts.toList() }

    /** Sets whether `http` is allowed to 10.0.2.2, the host of the Android emulator; for development only. */
    public fun allowEmulatorHost(allow: Boolean): CelperBuilder = apply { allowEmulatorHost = allow }

    /** Sets which processes share the rate limits: `machine`, `process`, or a `redis://` or `rediss://` URL. */
    public fun rateLimitStore(store: String?): CelperBuilder = apply { rateLimitStore = store }

    /** Sets the name under which clients share the rate limits, whatever their keys. */
    public fun rateLimitName(name: String?): CelperBuilder = apply { rateLimitName = name }

    /** Sets what happens to calls while the store cannot be reached: `share` or `fail`. */
    public fun rateLimitStoreDown(what: String?): CelperBuilder = apply { rateLimitStoreDown = what }

    /** Sets what is called for each call, request of a batch, and read of a wait or a watch that has ended; what it throws is ignored. */
    public fun onEvent(onEvent: Consumer<CallEvent>?): CelperBuilder = apply { this.onEvent = onEvent }

    /** Sets how calls appear in OpenTelemetry, if the program has `opentelemetry-api`; null turns that off. */
    public fun telemetry(telemetry: Telemetry?): CelperBuilder = apply { this.telemetry = telemetry }

    /**
     * Creates the client.
     *
     * @throws InvalidArgumentException if an option is invalid, or if there is no key
     */
    public fun build(): Celper = Celper(
        apiKey, keyProvider, baseUrl, timeout, attemptTimeout, maxRetries, rateLimits, proxy, caCertificates, appInfo,
        allowHttpHosts, allowEmulatorHost, rateLimitStore, rateLimitName, rateLimitStoreDown, onEvent?.let { it::accept }, telemetry,
    )
}

internal fun java.time.Duration.toKotlin(): Duration = seconds.seconds + nano.nanoseconds
