package ai.celper

/**
 * How calls appear in OpenTelemetry, if the program has `opentelemetry-api`: a span for each call, and one for each of its HTTP requests,
 * under the span that is current when the call is made. They are written when the call has ended, with their own times. Each read of a wait
 * or a watch is such a call; those of a wait are under a span of the wait.
 *
 * ```kotlin
 * val client = Celper(telemetry = Telemetry(redact = false))
 * ```
 */
public class Telemetry @JvmOverloads constructor(
    /** Whether URLs in spans have `REDACTED` instead of the ids of candidates and job positions. */
    public val redact: Boolean = true,
    /** Whether requests carry the `traceparent` of the current span, or of a wait's own, which tells the service about your traces. */
    public val propagate: Boolean = false,
)
