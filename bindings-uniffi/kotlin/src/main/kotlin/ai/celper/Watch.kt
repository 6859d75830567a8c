package ai.celper

import ai.celper.internal.ffi.BatchEvent
import ai.celper.internal.ffi.BatchWait
import ai.celper.internal.ffi.NativeBatch
import ai.celper.internal.ffi.NativeClient
import ai.celper.internal.ffi.Outcome
import ai.celper.internal.ffi.WatchOptions
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.runBlocking
import java.util.NoSuchElementException
import java.util.Spliterator
import java.util.Spliterators
import java.util.concurrent.CancellationException
import java.util.stream.Stream
import java.util.stream.StreamSupport

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

/** The watch, which [BatchWait.START] starts. */
internal fun nativeWatch(client: NativeClient, candidateIds: Collection<String>, jobPositionId: String): NativeBatch {
    checkUnicode("status", "jobPositionId" to jobPositionId, *candidateIds.map { "candidateIds" to it }.toTypedArray())
    return client.watch(WatchOptions(candidateIds.toList(), jobPositionId, CallLog.level))
}

internal fun watchFlow(start: () -> NativeBatch): Flow<WatchItem> = flow {
    currentCoroutineContext().ensureActive()
    val watch = start()
    try {
        watch.await(BatchWait.START)
        while (true) emit((watch.await(BatchWait.ITEM) as? BatchEvent.Watched ?: break).toItem())
    } finally {
        watch.stop(cancel = true)
    }
}

internal class WatchIterator(private val watch: NativeBatch) : BlockingWatch, Iterator<WatchItem> {
    private var item: WatchItem? = null
    private var isIterated = false
    @Volatile private var isEnded = false

    init {
        wait(BatchWait.START)
    }

    override fun iterator(): Iterator<WatchItem> {
        check(!isIterated) { "a watch has one iterator; for another run create another watch" }
        isIterated = true
        return this
    }

    override fun hasNext(): Boolean {
        if (item == null && !isEnded) {
            item = (wait(BatchWait.ITEM) as? BatchEvent.Watched)?.toItem()
            if (item == null) isEnded = true
        }
        return item != null
    }

    override fun next(): WatchItem {
        if (!hasNext()) throw NoSuchElementException("the watch has no more items")
        return checkNotNull(item).also { item = null }
    }

    override fun close() {
        isEnded = true
        watch.stop(cancel = true)
    }

    private fun wait(wait: BatchWait): BatchEvent = try {
        runBlocking { watch.await(wait) }
    } catch (_: InterruptedException) {
        close()
        Thread.currentThread().interrupt()
        throw CancellationException("the thread was interrupted during the watch")
    } catch (thrown: CelperException) {
        isEnded = true
        throw thrown
    }
}

private fun BatchEvent.Watched.toItem() = WatchItem(
    candidateId, (outcome as? Outcome.Succeeded)?.toState(), (outcome as? Outcome.Failed)?.let { CelperException.of(it.failure) },
    previousStatus?.let(CandidateStatus::of),
)
