package ai.celper

import ai.celper.internal.ffi.FfiConverterTypeRecordData
import ai.celper.internal.ffi.RecordData
import ai.celper.internal.ffi.recordText
import java.io.Serializable
import java.nio.ByteBuffer
import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.toJavaDuration

/**
 * What a call did and when: its attempts and its waits. Results and exceptions have it.
 *
 * ```kotlin
 * val state = client.getCandidateStatus("cand_xyz789", jobPositionId = "pos_abc123")
 * println(state.record) // every attempt and wait on a line of its own
 * ```
 *
 * It contains no API key, no ids of candidates and job positions, and nothing of an e-mail.
 */
public class CallRecord internal constructor(private val data: RecordData) {
    /** What was called: `status`, `invite`, `select` or `reject`. */
    public val operation: String get() = data.operation

    /** When the call started, by this machine's clock. */
    public val startedAt: Instant = data.startedAt.toInstant()

    /** From the start to the result or error, waits included. */
    @get:JvmSynthetic
    public val duration: Duration get() = data.duration.seconds

    /** [duration], for Java. */
    @get:JvmName("getDuration")
    public val javaDuration: java.time.Duration get() = duration.toJavaDuration()

    /** The HTTP requests, in order. */
    public val attempts: List<AttemptRecord> = data.attempts.map {
        AttemptRecord(it.offset.seconds, it.duration.seconds, it.status?.toInt(), it.requestId, it.errorKind, it.connection)
    }

    /** The waits of at least a millisecond, in order. */
    public val waits: List<WaitRecord> = data.waits.map { WaitRecord(it.offset.seconds, it.duration.seconds, it.reason) }

    /** A heading, then a line for each attempt and wait. */
    override fun toString(): String = recordText(data)
}

/** One HTTP request of a call. */
public data class AttemptRecord(
    /** From the call's start to the attempt's. */
    @get:JvmSynthetic public val offset: Duration,
    /** From the attempt's start to the end of its response, or to its failure. */
    @get:JvmSynthetic public val duration: Duration,
    /** The HTTP status; null if there was no response. */
    public val status: Int? = null,
    /** The server's request id. */
    public val requestId: String? = null,
    /** Why the attempt failed, as in [CelperException.kind]; null if it did not. */
    public val errorKind: String? = null,
    /** Which connection it used: a `new` or a `pooled` one; null if that is not known. */
    public val connection: String? = null,
) {
    /** [offset], for Java. */
    @get:JvmName("getOffset")
    public val javaOffset: java.time.Duration get() = offset.toJavaDuration()

    /** [duration], for Java. */
    @get:JvmName("getDuration")
    public val javaDuration: java.time.Duration get() = duration.toJavaDuration()
}

/** A wait of a call. */
public data class WaitRecord(
    /** From the call's start to the wait's. */
    @get:JvmSynthetic public val offset: Duration,
    /** How long it waited. */
    @get:JvmSynthetic public val duration: Duration,
    /** What for: `rate_limit`, `retry`, `key_provider` or `connection`. */
    public val reason: String,
) {
    /** [offset], for Java. */
    @get:JvmName("getOffset")
    public val javaOffset: java.time.Duration get() = offset.toJavaDuration()

    /** [duration], for Java. */
    @get:JvmName("getDuration")
    public val javaDuration: java.time.Duration get() = duration.toJavaDuration()
}

/**
 * A call, a request of a batch, or a read of a wait or a watch that has ended, for the option `onEvent` of a client.
 *
 * ```kotlin
 * val client = Celper(onEvent = { event -> println("${event.record ?: event.operation} ${event.error ?: "ok"}") })
 * ```
 */
public class CallEvent internal constructor(
    /** What was called: `status`, `invite`, `select` or `reject`. */
    public val operation: String,
    private val lazyRecord: LazyRecord?,
    /** Why it failed; null if it succeeded. */
    public val error: CelperException?,
) {
    /** What the call did; null if it was refused before it began, and for a wait that has timed out: its reads have events of their own. */
    public val record: CallRecord? get() = lazyRecord?.value

    override fun toString(): String = "CallEvent(operation=$operation, error=$error)"
}

/** A record as it came, which is read when somebody asks for it: most never are. */
internal class LazyRecord(val bytes: ByteArray) : Serializable {
    @Transient private var read: CallRecord? = null

    val value: CallRecord
        get() = read ?: CallRecord(FfiConverterTypeRecordData.read(ByteBuffer.wrap(bytes))).also { read = it }
}
