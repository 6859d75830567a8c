package ai.celper

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runBlocking
import java.util.concurrent.SynchronousQueue
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import kotlin.coroutines.ContinuationInterceptor
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.EmptyCoroutineContext

/**
 * Threads that run the caller's code when a call ends: dependent stages of futures, key providers, and coroutines whose dispatcher
 * would run them on the core's network thread.
 *
 * There is always another thread, as the caller's code may block: a pool of a fixed size, like `Dispatchers.Default`, would stop
 * when as many stages as it has threads wait for calls. Threads end after 10 s without work and do not keep the program running.
 */
internal object CallbackThreads : CoroutineDispatcher() {
    private val count = AtomicInteger()
    private val pool = ThreadPoolExecutor(0, Int.MAX_VALUE, 10, TimeUnit.SECONDS, SynchronousQueue()) { work ->
        Thread(work, "celper-callback-${count.incrementAndGet()}").apply {
            isDaemon = true
            // Not the class loader of the application that made the first call.
            contextClassLoader = CallbackThreads::class.java.classLoader
        }
    }

    override fun dispatch(context: CoroutineContext, block: Runnable) {
        try {
            pool.execute(block)
        } catch (_: Throwable) { // The system has no more threads: the call must end nevertheless.
            Dispatchers.IO.dispatch(EmptyCoroutineContext, block)
        }
    }

    fun execute(block: Runnable): Unit = dispatch(EmptyCoroutineContext, block)

    /** The dispatcher of `runBlocking`, which has no public name. */
    private val eventLoop = runBlocking { coroutineContext[ContinuationInterceptor]?.javaClass }

    /**
     * Whether a coroutine that is resumed from any thread continues on a thread of this dispatcher, at the cost of a queue only.
     * For other dispatchers this is unknown: an executor may run its tasks in `execute`.
     */
    fun dispatchesToOwnThread(dispatcher: ContinuationInterceptor?): Boolean =
        dispatcher === Dispatchers.Default || dispatcher === Dispatchers.IO || dispatcher === this ||
            (dispatcher != null && dispatcher.javaClass === eventLoop)
}
