package ai.celper

import ai.celper.internal.ffi.BatchEvent
import ai.celper.internal.ffi.CallInput
import ai.celper.internal.ffi.NativeClient
import ai.celper.internal.ffi.Outcome
import kotlinx.coroutines.CancellationException

/** Who is told of calls that have ended, on the caller's coroutine or thread: the option `onEvent`, and OpenTelemetry. */
internal class CallObserver private constructor(private val onEvent: ((CallEvent) -> Unit)?, private val spans: CallSpans?) {
    // Nothing that an observer or OpenTelemetry throws, which can be set up wrongly, is an error of the call.

    /** A call, a batch, a watch or a wait starts: a [StartedCall], a class that needs OpenTelemetry, which a program may not have. */
    fun start(isWait: Boolean = false): Any? = runCatching { spans?.start(isWait) }.getOrNull()

    /** What requests carry to tell the service about the caller's span, or a wait's. */
    fun traceparent(started: Any?): String? = runCatching { spans?.traceparent(started as StartedCall) }.getOrNull()

    fun prepared(input: CallInput, started: Any?): CallInput =
        traceparent(started)?.let { input.copy(traceparent = it) } ?: input

    /** The caller has cancelled a call, which has no record. */
    fun cancelled(started: Any?, operation: String) {
        runCatching { spans?.failed(started as StartedCall, operation, CANCELLED) }
    }

    /** A call has ended. */
    fun ended(started: Any?, input: CallInput, outcome: Outcome, error: CelperException?) {
        val record = record(outcome, error)
        if (record != null) return ended(started, input.operation, input.candidateId, input.jobPositionId, record, error)
        // Refused before it began.
        if (error != null) runCatching { spans?.failed(started as StartedCall, input.operation, error.kind) }
        tell(input.operation, null, error)
    }

    /** A request of a batch has ended. Without a record it was not sent in this run. */
    fun endedItem(started: Any?, request: CandidateRequest, item: BatchEvent.Item, error: CelperException?) {
        val record = record(item.outcome, error)
        if (record != null) {
            ended(started, request.operation, request.candidateId, request.jobPositionId, record, error)
        } else if (error != null && !item.notAttempted) {
            tell(request.operation, null, error)
        }
    }

    /** A read of a watch or a wait has ended. */
    fun endedRead(started: Any?, read: BatchEvent.Read) {
        val error = read.failure?.let(CelperException::of)
        ended(started, "status", read.candidateId, read.jobPositionId, LazyRecord(read.record), error)
    }

    /** A wait has ended. Its reads have been told of; an error that is none of theirs has not. */
    fun endedWait(started: Any?, thrown: Throwable?) {
        val error = thrown as? CelperException
        val type = error?.kind ?: if (thrown is CancellationException) CANCELLED else thrown?.javaClass?.simpleName
        runCatching { spans?.endWait(started as StartedCall, type) }
        if (error != null && error.lazyRecord == null) tell("status", null, error)
    }

    private fun ended(
        started: Any?, operation: String, candidateId: String, jobPositionId: String, record: LazyRecord, error: CelperException?,
    ) {
        runCatching { spans?.ended(started as StartedCall, candidateId, jobPositionId, record.value, error?.kind) }
        tell(operation, record, error)
    }

    private fun tell(operation: String, record: LazyRecord?, error: CelperException?) {
        runCatching { onEvent?.invoke(CallEvent(operation, record, error)) }
    }

    private fun record(outcome: Outcome, error: CelperException?): LazyRecord? =
        if (outcome is Outcome.Succeeded) outcome.record?.let(::LazyRecord) else error?.lazyRecord

    companion object {
        /** Null if nobody has to be told. */
        fun of(native: NativeClient, onEvent: ((CallEvent) -> Unit)?, telemetry: Telemetry?): CallObserver? {
            val spans = telemetry?.takeIf { hasOpenTelemetry }?.let { CallSpans(native, it) }
            return if (onEvent == null && spans == null) null else CallObserver(onEvent, spans)
        }

        private val hasOpenTelemetry = runCatching {
            Class.forName("io.opentelemetry.api.GlobalOpenTelemetry", false, CallObserver::class.java.classLoader)
        }.isSuccess

        /** The `error.type` of what was cancelled. */
        private const val CANCELLED = "CancellationException"
    }
}
