package ai.celper

import ai.celper.internal.ffi.WebhookInput
import ai.celper.internal.ffi.WebhookOutcome
import ai.celper.internal.ffi.receiveWebhook
import ai.celper.internal.ffi.signWebhook
import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit
import kotlin.time.toKotlinDuration

/**
 * Webhooks: verify that a request came from the service, and read the event in it.
 *
 * ```kotlin
 * val event = Webhooks.unwrap(rawBody, headers, secret)
 * if (event is WebhookEvent.CandidateStatusChanged) println("${event.candidateId} is now ${event.status}")
 * ```
 *
 * The body is the bytes of the request as they arrived: a `@RequestBody ByteArray` in Spring, `call.receive<ByteArray>()` in Ktor. The
 * signature is of those bytes, and a body that was parsed and serialized again has others.
 *
 * The headers are a map from names, in any case, to a string or a list of strings: Spring's `HttpHeaders`, `call.request.headers.toMap()`
 * in Ktor, `HttpExchange.requestHeaders`.
 *
 * The service sends an event again when it got no 2xx in time, and events can arrive out of order. Skip an event whose
 * [dedupeKey][WebhookEvent.dedupeKey] was handled before, and read the candidate's status where the order matters.
 *
 * Webhooks go to servers: on Android these functions throw an [InvalidArgumentException].
 */
public object Webhooks {
    private val defaultTolerance = 300.seconds

    /**
     * Verifies a webhook and returns its event.
     *
     * @throws WebhookException if it cannot be trusted or read: respond with 400
     * @throws InvalidArgumentException if the secret cannot be used
     */
    @JvmStatic
    public fun unwrap(rawBody: ByteArray, headers: Map<String, *>, secret: String): WebhookEvent =
        unwrap(rawBody, headers, listOf(secret), defaultTolerance, null)

    /**
     * Verifies a webhook and returns its event.
     *
     * @param secrets the webhook's secret; while it is being changed, the new one and the old one
     * @throws WebhookException if it cannot be trusted or read: respond with 400
     * @throws InvalidArgumentException if the secrets cannot be used
     */
    @JvmStatic
    public fun unwrap(rawBody: ByteArray, headers: Map<String, *>, secrets: List<String>): WebhookEvent =
        unwrap(rawBody, headers, secrets, defaultTolerance, null)

    /**
     * Verifies a webhook and returns its event.
     *
     * @param secrets the webhook's secret; while it is being changed, the new one and the old one
     * @param tolerance how far the timestamp may be from now; null turns the check off, and lets anybody who has seen a webhook send it
     * again
     * @param now the time to compare the timestamp with, for tests; null for the system's clock
     * @throws WebhookException if it cannot be trusted or read: respond with 400
     * @throws InvalidArgumentException if the secrets or the tolerance cannot be used
     */
    @JvmSynthetic
    public fun unwrap(
        rawBody: ByteArray,
        headers: Map<String, *>,
        secrets: List<String>,
        tolerance: Duration?,
        now: Instant? = null,
    ): WebhookEvent =
        when (val outcome = receive(rawBody, headers, secrets, tolerance, now, true)) {
            is WebhookOutcome.Unwrapped -> outcome.toEvent()
            is WebhookOutcome.Done -> throw CelperException.internal("webhook", null, null)
            is WebhookOutcome.Refused -> throw outcome.toException()
        }

    /**
     * For Java: verifies a webhook with another tolerance, at a given time.
     *
     * @throws WebhookException if it cannot be trusted or read: respond with 400
     * @throws InvalidArgumentException if the secrets or the tolerance cannot be used
     */
    @JvmStatic
    public fun unwrap(
        rawBody: ByteArray,
        headers: Map<String, *>,
        secrets: List<String>,
        tolerance: java.time.Duration,
        now: Instant,
    ): WebhookEvent = unwrap(rawBody, headers, secrets, tolerance.toKotlinDuration(), now)

    /** Verifies a webhook without reading its body. Otherwise as [unwrap]. */
    @JvmStatic
    public fun verify(rawBody: ByteArray, headers: Map<String, *>, secret: String): Unit =
        verify(rawBody, headers, listOf(secret), defaultTolerance, null)

    /** Verifies a webhook without reading its body. Otherwise as [unwrap]. */
    @JvmStatic
    public fun verify(rawBody: ByteArray, headers: Map<String, *>, secrets: List<String>): Unit =
        verify(rawBody, headers, secrets, defaultTolerance, null)

    /** Verifies a webhook without reading its body. Otherwise as [unwrap]. */
    @JvmSynthetic
    public fun verify(
        rawBody: ByteArray,
        headers: Map<String, *>,
        secrets: List<String>,
        tolerance: Duration?,
        now: Instant? = null,
    ) {
        val outcome = receive(rawBody, headers, secrets, tolerance, now, false)
        if (outcome is WebhookOutcome.Refused) throw outcome.toException()
    }

    /** For Java: verifies a webhook without reading its body, with another tolerance, at a given time. Otherwise as [unwrap]. */
    @JvmStatic
    public fun verify(rawBody: ByteArray, headers: Map<String, *>, secrets: List<String>, tolerance: java.time.Duration, now: Instant): Unit =
        verify(rawBody, headers, secrets, tolerance.toKotlinDuration(), now)

