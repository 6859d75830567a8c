package ai.celper

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.future.future
import java.util.concurrent.CompletableFuture
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.Duration.Companion.seconds

/**
 * The operations for Java, from [Celper.async].
 *
 * ```java
 * try (Celper client = Celper.builder().apiKey("celp_…").build()) {
 *     CandidateState state = client.async().getCandidateStatus("cand_xyz789", "pos_abc123").join();
 * }
 * ```
 *
 * The candidate's id comes first and the job position's second. Futures fail with a [CelperException] (in a
 * `CompletionException` where Java wraps it), and cancelling one cancels its call. What is chained to them runs on
 * `Dispatchers.Default`.
 */
public class CelperFutures internal constructor(private val client: Celper) {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    /** See [Celper.getCandidateStatus]. */
    @JvmOverloads
    public fun getCandidateStatus(
        candidateId: String,
        jobPositionId: String,
        options: CallOptions = CallOptions(),
    ): CompletableFuture<CandidateState> = scope.future {
        with(options) { client.status(candidateId, jobPositionId, idempotencyKey, timeout, maxRetries) }
    }

    /** See [Celper.inviteCandidate]. Subject and body may be null. */
    @JvmOverloads
    public fun inviteCandidate(
        candidateId: String,
        jobPositionId: String,
        emailSubject: String? = null,
        emailBody: String? = null,
        options: CallOptions = CallOptions(),
    ): CompletableFuture<Invitation> = scope.future {
        with(options) {
            client.inviteCandidate(
                candidateId, jobPositionId, emailSubject, emailBody, idempotencyKey, timeout, maxRetries,
            )
        }
    }

    /** See [Celper.selectCandidate]. */
    @JvmOverloads
    public fun selectCandidate(
        candidateId: String,
        jobPositionId: String,
        options: CallOptions = CallOptions(),
    ): CompletableFuture<Decision> = scope.future {
        with(options) { client.selectCandidate(candidateId, jobPositionId, idempotencyKey, timeout, maxRetries) }
    }

    /** See [Celper.rejectCandidate]. */
    @JvmOverloads
    public fun rejectCandidate(
        candidateId: String,
        jobPositionId: String,
        options: CallOptions = CallOptions(),
    ): CompletableFuture<Decision> = scope.future {
        with(options) { client.rejectCandidate(candidateId, jobPositionId, idempotencyKey, timeout, maxRetries) }
    }
}

/** What one call from Java does differently: `new CallOptions().withTimeout(Duration.ofSeconds(5)).withMaxRetries(0)`. */
public class CallOptions private constructor(
    internal val idempotencyKey: String?,
    internal val timeout: Duration?,
    internal val maxRetries: Int?,
) {
    /** Nothing different. */
    public constructor() : this(null, null, null)

    /** The action's idempotency key; a read is refused with one. */
    public fun withIdempotencyKey(key: String): CallOptions = CallOptions(key, timeout, maxRetries)

    /** The time for the whole call. */
    public fun withTimeout(timeout: java.time.Duration): CallOptions =
        CallOptions(idempotencyKey, timeout.toKotlin(), maxRetries)

    /** How many more attempts may follow a failed one. */
    public fun withMaxRetries(maxRetries: Int): CallOptions = CallOptions(idempotencyKey, timeout, maxRetries)
}

/** Sets a [Celper] up from Java; see its constructor for what the options mean. */
public class CelperBuilder internal constructor() {
    private var apiKey: String? = null
    private var keyProvider: KeyProvider? = null
    private var baseUrl: String? = null
    private var timeout: Duration = 120.seconds
    private var attemptTimeout: Duration = 30.seconds
    private var maxRetries: Int = 2
    private var rateLimits: RateLimits? = RateLimits()
    private var proxy: String? = null
    private var caCertificates: String? = null
    private var appInfo: String? = null
    private var allowEmulatorHost: Boolean = false

    /** The API key; without one, and without a provider, the environment's `CELPER_API_KEY`. */
    public fun apiKey(key: String): CelperBuilder = apply { apiKey = key }

    /** In place of a fixed key; see [KeyProvider.ofFuture]. */
    public fun keyProvider(provider: KeyProvider): CelperBuilder = apply { keyProvider = provider }

    /** Where the API is; without it the environment's `CELPER_BASE_URL`, else the service itself. */
    public fun baseUrl(url: String): CelperBuilder = apply { baseUrl = url }

    /** For a whole call. */
    public fun timeout(timeout: java.time.Duration): CelperBuilder = apply { this.timeout = timeout.toKotlin() }

    /** For one attempt. */
    public fun attemptTimeout(timeout: java.time.Duration): CelperBuilder =
        apply { attemptTimeout = timeout.toKotlin() }

    /** How many more attempts may follow a failed one. */
    public fun maxRetries(maxRetries: Int): CelperBuilder = apply { this.maxRetries = maxRetries }

    /** The windows to keep to; null turns pacing off. */
    public fun rateLimits(limits: RateLimits?): CelperBuilder = apply { rateLimits = limits }

    /** The URL of a proxy. */
    public fun proxy(url: String): CelperBuilder = apply { proxy = url }

    /** PEM text. */
    public fun caCertificates(pem: String): CelperBuilder = apply { caCertificates = pem }

    /** `name/version` of your program. */
    public fun appInfo(appInfo: String): CelperBuilder = apply { this.appInfo = appInfo }

    /** Whether `http` may go to the Android emulator's host. */
    public fun allowEmulatorHost(allow: Boolean): CelperBuilder = apply { allowEmulatorHost = allow }

    /** Makes the client. */
    public fun build(): Celper = Celper(
        apiKey, keyProvider, baseUrl, timeout, attemptTimeout, maxRetries, rateLimits, proxy, caCertificates, appInfo,
        allowEmulatorHost,
    )
}

internal fun java.time.Duration.toKotlin(): Duration = seconds.seconds + nano.nanoseconds
