package ai.celper

import ai.celper.internal.ffi.BatchEvent
import ai.celper.internal.ffi.BatchWait
import kotlinx.coroutines.runBlocking
import java.util.NoSuchElementException
import java.util.Spliterator
import java.util.Spliterators
import java.util.concurrent.CancellationException
import java.util.stream.Stream
import java.util.stream.StreamSupport

/**
 * Many requests that are carried out as one, for Java, from [CelperBlocking.batch]: their results.
 *
 * ```java
 * List<StatusRequest> requests = List.of(new StatusRequest("cand_1", "pos_abc123"), new StatusRequest("cand_2", "pos_abc123"));
 * try (BlockingBatch batch = client.blocking().batch(requests)) {
 *     for (BatchItem item : batch) {
 *         System.out.println(item.getRequest().getCandidateId() + " " + item.getResult() + " " + batch.getProgress().getEta());
 *     }
 * }
 * ```
 *
 * One thread takes the items, and the requests are read on it as they are needed. Closing the batch before its end starts nothing
 * more and waits until the requests under way have finished. Interrupting the thread that takes an item cancels the batch: the
 * requests under way are dropped, a `CancellationException` is thrown, and the thread stays interrupted. If the source of the
 * requests throws, the exception is thrown after the last item. The rest is as [Batch] describes it.
 *
 * It is an interface, so that tests can implement it with a fake.
 */
public interface BlockingBatch : Iterable<BatchItem>, AutoCloseable {
    /** The items, in the order in which the requests end; once. */
    override fun iterator(): Iterator<BatchItem>

    /** [iterator] as a stream. Closing it closes the batch. */
    public fun stream(): Stream<BatchItem> {
        val items = Spliterators.spliteratorUnknownSize(iterator(), Spliterator.ORDERED or Spliterator.NONNULL)
        return StreamSupport.stream(items, false).onClose(::close)
    }

    /** How far the batch is, from any thread. */
    public val progress: BatchProgress

    /** The batch's name: the given one, or the one in the journal. */
    public val batchId: String?

    /** Starts nothing more, from any thread. Requests under way finish, and give the last items. */
    public fun stop()

    /** Starts nothing more, and waits until the requests under way have finished. */
    override fun close()
}

/** Options of a batch in Java: `new BatchOptions().withBatchId("spring-2026").withJournal("spring-2026.jsonl")`. */
public class BatchOptions private constructor(internal val batchId: String?, internal val journal: String?, internal val total: Long?) {
    /** No batch id and no journal. */
    public constructor() : this(null, null, null)

    /** Names the batch: within 24 hours, a batch with the same name performs no action twice. */
    public fun withBatchId(batchId: String): BatchOptions = BatchOptions(batchId, journal, total)

    /** Sets the path of the journal, with which a run after a crash continues where the first one stopped. */
    public fun withJournal(path: String): BatchOptions = BatchOptions(batchId, path, total)

    /** Sets the number of requests, for the progress. Not needed for a collection, which knows its size. */
    public fun withTotal(total: Long): BatchOptions = BatchOptions(batchId, journal, total)
}

internal class ItemIterator(private val run: BatchRun, private val requests: Iterator<CandidateRequest>) :
    BlockingBatch, Iterator<BatchItem> {
    private var item: BatchItem? = null
    private var isEnded = false
    private var isIterated = false
    private var isCancelled = false

    init {
        wait(BatchWait.START)
    }

    override val progress: BatchProgress get() = run.progress

    override val batchId: String? get() = run.batchId

    override fun stop() = run.stop()

    override fun iterator(): Iterator<BatchItem> {
        check(!isIterated) { "a batch has one iterator; for another run create another batch" }
        isIterated = true
        return this
    }

    override fun hasNext(): Boolean {
        while (item == null && !isEnded) {
            when (val event = wait(BatchWait.ROWS_OR_ITEM)) {
                is BatchEvent.WantsRows -> feed()
                is BatchEvent.Item -> item = run.item(event)
                else -> isEnded = true
            }
        }
        if (item == null) run.sourceFailure?.let { throw it }
        return item != null
    }

    override fun next(): BatchItem {
        if (!hasNext()) throw NoSuchElementException("the batch has no more items")
        return checkNotNull(item).also { item = null }
    }

    private fun feed() {
        try {
            if (requests.hasNext()) run.push(requests.next()) else run.endRows()
        } catch (thrown: Throwable) {
            run.failRows(thrown)
        }
    }

    override fun close() {
        isEnded = true
        item = null
        if (isCancelled) return
        run.stop()
        wait(BatchWait.FINISHED)
    }

    private fun wait(wait: BatchWait): BatchEvent = try {
        runBlocking { run.await(wait) }
    } catch (_: InterruptedException) {
        isEnded = true
        isCancelled = true
        run.cancel()
        // Interrupting the thread again makes no difference.
        runCatching { runBlocking { run.await(BatchWait.FINISHED) } }
        Thread.currentThread().interrupt()
        throw CancellationException("the thread was interrupted during the batch")
    }
}
