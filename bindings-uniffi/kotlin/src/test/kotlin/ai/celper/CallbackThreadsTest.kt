package ai.celper

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executor
import java.util.concurrent.TimeUnit
import kotlin.coroutines.CoroutineContext

/** On which threads the caller's code runs when a call ends. */
class CallbackThreadsTest {
    private val client = Sandbox.client()

    private object Wrapper : CoroutineDispatcher() {
        override fun dispatch(context: CoroutineContext, block: Runnable) = block.run()
    }

    @Test
    fun `a dispatcher that runs its tasks in place never does so on the network thread`() {
        val candidate = Sandbox.slowCandidate(1)
        // Of a call that has ended before it could suspend, on a busy machine.
        val caller = Thread.currentThread().name
        for (dispatcher in listOf(Executor { it.run() }.asCoroutineDispatcher(), Wrapper, Dispatchers.Unconfined)) {
            val resumed = runBlocking {
                withContext(dispatcher) {
                    client.getCandidateStatus(candidate, jobPositionId = "pos_1")
                    Thread.currentThread().name
                }
            }
            assertTrue(resumed.startsWith("celper-callback-") || resumed.startsWith(caller), "$dispatcher: $resumed")
        }
    }

    @Test
    fun `calls that wait for calls on such a dispatcher do not block each other`() {
        val candidate = Sandbox.candidate()
        val callers = 4 * Runtime.getRuntime().availableProcessors()
        val all = CountDownLatch(callers)
        repeat(callers) {
            Thread {
                runBlocking {
                    withContext(Executor { it.run() }.asCoroutineDispatcher()) {
                        client.getCandidateStatus(candidate, jobPositionId = "pos_1")
                        all.countDown()
                        // All block a thread at the same time.
                        all.await()
                        runBlocking { client.getCandidateStatus(candidate, jobPositionId = "pos_1") }
                    }
                }
            }.apply { isDaemon = true }.start()
        }
        assertTrue(all.await(60, TimeUnit.SECONDS), "${all.count} calls have not ended")
        Sandbox.eventually("the inner calls end") { Sandbox.requests(candidate).count { it.answered != null } == 2 * callers }
    }

    @Test
    fun `a stage of a future may wait for another call`() {
        val callers = 4 * Runtime.getRuntime().availableProcessors()
        val all = CountDownLatch(callers)
        val calls = List(callers) {
            // On a busy machine a fast call has ended before it gets its stage, which then runs on this thread.
            val candidate = Sandbox.slowCandidate(1)
            client.async().getCandidateStatus(candidate, "pos_1").thenApply {
                all.countDown()
                // Waits as any code does that nobody told of coroutines or fork-join pools.
                all.await()
                client.async().inviteCandidate(candidate, "pos_1").join().invited
            }
        }
        CompletableFuture.allOf(*calls.toTypedArray()).get(60, TimeUnit.SECONDS)
        assertTrue(calls.all { it.join() })
        // Others of the program are not affected either.
        CompletableFuture.supplyAsync { 1 }.get(60, TimeUnit.SECONDS)
    }
}
