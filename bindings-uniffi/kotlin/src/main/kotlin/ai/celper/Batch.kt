package ai.celper

import ai.celper.internal.ffi.BatchCounts
import ai.celper.internal.ffi.BatchEvent
import ai.celper.internal.ffi.BatchWait
import ai.celper.internal.ffi.CallInput
import ai.celper.internal.ffi.NativeBatch
import ai.celper.internal.ffi.NativeClient
import ai.celper.internal.ffi.Outcome
import ai.celper.internal.ffi.Output
import ai.celper.internal.ffi.BatchOptions as NativeOptions
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Job
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.takeWhile
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import java.util.concurrent.ConcurrentHashMap
import kotlin.coroutines.ContinuationInterceptor
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.toJavaDuration

/**
 * Many requests that are carried out as one, from [Celper.batch]: the flow of their results.
 *
 * ```kotlin
 * val requests = listOf("cand_1", "cand_2").map { InviteRequest(it, jobPositionId = "pos_abc123") }
 * val batch = client.batch(requests, batchId = "spring-2026")
 * batch.collect { item -> println("${item.request.candidateId} ${item.error ?: "ok"}, ${batch.progress.eta} to go") }
 * ```
 *
 * Collecting it starts it. Each request gives one item, in the order in which they end. It runs once: collecting it again throws
 * an [InvalidArgumentException]. To run the same requests again, create another batch; with the same batch id or journal that
 * performs no action twice.
 *
 * - **An error is an item**, and does not stop the batch. Errors that every further request would get too (401, 403, a closed
 *   client) end it: the other requests come as items that were [not attempted][BatchItem.notAttempted].
 * - **Leaving early** (`first()`, `take(n)`, an exception in the collector) starts nothing more. Requests under way finish, and
 *   then the collection ends. With `buffer`, `flowOn` and the like in between, it cancels.
 * - **Cancelling** the collecting coroutine drops the requests under way: their outcome is unknown. With a journal, the next run
 *   finds it out.
 * - **The source** runs in the collector's context. If it throws, requests under way finish, and after the last item the
 *   exception is thrown to the collector.
 */
public interface Batch : Flow<BatchItem> {
    /** How far the batch is. It can be read from any thread, before and after the collection too. */
    public val progress: BatchProgress

    /** The batch's name: the given one, or the one in the journal; null until it is started. */
    public val batchId: String?

    /** Starts nothing more, from any thread. Requests under way finish, and give the last items. */
    public fun stop()
}

/** How one request of a [Batch] ended: with a [result], or an [error]. */
public data class BatchItem @JvmOverloads constructor(
    /** The position of the request in the input, from 0. */
    public val index: Long,
    /** The request. */
    public val request: CandidateRequest,
    /** The result; null if there is an [error]. */
    public val result: CandidateResult?,
    /** Why there is no [result]. */
    public val error: CelperException? = null,
    /** The idempotency key under which an action was sent; null for reads, and for what was not sent. */
    public val idempotencyKey: String? = null,
    /** Whether the result is from an earlier run: this run sent no action. */
    public val resumed: Boolean = false,
    /** Whether nothing was sent, because the batch was ended. The error is of the kind that ended it. */
    public val notAttempted: Boolean = false,
    /**
     * Whether the candidate's status shows that the action has taken place in an earlier run; the [result] is then a
     * [CandidateState].
     */
    public val alreadyDone: Boolean = false,
)

/** How far a [Batch] is. */
public data class BatchProgress(
    /** Requests that have ended: [succeeded], [failed] and [notAttempted]. */
    public val done: Long = 0,
    /** Requests with a result, those of earlier runs included. */
    public val succeeded: Long = 0,
    /** Requests with an error. */
    public val failed: Long = 0,
    /** Requests that were not attempted, because the batch was ended. */
    public val notAttempted: Long = 0,
    /** Requests whose result is from an earlier run. */
    public val resumed: Long = 0,
    /** Requests that were sent and have not ended. */
    public val inFlight: Long = 0,
    /** The number of all requests; null as long as it is unknown. */
    public val total: Long? = null,
    /** The time until all are done, as far as the rate limit decides it; null as long as it is unknown. */
    @get:JvmSynthetic public val eta: Duration? = null,
    /** The time until the next request is sent, when the rate limit lets none through now. */
    @get:JvmSynthetic public val rateLimitWait: Duration? = null,
) {
    /** [eta], for Java. */
    @get:JvmName("getEta")
    public val javaEta: java.time.Duration? get() = eta?.toJavaDuration()

    /** [rateLimitWait], for Java. */
    @get:JvmName("getRateLimitWait")
    public val javaRateLimitWait: java.time.Duration? get() = rateLimitWait?.toJavaDuration()
}

