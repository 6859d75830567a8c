package ai.celper

import ai.celper.internal.ffi.DirectCalls
import ai.celper.internal.ffi.KeyRequests
import ai.celper.sandbox.Fault
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancel
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.util.concurrent.CompletableFuture
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

class LifecycleTest {
    private val client = Sandbox.client()

    @Test
    fun `cancelling the job returns at once and drops the request`() {
        val candidate = Sandbox.slowCandidate()
        runBlocking {
            val job = launch(Dispatchers.Default) { client.inviteCandidate(candidate, jobPositionId = "pos_1") }
            Sandbox.eventually("the request arrives") { Sandbox.pendingRequests(candidate) == 1 }
            // Much less than the response takes (10 minutes) or the call's timeout (2 minutes).
            withTimeout(60.seconds) { job.cancelAndJoin() }
            assertTrue(job.isCancelled)
        }
        Sandbox.assertCancelled(candidate)
    }

    @Test
    fun `withTimeout throws its own exception and drops the request`() {
        // On a slow machine the shorter timeouts may expire before the request is sent.
        for (timeout in listOf(0.3.seconds, 3.seconds, 30.seconds)) {
            val candidate = Sandbox.slowCandidate()
            assertThrows<TimeoutCancellationException> {
                runBlocking { withTimeout(timeout) { client.inviteCandidate(candidate, jobPositionId = "pos_1") } }
            }
            if (Sandbox.requests(candidate).isNotEmpty()) return Sandbox.assertCancelled(candidate)
        }
        error("no request within 30 s")
    }

    @Test
    fun `a coroutine that is already cancelled sends nothing`() {
        val candidate = Sandbox.candidate()
        runBlocking {
            val job = launch {
                coroutineContext.cancel()
                client.inviteCandidate(candidate, jobPositionId = "pos_1")
            }
            job.join()
            assertTrue(job.isCancelled)
            // If the call above had sent a request, it would have arrived before this one.
            client.getCandidateStatus(Sandbox.candidate(), jobPositionId = "pos_1")
        }
        assertTrue(Sandbox.requests(candidate).isEmpty())
    }

    @Test
    fun `calls cancelled at any moment leave the client usable`() = runBlocking {
        val candidate = Sandbox.candidate()
        val calls = List(300) { turn ->
            async(Dispatchers.Default) {
                runCatching { withTimeout(1 + turn % 20L) { client.getCandidateStatus(candidate, jobPositionId = "pos_1") } }
            }
        }
        calls.forEach { it.await().onFailure { thrown -> assertTrue(thrown is CancellationException, "$thrown") } }
        assertEquals(CandidateStatus.New, client.getCandidateStatus(candidate, jobPositionId = "pos_1").status)
    }

    @Test
    fun `the options can be read`() {
        val limits = RateLimits(reads = 4, actions = 3, total = 5, window = 30.seconds)
        val client = Celper(
            apiKey = Sandbox.apiKey, timeout = 5.seconds, maxRetries = 1, rateLimits = limits, rateLimitStore = "process", rateLimitName = "acme",
        )
        val options = with(client) { listOf(timeout, javaTimeout, attemptTimeout, maxRetries, rateLimits, rateLimitStore, rateLimitName) }
        assertEquals(listOf(5.seconds, java.time.Duration.ofSeconds(5), 30.seconds, 1, limits, "process", "acme"), options)
        val unlimited = Celper(apiKey = Sandbox.apiKey, timeout = Duration.INFINITE, rateLimits = null)
        assertEquals(listOf(null, null, null), with(unlimited) { listOf(timeout, javaTimeout, rateLimits) })
    }

    @Test
    fun `a key provider is called before each attempt`() = runBlocking {
        val calls = AtomicInteger()
        val client = Celper(
            baseUrl = Sandbox.baseUrl,
            keyProvider = {
                delay(10)
                calls.incrementAndGet()
                Sandbox.apiKey
            },
        )
        val candidate = Sandbox.candidate()
        Sandbox.fault(candidate, Fault.status(503))
        client.getCandidateStatus(candidate, jobPositionId = "pos_1")
        assertEquals(2, calls.get())
    }