    /**
     * Signs a body as the service does, and returns the two headers: for tests of a program that receives webhooks.
     *
     * @throws InvalidArgumentException if the secret is empty
     */
    @JvmStatic
    @JvmOverloads
    public fun sign(body: ByteArray, secret: String, timestamp: Instant = Instant.now()): Map<String, String> {
        loadNativeLibrary()
        return when (val outcome = signWebhook(body, secret, timestamp.toSeconds())) {
            is WebhookOutcome.Done -> outcome.headers.chunked(2).associate { (name, value) -> name to value }
            is WebhookOutcome.Unwrapped -> throw CelperException.internal("webhook", null, null)
            is WebhookOutcome.Refused -> throw outcome.toException()
        }
    }

    private fun receive(
        rawBody: ByteArray,
        headers: Map<String, *>,
        secrets: List<String>,
        tolerance: Duration?,
        now: Instant?,
        unwrap: Boolean,
    ): WebhookOutcome {
        loadNativeLibrary()
        val seconds = tolerance?.toDouble(DurationUnit.SECONDS)
        return receiveWebhook(
            WebhookInput(
                rawBody, headers.of("X-Celper-Signature"), headers.of("X-Celper-Timestamp"), secrets, seconds, now?.toSeconds(), unwrap,
            ),
        )
    }

    private fun Map<String, *>.of(name: String): List<String> = entries.filter { name.equals(it.key, ignoreCase = true) }.flatMap {
        when (val value = it.value) {
            is Iterable<*> -> value.filterNotNull().map(Any::toString)
            is Array<*> -> value.filterNotNull().map(Any::toString)
            null -> emptyList()
            else -> listOf(value.toString())
        }
    }

    private fun Instant.toSeconds(): Double = epochSecond + nano / 1e9

    private fun WebhookOutcome.Refused.toException(): CelperException =
        if (reason == null) CelperException.of(failure) else WebhookException(failure, null, reason, clockDifference)

    private fun WebhookOutcome.Unwrapped.toEvent(): WebhookEvent {
        val time = Instant.ofEpochSecond(timestamp.seconds, timestamp.nanoseconds.toLong())
        return when (name) {
            "candidate_status_changed" -> WebhookEvent.CandidateStatusChanged(
                webhookId, companyId, time, data, dedupeKey, change[0], change[1], CandidateStatus.of(change[2]),
                change.getOrNull(3)?.let(CandidateStatus::of),
            )
            "analysis_ready" -> WebhookEvent.AnalysisReady(webhookId, companyId, time, data, dedupeKey)
            "cv_analysis_complete" -> WebhookEvent.CvAnalysisComplete(webhookId, companyId, time, data, dedupeKey)
            "bulk_import_complete" -> WebhookEvent.BulkImportComplete(webhookId, companyId, time, data, dedupeKey)
            else -> WebhookEvent.Unknown(name, webhookId, companyId, time, data, dedupeKey)
        }
    }
}

/** An event, from [Webhooks.unwrap]. */
public sealed class WebhookEvent {
    /** The event's name, for example `candidate_status_changed`. */
    public abstract val type: String

    /** The id of the webhook: of the subscription, not of this event. */
    public abstract val webhookId: String

    /** The company's id. */
    public abstract val companyId: String

    /** When it happened, by the service's clock. */
    public abstract val timestamp: Instant

    /** The event's `data` as the service sent it: a JSON text, with what this version of the SDK does not know. */
    public abstract val data: String

    /**
     * The same for each delivery of the event, and different for all others: keep it, and skip an event whose key you have. The
     * SHA-256 of the body, in hexadecimal digits.
     */
    public abstract val dedupeKey: String

    /** A candidate has another status. */
    public data class CandidateStatusChanged(
        override val webhookId: String,
        override val companyId: String,
        override val timestamp: Instant,
        override val data: String,
        override val dedupeKey: String,
        /** The candidate's id. */
        public val candidateId: String,
        /** The job position's id. */
        public val jobPositionId: String,
        /** The status that the event reports; by the time it arrives, there may be another. */
        public val status: CandidateStatus,
        /** The status before; null if the service names none. */
        public val previousStatus: CandidateStatus?,
    ) : WebhookEvent() {
        override val type: String get() = "candidate_status_changed"
    }

    /** An interview's analysis is ready. The API documents no fields of its [data]. */
    public data class AnalysisReady(
        override val webhookId: String,
        override val companyId: String,
        override val timestamp: Instant,
        override val data: String,
        override val dedupeKey: String,
    ) : WebhookEvent() {
        override val type: String get() = "analysis_ready"
    }

    /** The analysis of a CV is complete. The API documents no fields of its [data]. */
    public data class CvAnalysisComplete(
        override val webhookId: String,
        override val companyId: String,
        override val timestamp: Instant,
        override val data: String,
        override val dedupeKey: String,
    ) : WebhookEvent() {
        override val type: String get() = "cv_analysis_complete"
    }

    /** An import of candidates is complete. The API documents no fields of its [data]. */
    public data class BulkImportComplete(
        override val webhookId: String,
        override val companyId: String,
        override val timestamp: Instant,
        override val data: String,
        override val dedupeKey: String,
    ) : WebhookEvent() {
        override val type: String get() = "bulk_import_complete"
    }

    /** An event that this version of the SDK does not know. */
    public data class Unknown(
        override val type: String,
        override val webhookId: String,
        override val companyId: String,
        override val timestamp: Instant,
        override val data: String,
        override val dedupeKey: String,
    ) : WebhookEvent()
}