/** What both kinds of batches share: the rows on their way, and the core's batch. */
internal class BatchRun(
    client: NativeClient, private val observer: CallObserver?, batchId: String?, journal: String?, total: Long?,
) {
    private val native: NativeBatch

    init {
        checkUnicode("batch", "batchId" to batchId, "journal" to journal)
        native = client.batch(NativeOptions(batchId, journal, total?.coerceAtLeast(0)?.toULong(), CallLog.level))
    }

    /** The requests whose items have not come yet. */
    private val requests = ConcurrentHashMap<Long, CandidateRequest>()
    private var next = 0L
    private var started: Any? = null

    /** What the source threw; thrown after the last item. */
    @Volatile var sourceFailure: Throwable? = null

    val progress: BatchProgress get() = native.progress().toPublic()

    val batchId: String? get() = native.progress().batchId

    fun stop() {
        native.stop(cancel = false)
    }

    fun cancel() {
        native.stop(cancel = true)
    }

    /** Waits for what the core says; an error that ends the batch is thrown. */
    suspend fun await(wait: BatchWait): BatchEvent {
        if (wait == BatchWait.START) started = observer?.start()
        return native.await(wait)
    }

    /** Waits until nothing is under way. Cancelling the coroutine drops what is. */
    suspend fun awaitFinished() {
        try {
            await(BatchWait.FINISHED)
        } catch (_: CancellationException) {
            cancel()
            withContext(NonCancellable) { await(BatchWait.FINISHED) }
        }
    }

    /** False: the batch takes no more. */
    fun push(request: CandidateRequest): Boolean {
        val input = request.toInput().let { observer?.prepared(it, started) ?: it }
        val refused = runCatching { input.checkUnicode() }.exceptionOrNull() as CelperException?
        val index = next++
        requests[index] = request
        val taken = native.push(if (refused == null) input else input.withoutTexts(), refused?.detail)
        if (!taken) requests.remove(index)
        return taken
    }

    fun endRows() = native.endRows(error = null)

    fun failRows(thrown: Throwable) {
        sourceFailure = thrown
        native.endRows(replaceLoneSurrogates("the source of the requests failed: ${thrown.javaClass.name}"))
    }

    fun item(event: BatchEvent.Item): BatchItem {
        val outcome = event.outcome
        val request = checkNotNull(requests.remove(event.index.toLong()))
        val error = (outcome as? Outcome.Failed)?.let { CelperException.of(it.failure) }
        observer?.endedItem(started, request, event, error)
        return BatchItem(
            event.index.toLong(), request, (outcome as? Outcome.Succeeded)?.toResult(), error, event.idempotencyKey, event.resumed,
            event.notAttempted, event.alreadyDone,
        )
    }
}

/** Waits for what the core says; an error that ends the batch or watch is thrown. */
internal suspend fun NativeBatch.await(wait: BatchWait): BatchEvent {
    // The core's threads must not run the caller's code, which may block.
    val event = if (CallbackThreads.dispatchesToOwnThread(currentCoroutineContext()[ContinuationInterceptor])) {
        wait(wait)
    } else {
        withContext(CallbackThreads) { wait(wait) }
    }
    if (event is BatchEvent.Failed) throw CelperException.of(event.failure)
    return event
}

internal class FlowBatch(private val run: BatchRun, requests: Flow<CandidateRequest>) : Batch, Flow<BatchItem> by items(run, requests) {
    override val progress: BatchProgress get() = run.progress

    override val batchId: String? get() = run.batchId

    override fun stop() = run.stop()

    override fun toString(): String = "Batch($progress)"
}

private fun items(run: BatchRun, requests: Flow<CandidateRequest>): Flow<BatchItem> = flow {
    val collector = currentCoroutineContext()
    collector.ensureActive()
    // Not cancelled halfway: then it would be unknown whether there is something to end.
    withContext(NonCancellable) { run.await(BatchWait.START) }
    try {
        coroutineScope {
            val feeder = launch { feed(run, requests) }
            try {
                while (true) emit(run.item(run.await(BatchWait.ITEM) as? BatchEvent.Item ?: break))
            } catch (thrown: Throwable) {
                // A collector that leaves early, such as `first()`, throws as well, but is not cancelled.
                if (collector.isCancelled) run.cancel() else run.stop()
                throw thrown
            } finally {
                feeder.cancel()
            }
        }
    } catch (thrown: Throwable) {
        run.awaitFinished()
        throw thrown
    }
    run.sourceFailure?.let { throw it }
}

private val CoroutineContext.isCancelled: Boolean get() = this[Job]?.isActive == false

private suspend fun feed(run: BatchRun, requests: Flow<CandidateRequest>) {
    var wanted = 0u
    try {
        requests.takeWhile { request ->
            if (wanted == 0u) wanted = (run.await(BatchWait.ROWS) as? BatchEvent.WantsRows)?.count ?: 0u
            wanted > 0u && run.push(request).also { wanted-- }
        }.collect()
        run.endRows()
    } catch (thrown: Throwable) {
        // Unless the feeder was cancelled.
        currentCoroutineContext().ensureActive()
        run.failRows(thrown)
    }
}

private fun CallInput.withoutTexts() = copy(
    candidateId = "", jobPositionId = "", emailSubject = null, emailBody = null, idempotencyKey = null,
)

private fun Outcome.Succeeded.toResult(): CandidateResult = when (output) {
    is Output.State -> toState()
    is Output.Invitation -> toInvitation()
    is Output.Decision -> toDecision()
}

private fun BatchCounts.toPublic() = BatchProgress(
    done.toLong(), succeeded.toLong(), failed.toLong(), notAttempted.toLong(), resumed.toLong(), inFlight.toLong(), total?.toLong(),
    eta?.seconds, rateLimitWait?.seconds,
)
