package ai.celper

import ai.celper.internal.ffi.CallInput
import ai.celper.internal.ffi.NativeClient
import ai.celper.internal.ffi.Outcome

/** Who is told of calls that have ended, on the caller's coroutine or thread: the option `onEvent`, and OpenTelemetry. */
internal class CallObserver private constructor(private val onEvent: ((CallEvent) -> Unit)?, private val spans: CallSpans?) {
    // Nothing that an observer or OpenTelemetry throws, which can be set up wrongly, is an error of the call.

    /** A call starts: a [StartedCall], a class that needs OpenTelemetry, which a program may not have. */
    fun start(isWait: Boolean): Any? = runCatching { spans?.start(isWait) }.getOrNull()

    fun prepared(input: CallInput, started: Any?): CallInput {
        val traceparent = runCatching { spans?.traceparent(started as StartedCall) }.getOrNull() ?: return input
        return input.copy(traceparent = traceparent)
    }

    /** The caller has cancelled a call: it has no record, and a wait has a span. */
    fun cancelled(started: Any?) {
        runCatching { spans?.endWait(started as StartedCall, "CancellationException") }
    }

    /** A call has ended. */
    fun ended(
        started: Any?, operation: String, candidateId: String, jobPositionId: String, outcome: Outcome, error: CelperException?,
    ) {
        val record = when (outcome) {
            is Outcome.Succeeded -> outcome.record?.let(::LazyRecord)
            is Outcome.Failed -> error?.lazyRecord
            is Outcome.Cancelled -> return cancelled(started)
        }
        runCatching { spans?.end(started as StartedCall, operation, candidateId, jobPositionId, record?.value, error?.kind) }
        runCatching { onEvent?.invoke(CallEvent(operation, record, error)) }
    }

    companion object {
        /** Null if nobody has to be told. */
        fun of(native: NativeClient, onEvent: ((CallEvent) -> Unit)?, telemetry: Telemetry?): CallObserver? {
            val spans = telemetry?.takeIf { hasOpenTelemetry }?.let { CallSpans(native, it) }
            return if (onEvent == null && spans == null) null else CallObserver(onEvent, spans)
        }

        private val hasOpenTelemetry = runCatching {
            Class.forName("io.opentelemetry.api.GlobalOpenTelemetry", false, CallObserver::class.java.classLoader)
        }.isSuccess
    }
}
