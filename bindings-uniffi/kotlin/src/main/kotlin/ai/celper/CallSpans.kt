package ai.celper

import ai.celper.internal.ffi.NativeClient
import io.opentelemetry.api.GlobalOpenTelemetry
import io.opentelemetry.api.OpenTelemetry
import io.opentelemetry.api.common.AttributeKey.doubleKey
import io.opentelemetry.api.common.AttributeKey.longKey
import io.opentelemetry.api.common.AttributeKey.stringKey
import io.opentelemetry.api.common.Attributes
import io.opentelemetry.api.metrics.DoubleHistogram
import io.opentelemetry.api.trace.Span
import io.opentelemetry.api.trace.SpanKind
import io.opentelemetry.api.trace.StatusCode
import io.opentelemetry.api.trace.Tracer
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator
import io.opentelemetry.context.Context
import java.net.URI
import java.time.Instant
import kotlin.time.Duration
import kotlin.time.DurationUnit
import kotlin.time.toJavaDuration

/** What has started: the context that the spans of its calls are in, and the span of a wait. */
internal class StartedCall(val context: Context, val wait: Span?) {
    val at: Instant = Instant.now()
}

/** Writes the spans and metrics of calls that have ended. Loaded only if `opentelemetry-api` is there. */
internal class CallSpans(private val native: NativeClient, private val telemetry: Telemetry) {
    private val host: String
    private val port: Long
    @Volatile private var instruments: Instruments? = null

    init {
        val url = URI(native.options().baseUrl)
        host = url.host.orEmpty().removeSurrounding("[", "]")
        port = (if (url.port >= 0) url.port else if (url.scheme == "http") 80 else 443).toLong()
    }

    /**
     * The context of the code that makes a call, and the span of a wait, below which its reads are. The element that
     * `opentelemetry-extension-kotlin` adds to a coroutine's context makes its span the current one.
     */
    fun start(isWait: Boolean): StartedCall {
        val caller = Context.current()
        val wait = if (isWait) instruments()?.tracer?.spanBuilder("celper.wait_for_status")?.setParent(caller)?.startSpan() else null
        return StartedCall(if (wait == null) caller else caller.with(wait), wait)
    }

    /** What tells the service about the caller's span; null if it must not know, or if there is none. */
    fun traceparent(call: StartedCall): String? {
        if (!telemetry.propagate) return null
        val headers = HashMap<String, String>(2)
        W3CTraceContextPropagator.getInstance().inject(call.context, headers) { carrier, name, value -> carrier?.put(name, value) }
        return headers["traceparent"]
    }

    /** A call has ended without a record, because of an error of this type. */
    fun failed(started: StartedCall, operation: String, errorType: String) {
        val span = instruments()?.tracer?.spanBuilder("celper.$operation") ?: return
        span.setParent(started.context).setStartTimestamp(started.at).startSpan().end(errorType)
    }

    /** A wait has ended, with an error of this type. */
    fun endWait(started: StartedCall, errorType: String?) {
        started.wait?.end(errorType)
    }

    private fun Span.end(errorType: String?, at: Instant? = null) {
        errorType?.let { setAttribute(ERROR, it).setStatus(StatusCode.ERROR) }
        if (at == null) end() else end(at)
    }

    /** A call has ended, with an error of this type. */
    fun ended(started: StartedCall, candidateId: String, jobPositionId: String, record: CallRecord, errorType: String?) {
        val instruments = instruments() ?: return
        val parent = started.context
        val call = instruments.tracer.spanBuilder("celper.${record.operation}").setParent(parent).setStartTimestamp(record.startedAt).startSpan()
        val method = if (record.operation == "status") "GET" else "POST"
        for (wait in record.waits) {
            val (reason, seconds) = Attributes.of(REASON, wait.reason) to wait.duration.toDouble(DurationUnit.SECONDS)
            call.addEvent("celper.wait", reason.toBuilder().put(DURATION, seconds).build(), record.at(wait.offset))
            instruments.waits.record(seconds, reason, parent)
        }
        val url = if (call.isRecording) url(record.operation, candidateId, jobPositionId) else ""
        for ((index, attempt) in record.attempts.withIndex()) {
            val common = Attributes.builder().put(METHOD, method).put(HOST, host).put(PORT, port)
            attempt.status?.let { common.put(STATUS, it.toLong()) }
            attempt.errorKind?.let { common.put(ERROR, errorType(attempt)) }
            val attributes = common.build()
            if (call.isRecording) instruments.tracer.attempt(record, attempt, index, parent.with(call), attributes, method, url)
            instruments.requests.record(attempt.duration.toDouble(DurationUnit.SECONDS), attributes, parent.with(call))
        }
        call.end(errorType, record.at(record.duration))
    }

    private fun Tracer.attempt(
        record: CallRecord, attempt: AttemptRecord, index: Int, parent: Context, attributes: Attributes, method: String, url: String,
    ) {
        val span = spanBuilder(method).setSpanKind(SpanKind.CLIENT).setParent(parent).setAllAttributes(attributes)
            .setAttribute(URL, url).setStartTimestamp(record.at(attempt.offset)).startSpan()
        if (index > 0) span.setAttribute(RESEND_COUNT, index.toLong())
        attempt.errorKind?.let { span.setStatus(StatusCode.ERROR) }
        span.end(record.at(attempt.offset + attempt.duration))
    }

    private fun url(operation: String, candidateId: String, jobPositionId: String): String =
        if (telemetry.redact) native.spanUrl(operation, null, null) else native.spanUrl(operation, candidateId, jobPositionId)

    /** Null while the program has not set up OpenTelemetry: asking would fix that it has none. */
    private fun instruments(): Instruments? {
        if (!isSetUp()) return null
        val current = GlobalOpenTelemetry.get()
        return instruments?.takeIf { it.of === current } ?: Instruments(current).also { instruments = it }
    }

    private fun isSetUp(): Boolean = try {
        GlobalOpenTelemetry.isSet()
    } catch (_: NoSuchMethodError) { // Before 1.57.
        true
    }

    private class Instruments(val of: OpenTelemetry) {
        val tracer: Tracer = of.getTracer(SCOPE)
        private val meter = of.getMeter(SCOPE)
        val requests: DoubleHistogram = meter.histogramBuilder("http.client.request.duration").setUnit("s")
            .setDescription("Duration of HTTP client requests.").setExplicitBucketBoundariesAdvice(REQUEST_BOUNDS).build()
        val waits: DoubleHistogram = meter.histogramBuilder("celper.wait.duration").setUnit("s")
            .setDescription("Duration of the waits of calls.").setExplicitBucketBoundariesAdvice(WAIT_BOUNDS).build()
    }
}

private fun CallRecord.at(offset: Duration): Instant = startedAt + offset.toJavaDuration()

private fun errorType(attempt: AttemptRecord) = attempt.status?.takeIf { it >= 400 }?.toString() ?: attempt.errorKind.orEmpty()

private const val SCOPE = "ai.celper"
private val METHOD = stringKey("http.request.method")
private val HOST = stringKey("server.address")
private val PORT = longKey("server.port")
private val URL = stringKey("url.full")
private val STATUS = longKey("http.response.status_code")
private val ERROR = stringKey("error.type")
private val RESEND_COUNT = longKey("http.request.resend_count")
private val REASON = stringKey("reason")
private val DURATION = doubleKey("duration")

/** Those of OpenTelemetry's conventions. */
private val REQUEST_BOUNDS = listOf(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
private val WAIT_BOUNDS = listOf(0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0)