    @Test
    fun `a key provider's exception is the cause of an AuthenticationException`() {
        for (thrown in listOf(IllegalStateException("signed out"), NotImplementedError("later"), CancellationException("gone"))) {
            val client = Celper(baseUrl = Sandbox.baseUrl, keyProvider = { throw thrown })
            val failed = assertThrows<AuthenticationException> {
                runBlocking { client.getCandidateStatus("provider-throws", jobPositionId = "pos_1") }
            }
            assertSame(thrown, failed.cause)
            assertTrue(failed.message!!.contains(thrown.message!!), failed.message)
        }
        assertTrue(Sandbox.requests("provider-throws").isEmpty())
    }

    @Test
    fun `cancelling a call cancels its key provider`() = runBlocking {
        val started = CompletableFuture<Unit>()
        val cancelled = CompletableFuture<Unit>()
        val client = Celper(
            baseUrl = Sandbox.baseUrl,
            keyProvider = {
                started.complete(Unit)
                try { awaitCancellation() } finally { cancelled.complete(Unit) }
            },
        )
        val job = launch(Dispatchers.Default) { client.getCandidateStatus("c", jobPositionId = "p") }
        Sandbox.eventually("the provider is called") { started.isDone }
        job.cancelAndJoin()
        Sandbox.eventually("the provider is cancelled") { cancelled.isDone }
    }

    @Test
    fun `no state is left of calls that ended, failed or were cancelled`() = runBlocking {
        Sandbox.client().use { client ->
            val calls = List(400) { number ->
                launch(Dispatchers.Default) {
                    val id = if (number % 4 == 0) "" else "unknown_$number"
                    runCatching { client.getCandidateStatus(id, jobPositionId = "pos_1") }
                }
            }
            calls.filterIndexed { number, _ -> number % 2 == 0 }.forEach { it.cancel() }
            calls.joinAll()
        }
        Sandbox.eventually("no call is pending") { DirectCalls.pendingCount == 0 }
    }

    @Test
    fun `nothing is kept of key providers whose calls were cancelled or timed out`() = runBlocking {
        val client = Celper(
            baseUrl = Sandbox.baseUrl,
            keyProvider = {
                // It also throws when it was cancelled.
                runCatching { delay(3) }
                throw IllegalStateException("signed out")
            },
        )
        repeat(300) { turn ->
            runCatching { withTimeout(1L + turn % 6) { client.getCandidateStatus("provider-cancelled", jobPositionId = "pos_1") } }
        }
        Sandbox.eventually("no request and no exception is kept") { KeyRequests.counts.drop(1) == listOf(0, 0) }
        client.close()
    }

    @Test
    fun `closing a client lets running calls finish and rejects new ones`() = runBlocking {
        val candidate = Sandbox.slowCandidate(1)
        val closing = Sandbox.client()
        val call = async(Dispatchers.Default) { closing.getCandidateStatus(candidate, jobPositionId = "pos_1") }
        Sandbox.eventually("the request arrives") { Sandbox.requests(candidate).isNotEmpty() }
        closing.close()
        closing.close()
        assertEquals(CandidateStatus.New, call.await().status)
        val rejected = assertThrows<InvalidArgumentException> {
            runBlocking { closing.getCandidateStatus(candidate, jobPositionId = "pos_1") }
        }
        assertTrue(rejected.message!!.contains("closed"), rejected.message)
    }

    @Test
    fun `calls finish although their client is garbage collected`() = runBlocking {
        val calls = List(40) {
            val candidate = Sandbox.slowCandidate(1)
            // Only the call refers to this client.
            async(Dispatchers.Default) { Sandbox.client().getCandidateStatus(candidate, jobPositionId = "pos_1") }
        }
        repeat(10) {
            System.gc()
            delay(50)
        }
        calls.forEach { assertEquals(CandidateStatus.New, it.await().status) }
    }

    @Test
    fun `the jar contains the keep rules wherever shrinkers look for them`() {
        for (place in listOf("proguard", "com.android.tools/r8", "com.android.tools/proguard")) {
            val rules = javaClass.getResource("/META-INF/$place/celper.pro")?.readText().orEmpty()
            assertTrue("ai.celper.internal.ffi" in rules && "com.sun.jna" in rules, place)
        }
    }
}
