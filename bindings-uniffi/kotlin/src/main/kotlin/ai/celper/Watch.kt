package ai.celper

import ai.celper.internal.ffi.BatchEvent
import ai.celper.internal.ffi.BatchWait
import ai.celper.internal.ffi.NativeClient
import ai.celper.internal.ffi.Outcome
import ai.celper.internal.ffi.WatchOptions
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.runBlocking
import java.util.NoSuchElementException
import java.util.Objects
import java.util.Spliterator
import java.util.Spliterators
import java.util.concurrent.CancellationException
import java.util.stream.Stream
import java.util.stream.StreamSupport
import kotlin.time.Duration

/** What a watch has seen of a candidate, from [Celper.watchCandidates]. */
public data class WatchItem @JvmOverloads constructor(
    /** The candidate's id. */
    public val candidateId: String,
    /** Its state now; null if there is an [error]. */
    public val state: CandidateState?,
    /** Why it is no longer watched, for example a [NotFoundException]. */
    public val error: CelperException? = null,
    /** Its status before; null in its first item. */
    public val previousStatus: CandidateStatus? = null,
)

/**
 * A watch of candidates for Java, from [CelperBlocking.watchCandidates].
 *
 * ```java
 * try (BlockingWatch watch = client.blocking().watchCandidates(List.of("cand_1", "cand_2"), "pos_abc123")) {
 *     for (WatchItem item : watch) {
 *         System.out.println(item.getCandidateId() + " " + item.getState());
 *     }
 * }
 * ```
 *
 * One thread takes the items. Closing the watch, from any thread, ends it, and with it a loop that waits for an item. Interrupting the
 * thread that waits ends it too: a `CancellationException` is thrown, and the thread stays interrupted.
 *
 * It is an interface, so that tests can implement it with a fake.
 */
public interface BlockingWatch : Iterable<WatchItem>, AutoCloseable {
    /** The items; once. */
    override fun iterator(): Iterator<WatchItem>

    /** [iterator] as a stream. Closing it closes the watch. */
    public fun stream(): Stream<WatchItem> {
        val items = Spliterators.spliteratorUnknownSize(iterator(), Spliterator.ORDERED or Spliterator.NONNULL)
        return StreamSupport.stream(items, false).onClose(::close)
    }

    /** Ends the watch, from any thread. */
    override fun close()
}

internal fun watchOptions(candidateIds: Collection<String>, jobPositionId: String): WatchOptions {
    val ids = candidateIds.notNull("candidateIds")
    checkUnicode("status", "jobPositionId" to jobPositionId, *ids.map { "candidateIds" to it }.toTypedArray())
    return WatchOptions(ids, jobPositionId, null, null, false, null, CallLog.level)
}

internal fun waitOptions(candidateId: String, jobPositionId: String, until: Set<CandidateStatus>, timeout: Duration): WatchOptions {
    val statuses = until.notNull("until").map { it.value }
    val ids = arrayOf("candidateId" to candidateId, "jobPositionId" to jobPositionId)
    checkUnicode("status", *ids, *statuses.map { "until" to it }.toTypedArray())
    return WatchOptions(listOf(candidateId), jobPositionId, statuses, timeout.toSeconds(), false, null, CallLog.level)
}

/** Java's collections may contain null. */
private fun <T> Collection<T>.notNull(name: String): List<T> = map { Objects.requireNonNull(it, "$name contains null") }

/** A watch of the core, or a wait, which is a watch of one item; and who is told of their reads. */
internal class WatchRun(client: NativeClient, private val observer: CallObserver?, options: WatchOptions) {
    private val name = if (options.until == null) "watch" else "call"
    private val started = observer?.start(isWait = options.until != null)
    private val native =
        client.watch(options.copy(observed = observer != null, traceparent = observer?.traceparent(started)))

    /** Waits for what the core says; an error that ends the watch is thrown. */
    suspend fun await(wait: BatchWait): BatchEvent = native.await(wait)

    /** [await] on the calling thread. Interrupting it ends the watch. */
    fun awaitBlocking(wait: BatchWait): BatchEvent = try {
        runBlocking { await(wait) }
    } catch (_: InterruptedException) {
        stop()
        Thread.currentThread().interrupt()
        throw CancellationException("the thread was interrupted during the $name")
    }

    /** The next item; null at the end. The observer is told of the reads before it. */
    inline fun next(await: (BatchWait) -> BatchEvent): BatchEvent.Watched? {
        while (true) {
            val event = await(BatchWait.ITEM)
            if (!tell(event)) return event as? BatchEvent.Watched
        }
    }

    /** The state that a wait ends with. */
    inline fun state(await: (BatchWait) -> BatchEvent): CandidateState {
        val ended = runCatching {
            await(BatchWait.START)
            checkNotNull(next(await)).outcome as Outcome.Succeeded
        }
        stop()
        observer?.endedWait(started, ended.exceptionOrNull())
        return ended.getOrThrow().toState()
    }

    /** Ends it. The observer is told of the reads that have ended. */
    fun stop() {
        native.stop(cancel = true).forEach(::tell)
    }

    /** False: the event is no read. */
    private fun tell(event: BatchEvent): Boolean {
        if (event is BatchEvent.Read) observer?.endedRead(started, event)
        return event is BatchEvent.Read
    }
}

internal fun watchFlow(start: () -> WatchRun): Flow<WatchItem> = flow {
    currentCoroutineContext().ensureActive()
    val watch = start()
    try {
        watch.await(BatchWait.START)
        while (true) emit((watch.next { watch.await(it) } ?: break).toItem())
    } finally {
        watch.stop()
    }
}

internal class WatchIterator(private val watch: WatchRun) : BlockingWatch, Iterator<WatchItem> {
    private var item: WatchItem? = null
    private var isIterated = false
    @Volatile private var isEnded = false

    init {
        watch.awaitBlocking(BatchWait.START)
    }

    override fun iterator(): Iterator<WatchItem> {
        check(!isIterated) { "a watch has one iterator; for another run create another watch" }
        isIterated = true
        return this
    }

    override fun hasNext(): Boolean {
        if (item == null && !isEnded) {
            try {
                item = watch.next { watch.awaitBlocking(it) }?.toItem()
            } finally {
                if (item == null) isEnded = true
            }
        }
        return item != null
    }

    override fun next(): WatchItem {
        if (!hasNext()) throw NoSuchElementException("the watch has no more items")
        return checkNotNull(item).also { item = null }
    }

    override fun close() {
        isEnded = true
        watch.stop()
    }
}

private fun BatchEvent.Watched.toItem() = WatchItem(
    candidateId, (outcome as? Outcome.Succeeded)?.toState(), (outcome as? Outcome.Failed)?.let { CelperException.of(it.failure) },
    previousStatus?.let(CandidateStatus::of),
)
