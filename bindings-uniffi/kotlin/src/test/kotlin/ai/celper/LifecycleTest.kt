package ai.celper

import ai.celper.internal.ffi.CallInput
import ai.celper.internal.ffi.DirectCalls
import ai.celper.internal.ffi.KeySource
import ai.celper.internal.ffi.Opening
import ai.celper.internal.ffi.Options
import ai.celper.internal.ffi.Outcome
import ai.celper.internal.ffi.open
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
import kotlin.time.Duration.Companion.seconds

class LifecycleTest {
    private val client = Sandbox.client()

    @Test
    fun `cancelling the job returns at once and drops the request`() {
        val candidate = Sandbox.slow()
        runBlocking {
            val job = launch(Dispatchers.Default) { client.inviteCandidate(candidate, jobPositionId = "pos_1") }
            Sandbox.eventually("the request arrives") { Sandbox.waiting(candidate) == 1 }
            // Long before the answer, which takes ten minutes; the call's own timeout is two.
            withTimeout(60.seconds) { job.cancelAndJoin() }
            assertTrue(job.isCancelled)
        }
        Sandbox.assertHungUp(candidate)
    }

    @Test
    fun `withTimeout throws its own exception and drops the request`() {
        // Long enough for the request to go out, however slow the machine is.
        for (allowed in listOf(0.3.seconds, 3.seconds, 30.seconds)) {
            val candidate = Sandbox.slow()
            assertThrows<TimeoutCancellationException> {
                runBlocking { withTimeout(allowed) { client.inviteCandidate(candidate, jobPositionId = "pos_1") } }
            }
            if (Sandbox.requests(candidate).isNotEmpty()) return Sandbox.assertHungUp(candidate)
        }
        error("no request within 30 s")
    }

    @Test
    fun `a coroutine that is cancelled already sends nothing`() {
        val candidate = Sandbox.candidate()
        runBlocking {
            val job = launch {
                coroutineContext.cancel()
                client.inviteCandidate(candidate, jobPositionId = "pos_1")
            }
            job.join()
            assertTrue(job.isCancelled)
            // What had been sent before this one would have arrived before it.
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
    fun `a key provider is asked before each attempt`() = runBlocking {
        val asked = AtomicInteger()
        val provided = Celper(
            baseUrl = Sandbox.baseUrl,
            keyProvider = {
                delay(10)
                asked.incrementAndGet()
                Sandbox.apiKey
            },
        )
        val candidate = Sandbox.candidate()
        Sandbox.fault(candidate, """"kind":"status","status":503""")
        provided.getCandidateStatus(candidate, jobPositionId = "pos_1")
        assertEquals(2, asked.get())
    }

    @Test
    fun `what a key provider throws is the cause of an authentication error`() {
        for (thrown in listOf(IllegalStateException("signed out"), NotImplementedError("later"), CancellationException("gone"))) {
            val provided = Celper(baseUrl = Sandbox.baseUrl, keyProvider = { throw thrown })
            val failed = assertThrows<AuthenticationException> {
                runBlocking { provided.getCandidateStatus("unasked", jobPositionId = "pos_1") }
            }
            assertSame(thrown, failed.cause)
            assertTrue(failed.message!!.contains(thrown.message!!), failed.message)
        }
        assertTrue(Sandbox.requests("unasked").isEmpty())
    }

    @Test
    fun `cancelling a call cancels its key provider`() = runBlocking {
        val begun = CompletableFuture<Unit>()
        val ended = CompletableFuture<Unit>()
        val provided = Celper(
            baseUrl = Sandbox.baseUrl,
            keyProvider = {
                begun.complete(Unit)
                try { awaitCancellation() } finally { ended.complete(Unit) }
            },
        )
        val job = launch(Dispatchers.Default) { provided.getCandidateStatus("c", jobPositionId = "p") }
        Sandbox.eventually("the provider is asked") { begun.isDone }
        job.cancelAndJoin()
        Sandbox.eventually("the provider is cancelled") { ended.isDone }
    }

    @Test
    fun `of calls that end in any way at any moment nothing is kept`() = runBlocking {
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
        Sandbox.eventually("no call is waited for") { DirectCalls.underWay == 0 }
    }

    @Test
    fun `a panic in Rust arrives as an exception`() {
        // What no provider of the facade's can do: an error of a type that the border does not know.
        val broken = object : KeySource {
            override suspend fun apiKey(): String = throw IllegalStateException("out of the blue")
        }
        val options = Options(null, broken, Sandbox.baseUrl, false, null, null, null, null, null, null, null, "kotlin", "0")
        val native = (open(options) as Opening.Opened).client
        val input = CallInput("invite", "c", "p", null, null, null, null, null)
        val failed = CelperException.of((runBlocking { DirectCalls.call(native, native.number().toLong(), input) } as Outcome.Failed).failure)
        assertTrue(failed is UnexpectedResponseException && failed.outcomeUnknown, "$failed")
        assertTrue(failed.message!!.contains("internal error in the SDK"), failed.message)
    }

    @Test
    fun `closing in the middle of calls lets them finish and refuses new ones`() = runBlocking {
        val candidate = Sandbox.slow(1)
        val closing = Sandbox.client()
        val call = async(Dispatchers.Default) { closing.getCandidateStatus(candidate, jobPositionId = "pos_1") }
        Sandbox.eventually("the request arrives") { Sandbox.requests(candidate).isNotEmpty() }
        closing.close()
        closing.close()
        assertEquals(CandidateStatus.New, call.await().status)
        val refused = assertThrows<InvalidArgumentException> {
            runBlocking { closing.getCandidateStatus(candidate, jobPositionId = "pos_1") }
        }
        assertTrue(refused.message!!.contains("closed"), refused.message)
    }

    @Test
    fun `clients that are garbage in the middle of calls do no harm`() = runBlocking {
        val calls = List(40) {
            val candidate = Sandbox.slow(1)
            // Nobody holds this client but its call.
            async(Dispatchers.Default) { Sandbox.client().getCandidateStatus(candidate, jobPositionId = "pos_1") }
        }
        repeat(10) {
            System.gc()
            delay(50)
        }
        calls.forEach { assertEquals(CandidateStatus.New, it.await().status) }
    }

    @Test
    fun `no language's keep rules are missing from the jar`() {
        for (place in listOf("proguard", "com.android.tools/r8", "com.android.tools/proguard")) {
            val rules = javaClass.getResource("/META-INF/$place/celper.pro")?.readText().orEmpty()
            assertTrue("ai.celper.internal.ffi" in rules && "com.sun.jna" in rules, place)
        }
    }
}
